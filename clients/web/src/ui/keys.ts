/** The keys that work anywhere on the page; what they do to a run is handed in by the run that is open. */

import { stopRun } from "../app/store";
import { arrival } from "../app/visit";
import { go } from "../app/router";
import { helpShown, navShown } from "./chrome";

export interface RunKeys {
  readonly next: (by: number) => void;
  readonly replay: () => void;
  readonly retry: () => void;
  readonly playPause: () => void;
  readonly seek: (by: number) => void;
  readonly isReplaying: () => boolean;
}

let run: RunKeys | null = null;

/** Let the keys act on this run; returns how to end that. */
export function runKeys(keys: RunKeys): () => void {
  run = keys;
  return () => {
    if (run === keys) run = null;
  };
}

const PLAIN_KEYS: Readonly<Record<string, () => unknown>> = {
  "?": () => (helpShown.value = true),
  n: () => !arrival && go("#/"),
  j: () => run?.next(1),
  k: () => run?.next(-1),
  r: () => run?.replay(),
  R: () => run?.retry(),
  End: () => document.getElementById("to-latest")?.click(),
};
const REPLAY_KEYS: Readonly<Record<string, () => void>> = {
  " ": () => run?.playPause(),
  ArrowLeft: () => run?.seek(-1),
  ArrowRight: () => run?.seek(1),
};

/** Listen for keys from now on. Called once. */
export function watchKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      navShown.value = true;
      document.getElementById("search")?.focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return onEscape();
    const target = event.target as HTMLElement;
    const writes = target.matches("input, textarea, select, [contenteditable]");
    const action = PLAIN_KEYS[event.key] ?? (run?.isReplaying() && !target.matches("button, a") ? REPLAY_KEYS[event.key] : undefined);
    if (writes || !action) return;
    event.preventDefault();
    action();
  });
}

function onEscape(): void {
  if (navShown.value) navShown.value = false;
  else void stopRun();
}
