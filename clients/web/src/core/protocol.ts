/**
 * The frames of the wire protocol, version 1, as this page sends and receives them (docs: protocol, sections 1, 3, 4).
 *
 * The types are those of `wire.ts`, generated from the server's schemas; here stands what the page adds to them, and the one
 * parser that turns text into a frame. Pure: knows no socket, no clock and no page.
 */

import type { AguiEvent } from "./agui";
import type * as wire from "./wire";

export type { RunStatus, StateData, StateEntry, Verdict } from "./wire";

const TERMINAL: ReadonlySet<string> = new Set<wire.RunStatus>(["SUCCEEDED", "FAILED", "CANCELLED"]);

/** Whether a run in this status has ended (protocol L5). */
export function isTerminal(status: wire.RunStatus): boolean {
  return TERMINAL.has(status);
}

export type RunFault = wire.FailureData;

/** An agent's word: `data` is checked field by field where it is used (`agui.ts`). */
export interface EventEntry extends Omit<wire.EventEntry, "data"> {
  readonly data: AguiEvent;
}
/** One item of a run's log. */
export type Entry = wire.StateEntry | EventEntry;

export type HelloFrame = wire.Hello;
export type ConnectedFrame = wire.Connected;
export type ResetFrame = wire.Reset;
export type HeartbeatFrame = wire.Heartbeat;
export type QueueFrame = wire.Queue;
export type EndFrame = wire.End;
export type PongFrame = wire.Pong;
/** Why a command was refused, by the server or, without its details, by this page. */
export type ReplyError = Pick<wire.ErrorObject, "code" | "message"> & Partial<wire.ErrorObject>;
/** The ids are this page's own, and it sends no command whose result is not an object. */
export interface ReplyFrame extends Omit<wire.Reply, "id" | "result"> {
  readonly id: string;
  readonly result?: Readonly<Record<string, unknown>>;
}
export interface BatchFrame extends Omit<wire.Batch, "entries"> {
  readonly entries: readonly Entry[];
}
export type ViewFrame = wire.View;
export type ViewEndFrame = wire.ViewEnd;
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
  | ViewFrame
  | ViewEndFrame
  | PongFrame;

const FRAME_TYPES: ReadonlySet<string> = new Set<Frame["type"]>([
  "hello", "reply", "connected", "reset", "event", "state", "batch", "heartbeat", "queue", "end", "view", "view_end", "pong",
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

/** What a person does to a viewed page. */
export type PageInput = wire.ViewInputCommand["input"];

type Sent<C> = Omit<C, "id">;
/** A start and a repetition under an id that was chosen here: it makes them safe to send twice. */
export type StartCommand = Sent<wire.RunStartCommand> & { readonly run_id: string };
export type RetryCommand = Sent<wire.RunRetryCommand> & { readonly new_run_id: string };
/** The commands of section 4 that this page sends; `id` is added when one is sent. */
export type Command =
  | StartCommand
  | RetryCommand
  | Sent<wire.RunFollowCommand>
  | Sent<wire.RunUnfollowCommand>
  | Sent<wire.RunCancelCommand>
  | Sent<wire.RunRespondCommand>
  | Sent<wire.RunSendCommand>
  | Sent<wire.ViewOpenCommand>
  | Sent<wire.ViewCloseCommand>
  | Sent<wire.ViewControlCommand>
  | Sent<wire.ViewInputCommand>
  | Sent<wire.PingCommand>;
