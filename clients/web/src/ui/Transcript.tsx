/** What the run said and did, as a virtual list: a few dozen rows are in the page, however long the run is. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Row } from "../core/rows";
import { TranscriptModel } from "../core/transcript-model";
import type { RunView } from "../core/view";
import { EarlierTurns } from "../app/earlier";
import type { RunSession } from "../app/run-session";
import { problem, turns } from "../app/store";
import { Asked } from "./Asked";
import { Icon } from "./Icon";
import { ItemRow } from "./ItemRow";
import { pickedStep, selection } from "./selection";
import { useStickyScroll, type StickyScroll } from "./useStickyScroll";

interface Props {
  readonly session: RunSession;
  /** Called with the function that brings a row of an item into sight. */
  readonly onReady: (show: (itemPosition: number) => void) => void;
}

export function Transcript({ session, onReady }: Props) {
  const view = session.shown.value;
  const model = useMemo(() => new TranscriptModel(), [session]);
  useMemo(() => model.update(view.items), [model, view.items]);
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const sticky = useStickyScroll(model);
  onReady((position) => sticky.toRow(model.rowOf(position)));

  const toggle = useMemo(() => (key: string) => setExpanded((before) => {
    const after = new Set(before);
    if (!after.delete(key)) after.add(key);
    return after;
  }), [session]);
  const select = useMemo(() => (row: Row) => void (selection.value = row.item.seq), [session]);
  const pickedSeq = pickedStep(view, selection.value)?.step.seq ?? null;
  const rows = model.rows.slice(sticky.window.first, sticky.window.last + 1);
  return (
    <div class="transcript-box">
      <div ref={sticky.scroller} class="transcript" tabIndex={0} role="region" aria-label="Transcript">
        <Before session={session} sticky={sticky} />
        <Asked input={session.record.value?.input} />
        <div ref={sticky.list} class="rows">
          {rows.map((row, number) => (
            <div key={row.key} class={`row row-${row.item.kind}${row.isFirst ? " first" : ""}`} data-row={sticky.window.first + number}>
              <ItemRow row={row} expanded={expanded.has(row.key)} selected={row.item.seq === pickedSeq}
                artifact={row.item.kind === "artifact" ? view.artifacts.get(row.item.id) : undefined}
                answer={row.item.kind === "life" ? lastAnswer(view) : ""} onToggle={toggle} onSelect={select} />
            </div>
          ))}
        </div>
        {session.loading.value && <p class="quiet pad">Loading the log…</p>}
      </div>
      {!sticky.stuck && (
        <button class="button latest" id="to-latest" onClick={sticky.toEnd}><Icon name="down" />Jump to latest{sticky.fresh > 0 ? ` (${sticky.fresh} new)` : ""}</button>
      )}
    </div>
  );
}

type EarlierPart = typeof import("./Earlier").Earlier;

/** The earlier runs of the conversation, if it has any; their code is loaded then. */
function Before({ session, sticky }: { session: RunSession; sticky: StickyScroll }) {
  const [part, setPart] = useState<{ readonly Shown: EarlierPart } | null>(null);
  const earlier = useMemo(() => new EarlierTurns(session.runId), [session]);
  const isAny = turns.value.findIndex((run) => run.id === session.runId) > 0;
  useEffect(() => {
    if (isAny && !part) import("./Earlier").then(({ Earlier }) => setPart({ Shown: Earlier }), () => (problem.value = "The page could not load a part of itself. Reload it."));
  }, [isAny]);
  return isAny && part ? <part.Shown earlier={earlier} scroller={sticky.scroller} isStuck={sticky.isStuck} /> : null;
}

/** The text of the last answer near the end, which a result need not repeat. */
export function lastAnswer(view: RunView): string {
  for (let position = view.items.length - 1; position >= 0 && position > view.items.length - 20; position--) {
    const item = view.items[position];
    if (item?.kind === "message" && item.role !== "user") return item.text;
  }
  return "";
}
