/** Figures and states in words, as the page writes them. Pure. */

import type { QueueFrame, RunStatus, StateData, Verdict } from "./protocol";
import { isTerminal } from "./protocol";
import type { RunView } from "./view";

/** "0.8 s", "12 s", "3 min 05 s", "1 h 02 min" for a time in milliseconds. */
export function duration(ms: number): string {
  const clean = Math.max(0, ms);
  if (clean < 1_000) return `${Math.round(clean)} ms`;
  if (clean < 9_950) return `${(clean / 1_000).toFixed(1)} s`;
  const seconds = Math.round(clean / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** The time that something has taken so far, in whole seconds: milliseconds that tick once a second only flicker. */
export function wholeSeconds(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  return seconds < 10 ? `${seconds} s` : duration(seconds * 1_000);
}

/** "m:ss.t" for a replay's position in milliseconds. */
export function clockTime(ms: number): string {
  const tenths = Math.floor(ms / 100);
  const seconds = Math.floor(tenths / 10);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}.${tenths % 10}`;
}

/** "1st", "2nd", "3rd", "4th", "11th", "22nd", … */
export function ordinal(number: number): string {
  const teen = number % 100 >= 11 && number % 100 <= 13;
  return `${number}${teen ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th")}`;
}

/** "3rd of 12, about 40 s"; the time only where the server measured one. */
export function queuePlace(queue: QueueFrame): string {
  const place = `${ordinal(queue.position)} of ${queue.size}`;
  return queue.eta_s === undefined ? place : `${place}, about ${duration(queue.eta_s * 1_000)}`;
}

/** "just now", "5 min ago", "3 h ago", or a date, for a Unix time in milliseconds. */
export function ago(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, (nowMs - thenMs) / 1_000);
  if (seconds < 60) return "just now";
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return new Date(thenMs).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

/** "3.1 kB" for a size in bytes. */
export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export type Tone = "wait" | "run" | "ask" | "good" | "bad" | "off";

export interface StatusWords {
  readonly label: string;
  readonly tone: Tone;
}

const STATUS_WORDS: Readonly<Record<RunStatus, StatusWords>> = {
  QUEUED: { label: "Queued", tone: "wait" },
  RUNNING: { label: "Running", tone: "run" },
  WAITING: { label: "Needs you", tone: "ask" },
  SUCCEEDED: { label: "Done", tone: "good" },
  FAILED: { label: "Failed", tone: "bad" },
  CANCELLED: { label: "Cancelled", tone: "off" },
};

/** A status as a person reads it; a test that was carried through says how it went. */
export function statusWords(status: RunStatus, verdict?: Verdict | null): StatusWords {
  if (status === "SUCCEEDED" && verdict === "passed") return { label: "Passed", tone: "good" };
  if (status === "SUCCEEDED" && verdict === "failed") return { label: "Test failed", tone: "bad" };
  return STATUS_WORDS[status] ?? { label: status, tone: "off" };
}

/** "4/6 passed" where the result of a test says so, else "". */
export function tally(state: StateData | null): string {
  const result = state?.result as { passed?: unknown; total?: unknown } | null | undefined;
  return typeof result?.passed === "number" && typeof result.total === "number" ? `${result.passed}/${result.total} passed` : "";
}

/** Why a run was queued again, as a sentence. */
export function againWords(state: StateData): string {
  const reasons: Readonly<Record<string, string>> = {
    worker_lost: "The worker was lost", retry: "The attempt failed", drain: "The server restarts",
  };
  return `${reasons[state.reason ?? ""] ?? "Queued again"}: attempt ${state.attempt} follows.`;
}

/** What a screen reader is told when `after` follows `before`: start, failed step, needs you, done; else "". */
export function announcement(before: RunView, after: RunView): string {
  if (after.status && after.status !== before.status) {
    if (isTerminal(after.status)) return [`Run ended: ${statusWords(after.status, after.terminal?.verdict).label}.`, tally(after.terminal)].join(" ").trim();
    if (after.status === "WAITING") return "The run needs you.";
    if (after.status === "RUNNING") return "The run has started.";
    return "";
  }
  for (const position of after.steps.slice(-8)) {
    const step = after.items[position];
    const old = before.items[position];
    if (step?.kind === "step" && step.status === "FAILED" && (old?.kind !== "step" || old.status !== "FAILED")) return `Step failed: ${step.text}`;
  }
  return "";
}
