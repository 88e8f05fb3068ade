/** Which part of the page is shown, as its address says: `#/`, `#/runs/<id>`, `#/runs/<id>?seq=<n>` (a replay's moment), `#/server`, and the saved tests. */

import { signal } from "@preact/signals";
import { isRunId } from "../core/ids";

export type Route =
  | { readonly page: "home" }
  | { readonly page: "server" }
  | { readonly page: "tests" }
  | { readonly page: "test"; readonly testId: string }
  /** A test that is not saved yet; `runId`: made of what that run was given. */
  | { readonly page: "new_test"; readonly runId: string | null }
  | { readonly page: "run"; readonly runId: string; readonly seq: number | null };

/** Read an address' fragment; anything unknown is the home page. */
export function parseRoute(hash: string): Route {
  if (hash === "#/server") return { page: "server" };
  if (hash === "#/tests") return { page: "tests" };
  const test = /^#\/tests\/([a-z0-9][a-z0-9_-]{0,63})$/.exec(hash)?.[1];
  if (test) return { page: "test", testId: test };
  const made = /^#\/new-test(?:\?run=([a-z0-9]{8,64}))?$/.exec(hash);
  if (made) return { page: "new_test", runId: made[1] ?? null };
  const match = /^#\/runs\/([a-z0-9]+)(?:\?seq=(\d{1,15}))?$/.exec(hash);
  const runId = match?.[1];
  if (!runId || !isRunId(runId)) return { page: "home" };
  return { page: "run", runId, seq: match[2] === undefined ? null : Number(match[2]) };
}

/** Return the address of a run, at a moment of it if `seq` is given. */
export function runHref(runId: string, seq?: number): string {
  return `#/runs/${runId}${seq === undefined ? "" : `?seq=${seq}`}`;
}

/** Return the address of a saved test. */
export function testHref(testId: string): string {
  return `#/tests/${testId}`;
}

/** Return the address of a test to be made of what a run was given. */
export function newTestHref(runId: string): string {
  return `#/new-test?run=${runId}`;
}

export const route = signal<Route>(parseRoute(location.hash));

/** Follow the address from now on. Called once. */
export function watchAddress(): void {
  addEventListener("hashchange", readAddress);
}

/** Take the address as it is now. */
export function readAddress(): void {
  route.value = parseRoute(location.hash);
}

export function go(href: string): void {
  location.hash = href;
}

/** What the address says of a share link: its secret (`/shared#link=…`), or that it was opened before (`/shared/<id>`). */
export type LinkAddress = { readonly link: string } | { readonly shareId: string };

/** Read a share link's address; null for any other. */
export function linkAddress(pathname: string, hash: string): LinkAddress | null {
  const link = pathname === "/shared" ? /^#link=([A-Za-z0-9_-]{1,200})$/.exec(hash)?.[1] : undefined;
  if (link) return { link };
  const shareId = /^\/shared\/([a-z0-9]{1,64})$/.exec(pathname)?.[1];
  if (shareId) return { shareId };
  return pathname.startsWith("/shared") ? { link: "" } : null;
}

/** Take a link's secret out of the address once it was opened: a copied address then gives nothing away. */
export function settleLink(shareId: string): void {
  const hash = location.hash.startsWith("#link=") ? "" : location.hash;
  history.replaceState(null, "", `/shared/${shareId}${hash}`);
  readAddress();
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
