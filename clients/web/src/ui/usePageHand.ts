/** Mouse, wheel, fingers and keys on the canvas of a live view, while one has control; Escape twice leaves the canvas. */

import { useEffect } from "preact/hooks";
import type { LiveRun } from "../app/live-run";
import { systemClock } from "../core/clock";
import { Hand, keyed, pasted, placeOf, pressed, type Place } from "../core/page-input";

/** Two Escapes within this time leave the canvas, milliseconds; the first one goes to the page. A guess. */
const TWICE_MS = 700;
/** Pixels of one line of a wheel that turns by lines. */
const LINE_PIXELS = 18;

type Listeners = { readonly [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };

export function usePageHand(canvas: { readonly current: HTMLCanvasElement | null }, live: LiveRun, leave: () => void): void {
  const { mine } = live.state.value;
  useEffect(() => {
    const element = canvas.current;
    if (!mine || !element) return;
    const hand = new Hand(systemClock, (input) => live.view.use(input));
    const place = (event: { clientX: number; clientY: number }): Place =>
      placeOf(element.getBoundingClientRect(), live.shown.peek()?.viewport ?? { width: 0, height: 0 }, event.clientX, event.clientY);
    const stop = listen(element, { ...mouse(hand, place), ...touch(hand, place), ...keys(hand, leave) });
    return () => {
      stop();
      hand.rest();
    };
  }, [mine, live]);
}

function listen(element: HTMLElement, listeners: Listeners): () => void {
  const ending = new AbortController();
  for (const [name, listener] of Object.entries(listeners)) {
    element.addEventListener(name, listener as EventListener, { signal: ending.signal, passive: false });
  }
  return () => ending.abort();
}

function mouse(hand: Hand, place: (event: MouseEvent) => Place): Listeners {
  return {
    pointerdown: (event) => (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId), // a drag may end outside
    mousemove: (event) => hand.move(place(event)),
    mousedown: (event) => {
      event.preventDefault();
      (event.currentTarget as HTMLElement).focus({ preventScroll: true });
      hand.act(pressed(place(event), "down", event.button, event.detail));
    },
    mouseup: (event) => {
      event.preventDefault();
      hand.act(pressed(place(event), "up", event.button, event.detail));
    },
    contextmenu: (event) => event.preventDefault(),
    wheel: (event) => {
      event.preventDefault();
      const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? LINE_PIXELS * 30 : 1;
      hand.wheel(place(event), event.deltaX * pixels, event.deltaY * pixels);
    },
  };
}

/** A finger that moves scrolls the page; one that taps becomes a click by itself. */
function touch(hand: Hand, place: (touch: Touch) => Place): Listeners {
  let before: Touch | undefined;
  return {
    touchstart: (event) => void (before = event.touches[0]),
    touchmove: (event) => {
      event.preventDefault();
      const finger = event.touches[0];
      if (finger && before) hand.wheel(place(finger), before.clientX - finger.clientX, before.clientY - finger.clientY);
      before = finger;
    },
  };
}

function keys(hand: Hand, leave: () => void): Listeners {
  let escapedAt = -Infinity;
  return {
    keydown: (event) => {
      event.stopPropagation(); // none of the page's own keys
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v") return; // becomes a paste
      event.preventDefault();
      if (event.isComposing) return;
      const isEscape = event.key === "Escape" && !event.repeat;
      if (isEscape && performance.now() - escapedAt < TWICE_MS) return leave();
      escapedAt = isEscape ? performance.now() : -Infinity;
      const input = keyed({ key: event.key, ctrlKey: event.ctrlKey, metaKey: event.metaKey, altKey: event.altKey, shiftKey: event.shiftKey, altGraph: event.getModifierState("AltGraph") });
      if (input) hand.act(input);
    },
    paste: (event) => {
      event.preventDefault();
      for (const input of pasted(event.clipboardData?.getData("text/plain") ?? "")) hand.act(input);
    },
  };
}
