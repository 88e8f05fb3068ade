/**
 * The HTTP API as this page uses it: same origin, session cookie, every request with a deadline.
 *
 * Errors of the server come as problem documents (RFC 9457) and leave here as ApiError; "no valid session" is status 401.
 */

import type { Entry, QueueFrame, RunFault, RunStatus, Verdict } from "../core/protocol";
import type { Ticket } from "../core/connection";

/** Below which path runs are read: all of one's own, or what a share link shows. */
let root = "/v1";

/** Read runs as the visitor of a share link from now on. */
export function readAsVisitor(shareId: string): void {
  root = `/v1/shared/${shareId}`;
}

/** Deadline of one request, milliseconds: the server's own limit for reading a request. */
const REQUEST_LIMIT_MS = 10_000;

export interface Agent {
  readonly name: string;
  readonly description?: string;
  readonly available?: boolean;
  readonly unavailable_reason?: string;
  readonly input_schema?: unknown;
  /** Whether a run of it can begin behind an entry of another. */
  readonly forkable?: boolean;
  /** Whether its runs say that they use a browser; others may use one all the same. */
  readonly needs_browser?: boolean;
}

/** A run as `GET /v1/runs/{run_id}` shows it; a visitor sees no conversation and no `retry_of`. */
export interface RunRecord {
  readonly id: string;
  readonly agent: string;
  readonly thread_id?: string;
  readonly status: RunStatus;
  readonly input?: unknown;
  readonly created_ms?: number;
  readonly started_ms?: number | null;
  readonly ended_ms?: number | null;
  readonly verdict?: Verdict | null;
  readonly error?: RunFault | null;
  readonly retry_of?: string | null;
  /** Set for a fork: the entry of `retry_of` behind which it began. */
  readonly from_seq?: number | null;
  /** The run that took this one's place in its conversation. */
  readonly rolled_back_by?: string;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly titled: boolean;
  readonly active_ms: number;
  readonly runs: number;
  readonly live: number;
  readonly last_run: { readonly run_id: string; readonly agent: string; readonly status: RunStatus; readonly verdict?: Verdict } | null;
  /** The words around what a search has found. */
  readonly snippet?: string;
}

export interface Me {
  readonly user: string;
  readonly admin: boolean;
  /** Whether this server lets its users make share links. */
  readonly share_links: boolean;
}

/** `GET /v1/status`, as far as the page reads it; times in seconds, null where nothing was measured yet. */
export interface ServerStatus {
  readonly version: string;
  readonly uptime_s: number;
  readonly draining: boolean;
  readonly problems: readonly string[];
  readonly queue: { readonly queued: number; readonly running: number; readonly max_running: number; readonly wait_p95_s: number | null };
  readonly runs: readonly { readonly run_id: string; readonly agent: string; readonly user: string; readonly age_s: number; readonly last_seq: number | null }[];
  readonly sockets: { readonly open: number; readonly closed: Readonly<Record<string, number>> };
  readonly writer: { readonly commit_p99_s: number | null; readonly storage_failures: number; readonly wal_bytes: number };
  readonly process: { readonly resident_bytes: number; readonly descriptors: number; readonly stuck_threads: number; readonly loop_lag_p99_s: number | null };
  readonly browsers: {
    readonly leased: number; readonly parked: number; readonly launches: number; readonly warm_ratio: number;
    readonly browsers: readonly { readonly number: number; readonly health: string; readonly leased: number; readonly runs: number; readonly errors: number; readonly size_bytes: number; readonly age_s: number }[];
  };
}

/** `GET /v1/queue`, as far as the page reads it. */
export interface QueueView {
  readonly agents: readonly { readonly agent: string; readonly queued: number; readonly running: number; readonly max_running: number; readonly blocked: string | null }[];
  /** What operators hold back; `agent` null means everything. */
  readonly paused: readonly { readonly agent: string | null; readonly by: string }[];
  readonly users: readonly { readonly user: string; readonly queued: number; readonly running: number }[];
  /** The own runs that wait. */
  readonly data: readonly QueueFrame[];
}

export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
    this.name = "ApiError";
  }
}

