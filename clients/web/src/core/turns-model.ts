/**
 * The earlier runs of a conversation as one list of rows, and what part of it is to be drawn for a given scroll position.
 *
 * Unlike `transcript-model.ts` it changes seldom (a run is put in front, or shown after all), and then as a whole. What is read
 * is kept in place by an anchor: taken before a change, found again after it. Pure; heights and positions are CSS pixels.
 */

import { HeightIndex } from "./heights";
import { estimateHeight, RowIndex, type Row } from "./rows";
import { MAX_DRAWN, OVERSCAN_PX, type Window } from "./transcript-model";
import type { RunView } from "./view";

/** An earlier run, as far as its rows need it. */
export interface Shown {
  readonly id: string;
  /** Null for a run that is only named. */
  readonly view: RunView | null;
}
export interface TurnRow<T extends Shown> {
  readonly key: string;
  readonly turn: T;
  /** Null for the run's head. */
  readonly row: Row | null;
}
/** A place in the list: so far below the beginning of a row, or, without a row, below the list's end. */
export interface Anchor {
  readonly key: string | null;
  readonly below: number;
}

const HEAD_PX = 90;

export class TurnsModel<T extends Shown> {
  rows: readonly TurnRow<T>[] = [];
  private heights = new HeightIndex();
  private readonly measured = new Map<string, number>();
  private readonly made = new WeakMap<RunView, readonly Row[]>();

  /** Take the runs to be shown, the oldest first. */
  set(turns: readonly T[]): void {
    this.rows = turns.flatMap((turn) => [
      { key: turn.id, turn, row: null },
      ...(turn.view ? this.rowsOf(turn.view) : []).map((row) => ({ key: `${turn.id} ${row.key}`, turn, row })),
    ]);
    this.heights = new HeightIndex();
    for (const { key, row } of this.rows) this.heights.push(this.measured.get(key) ?? (row ? estimateHeight(row) : HEAD_PX));
  }

  private rowsOf(view: RunView): readonly Row[] {
    const known = this.made.get(view);
    if (known) return known;
    const index = new RowIndex();
    index.update(view.items);
    this.made.set(view, index.rows);
    return index.rows;
  }

  /** Note the drawn height of a row. */
  measure(position: number, height: number): void {
    const row = this.rows[position];
    if (!row) return;
    this.measured.set(row.key, height);
    this.heights.set(position, height);
  }

  /** Forget all measured heights: the width has changed. */
  forgetHeights(): void {
    this.measured.clear();
  }

  /** Return the rows to draw where `top` to `top + height` of the list is seen; none where the list is out of sight. */
  window(top: number, height: number): Window {
    if (this.rows.length === 0 || top - OVERSCAN_PX >= this.total || top + height + OVERSCAN_PX <= 0) return { first: 0, last: -1 };
    const first = this.heights.find(top - OVERSCAN_PX);
    return { first, last: Math.min(this.heights.find(top + height + OVERSCAN_PX), first + MAX_DRAWN - 1) };
  }

  offset(position: number): number {
    return this.heights.offset(position);
  }

  get total(): number {
    return this.heights.total;
  }

  /** Return what stands at `top`. */
  anchor(top: number): Anchor {
    if (top >= this.total) return { key: null, below: top - this.total };
    const position = this.heights.find(top);
    return { key: this.rows[position]?.key ?? null, below: top - this.offset(position) };
  }

  /** Return where an anchor stands now. */
  find(anchor: Anchor): number {
    const position = anchor.key === null ? -1 : this.rows.findIndex((row) => row.key === anchor.key);
    return (position < 0 ? this.total : this.offset(position)) + anchor.below;
  }
}
