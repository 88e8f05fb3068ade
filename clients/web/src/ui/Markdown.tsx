/** One block of markdown: plain text until the renderer is there, then nodes; a block that did not change is left alone. */

import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

const renderer = signal<typeof import("./markdown") | null>(null);
let asked = false;

/** Load the renderer's chunk, once. Without it (a lost connection) messages stay plain text, which is readable. */
export function loadMarkdown(): void {
  if (asked) return;
  asked = true;
  import("./markdown").then(
    (loaded) => void (renderer.value = loaded),
    () => void (asked = false), // asked again by the next message
  );
}

export function Markdown({ text, live }: { text: string; live: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const render = renderer.value?.render;
  if (!render) loadMarkdown();
  useLayoutEffect(() => {
    if (render && box.current) box.current.replaceChildren(render(text));
    else if (box.current) box.current.textContent = text;
  }, [text, render]);
  return <div ref={box} class={`md${live ? " live" : ""}${render ? "" : " plain"}`} />;
}
