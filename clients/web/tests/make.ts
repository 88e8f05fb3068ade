/** Entries and frames for tests, shaped as the server sends them. */
import type { AguiEvent } from "../src/core/agui";
import type { Entry, StateData } from "../src/core/protocol";

export const RUN = "abcdefghijklmnopqrstuvwx";

/** Number a list of states and events from `first`, 10 ms apart. */
export function log(items: readonly (AguiEvent | StateData)[], first = 1): Entry[] {
  return items.map((data, index) => {
    const seq = first + index;
    const base = { run_id: RUN, seq, ts_ms: 1_000 + seq * 10 };
    return "type" in data
      ? { type: "event", ...base, data: data as AguiEvent }
      : { type: "state", ...base, data: data as StateData };
  });
}
export const queued: StateData = { status: "QUEUED", attempt: 1 };
export const running: StateData = { status: "RUNNING", attempt: 1 };
export const succeeded: StateData = { status: "SUCCEEDED", attempt: 1, result: "ok" };
export const start = (id: string): AguiEvent => ({ type: "TEXT_MESSAGE_START", messageId: id, role: "assistant" });
export const text = (id: string, delta: string): AguiEvent => ({ type: "TEXT_MESSAGE_CONTENT", messageId: id, delta });
export const end = (id: string): AguiEvent => ({ type: "TEXT_MESSAGE_END", messageId: id });

/** A clock that only a test moves. */
export class ManualClock {
  private time = 0;
  private timers: { at: number; callback: () => void }[] = [];
  now(): number {
    return this.time;
  }
  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.time + delayMs, callback };
    this.timers.push(timer);
    return () => void (this.timers = this.timers.filter((other) => other !== timer));
  }
  /** Move on by `ms`, firing what is due in order. */
  advance(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      const due = this.timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.time = due.at;
      due.callback();
    }
    this.time = until;
  }
}
