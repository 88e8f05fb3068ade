/**
 * The scrolling of a transcript: draws a window of rows, keeps what is read in place, follows the end as `stick.ts` says.
 *
 * After every drawing the rows are measured; where a row above the eye turned out taller or shorter, the scroll position moves
 * along (browsers do this themselves for some layouts only, and Safari for none).
 */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { followsEnd } from "../core/stick";
import type { TranscriptModel, Window } from "../core/transcript-model";

export interface StickyScroll {
  readonly scroller: { current: HTMLDivElement | null };
  readonly list: { current: HTMLDivElement | null };
  readonly window: Window;
  readonly stuck: boolean;
  /** The same, as it is at any moment. */
  readonly isStuck: { readonly current: boolean };
  /** Rows that came since the end was left. */
  readonly fresh: number;
  toEnd(): void;
  toRow(position: number): void;
}

export function useStickyScroll(model: TranscriptModel): StickyScroll {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  const leftAt = useRef(0);
  const lastTop = useRef(0);
  const [, redraw] = useState(0);
  const drawn = windowNow(model, scroller.current, list.current, stuck.current);

  /** Measure what is drawn, keep the eye's place, and draw again if other rows are needed now. */
  const settle = () => {
    const box = scroller.current;
    const body = list.current;
    if (!box || !body) return;
    const top = box.scrollTop - body.offsetTop;
    let shift = 0;
    for (const element of body.children as unknown as Iterable<HTMLElement>) {
      const position = Number(element.dataset["row"]);
      const above = model.offset(position + 1) <= top;
      const difference = model.measure(position, element.offsetHeight);
      if (above) shift += difference;
    }
    body.style.paddingTop = `${model.offset(drawn.first)}px`;
    body.style.paddingBottom = `${Math.max(0, model.total - model.offset(drawn.last + 1))}px`;
    if (stuck.current) box.scrollTop = box.scrollHeight;
    else if (shift !== 0) box.scrollTop += shift;
    lastTop.current = box.scrollTop;
    const next = windowNow(model, box, body, stuck.current);
    if (next.first < drawn.first || next.last > drawn.last) redraw((count) => count + 1);
  };
  useLayoutEffect(settle);

  const settleRef = useRef(settle);
  settleRef.current = settle;
  useEffect(() => {
    const box = scroller.current;
    const body = list.current;
    if (!box || !body) return;
    const onScroll = () => {
      const was = stuck.current;
      stuck.current = followsEnd(was, box.scrollTop - lastTop.current, box.scrollHeight - box.scrollTop - box.clientHeight);
      lastTop.current = box.scrollTop;
      if (was && !stuck.current) leftAt.current = model.rows.length;
      redraw((count) => count + 1);
    };
    box.addEventListener("scroll", onScroll, { passive: true });
    let width = body.clientWidth;
    const resized = new ResizeObserver(() => {
      if (body.clientWidth !== width) {
        width = body.clientWidth;
        model.forgetHeights();
      }
      settleRef.current();
    });
    resized.observe(box);
    resized.observe(body);
    return () => {
      box.removeEventListener("scroll", onScroll);
      resized.disconnect();
    };
  }, [model]);

  return {
    scroller, list, window: drawn, stuck: stuck.current, isStuck: stuck, fresh: Math.max(0, model.rows.length - leftAt.current),
    toEnd: () => {
      stuck.current = true;
      redraw((count) => count + 1);
    },
    toRow: (position) => {
      const box = scroller.current;
      const body = list.current;
      if (!box || !body) return;
      const top = model.offset(position) + body.offsetTop;
      const isSeen = top >= box.scrollTop && top + 60 <= box.scrollTop + box.clientHeight;
      if (!isSeen) box.scrollTop = Math.max(0, top - box.clientHeight / 3);
    },
  };
}

function windowNow(model: TranscriptModel, box: HTMLElement | null, body: HTMLElement | null, stuck: boolean): Window {
  const height = box?.clientHeight ?? 800;
  const top = stuck ? model.total - height : (box?.scrollTop ?? 0) - (body?.offsetTop ?? 0);
  return model.window(top, height);
}
