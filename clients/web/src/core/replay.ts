/**
 * A replay's clock: which entry is the latest one at a moment of the run's own time. Pure.
 *
 * The run's time is milliseconds since its first entry, by the server's clock; where that stepped back, time stands still.
 */

import type { Entry } from "./protocol";

export const SPEEDS = [1, 2, 5, 10, 20, 50] as const;
export type Speed = (typeof SPEEDS)[number];

export interface Replay {
  readonly playing: boolean;
  readonly speed: Speed;
  /** The run's time, ms. */
  readonly atMs: number;
  /** The latest entry shown; 0 before the first. */
  readonly seq: number;
}

/** Return the run's time at which entry number `index` (from 0) came. */
export function timeOf(entries: readonly Entry[], index: number): number {
  const first = entries[0]?.ts_ms ?? 0;
  const entry = entries[Math.max(0, Math.min(index, entries.length - 1))];
  return Math.max(0, (entry?.ts_ms ?? first) - first);
}

/** Return how long the run took, ms. */
export function lengthMs(entries: readonly Entry[]): number {
  return timeOf(entries, entries.length - 1);
}

/** Return the replay `elapsedMs` of real time later; it pauses at the end. */
export function advance(replay: Replay, entries: readonly Entry[], elapsedMs: number): Replay {
  if (!replay.playing) return replay;
  const atMs = replay.atMs + elapsedMs * replay.speed;
  const first = entries[0]?.seq ?? 1;
  let index = Math.max(0, replay.seq - first + 1);
  while (index < entries.length && timeOf(entries, index) <= atMs) index += 1;
  const ended = index >= entries.length;
  return { ...replay, atMs: ended ? lengthMs(entries) : atMs, seq: first + index - 1, playing: !ended };
}

/** Return the replay at entry `seq`; playing goes on from there if it was. */
export function seek(replay: Replay, entries: readonly Entry[], seq: number): Replay {
  const first = entries[0]?.seq ?? 1;
  const last = entries[entries.length - 1]?.seq ?? 0;
  const target = Math.max(first - 1, Math.min(seq, last));
  return { ...replay, seq: target, atMs: target < first ? 0 : timeOf(entries, target - first) };
}

/** Start playing, from the beginning if the end was reached. */
export function play(replay: Replay, entries: readonly Entry[]): Replay {
  const last = entries[entries.length - 1]?.seq ?? 0;
  return { ...(replay.seq >= last ? seek(replay, entries, 0) : replay), playing: entries.length > 0 };
}
