/**
 * What to do after a close code: section 5 of the protocol as one table.
 *
 * The same codes end a socket and, in `end {run_id, code}`, the following of one run. Pure.
 */

/**
 * - `done`: everything was received.
 * - `resume`: come back with `after`, no sooner than `minDelayMs`.
 * - `reauthenticate`: once more with fresh credentials, then sign in again.
 * - `stop`: do not come back by yourself.
 */
export type CloseAction = "done" | "resume" | "reauthenticate" | "stop";

export interface CloseRule {
  readonly action: CloseAction;
  /** Shortest wait before coming back, milliseconds. */
  readonly minDelayMs: number;
  /** Width of the random part of the first wait, milliseconds: it spreads the clients of a restarted server. */
  readonly spreadMs: number;
  readonly meaning: string;
}

const rule = (action: CloseAction, meaning: string, minDelayMs = 0, spreadMs = 500): CloseRule => ({
  action, meaning, minDelayMs, spreadMs,
});

export const CLOSE_RULES: Readonly<Record<number, CloseRule>> = {
  1000: rule("done", "the run has ended and its log was sent in full"),
  1001: rule("resume", "idle"),
  1002: rule("stop", "protocol error"),
  1003: rule("stop", "unsupported type of message"),
  1005: rule("resume", "the connection ended without a word"),
  1006: rule("resume", "the connection was lost"),
  1007: rule("stop", "text that is not UTF-8"),
  1009: rule("stop", "a message was too big"),
  1011: rule("resume", "server error", 1_000, 1_000),
  1012: rule("resume", "the server restarts", 0, 2_000),
  1013: rule("resume", "the server is full", 5_000, 5_000),
  4008: rule("resume", "this page read too slowly"),
  4009: rule("resume", "heartbeat lost"),
  4029: rule("resume", "this page sent too fast", 2_000, 1_000),
  4401: rule("reauthenticate", "not signed in"),
  4501: rule("stop", "bad command stream"),
  4503: rule("stop", "not allowed"),
};

/** Return the rule for `code`; unknown codes go by their range (4000–4499 come back, 4500–4999 do not), others resume. */
export function closeRule(code: number): CloseRule {
  const known = CLOSE_RULES[code];
  if (known) return known;
  return code >= 4500 && code <= 4999 ? rule("stop", `closed with ${code}`) : rule("resume", `closed with ${code}`);
}

/** Longest wait between two tries, milliseconds. A guess: long enough to spare a dead server, short enough for a person. */
export const MAX_DELAY_MS = 15_000;

/**
 * Return how long to wait before the `attempt`-th try in a row (0 for the first), in milliseconds.
 *
 * `random` is in [0, 1). The wait doubles from the rule's spread up to MAX_DELAY_MS, and all of it but the minimum is
 * random, so that a thousand pages do not come back together.
 */
export function resumeDelayMs(closed: CloseRule, attempt: number, random: number): number {
  const width = Math.min(MAX_DELAY_MS, closed.spreadMs * 2 ** Math.min(attempt, 10));
  return Math.round(closed.minDelayMs + random * width);
}
