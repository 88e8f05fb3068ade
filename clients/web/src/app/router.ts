/** Which part of the page is shown, as its address says: `#/`, `#/runs/<id>`, `#/runs/<id>?seq=<n>` (a replay's moment), `#/server`. */

import { signal } from "@preact/signals";
import { isRunId } from "../core/ids";

export type Route =
  | { readonly page: "home" }
  | { readonly page: "server" }
  | { readonly page: "run"; readonly runId: string; readonly seq: number | null };

/** Read an address' fragment; anything unknown is the home page. */
export function parseRoute(hash: string): Route {
  if (hash === "#/server") return { page: "server" };
  const match = /^#\/runs\/([a-z0-9]+)(?:\?seq=(\d{1,15}))?$/.exec(hash);
  const runId = match?.[1];
  if (!runId || !isRunId(runId)) return { page: "home" };
  return { page: "run", runId, seq: match[2] === undefined ? null : Number(match[2]) };
}

/** Return the address of a run, at a moment of it if `seq` is given. */
export function runHref(runId: string, seq?: number): string {
  return `#/runs/${runId}${seq === undefined ? "" : `?seq=${seq}`}`;
}

export const route = signal<Route>(parseRoute(location.hash));

/** Follow the address from now on. Called once. */
export function watchAddress(): void {
  addEventListener("hashchange", () => (route.value = parseRoute(location.hash)));
}

export function go(href: string): void {
  location.hash = href;
}

/**
 * Take the login code out of the address (`/login#code=…`), so that neither history nor a copied address holds it.
 *
 * Returns the code, or null if the address has none.
 */
export function takeLoginCode(): string | null {
  const code = /^#code=([A-Za-z0-9._~-]{1,512})$/.exec(location.hash)?.[1] ?? null;
  if (code !== null || location.pathname !== "/") history.replaceState(null, "", code === null ? `/${location.hash}` : "/");
  route.value = parseRoute(location.hash);
  return code;
}
