/** Who controls a run's browser, in words. Pure. */

import { asObject, asText } from "./agui";
import { wholeSeconds } from "./format";

const BACK: Readonly<Record<string, string>> = {
  given: "gave control back to the agent.",
  left: "left: the agent has control again.",
  expired: "did nothing for too long: the agent has control again.",
  limit: "has had control for as long as people may: the agent has it again.",
};

/** A hand-over of the log (`CUSTOM runwire.control`) as a sentence. */
export function handOverWords(value: unknown): string {
  const { state, person, reason } = asObject(value);
  const who = asText(person) || "Somebody";
  return state === "PERSON" ? `${who} took control of the browser.` : `${who} ${BACK[asText(reason)] ?? "no longer has control."}`;
}

/** How long somebody's control lasts if they do nothing; "" once nobody can tell. */
export function leaseWords(mine: boolean, leftMs: number): string {
  if (leftMs <= 0) return "";
  const time = wholeSeconds(leftMs + 999);
  return mine ? `back to the agent after ${time} without input` : `free in ${time} unless they go on`;
}
