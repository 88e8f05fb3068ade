/**
 * The frames of the wire protocol, version 1, as this page sends and receives them (docs: protocol, sections 1, 3, 4).
 *
 * Holds types and the one parser that turns text into a frame. Pure: knows no socket, no clock and no page.
 */

import type { AguiEvent } from "./agui";

export type RunStatus = "QUEUED" | "RUNNING" | "WAITING" | "SUCCEEDED" | "FAILED" | "CANCELLED";
export type Verdict = "passed" | "failed";

const TERMINAL: ReadonlySet<string> = new Set<RunStatus>(["SUCCEEDED", "FAILED", "CANCELLED"]);

/** Whether a run in this status has ended (protocol L5). */
export function isTerminal(status: RunStatus): boolean {
  return TERMINAL.has(status);
}

export interface RunFault {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
}

export interface StateData {
  readonly status: RunStatus;
  readonly attempt: number;
  readonly reason?: string;
  readonly not_before_ms?: number;
  readonly result?: unknown;
  readonly verdict?: Verdict;
  readonly error?: RunFault;
  readonly usage?: Readonly<Record<string, unknown>>;
}

interface EntryBase {
  readonly run_id: string;
  /** 1, 2, 3, … without a hole. */
  readonly seq: number;
  /** Unix milliseconds. */
  readonly ts_ms: number;
}
export interface StateEntry extends EntryBase {
  readonly type: "state";
  readonly data: StateData;
}
export interface EventEntry extends EntryBase {
  readonly type: "event";
  readonly data: AguiEvent;
}
/** One item of a run's log. */
export type Entry = StateEntry | EventEntry;

export interface Limits {
  readonly message_bytes?: number;
}
export interface HelloFrame {
  readonly type: "hello";
  readonly protocol: string | number;
  readonly user: unknown;
  readonly heartbeat_s: number;
  readonly limits?: Limits;
}
export interface ReplyError {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
  readonly details?: unknown;
}
export interface ReplyFrame {
  readonly type: "reply";
  readonly id: string;
  readonly ok: boolean;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: ReplyError;
}
export interface ConnectedFrame {
  readonly type: "connected";
  readonly run_id: string;
  readonly status: RunStatus;
  readonly epoch: string;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly resumed: boolean;
}
export interface ResetFrame {
  readonly type: "reset";
  readonly run_id: string;
  readonly reason: "epoch" | "ahead" | "trimmed";
  readonly first_seq: number;
  readonly last_seq: number;
}
export interface BatchFrame {
  readonly type: "batch";
  readonly run_id: string;
  readonly first_seq: number;
  readonly entries: readonly Entry[];
}
export interface HeartbeatFrame {
  readonly type: "heartbeat";
  readonly run_id?: string;
  readonly last_seq?: number;
  readonly ts_ms: number;
}
export interface QueueFrame {
  readonly type: "queue";
  readonly run_id?: string;
  readonly position?: number;
  readonly size: number;
  /** Seconds; present only when measured. */
  readonly eta_s?: number;
  /** Why the run waits although its turn may have come. */
  readonly blocked?: string;
}
export interface EndFrame {
  readonly type: "end";
  readonly run_id: string;
  /** A close code of section 5. */
  readonly code: number;
}
export interface PongFrame {
  readonly type: "pong";
}
export type Frame =
  | HelloFrame
  | ReplyFrame
  | ConnectedFrame
  | ResetFrame
  | Entry
  | BatchFrame
  | HeartbeatFrame
  | QueueFrame
  | EndFrame
  | PongFrame;

const FRAME_TYPES: ReadonlySet<string> = new Set<Frame["type"]>([
  "hello", "reply", "connected", "reset", "event", "state", "batch", "heartbeat", "queue", "end", "pong",
]);

/**
 * Parse one text message of the server.
 *
 * Returns null for a frame whose type this page does not know (a later server may send more); throws SyntaxError if the
 * text is not a JSON object with a type, which a server that speaks this protocol never sends.
 */
export function parseFrame(text: string): Frame | null {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || typeof (value as { type?: unknown }).type !== "string") {
    throw new SyntaxError("a frame is a JSON object with a type");
  }
  return FRAME_TYPES.has((value as { type: string }).type) ? (value as Frame) : null;
}

/** The commands of section 4 that this page sends; `id` and `op` are added when one is sent. */
export type Command =
  | { readonly op: "run.start"; readonly run_id: string; readonly agent: string; readonly input: unknown; readonly thread_id?: string; readonly if_busy?: "enqueue" }
  | { readonly op: "run.follow"; readonly run_id: string; readonly after?: number; readonly epoch?: string; readonly batch: boolean }
  | { readonly op: "run.unfollow"; readonly run_id: string }
  | { readonly op: "run.cancel"; readonly run_id: string }
  | { readonly op: "run.respond"; readonly run_id: string; readonly request_id: string; readonly payload: unknown }
  | { readonly op: "run.send"; readonly run_id: string; readonly message: string; readonly message_id: string }
  | { readonly op: "ping" };