/** Ask the server. Raises ApiError, or what `fetch` raises where it cannot be reached in time. */
export async function request(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<Response> {
  const response = await fetch(path, {
    method,
    credentials: "same-origin",
    cache: "no-store",
    signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
    headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw await problem(response);
  return response;
}

async function problem(response: Response): Promise<ApiError> {
  const fallback = `The server answered ${response.status}.`;
  try {
    const document = (await response.json()) as { code?: string; detail?: string; title?: string };
    return new ApiError(response.status, document.code ?? "", document.detail ?? document.title ?? fallback);
  } catch {
    return new ApiError(response.status, "", fallback); // a proxy's page, not a problem document: the status says it all
  }
}

/** Exchange the printed link's code, or a token, for the session cookie. Raises ApiError (401: not valid). */
export async function login(credentials: { readonly code: string } | { readonly token: string }): Promise<void> {
  await request("POST", "/v1/login", credentials);
}

/** Get a ticket for one socket; "refused" where there is no session. Raises ApiError or a network error otherwise. */
export async function ticket(): Promise<Ticket> {
  try {
    const answer = (await (await request("POST", `${root}/tickets`, {})).json()) as { ticket: string };
    return { kind: "ticket", ticket: answer.ticket };
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return { kind: "refused" };
    throw error;
  }
}

/** List the agents. */
export async function agents(): Promise<readonly Agent[]> {
  return ((await (await request("GET", "/v1/agents")).json()) as { data: Agent[] }).data;
}

/** Say who is signed in. */
export async function me(): Promise<Me> {
  return (await (await request("GET", "/v1/me")).json()) as Me;
}

/** End the session. */
export async function logout(): Promise<void> {
  await request("POST", "/v1/logout", {});
}

/** List the own conversations, newest activity first, or those that hold all of `words`. */
export async function conversations(limit: number, words: string): Promise<readonly Conversation[]> {
  const query = new URLSearchParams({ limit: String(limit), ...(words ? { q: words } : {}) });
  return ((await (await request("GET", `/v1/threads?${query.toString()}`)).json()) as { data: Conversation[] }).data;
}

/** Give a conversation a title, or null for its first words. */
export async function renameConversation(id: string, title: string | null): Promise<void> {
  await request("PATCH", `/v1/threads/${id}`, { title });
}

/** Delete a conversation with everything in it, its live runs included. */
export async function deleteConversation(id: string): Promise<void> {
  await request("DELETE", `/v1/threads/${id}?force=1`);
}

/** Say what the server does. Raises ApiError with status 403 for who is no admin. */
export async function serverStatus(): Promise<ServerStatus> {
  return (await (await request("GET", "/v1/status")).json()) as ServerStatus;
}

/** Say what waits. */
export async function queueView(): Promise<QueueView> {
  return (await (await request("GET", "/v1/queue")).json()) as QueueView;
}

/** Pause or resume the queue, or one agent in it. */
export async function pauseQueue(paused: boolean, agent?: string): Promise<void> {
  await request("POST", `/v1/queue/${paused ? "pause" : "resume"}`, agent === undefined ? {} : { agent });
}

/** Return the address of a conversation as a file. */
export function exportHref(id: string, format: "markdown" | "json" | "zip"): string {
  return `/v1/threads/${id}/export?format=${format}`;
}

/** Return the address of all of a run's artifacts as one archive. */
export function artifactsHref(runId: string): string {
  return `${root}/runs/${runId}/artifacts.zip`;
}

/** Return the address of what a browser run has recorded of its steps. */
export function traversalHref(runId: string): string {
  return `${root}/runs/${runId}/traversal`;
}

/** Return where an artifact is read, given its address in the log. */
export function artifactHref(url: string): string {
  return url.replace(/^\/v1(?=\/)/, root);
}

/** List the runs of one conversation, oldest first; of a very long one the newest 100. Visitors need not name it. */
export async function turns(threadId: string): Promise<readonly RunRecord[]> {
  const path = root === "/v1" ? `/v1/threads/${threadId}` : `${root}/runs`;
  const page = (await (await request("GET", `${path}?limit=100`)).json()) as { data: RunRecord[] };
  return page.data.slice().reverse();
}

/** Read a page of a run's entries, those behind `after`; `next` is where the following page begins, null for none. */
export async function entries(runId: string, after: number): Promise<{ readonly data: readonly Entry[]; readonly next: number | null }> {
  return (await (await request("GET", `${root}/runs/${runId}/events?after=${after}`)).json()) as { data: Entry[]; next: number | null };
}

/** Read one run. Raises ApiError with status 404 for an unknown or foreign one. */
export async function run(runId: string): Promise<RunRecord> {
  return (await (await request("GET", `${root}/runs/${runId}`)).json()) as RunRecord;
}

/** Return what went wrong as a sentence for a person. */
export function describe(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") return "The server did not answer in time.";
  if (error instanceof TypeError) return "The server cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}
