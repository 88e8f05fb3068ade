/**
 * The HTTP API as this page uses it: same origin, session cookie, every request with a deadline.
 *
 * Errors of the server come as problem documents (RFC 9457) and leave here as ApiError; "no valid session" is status 401.
 */

import type { RunFault, RunStatus, Verdict } from "../core/protocol";
import type { Ticket } from "../core/connection";

/** Deadline of one request, milliseconds: the server's own limit for reading a request. */
const REQUEST_LIMIT_MS = 10_000;

export interface Agent {
  readonly name: string;
  readonly description?: string;
  readonly available?: boolean;
  readonly unavailable_reason?: string;
  readonly input_schema?: unknown;
}

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
}

export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
    this.name = "ApiError";
  }
}

async function request(method: "GET" | "POST", path: string, body?: unknown): Promise<Response> {
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
    const answer = (await (await request("POST", "/v1/tickets", {})).json()) as { ticket: string };
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

/** List the own runs, newest first. */
export async function runs(limit: number): Promise<readonly RunRecord[]> {
  return ((await (await request("GET", `/v1/runs?limit=${limit}`)).json()) as { data: RunRecord[] }).data;
}

/** Read one run. Raises ApiError with status 404 for an unknown or foreign one. */
export async function run(runId: string): Promise<RunRecord> {
  return (await (await request("GET", `/v1/runs/${runId}`)).json()) as RunRecord;
}
