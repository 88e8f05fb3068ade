/**
 * A run's view while a batch of entries is being worked in: copied once per batch, changed in place, then frozen again.
 *
 * This keeps `reduce` pure for its callers and linear for a run of 50,000 entries. Used by `reducer.ts` and `reduce-event.ts`
 * only. Pure.
 */

import type { Entry } from "./protocol";
import type { Artifact, Item, RunView } from "./view";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type ItemOf<K extends Item["kind"]> = Extract<Item, { kind: K }>;

export interface Draft extends Mutable<Omit<RunView, "items" | "open" | "steps" | "artifacts">> {
  items: Item[];
  open: Map<string, number>;
  steps: number[];
  artifacts: Map<string, Artifact>;
  /** Positions whose item is this batch's own copy and may be changed in place. */
  readonly owned: Set<number>;
}

/** Return a copy of `view` that may be changed. */
export function draftOf(view: RunView): Draft {
  return {
    ...view, items: view.items.slice(), open: new Map(view.open), steps: view.steps.slice(), artifacts: new Map(view.artifacts),
    owned: new Set(),
  };
}

/** Return the finished view; the draft must not be used afterwards. */
export function freeze(draft: Draft): RunView {
  const { owned: _owned, ...view } = draft;
  return view;
}

/** Append an item made from `entry` and return its position; with `id` it can be found again by `find`. */
export function append<K extends Item["kind"]>(
  draft: Draft, entry: Entry, kind: K, fields: Omit<ItemOf<K>, "kind" | "key" | "seq" | "tsMs">, id?: string,
): number {
  const position = draft.items.length;
  draft.items.push({ kind, key: `${kind}-${entry.seq}`, seq: entry.seq, tsMs: entry.ts_ms, ...fields } as unknown as Item);
  draft.owned.add(position);
  if (id !== undefined) draft.open.set(`${kind}:${id}`, position);
  return position;
}

/** Return the open item of this kind and id, ready to be changed, or null. */
export function find<K extends Item["kind"]>(draft: Draft, kind: K, id: string): Mutable<ItemOf<K>> | null {
  const position = draft.open.get(`${kind}:${id}`);
  return position === undefined ? null : own<K>(draft, position);
}

/** Return the item at `position`, ready to be changed. */
export function own<K extends Item["kind"]>(draft: Draft, position: number): Mutable<ItemOf<K>> {
  const item = draft.items[position];
  if (!item) throw new RangeError(`no item at ${position}`);
  if (!draft.owned.has(position)) {
    draft.items[position] = { ...item };
    draft.owned.add(position);
  }
  return draft.items[position] as Mutable<ItemOf<K>>;
}

/** Move the item at `from` behind all others; positions that were taken down are corrected. */
export function moveToEnd(draft: Draft, from: number): void {
  const last = draft.items.length - 1;
  for (let position = from; position <= last; position++) own(draft, position);
  draft.items.push(...draft.items.splice(from, 1));
  const moved = (position: number) => (position === from ? last : position > from ? position - 1 : position);
  for (const [id, position] of draft.open) draft.open.set(id, moved(position));
  for (let number = draft.steps.length - 1; (draft.steps[number] ?? -1) > from; number--) draft.steps[number] = moved(draft.steps[number] ?? 0);
}

/** Forget that this item may still change. */
export function close(draft: Draft, kind: Item["kind"], id: string): void {
  draft.open.delete(`${kind}:${id}`);
}
