/**
 * The transcript as a flat list of rows: one for each item, several for a long message (one for each of its blocks).
 *
 * `RowIndex` keeps what did not change: a row of a settled block is the same object for ever, so a component may skip it.
 * Pure; knows no page.
 */

import { NO_BLOCKS, splitBlocks, type Block, type BlockState } from "./blocks";
import type { Item } from "./view";

export interface Row {
  readonly key: string;
  readonly item: Item;
  /** Set for a part of a message. */
  readonly block: Block | null;
  readonly isFirst: boolean;
  /** True while the row's text may still grow. */
  readonly live: boolean;
}

export class RowIndex {
  rows: Row[] = [];
  private items: readonly Item[] = [];
  /** Position in `rows` of each item's first row. */
  private firstRow: number[] = [];
  private readonly blocks = new Map<string, BlockState>();
  private readonly blockRows = new WeakMap<Block, Row>();

  /** Take the items of a newer view and return the position of the first row that may differ from before. */
  update(items: readonly Item[]): number {
    if (items === this.items) return this.rows.length;
    const known = Math.min(items.length, this.items.length);
    let first = 0;
    while (first < known && items[first] === this.items[first]) first += 1;
    const from = this.firstRow[first] ?? this.rows.length;
    if (items.length < this.items.length) this.forget(items.length);
    this.rows.length = from;
    this.firstRow.length = first;
    for (let position = first; position < items.length; position++) {
      this.firstRow.push(this.rows.length);
      const item = items[position];
      if (item) this.add(item);
    }
    this.items = items;
    return from;
  }

  /** Return the position of an item's first row. */
  rowOf(itemPosition: number): number {
    return this.firstRow[itemPosition] ?? 0;
  }

  private forget(length: number): void {
    for (const item of this.items.slice(length)) this.blocks.delete(item.key);
  }

  private add(item: Item): void {
    if (item.kind !== "message" || item.role === "user" || isStepReport(item.text)) {
      const live = "open" in item && item.open;
      this.rows.push({ key: item.key, item, block: null, isFirst: true, live });
      return;
    }
    const before = this.blocks.get(item.key) ?? NO_BLOCKS;
    const state = splitBlocks(item.text.length < before.at ? NO_BLOCKS : before, item.text, item.open);
    this.blocks.set(item.key, state);
    state.settled.forEach((block, number) => this.rows.push(this.settledRow(item, block, number === 0)));
    if (state.tail || state.settled.length === 0) {
      const block = state.tail ?? { start: state.at, text: "" };
      this.rows.push({ key: `${item.key}.${block.start}`, item, block, isFirst: state.settled.length === 0, live: item.open });
    }
  }

  private settledRow(item: Item, block: Block, isFirst: boolean): Row {
    const known = this.blockRows.get(block);
    if (known) return known;
    const row: Row = { key: `${item.key}.${block.start}`, item, block, isFirst, live: false };
    this.blockRows.set(block, row);
    return row;
  }
}

/** Whether a message only repeats the steps in words, line by line, as test agents do for readers of plain text. */
export function isStepReport(text: string): boolean {
  return /^Step \d+\/\d+ (?:PASSED|FAILED|SKIPPED)\b/.test(text);
}

/** Return a first guess of a row's height in CSS pixels, before it has been measured. */
export function estimateHeight(row: Row): number {
  const text = row.block?.text ?? ("text" in row.item ? row.item.text : "");
  const lines = row.block ? Math.ceil(text.length / 80) + text.split("\n").length - 1 : 1;
  switch (row.item.kind) {
    case "message":
      return row.item.role === "user" ? 56 + 22 * Math.ceil(text.length / 70) : 12 + 25 * Math.max(1, lines);
    case "artifact":
      return 220;
    case "life":
      return 90;
    default:
      return 46;
  }
}
