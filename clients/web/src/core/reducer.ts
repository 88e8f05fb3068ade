/**
 * The log becomes the view: `reduce(view, entries)`. Pure; the same entries give the same view, whether they come live, in
 * batches, after a reconnect or in a replay.
 */

import { append, draftOf, freeze, own, type Draft } from "./draft";
import { isTerminal, type Entry, type StateEntry } from "./protocol";
import { reduceEvent } from "./reduce-event";
import type { RunView } from "./view";

/**
 * Return `view` with `entries` worked in.
 *
 * `entries` are in order of seq; those that the view already contains are passed over, so applying twice changes nothing.
 */
export function reduce(view: RunView, entries: readonly Entry[]): RunView {
  const draft = draftOf(view);
  for (const entry of entries) {
    if (entry.seq <= draft.lastSeq) continue;
    draft.lastSeq = entry.seq;
    draft.lastMs = entry.ts_ms;
    if (entry.type === "state") reduceState(draft, entry);
    else reduceEvent(draft, entry);
  }
  return freeze(draft);
}

function reduceState(draft: Draft, entry: StateEntry): void {
  const state = entry.data;
  const attempt = state.attempt ?? draft.attempt;
  if (state.status === "QUEUED") draft.queuedMs ??= entry.ts_ms;
  if (state.status === "RUNNING") draft.startedMs ??= entry.ts_ms;
  const again = state.status === "QUEUED" && draft.status !== null;
  if (again || isTerminal(state.status)) closeAll(draft, entry);
  if (isTerminal(state.status)) {
    draft.endedMs = entry.ts_ms;
    draft.terminal = state;
  }
  draft.status = state.status;
  draft.attempt = attempt;
  if (again || isTerminal(state.status)) append(draft, entry, "life", { state });
}

/** Nothing that was open goes on after the end of an attempt: the cursor stops blinking, a running step was stopped. */
function closeAll(draft: Draft, entry: Entry): void {
  for (const [id, position] of draft.open) {
    const kind = id.slice(0, id.indexOf(":"));
    if (kind === "message") own<"message">(draft, position).open = false;
    else if (kind === "reasoning" || kind === "tool") {
      const item = own<"reasoning" | "tool">(draft, position);
      item.open = false;
      item.endedMs ??= entry.ts_ms;
    } else if (kind === "step") {
      const step = own<"step">(draft, position);
      if (step.status === "RUNNING") step.status = "STOPPED";
    }
  }
  draft.open.clear();
}
