/** Notices of the browser, for who looks elsewhere: a run has ended, or needs an answer. Only for who has asked for them. */

import { signal } from "@preact/signals";
import { inputLine } from "../core/agent-input";
import { statusWords } from "../core/format";
import { isTerminal } from "../core/protocol";
import type { RunSession } from "./run-session";

const KEY = "runwire.notices";

export type Notices = "unavailable" | "off" | "on" | "denied";

function now(): Notices {
  if (!("Notification" in window)) return "unavailable";
  if (Notification.permission === "denied") return "denied";
  try {
    return Notification.permission === "granted" && localStorage.getItem(KEY) === "on" ? "on" : "off";
  } catch {
    return "off"; // storage is switched off: asked for again on each visit
  }
}

export const notices = signal<Notices>(now());

/** Ask for notices, or end them. The browser asks the person, once. */
export async function switchNotices(): Promise<void> {
  const wanted = notices.value !== "on";
  if (wanted) await Notification.requestPermission();
  try {
    localStorage.setItem(KEY, wanted ? "on" : "off");
  } catch {
    // Storage is switched off: the choice holds until the page is left.
  }
  notices.value = wanted && Notification.permission === "granted" ? "on" : now();
}

/** Tell that the run's status has changed, if that is worth a notice and nobody looks. */
export function tell(session: RunSession): void {
  const { status, terminal } = session.live.value;
  if (notices.value !== "on" || document.visibilityState === "visible" || !status) return;
  if (status !== "WAITING" && !isTerminal(status)) return;
  const notice = new Notification(statusWords(status, terminal?.verdict).label, {
    body: inputLine(session.record.value?.input) || session.record.value?.agent || "", tag: session.runId,
  });
  notice.onclick = () => {
    window.focus();
    notice.close();
  };
}
