/** The earlier runs of the conversation, above the open one: read as somebody looks there, drawn as far as they are seen. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { statusWords } from "../core/format";
import { isTerminal } from "../core/protocol";
import { TurnsModel, type Anchor, type TurnRow } from "../core/turns-model";
import { MAX_TURNS, type EarlierTurns, type Turn } from "../app/earlier";
import { go, runHref } from "../app/router";
import { turns } from "../app/store";
import { Asked } from "./Asked";
import { ItemRow } from "./ItemRow";
import { StatusDot } from "./Status";
import { lastAnswer } from "./Transcript";

/** How far above the upper edge the next run is read, CSS pixels. */
const READ_AHEAD = "400px";

interface Props {
  readonly earlier: EarlierTurns;
  /** What scrolls. */
  readonly scroller: { readonly current: HTMLDivElement | null };
  /** Whether the end of the open run is followed: then nothing else is kept in place. */
  readonly isStuck: { readonly current: boolean };
}

export function Earlier({ earlier, scroller, isStuck }: Props) {
  const shown = earlier.turns.value;
  const { list, drawn, model } = useTurns(shown, scroller, isStuck);
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const toggle = (key: string) => setExpanded((before) => {
    const after = new Set(before);
    if (!after.delete(key)) after.add(key);
    return after;
  });
  const rows = model.rows.slice(drawn.first, drawn.last + 1);
  return (
    <div class="earlier">
      <Upwards earlier={earlier} scroller={scroller} />
      <div ref={list} class="earlier-rows" aria-label="Earlier runs" role="group">
        {rows.map((each, number) => (
          <div key={each.key} class={each.row ? `row row-${each.row.item.kind}${each.row.isFirst ? " first" : ""}` : "row row-turn"} data-row={drawn.first + number}>
            {each.row ? <PastRow each={each} expanded={expanded.has(each.key)} onToggle={toggle} /> : <TurnHead turn={each.turn} earlier={earlier} />}
          </div>
        ))}
      </div>
    </div>
  );
}

/** The upper end: reads on as soon as it comes into sight. */
function Upwards({ earlier, scroller }: Pick<Props, "earlier" | "scroller">) {
  const edge = useRef<HTMLDivElement>(null);
  const all = turns.value;
  const isNext = earlier.next(all) !== undefined;
  const isFull = !isNext && earlier.turns.value.length >= MAX_TURNS && earlier.turns.value[0]?.number !== 1;
  const busy = earlier.busy.value;
  const failed = earlier.problem.value !== "";
  useEffect(() => {
    if (!edge.current || !isNext || busy || failed) return;
    const seen = new IntersectionObserver((changes) => {
      if (changes.some((change) => change.isIntersecting)) void earlier.readNext(all);
    }, { root: scroller.current, rootMargin: `${READ_AHEAD} 0px 0px 0px` });
    seen.observe(edge.current);
    return () => seen.disconnect();
  }, [earlier, all, isNext, busy, failed, earlier.turns.value]);
  return (
    <div ref={edge} class="upwards">
      {failed && <p class="problem" role="alert">{earlier.problem.value} <button class="button small" onClick={() => void earlier.readNext(all)}>Try again</button></p>}
      {isFull && <p class="quiet">The {MAX_TURNS} runs before this one are shown. Open an earlier one above to read on.</p>}
    </div>
  );
}

function TurnHead({ turn, earlier }: { turn: Turn; earlier: EarlierTurns }) {
  const { record, number } = turn;
  const words = statusWords(record.status, record.verdict);
  return (
    <>
      <div class="turn-head">
        <StatusDot status={record.status} verdict={record.verdict} />
        <a href={runHref(record.id)}>Run {number}</a>
        <span>{record.rolled_back_by ? "rolled back" : words.label.toLowerCase()}</span>
        {!isTerminal(record.status) && <span>· open it to follow it</span>}
        {turn.isCut && <span>· it is long: open it to see all of it</span>}
        {record.rolled_back_by && <button class="button small" aria-expanded={turn.view !== null} disabled={earlier.busy.value} onClick={() => void earlier.toggle(turn)}>{turn.view ? "Hide" : "Show"}</button>}
      </div>
      {(turn.view || !record.rolled_back_by) && <Asked input={record.input} />}
    </>
  );
}

function PastRow({ each, expanded, onToggle }: { each: TurnRow<Turn>; expanded: boolean; onToggle: (key: string) => void }) {
  const { row, turn } = each;
  if (!row || !turn.view) return null;
  return (
    <ItemRow row={row} past expanded={expanded} selected={false}
      artifact={row.item.kind === "artifact" ? turn.view.artifacts.get(row.item.id) : undefined}
      answer={row.item.kind === "life" ? lastAnswer(turn.view) : ""}
      onToggle={() => onToggle(each.key)} onSelect={() => go(runHref(turn.id))} />
  );
}

/** Draws a window of the list, and keeps what is read in place while rows are measured and runs come in above. */
function useTurns(shown: readonly Turn[], scroller: Props["scroller"], isStuck: Props["isStuck"]) {
  const list = useRef<HTMLDivElement>(null);
  const anchor = useRef<Anchor | null>(null);
  const [, redraw] = useState(0);
  const model = useMemo(() => new TurnsModel<Turn>(), []);
  const topNow = () => (scroller.current?.scrollTop ?? 0) - (list.current?.offsetTop ?? 0);
  useMemo(() => {
    if (list.current) anchor.current ??= model.anchor(topNow());
    model.set(shown);
  }, [model, shown]);
  const height = scroller.current?.clientHeight ?? 800;
  const drawn = model.window(anchor.current ? model.find(anchor.current) : topNow(), height);

  const settle = () => {
    const box = scroller.current;
    const body = list.current;
    if (!box || !body) return;
    const held = anchor.current ?? model.anchor(topNow());
    anchor.current = null;
    for (const element of body.children as unknown as Iterable<HTMLElement>) model.measure(Number(element.dataset["row"]), element.offsetHeight);
    const before = topNow();
    body.style.paddingTop = `${model.offset(drawn.first)}px`;
    body.style.paddingBottom = `${Math.max(0, model.total - model.offset(drawn.last + 1))}px`;
    const moved = model.find(held) - before;
    if (isStuck.current) box.scrollTop = box.scrollHeight;
    else if (Math.abs(moved) >= 1) box.scrollTop += moved;
    const next = model.window(topNow(), box.clientHeight);
    if (next.first < drawn.first || next.last > drawn.last) redraw((count) => count + 1);
  };
  useLayoutEffect(settle);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    let width = box.clientWidth;
    const look = () => redraw((count) => count + 1);
    const resized = new ResizeObserver(() => {
      if (box.clientWidth === width) return;
      width = box.clientWidth;
      model.forgetHeights();
      look();
    });
    resized.observe(box);
    box.addEventListener("scroll", look, { passive: true });
    return () => {
      box.removeEventListener("scroll", look);
      resized.disconnect();
    };
  }, [model]);
  return { list, drawn, model };
}
