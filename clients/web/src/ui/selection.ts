/** Which step is being looked at: it keeps log, strip and picture together. */

import { signal } from "@preact/signals";
import type { RunView, StepItem } from "../core/view";

/** The seq of the selected step's first entry; null follows the latest step. */
export const selection = signal<number | null>(null);

export interface Picked {
  readonly step: StepItem;
  /** Position among the steps, from 0. */
  readonly number: number;
  /** Position among the view's items. */
  readonly position: number;
}

/**
 * Return the selected step of a view. If none is selected (or a replay has not come to it yet): the latest one, or, once the
 * run has ended, the first that failed, which is what a person came for.
 */
export function pickedStep(view: RunView, seq: number | null): Picked | null {
  let number = view.steps.length - 1;
  if (seq !== null) {
    const found = view.steps.findIndex((position) => view.items[position]?.seq === seq);
    if (found >= 0) number = found;
  } else if (view.terminal) {
    const failed = view.steps.findIndex((position) => isFailed(view, position));
    if (failed >= 0) number = failed;
  }
  const position = view.steps[number];
  const step = position === undefined ? undefined : view.items[position];
  return position !== undefined && step?.kind === "step" ? { step, number, position } : null;
}

function isFailed(view: RunView, position: number): boolean {
  const item = view.items[position];
  return item?.kind === "step" && item.status === "FAILED";
}

/** Select the step `by` places further; returns its position among the items, or null where there is none. */
export function moveSelection(view: RunView, by: number): number | null {
  const picked = pickedStep(view, selection.value);
  if (!picked) return null;
  const position = view.steps[Math.max(0, Math.min(view.steps.length - 1, picked.number + by))];
  const item = position === undefined ? undefined : view.items[position];
  if (position === undefined || !item) return null;
  selection.value = item.seq;
  return position;
}
