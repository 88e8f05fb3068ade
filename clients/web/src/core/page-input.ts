/**
 * What a person does on the canvas, as the inputs of `view.input`: places in the page's own pixels, keys by their names.
 *
 * Pure; the clock is injected.
 */

import type { Cancel, Clock } from "./clock";
import type { PageInput } from "./protocol";
import type { Size } from "./view-frame";

export interface Place {
  readonly x: number;
  readonly y: number;
}
/** The protocol's bounds. */
const MAX_SCROLL = 10_000;
const MAX_TEXT = 2_000;
const MAX_CLICKS = 3;
/** Time between two moves, and between two turns of the wheel, milliseconds: both together stay well below 60 inputs a second. */
const MOVE_EVERY_MS = 50;

const BUTTONS = ["left", "middle", "right"] as const;
const NAMED_KEYS = /^(?:Enter|Tab|Escape|Backspace|Delete|Insert|Home|End|PageUp|PageDown|Arrow(?:Up|Down|Left|Right)|F\d{1,2})$/;
const ASCII = /^[!-~]$/;

/** Return the place of the page below a point of the window; `box` is where the canvas stands there. */
export function placeOf(box: Size & { readonly left: number; readonly top: number }, viewport: Size, clientX: number, clientY: number): Place {
  const along = (from: number, length: number, at: number, pixels: number) =>
    length <= 0 ? 0 : Math.max(0, Math.min(pixels - 1, Math.floor(((at - from) / length) * pixels)));
  return { x: along(box.left, box.width, clientX, viewport.width), y: along(box.top, box.height, clientY, viewport.height) };
}

/** Return the press or release of a mouse button; `detail` is the browser's count of quick clicks. */
export function pressed(place: Place, action: "down" | "up", button: number, detail: number): PageInput {
  return { kind: "mouse", action, ...place, button: BUTTONS[button] ?? "left", clicks: Math.max(1, Math.min(MAX_CLICKS, detail)) };
}

export interface KeyFacts {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
  /** AltGr writes characters: it is no modifier. */
  readonly altGraph: boolean;
}

/** Return the input that a key means, or null for one that means nothing alone (Shift, a dead key) or that no page knows. */
export function keyed({ key, ctrlKey, metaKey, altKey, shiftKey, altGraph }: KeyFacts): PageInput | null {
  const isWritten = [...key].length === 1;
  const name = key === " " ? "Space" : key;
  const plain = altGraph || !(ctrlKey || metaKey || altKey);
  if (isWritten && plain) return ASCII.test(key) || key === " " ? { kind: "key", key: name } : { kind: "text", text: key };
  if (!isWritten && !NAMED_KEYS.test(key)) return null;
  if (isWritten && !ASCII.test(key) && key !== " ") return null;
  const modifiers = [ctrlKey || metaKey ? "Control" : "", altKey ? "Alt" : "", shiftKey ? "Shift" : ""]; // a Mac's command key is Control there
  return { kind: "key", key: [...modifiers.filter(Boolean), name].join("+") };
}

/** Return the inputs that put in a text, in pieces as long as the protocol allows. */
export function pasted(text: string): readonly PageInput[] {
  const characters = [...text];
  const pieces: PageInput[] = [];
  for (let from = 0; from < characters.length; from += MAX_TEXT / 2) {
    pieces.push({ kind: "text", text: characters.slice(from, from + MAX_TEXT / 2).join("") }); // of two units each at most
  }
  return pieces;
}

/** Sends inputs in their order; moves and turns of the wheel that come too quickly are gathered into one. */
export class Hand {
  private moved: Place | null = null;
  private turned: { place: Place; dx: number; dy: number } | null = null;
  private cancel: Cancel | null = null;

  constructor(private readonly clock: Clock, private readonly send: (input: PageInput) => void) {}

  move(place: Place): void {
    this.moved = place;
    this.soon();
  }

  /** Turn the wheel by CSS pixels. */
  wheel(place: Place, dx: number, dy: number): void {
    const before = this.turned ?? { dx: 0, dy: 0 };
    this.turned = { place, dx: before.dx + dx, dy: before.dy + dy };
    this.soon();
  }

  /** Do something at once, behind what was gathered. */
  act(input: PageInput): void {
    this.flush();
    this.send(input);
  }

  /** Forget what was gathered. */
  rest(): void {
    this.cancel?.();
    this.cancel = this.moved = this.turned = null;
  }

  private soon(): void {
    if (this.cancel) return;
    this.flush();
    this.cancel = this.clock.after(MOVE_EVERY_MS, () => {
      this.cancel = null;
      if (this.moved || this.turned) this.soon();
    });
  }

  private flush(): void {
    const { moved, turned } = this;
    this.moved = this.turned = null;
    if (moved) this.send({ kind: "mouse", action: "move", ...moved });
    if (!turned) return;
    const bounded = (pixels: number) => Math.max(-MAX_SCROLL, Math.min(MAX_SCROLL, Math.round(pixels)));
    this.send({ kind: "wheel", ...turned.place, dx: bounded(turned.dx), dy: bounded(turned.dy) });
  }
}
