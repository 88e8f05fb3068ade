/** One call a frame: gathers work until the browser draws next, and does it even where nothing is drawn. */

/** Longest wait, milliseconds: a hidden tab draws no frames at all, but must not gather entries without end. */
const HIDDEN_LIMIT_MS = 500;

/** Return a function that asks for `work` to be done once at the next frame, however often it is called before. */
export function oncePerFrame(work: () => void): () => void {
  let frame = 0;
  let timer = 0;
  const run = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = timer = 0;
    work();
  };
  return () => {
    if (timer !== 0) return;
    frame = requestAnimationFrame(run);
    timer = window.setTimeout(run, HIDDEN_LIMIT_MS);
  };
}
