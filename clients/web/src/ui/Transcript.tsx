/** What the run said and did, as a virtual list: a few dozen rows are in the page, however long the run is. */

import { useMemo, useState } from "preact/hooks";
import type { Row } from "../core/rows";
import { TranscriptModel } from "../core/transcript-model";
import type { RunView } from "../core/view";
import type { RunSession } from "../app/run-session";
import { Icon } from "./Icon";
import { ItemRow } from "./ItemRow";
import { pickedStep, selection } from "./selection";
import { useStickyScroll } from "./useStickyScroll";

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
        <Input session={session} />
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

/** What was asked for. It is not in the log (an agent's log is what the agent says) but belongs above it. */
function Input({ session }: { session: RunSession }) {
  const input = session.record.value?.input;
  const [whole, setWhole] = useState(false);
  if (input === undefined || input === null) return null;
  if (typeof input === "string") return <div class="bubble asked">{input}</div>;
  return (
    <div class="asked">
      <button class="fold-head" aria-expanded={whole} onClick={() => setWhole(!whole)}><Icon name="chevron" /><strong>Input</strong></button>
      {whole && <pre class="fold-code">{JSON.stringify(input, null, 2)}</pre>}
    </div>
  );
}

function lastAnswer(view: RunView): string {
  for (let position = view.items.length - 1; position >= 0 && position > view.items.length - 20; position--) {
    const item = view.items[position];
    if (item?.kind === "message" && item.role !== "user") return item.text;
  }
  return "";
}
