/**
 * Rows and their heights together: what part of a transcript is to be drawn for a given scroll position.
 *
 * Heights are guessed first and measured when drawn; a measured row keeps its height by key when the list changes. Pure.
 */

import { HeightIndex } from "./heights";
import { estimateHeight, RowIndex, type Row } from "./rows";
import type { Item } from "./view";

/** Drawn beyond each edge of what is seen, CSS pixels. */
export const OVERSCAN_PX = 200;
/** Never more rows at once than this, however small they are. */
export const MAX_DRAWN = 40;

export interface Window {
  /** First and last row to be drawn; last < first for none. */
  readonly first: number;
  readonly last: number;
}

export class TranscriptModel {
  private readonly index = new RowIndex();
  private readonly heights = new HeightIndex();
  private readonly measured = new Map<string, number>();

  get rows(): readonly Row[] {
    return this.index.rows;
  }

  /** Take the items of another view of the same run. */
  update(items: readonly Item[]): void {
    const from = this.index.update(items);
    this.heights.truncate(from);
    for (const row of this.rows.slice(from)) this.heights.push(this.measured.get(row.key) ?? estimateHeight(row));
  }

  /** Note the drawn height of a row; returns the difference to what was held before. */
  measure(position: number, height: number): number {
    const row = this.rows[position];
    if (!row) return 0;
    this.measured.set(row.key, height);
    return this.heights.set(position, height);
  }

  /** Forget all measured heights: the width has changed. */
  forgetHeights(): void {
    this.measured.clear();
  }

  /** Return the rows to draw where `top` to `top + height` of the list is seen. */
  window(top: number, height: number): Window {
    if (this.rows.length === 0) return { first: 0, last: -1 };
    const first = this.heights.find(top - OVERSCAN_PX);
    const last = this.heights.find(top + height + OVERSCAN_PX);
    return { first, last: Math.min(last, first + MAX_DRAWN - 1) };
  }

  /** Return where row `position` begins. */
  offset(position: number): number {
    return this.heights.offset(position);
  }

  get total(): number {
    return this.heights.total;
  }

  /** Return the position of an item's first row. */
  rowOf(itemPosition: number): number {
    return this.index.rowOf(itemPosition);
  }
}
