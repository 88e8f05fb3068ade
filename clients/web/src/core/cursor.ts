/** Exactly once, by `seq`: which entries of a frame are new, and whether one is missing (protocol S4, S7). Pure. */

import type { Entry } from "./protocol";

export interface Accepted {
  /** Entries not seen before, in order, without a hole. */
  readonly fresh: readonly Entry[];
  /** The last seq held after taking them. */
  readonly after: number;
  /** True if an entry beyond `after + 1` came: something was lost, and the log must be asked for again. */
  readonly gap: boolean;
}

/** Take `entries` behind the last held seq `after`; duplicates are dropped, nothing behind a hole is taken. */
export function accept(after: number, entries: readonly Entry[]): Accepted {
  const first = entries[0];
  const last = entries[entries.length - 1];
  if (first && last && first.seq === after + 1 && last.seq === after + entries.length) {
    return { fresh: entries, after: last.seq, gap: false };
  }
  const fresh: Entry[] = [];
  let cursor = after;
  for (const entry of entries) {
    if (entry.seq <= cursor) continue;
    if (entry.seq !== cursor + 1) return { fresh, after: cursor, gap: true };
    fresh.push(entry);
    cursor = entry.seq;
  }
  return { fresh, after: cursor, gap: false };
}
