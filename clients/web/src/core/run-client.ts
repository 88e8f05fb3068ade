/**
 * Commands and followed runs on top of one connection: whatever the socket does, each entry reaches its sink exactly once.
 *
 * Every command sent here may be sent twice without harm (a run id is its own idempotency key, a cancel stays a cancel, a
 * second answer is told who won), so what has no reply when a socket dies is simply sent again on the next one. Commands of
 * a live view are not: a view ends with its socket.
 * Runs on the page's thread; knows no page.
 */

import type { Cancel } from "./clock";
import { closeRule, resumeDelayMs, type CloseRule } from "./close-codes";
import { Connection, type ConnectionListener, type ConnectionWorld } from "./connection";
import type { ConnectionState } from "./connection-table";
import { accept } from "./cursor";
import type { Command, ConnectedFrame, Entry, Frame, HelloFrame, QueueFrame, ReplyError, ReplyFrame, ResetFrame, RetryCommand, StartCommand, ViewEndFrame, ViewFrame } from "./protocol";

/** Commands that may wait for a reply at once; more are refused. Below the server's burst of 64 messages. */
export const MAX_PENDING = 32;

/** Who reads a followed run. Calls come in the order of the frames. */
export interface RunSink {
  onConnected(frame: ConnectedFrame): void;
  /** What was shown so far is not valid any more; the log comes again from `first_seq`. */
  onReset(frame: ResetFrame): void;
  /** New entries, in order, without a hole, none of them twice. */
  onEntries(entries: readonly Entry[]): void;
  onQueue(frame: QueueFrame): void;
  /** The run is not followed any more; `done` means that all of it was received. */
  onEnd(rule: CloseRule): void;
  /** The run cannot be followed (unknown, foreign, …). */
  onRefused(error: ReplyError): void;
}

/** Who reads the live view of the page; there is one at most. What a view is belongs to its socket. */
export interface ViewSink {
  onLive(): void;
  onLost(): void;
  onBinary(message: ArrayBuffer): void;
  onFrame(frame: ViewFrame | ViewEndFrame): void;
}

/** A command that the server refused. */
export class CommandError extends Error {
  constructor(readonly fault: ReplyError) {
    super(fault.message);
    this.name = "CommandError";
  }
}

interface Pending {
  readonly id: string;
  readonly command: Command;
  /** Whether it was ever handed to a socket. */
  posted: boolean;
  readonly resolve: (result: Readonly<Record<string, unknown>>) => void;
  readonly reject: (error: Error) => void;
}

interface Follow {
  readonly runId: string;
  readonly sink: RunSink;
  after: number;
  epoch: string | null;
  /** True from the moment a follow is asked for until its `connected`: frames of the older cursor are ignored. */
  asking: boolean;
  refusals: number;
  cancelRetry: Cancel;
}

export interface RunClientListener {
  onState(state: ConnectionState, why: CloseRule | null): void;
  onHello(frame: HelloFrame): void;
}

/** Return the id of the run that a command makes. */
function startedBy(command: StartCommand | RetryCommand): string {
  return command.op === "run.start" ? command.run_id : command.new_run_id;
}

export class RunClient implements ConnectionListener {
  readonly connection: Connection;
  /** Set while a live view is on the page. */
  viewSink: ViewSink | null = null;
  private readonly pending = new Map<string, Pending>();
  private readonly follows = new Map<string, Follow>();
  private commandNumber = 0;

  constructor(private readonly world: ConnectionWorld, private readonly listener: RunClientListener) {
    this.connection = new Connection(world, this);
  }

  /**
   * Send a command; resolves with the result of its reply.
   *
   * Waits as long as it takes to reach the server. Rejects with CommandError if the server refuses it or too many wait.
   */
  command(command: Command): Promise<Readonly<Record<string, unknown>>> {
    if (this.pending.size >= MAX_PENDING) {
      return Promise.reject(new CommandError({ code: "too_many_commands", message: "Too many commands wait for the server.", retryable: true }));
    }
    return new Promise((resolve, reject) => {
      const entry: Pending = { id: `c${++this.commandNumber}`, command, posted: false, resolve, reject };
      this.pending.set(entry.id, entry);
      this.connection.need();
      this.post(entry);
    });
  }

  /** Send a command of a view whose answer nobody needs; without a live socket there is no view that it could mean. */
  tell(command: Command): void {
    this.connection.send(JSON.stringify({ id: "view", ...command }));
  }

  /** Start or repeat a run under the id that its maker chose, and follow it from the first entry. Rejects with CommandError. */
  async start(command: StartCommand | RetryCommand, sink: RunSink): Promise<void> {
    const runId = startedBy(command);
    this.addFollow(runId, sink).asking = true; // the reply is followed by `connected`, without a run.follow
    try {
      await this.command(command);
    } catch (error) {
      this.forget(runId);
      throw error;
    }
  }

  /** Follow a run from its first entry; a second follow of the same run replaces the first. */
  follow(runId: string, sink: RunSink): void {
    const follow = this.addFollow(runId, sink);
    this.connection.need();
    this.ask(follow);
  }

  /** Stop following; the run goes on. */
  unfollow(runId: string): void {
    if (!this.forget(runId)) return;
    if (this.connection.state === "live") this.drop(runId);
  }

