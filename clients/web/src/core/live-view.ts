/**
 * One live view of a run's browser: opened, opened again after a cut, and the control of the page that a person may take.
 *
 * A view belongs to its socket: with the socket it is gone, and with it any control. Runs on the page's thread; knows no page.
 */

import { asNumber, asText } from "./agui";
import type { Cancel, Clock } from "./clock";
import type { Command, PageInput, ViewEndFrame, ViewFrame } from "./protocol";
import { CommandError } from "./run-client";
import { readPicture, type Picture } from "./view-frame";

/** Pause before a view that could not be opened now is asked for again, milliseconds. */
const AGAIN_MS = 1_500;
/** How old the known end of one's own lease may become while one works, milliseconds: inputs renew it without an answer. */
const LEASE_AGE_MS = 10_000;

export interface LiveState {
  /** `closed`: nobody wants it; `opening`: asked for, or cut off; `open`: pictures come; `refused` and `ended` are final. */
  readonly phase: "closed" | "opening" | "open" | "refused" | "ended";
  /** Who has control; "" for the agent. */
  readonly holder: string;
  /** Whether it is this view that has control. */
  readonly mine: boolean;
  /** When the lease ends if nothing is done, by the clock; 0 if nobody holds it. */
  readonly untilMs: number;
  /** True while the server is asked for control. */
  readonly asking: boolean;
  /** What a person should know: why it was refused, or that control is lost. */
  readonly notice: string;
}

export const CLOSED: LiveState = { phase: "closed", holder: "", mine: false, untilMs: 0, asking: false, notice: "" };

/** What a view needs of the page's socket. */
export interface ViewPort {
  command(command: Command): Promise<Readonly<Record<string, unknown>>>;
  /** Send without waiting for an answer; nothing happens while there is no socket. */
  tell(command: Command): void;
}

export interface LiveListener {
  onState(state: LiveState): void;
  onPicture(picture: Picture): void;
}

export class LiveView {
  private now: LiveState = CLOSED;
  private view: number | null = null;
  private cancelAgain: Cancel = () => undefined;
  private attempt = 0;
  private leaseMs = 0;
  private leaseKnownMs = 0;

  constructor(
    private readonly runId: string, private readonly name: string, private readonly port: ViewPort, private readonly clock: Clock,
    private readonly listener: LiveListener,
  ) {}

  get state(): LiveState {
    return this.now;
  }

  /** Want pictures from now on. */
  open(): void {
    if (this.now.phase === "closed") this.ask();
  }

  /** Want none any more; control goes back. */
  close(): void {
    this.cancelAgain();
    this.attempt += 1; // an answer that is still on its way opens nothing
    if (this.view !== null) this.port.tell({ op: "view.close", view: this.view });
    this.view = null;
    if (this.now.phase !== "ended" && this.now.phase !== "refused") this.set({ ...CLOSED, notice: this.now.notice });
  }

  /** Take control, or learn why not. */
  async take(): Promise<void> {
    await this.control("take");
  }

  /** Give control back to the agent. */
  async give(): Promise<void> {
    await this.control("give");
  }

  /** Do something to the page; nothing happens without control. */
  use(input: PageInput): void {
    if (!this.now.mine || this.view === null) return;
    this.port.tell({ op: "view.input", view: this.view, input });
    this.set({ untilMs: this.clock.now() + this.leaseMs });
    if (this.clock.now() - this.leaseKnownMs > LEASE_AGE_MS) this.askLease();
  }

  /** The socket is there (again); nothing is open on it. */
  onLive(): void {
    if (this.now.phase === "opening") this.ask();
  }

  /** The socket is gone, and the view with it. */
  onLost(): void {
    this.cancelAgain();
    this.attempt += 1;
    this.view = null;
    if (this.now.phase !== "open" && this.now.phase !== "opening") return;
    this.set({ ...CLOSED, phase: "opening", notice: this.now.mine ? "The connection was lost: the agent has control again." : this.now.notice });
  }

  onBinary(message: ArrayBuffer): void {
    const picture = readPicture(message);
    if (picture && picture.view === this.view) this.listener.onPicture(picture);
  }

  onFrame(frame: ViewFrame | ViewEndFrame): void {
    if (frame.view !== this.view) return;
    if (frame.type === "view") return this.onControl(frame);
    this.view = null;
    this.set({ ...CLOSED, phase: "ended" });
  }

  private ask(): void {
    const mine = ++this.attempt;
    this.set({ phase: "opening" });
    this.port.command({ op: "view.open", run_id: this.runId, ...(this.name ? { name: this.name } : {}) }).then(
      (reply) => this.onOpened(mine, reply),
      (error: unknown) => this.onRefused(mine, error),
    );
  }

  private onOpened(attempt: number, reply: Readonly<Record<string, unknown>>): void {
    const view = asNumber(reply["view"]) ?? 0;
    if (attempt !== this.attempt) return this.port.tell({ op: "view.close", view });
    this.view = view;
    this.set({ phase: "open" });
    this.onControl(reply);
  }

  private onRefused(attempt: number, error: unknown): void {
    if (!(error instanceof CommandError)) throw error;
    if (attempt !== this.attempt) return;
    if (!error.fault.retryable) return this.set({ phase: "refused", notice: error.message });
    this.cancelAgain = this.clock.after(AGAIN_MS, () => this.ask());
  }

  /** Work in who has control. Only its end can take one's own away: another view of the same person has the same name. */
  private onControl(facts: { readonly control?: unknown; readonly holder?: unknown; readonly lease_s?: unknown }): void {
    if (facts.control !== "PERSON") {
      const lost = this.now.mine && !this.now.asking;
      return this.set({ holder: "", mine: false, untilMs: 0, ...(lost ? { notice: "Control went back to the agent." } : {}) });
    }
    this.leaseMs = (asNumber(facts.lease_s) ?? 0) * 1_000;
    this.leaseKnownMs = this.clock.now();
    this.set({ holder: asText(facts.holder) || "Somebody", untilMs: this.clock.now() + this.leaseMs });
  }

  private async control(action: "take" | "give"): Promise<void> {
    const view = this.view;
    if (view === null || this.now.asking) return;
    this.set({ asking: true, notice: "" });
    try {
      const reply = await this.port.command({ op: "view.control", view, action });
      if (view === this.view) this.set({ mine: action === "take" });
      this.onAnswer(view, reply);
    } catch (error) {
      this.onControlRefused(view, error);
    } finally {
      this.set({ asking: false });
    }
  }

  /** Ask how long the lease is now, which may be less than at first: people have a run for so long in sum. */
  private askLease(): void {
    const view = this.view;
    if (view === null) return;
    this.leaseKnownMs = this.clock.now();
    this.port.command({ op: "view.control", view, action: "take" }).then(
      (reply) => this.now.mine && this.onAnswer(view, reply),
      (error: unknown) => this.onControlRefused(view, error),
    );
  }

  private onAnswer(view: number, reply: Readonly<Record<string, unknown>>): void {
    if (view === this.view) this.onControl(reply);
  }

  private onControlRefused(view: number, error: unknown): void {
    if (!(error instanceof CommandError)) throw error;
    if (view === this.view) this.set({ notice: error.message });
  }

  private set(change: Partial<LiveState>): void {
    this.now = { ...this.now, ...change };
    this.listener.onState(this.now);
  }
}
