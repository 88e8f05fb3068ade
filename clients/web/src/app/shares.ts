/** Share links over the HTTP API: an owner's own, and the one that a visitor has come by. */

import { request } from "./api";

/** What a link leads to: one run, or one conversation. */
export interface Target {
  readonly run_id?: string;
  readonly thread_id?: string;
}
export interface Share {
  readonly id: string;
  readonly run_id: string | null;
  readonly thread_id: string | null;
  /** Unix milliseconds. */
  readonly expires_ms: number;
}

/** Make a link; returns its whole address, which the server shows this once. Raises ApiError. */
export async function makeShare(target: Target, expiresS: number): Promise<string> {
  const answer = (await (await request("POST", "/v1/shares", { ...target, expires_s: expiresS })).json()) as { path: string };
  return location.origin + answer.path;
}

/** List the own links to these, newest first. Raises ApiError. */
export async function listShares(targets: readonly Target[]): Promise<readonly Share[]> {
  const lists = await Promise.all(targets.map(async (target) => {
    const query = new URLSearchParams({ ...target });
    return ((await (await request("GET", `/v1/shares?${query.toString()}`)).json()) as { data: Share[] }).data;
  }));
  return lists.flat();
}

/** End a link. Raises ApiError. */
export async function revokeShare(id: string): Promise<void> {
  await request("DELETE", `/v1/shares/${id}`);
}

/** Open a link by its secret; the server answers with a cookie for what it shows. Raises ApiError (401: it has ended). */
export async function openShare(link: string): Promise<Share> {
  return (await (await request("POST", "/v1/shared", { link })).json()) as Share;
}

/** Say what a link that was opened here before leads to. Raises ApiError (401: it has ended). */
export async function readShare(id: string): Promise<Share> {
  return (await (await request("GET", `/v1/shared/${id}`)).json()) as Share;
}