  /** Tell the server not to send a run that was started here without being followed. */
  drop(runId: string): void {
    this.command({ op: "run.unfollow", run_id: runId }).catch(() => undefined); // refused: it is not followed, as wanted
  }

  expectsFrames(): boolean {
    return this.pending.size > 0 || this.follows.size > 0;
  }

  onState(state: ConnectionState, why: CloseRule | null): void {
    if (state !== "live") this.loseViews();
    this.listener.onState(state, why);
  }

  onHello(frame: HelloFrame): void {
    this.listener.onHello(frame);
    const starting = new Set<string>(); // a run that starts now is followed by its start
    for (const entry of [...this.pending.values()]) {
      const { command } = entry;
      if (command.op === "run.follow" || command.op === "run.unfollow") {
        this.settle(entry.id)?.resolve({});
        continue;
      }
      if ((command.op === "run.start" || command.op === "run.retry") && !entry.posted) starting.add(startedBy(command));
      this.post(entry);
    }
    for (const follow of this.follows.values()) if (!starting.has(follow.runId)) this.ask(follow);
    this.viewSink?.onLive();
  }

  onBinary(message: ArrayBuffer): void {
    this.viewSink?.onBinary(message);
  }

  /** What was asked about views of a socket that is gone has no answer any more. */
  private loseViews(): void {
    for (const { id, command } of [...this.pending.values()]) {
      if (!command.op.startsWith("view.")) continue;
      this.settle(id)?.reject(new CommandError({ code: "connection_lost", message: "The connection was lost.", retryable: true }));
    }
    this.viewSink?.onLost();
  }

  onFrame(frame: Frame): void {
    if (frame.type === "reply") return this.onReply(frame);
    if (frame.type === "view" || frame.type === "view_end") return this.viewSink?.onFrame(frame);
    const follow = "run_id" in frame && frame.run_id ? this.follows.get(frame.run_id) : undefined;
    if (!follow) return; // a frame of a run that was left a moment ago
    switch (frame.type) {
      case "connected":
        follow.asking = false;
        follow.refusals = 0;
        follow.epoch = frame.epoch;
        return follow.sink.onConnected(frame);
      case "reset":
        follow.after = frame.first_seq - 1;
        return follow.sink.onReset(frame);
      case "event":
      case "state":
        return this.onEntries(follow, [frame]);
      case "batch":
        return this.onEntries(follow, frame.entries);
      case "heartbeat":
        if (!follow.asking && (frame.last_seq ?? 0) > follow.after) this.ask(follow);
        return;
      case "queue":
        return follow.sink.onQueue(frame);
      case "end":
        return this.onEnd(follow, frame.code);
    }
  }

  private addFollow(runId: string, sink: RunSink): Follow {
    this.forget(runId);
    const follow: Follow = { runId, sink, after: 0, epoch: null, asking: false, refusals: 0, cancelRetry: () => undefined };
    this.follows.set(runId, follow);
    return follow;
  }

  private forget(runId: string): boolean {
    this.follows.get(runId)?.cancelRetry();
    return this.follows.delete(runId);
  }

  private post(entry: Pending): void {
    if (this.connection.send(JSON.stringify({ id: entry.id, ...entry.command }))) entry.posted = true;
  }

  private settle(id: string): Pending | undefined {
    const entry = this.pending.get(id);
    this.pending.delete(id);
    return entry;
  }

  private onReply(frame: ReplyFrame): void {
    const entry = this.settle(frame.id);
    if (!entry) return; // the answer to a probe
    if (frame.ok) entry.resolve(frame.result ?? {});
    else entry.reject(new CommandError(frame.error ?? { code: "unknown", message: "The server refused the command." }));
  }

  /** Ask for the log behind the cursor. Without a live socket nothing happens: `onHello` asks for every followed run. */
  private ask(follow: Follow): void {
    follow.cancelRetry();
    if (this.connection.state !== "live") return;
    follow.asking = true;
    const resume = follow.epoch === null ? {} : { after: follow.after, epoch: follow.epoch };
    this.command({ op: "run.follow", run_id: follow.runId, batch: true, ...resume }).catch((error: unknown) => {
      if (this.follows.get(follow.runId) === follow) this.onFollowRefused(follow, error);
    });
  }

  private onFollowRefused(follow: Follow, error: unknown): void {
    if (!(error instanceof CommandError)) throw error;
    if (error.fault.retryable) return this.askLater(follow, closeRule(1013));
    this.forget(follow.runId);
    follow.sink.onRefused(error.fault);
  }

  private askLater(follow: Follow, rule: CloseRule): void {
    const delayMs = resumeDelayMs(rule, follow.refusals++, this.world.random());
    follow.cancelRetry = this.world.clock.after(delayMs, () => this.ask(follow));
  }

  private onEntries(follow: Follow, entries: readonly Entry[]): void {
    if (follow.asking) return;
    const accepted = accept(follow.after, entries);
    follow.after = accepted.after;
    if (accepted.fresh.length > 0) follow.sink.onEntries(accepted.fresh);
    if (accepted.gap) this.ask(follow);
  }

  private onEnd(follow: Follow, code: number): void {
    if (follow.asking) return;
    const rule = closeRule(code);
    if (rule.action === "resume") return this.askLater(follow, rule);
    if (rule.action === "reauthenticate") return; // the socket itself is closed with the same code
    this.forget(follow.runId);
    follow.sink.onEnd(rule);
  }
}
