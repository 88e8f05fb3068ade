/** The run's browser as it is right now, on a canvas; who has control of it, and one's own hand in it. */

import type { ComponentChildren } from "preact";
import { signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { LiveRun } from "../app/live-run";
import type { RunSession } from "../app/run-session";
import { now } from "../app/store";
import { leaseWords } from "../core/control";
import type { LiveState } from "../core/live-view";
import { pasted } from "../core/page-input";
import { stored, keep } from "./chrome";
import { Icon } from "./Icon";
import { usePageHand } from "./usePageHand";

const KEY = "runwire.live";

/** Whether a running browser is shown live; who wants less motion is asked first. */
export const liveWanted = signal((stored(KEY) ?? (matchMedia("(prefers-reduced-motion: reduce)").matches ? "off" : "on")) === "on");

export function switchLive(): void {
  liveWanted.value = !liveWanted.value;
  keep(KEY, liveWanted.value ? "on" : "off");
}

/** `children` are shown until the first picture has come, which may be never: not every run has a browser. */
export function LiveScreen({ session, children }: { session: RunSession; children: ComponentChildren }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const live = useMemo(() => new LiveRun(session), [session]);
  useEffect(() => (canvas.current ? live.begin(canvas.current) : undefined), [live]);
  const state = live.state.value;
  const shown = live.shown.value;
  usePageHand(canvas, live, () => button.current?.focus());
  useEffect(() => {
    if (state.mine) canvas.current?.focus();
    else if (document.activeElement === canvas.current) button.current?.focus();
  }, [state.mine]);
  now.value; // once a second: pictures that stop coming must be noticed, and a lease runs down
  const stale = shown !== null && live.isStale();
  return (
    <>
      {!shown && children}
      <figure class={`screen live${state.mine ? " mine" : ""}${stale ? " stale" : ""}`} hidden={!shown}>
        <div class="live-picture">
          <canvas ref={canvas} tabIndex={state.mine ? 0 : -1} role={state.mine ? "application" : "img"} aria-describedby={state.mine ? "live-hint" : undefined}
            aria-label={state.mine ? "The run's browser, in your hands" : "Live picture of the run's browser"} />
          {stale && <span class="badge">Stale</span>}
        </div>
        <figcaption>
          <p class="live-control">
            <span role="status">{who(state)}</span>
            {state.holder && <small>{leaseWords(state.mine, state.untilMs - performance.now())}</small>}
          </p>
          {state.mine
            ? <button ref={button} class="button primary" disabled={state.asking} onClick={() => void live.view.give()}>Give back</button>
            : <button ref={button} class="button" disabled={state.asking || stale || state.holder !== ""} onClick={() => void live.view.take()}><Icon name="hand" />Take over</button>}
        </figcaption>
        {state.notice && <p class="problem" role="status">{state.notice}</p>}
        {state.mine && <Keyboard live={live} />}
      </figure>
    </>
  );
}

function who({ mine, holder, asking }: LiveState): string {
  if (mine) return "You have control";
  if (holder) return `${holder} has control`;
  return asking ? "Waiting for the agent to finish its action…" : "The agent has control";
}

/** Words for people without a keyboard at hand (a telephone's comes with a field only), and the way out of the canvas. */
function Keyboard({ live }: { live: LiveRun }) {
  const text = useSignal("");
  const send = (event: Event) => {
    event.preventDefault();
    for (const input of pasted(text.value)) live.view.use(input);
    text.value = "";
  };
  return (
    <form class="live-text" onSubmit={send}>
      <p id="live-hint" class="quiet">Mouse and keys go to the page. <kbd>Esc</kbd> twice leaves it.</p>
      <input aria-label="Text for the page" placeholder="Text for the page" autocomplete="off" value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      <button class="button" disabled={text.value === ""}>Insert</button>
    </form>
  );
}
