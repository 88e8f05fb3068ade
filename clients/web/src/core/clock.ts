/** Time as everything in `core` sees it: injected, so that tests own it. */

/** Undo a timer; harmless after it has fired. */
export type Cancel = () => void;

export interface Clock {
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Call `callback` once after `delayMs`. */
  after(delayMs: number, callback: () => void): Cancel;
}

/** The browser's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
