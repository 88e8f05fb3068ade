/**
 * The page's one socket: asks for a ticket, opens, authenticates, notices silence, comes back.
 *
 * Drives `connection-table.ts`; what it needs from the world (ticket, socket, clock, randomness) is handed in. Knows frames
 * only as far as telling `hello` from the rest; what they mean is `run-client.ts`'s business.
 */

import type { Cancel, Clock } from "./clock";
import { closeRule, resumeDelayMs, type CloseRule } from "./close-codes";
import { nextState, type ConnectionEvent, type ConnectionState } from "./connection-table";
import { parseFrame, type Frame, type HelloFrame } from "./protocol";

/** Time that a ticket, an upgrade and a greeting may each take, milliseconds (the server's own limit is 10 s). */
export const STEP_LIMIT_MS = 10_000;
/** Silence after which a socket is held for dead, milliseconds: two and a half heartbeats. */
export const SILENCE_LIMIT_MS = 25_000;
/** Time that a socket has to show life after the page woke up, milliseconds. A guess: a slow mobile network's round trip. */
export const PROBE_LIMIT_MS = 3_000;

export type Ticket = { readonly kind: "ticket"; readonly ticket: string } | { readonly kind: "refused" };

/** The part of a WebSocket that is used here. */
export interface SocketLike {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface ConnectionWorld {
  /** Ask for a ticket; rejects if the server cannot be reached or fails. */
  readonly ticket: () => Promise<Ticket>;
  readonly open: () => SocketLike;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
}

export interface ConnectionListener {
  onState(state: ConnectionState, why: CloseRule | null): void;
  onHello(frame: HelloFrame): void;
  onFrame(frame: Frame): void;
  /** A binary message; `onmessage` must give it as an ArrayBuffer. */
  onBinary(message: ArrayBuffer): void;
  /** Whether frames are due, so that silence means a dead socket and an end as idle means "come back". */
  expectsFrames(): boolean;
}

export class Connection {
  private current: ConnectionState = "idle";
  private socket: SocketLike | null = null;
  private cancelTimer: Cancel = () => undefined;
  private cancelProbe: Cancel = () => undefined;
  private heardAt = 0;
  private tries = 0;
  private denials = 0;
  private delayMs = 0;
  private ticketText = "";
  private askNumber = 0;
  private closed: CloseRule | null = null;

  constructor(private readonly world: ConnectionWorld, private readonly listener: ConnectionListener) {}

  get state(): ConnectionState {
    return this.current;
  }

  /** How long nothing was heard, milliseconds. */
  get silentMs(): number {
    return this.world.clock.now() - this.heardAt;
  }

  /** Make sure that a socket is there or on its way. */
  need(): void {
    this.fire("need");
  }

  /** Try again after `stopped`, `signed_out` or in the middle of a wait. */
  retry(): void {
    this.tries = 0;
    this.denials = 0;
    this.fire("retry");
  }

  /** The page is visible or online again: end a wait, or check that a live socket really lives. */
  wake(): void {
    if (this.current !== "live") return void this.fire("wake");
    if (!this.listener.expectsFrames()) return;
    const asked = this.world.clock.now();
    this.send('{"id":"probe","op":"ping"}');
    this.cancelProbe();
    this.cancelProbe = this.world.clock.after(PROBE_LIMIT_MS, () => {
      if (this.current === "live" && this.heardAt <= asked) this.lose(1006);
    });
  }

  /** Send `text`; false if the socket is not live (the caller sends again after the next `hello`). */
  send(text: string): boolean {
    if (this.current !== "live" || !this.socket) return false;
    this.socket.send(text);
    return true;
  }

  private fire(event: ConnectionEvent): boolean {
    const next = nextState(this.current, event);
    if (next === null) return false;
    this.cancelTimer();
    this.cancelProbe();
    this.current = next;
    this.enter(next);
    return true;
  }

  private enter(state: ConnectionState): void {
    if (state !== "opening" && state !== "greeting" && state !== "live") this.dropSocket();
    this.listener.onState(state, this.closed);
    if (this.current !== state) return; // the listener moved us on
    if (state === "ticket") this.askTicket();
    else if (state === "opening") this.openSocket();
    else if (state === "greeting") this.socket?.send(JSON.stringify({ op: "auth", ticket: this.ticketText }));
    else if (state === "live") return this.watchSilence(SILENCE_LIMIT_MS);
    const limit = state === "waiting" ? this.delayMs : STEP_LIMIT_MS;
    if (state === "waiting" || state === "ticket" || state === "opening" || state === "greeting") {
      this.cancelTimer = this.world.clock.after(limit, () => this.onElapsed());
    }
  }

  private onElapsed(): void {
    if (this.current !== "waiting") this.planDelay(closeRule(1006));
    this.fire("elapsed");
  }

  private askTicket(): void {
    const isCurrent = this.answersOnce();
    this.world.ticket().then(
      (answer) => {
        if (!isCurrent()) return;
        if (answer.kind === "refused") return void this.fire("refused");
        this.ticketText = answer.ticket;
        this.fire("ticket");
      },
      () => {
        // Whatever went wrong (no network, a server that fails), the answer is the same: come back later.
        if (isCurrent()) this.lose(1006);
      },
    );
  }

  /** Return a test that says whether the question asked now is still the latest, asked in the present state. */
  private answersOnce(): () => boolean {
    const mine = ++this.askNumber;
    return () => mine === this.askNumber && this.current === "ticket";
  }

  private openSocket(): void {
    const socket = this.world.open();
    this.socket = socket;
    socket.onopen = () => this.fire("opened");
    socket.onmessage = (event) => this.onMessage(event.data);
    socket.onclose = (event) => this.lose(event.code);
  }

  private onMessage(data: unknown): void {
    this.heardAt = this.world.clock.now();
    if (data instanceof ArrayBuffer) return this.listener.onBinary(data);
    if (typeof data !== "string") return;
    const frame = parseFrame(data);
    if (frame === null) return;
    if (frame.type !== "hello") return this.listener.onFrame(frame);
    this.tries = 0;
    this.denials = 0;
    this.closed = null;
    if (this.fire("hello")) this.listener.onHello(frame);
  }

  private lose(code: number): void {
    const closed = closeRule(code);
    this.closed = closed;
    this.planDelay(closed);
    if (closed.action === "stop") this.fire("barred");
    else if (closed.action === "reauthenticate") this.fire(++this.denials > 1 ? "refused" : "denied");
    else if (this.current === "live" && !this.listener.expectsFrames()) this.fire("parked");
    else this.fire("lost");
  }

  private planDelay(closed: CloseRule): void {
    this.delayMs = resumeDelayMs(closed, this.tries, this.world.random());
    this.tries += 1;
  }

  private watchSilence(delayMs: number): void {
    this.cancelTimer = this.world.clock.after(delayMs, () => {
      const { silentMs } = this;
      if (!this.listener.expectsFrames()) {
        this.heardAt = this.world.clock.now();
        this.watchSilence(SILENCE_LIMIT_MS);
      } else if (silentMs >= SILENCE_LIMIT_MS) this.lose(1006);
      else this.watchSilence(SILENCE_LIMIT_MS - silentMs);
    });
  }

  private dropSocket(): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
