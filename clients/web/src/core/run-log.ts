/**
 * The entries of one run as this page holds them, for the raw view and for replays.
 *
 * Bounded: beyond MAX_ENTRIES the rest is shown live but not kept. Grows in place. Pure otherwise.
 */

import type { Entry } from "./protocol";
import { reduce } from "./reducer";
import { emptyView, type RunView } from "./view";

/** A fifth of the server's own limit; about 60 MB of short events. A guess. */
export const MAX_ENTRIES = 200_000;
/** A view is kept for every so many entries, so that jumping about in a replay stays cheap. */
const CHECKPOINT = 2_000;

export class RunLog {
  readonly entries: Entry[] = [];
  /** How many entries have come that are not kept. */
  dropped = 0;
  private checkpoints: RunView[];

  constructor(private readonly runId: string, private readonly limit = MAX_ENTRIES) {
    this.checkpoints = [emptyView(runId)];
  }

  /** Append entries that follow the last one. */
  push(entries: readonly Entry[]): void {
    const room = this.limit - this.entries.length;
    for (const entry of entries.slice(0, room)) this.entries.push(entry);
    this.dropped += Math.max(0, entries.length - room);
  }

  clear(): void {
    this.entries.length = this.dropped = 0;
    this.checkpoints = [emptyView(this.runId)];
  }

  /** Return how many of the entries have a seq of at most `seq`. */
  countUpTo(seq: number): number {
    const first = this.entries[0]?.seq ?? 1;
    return Math.max(0, Math.min(this.entries.length, seq - first + 1)); // the log has no hole
  }

  /** Return the view as it was when entry `seq` had just come; `near` is any earlier view that may be built upon. */
  viewAt(seq: number, near?: RunView): RunView {
    const count = this.countUpTo(seq);
    const wanted = Math.min(Math.floor(count / CHECKPOINT), this.checkpoints.length - 1);
    let view = this.checkpoints[wanted] ?? emptyView(this.runId);
    if (near && near.lastSeq <= seq && near.lastSeq > view.lastSeq) view = near;
    let at = this.countUpTo(view.lastSeq);
    while (at < count) {
      const stop = Math.min(count, (Math.floor(at / CHECKPOINT) + 1) * CHECKPOINT);
      view = reduce(view, this.entries.slice(at, stop));
      at = stop;
      if (at === this.checkpoints.length * CHECKPOINT) this.checkpoints.push(view);
    }
    return view;
  }
}
