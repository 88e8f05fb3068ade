/**
 * AG-UI 1.0 events as they stand in the `data` of an event entry, and safe readers for their fields.
 *
 * What an agent says is hostile until proven otherwise: a field may be absent or of any type, so nothing here trusts one.
 * Pure.
 */

export interface AguiEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

export type StepStatus = "PASSED" | "FAILED" | "SKIPPED";

/** What a model made of a sentence in free words, now or (`recorded`) in an earlier run. */
export interface StepReading {
  readonly sentence: string;
  readonly model: string;
  readonly recorded: boolean;
}

/** `metadata.runwire` of a step event (protocol, section 4). */
export interface StepFacts {
  readonly index?: number;
  readonly total?: number;
  readonly text?: string;
  readonly status?: StepStatus;
  readonly duration_ms?: number;
  readonly error?: string;
  readonly artifact_id?: string;
  readonly reading?: StepReading;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Return `value` if it is a JSON object, else an empty one. */
export function asObject(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** Return `value` if it is text, else "". */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Return `value` if it is a finite number, else undefined. */
export function asNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

const STEP_STATUSES: ReadonlySet<unknown> = new Set<StepStatus>(["PASSED", "FAILED", "SKIPPED"]);

/** Read the facts of a step from an event's metadata; fields of a wrong type are left out. */
export function stepFacts(event: AguiEvent): StepFacts {
  const raw = asObject(asObject(event["metadata"])["runwire"]);
  const facts: Record<string, unknown> = {};
  for (const name of ["index", "total", "duration_ms"]) {
    const number = asNumber(raw[name]);
    if (number !== undefined) facts[name] = number;
  }
  for (const name of ["text", "artifact_id"]) {
    if (typeof raw[name] === "string") facts[name] = raw[name];
  }
  const error = raw["error"];
  if (typeof error === "string") facts["error"] = error;
  else if (asText(asObject(error)["message"])) facts["error"] = asText(asObject(error)["message"]);
  const reading = asObject(raw["reading"]);
  if (asText(reading["sentence"])) {
    facts["reading"] = { sentence: asText(reading["sentence"]), model: asText(reading["model"]), recorded: reading["recorded"] === true };
  }
  if (STEP_STATUSES.has(raw["status"])) facts["status"] = raw["status"];
  return facts as StepFacts;
}
