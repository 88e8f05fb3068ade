/**
 * A question that a run asks (an AG-UI interrupt), as a form: which fields there are, and the payload that the filled form means.
 *
 * Only flat objects and single values become fields; anything richer is written as JSON, so that every schema can be answered.
 * The server validates again; what is checked here only saves a round trip. Pure.
 */

import { asObject, asText, type JsonObject } from "./agui";

export type FieldKind = "text" | "number" | "yes_no" | "choice" | "json";

export interface Field {
  /** The property's name; "" for an answer that is one value. */
  readonly name: string;
  readonly label: string;
  readonly help: string;
  readonly kind: FieldKind;
  readonly required: boolean;
  readonly choices: readonly string[];
  /** What stands in the field at first. */
  readonly preset: string;
}

/** The tool call that an approval is about. */
export interface ToolCall {
  readonly name: string;
  readonly args: unknown;
}

/** How a question ended. */
export interface Settlement {
  readonly status: "answered" | "expired" | "withdrawn";
  readonly by: string;
  readonly payload: unknown;
}

const MAX_FIELDS = 20;
const KINDS: Readonly<Record<string, FieldKind>> = { string: "text", number: "number", integer: "number", boolean: "yes_no" };

/** Return the fields of a form for answers that fit `schema`. */
export function fieldsOf(schema: unknown): readonly Field[] {
  if (schema === undefined || schema === null) return [field("", {}, "text", true)];
  const facts = asObject(schema);
  const single = kindOf(facts);
  if (single) return [field("", facts, single, true)];
  const properties = Object.entries(asObject(facts["properties"]));
  const kinds = properties.map(([, property]) => kindOf(asObject(property)));
  const others = facts["additionalProperties"] ?? false;
  const flat = properties.length > 0 && properties.length <= MAX_FIELDS && others === false && kinds.every(Boolean);
  if (!flat) return [field("", facts, "json", true)];
  const required = new Set(Array.isArray(facts["required"]) ? facts["required"] : []);
  return properties.map(([name, property], index) => field(name, asObject(property), kinds[index] ?? "json", required.has(name)));
}

function kindOf(facts: JsonObject): FieldKind | null {
  const options = facts["enum"];
  if (Array.isArray(options)) return options.every((each) => typeof each === "string") && options.length > 0 ? "choice" : null;
  return KINDS[asText(facts["type"])] ?? null;
}

function field(name: string, facts: JsonObject, kind: FieldKind, required: boolean): Field {
  const preset = facts["default"];
  return {
    name, kind, required, label: asText(facts["title"]) || name, help: asText(facts["description"]),
    choices: kind === "choice" ? (facts["enum"] as string[]) : [],
    preset: preset === undefined ? "" : typeof preset === "string" ? preset : JSON.stringify(preset),
  };
}

/** What was written cannot be an answer. The message is for a person. */
export class AnswerError extends Error {}

/** Return the payload that the filled form means; `values` are by field name. Raises AnswerError. */
export function payloadOf(fields: readonly Field[], values: Readonly<Record<string, string>>): unknown {
  const read = fields.map((each) => [each.name, valueOf(each, values[each.name] ?? each.preset)] as const);
  const [first] = read;
  if (first && first[0] === "") return first[1];
  return Object.fromEntries(read.filter(([, value]) => value !== undefined));
}

function valueOf({ label, kind, required }: Field, written: string): unknown {
  const named = label ? `${label}: ` : "";
  if (kind === "yes_no") return written === "true";
  if (written.trim() === "") {
    if (required) throw new AnswerError(`${named}write an answer first.`);
    return undefined;
  }
  if (kind === "number") {
    const number = Number(written);
    if (!Number.isFinite(number)) throw new AnswerError(`${named}this is not a number.`);
    return number;
  }
  if (kind !== "json") return written;
  try {
    return JSON.parse(written) as unknown;
  } catch {
    throw new AnswerError(`${named}this is not valid JSON.`);
  }
}

/** Return the tool call of an approval, or null for a plain question. */
export function toolOf(interrupt: JsonObject): ToolCall | null {
  if (interrupt["reason"] !== "tool_call") return null;
  const tool = asObject(asObject(asObject(interrupt["metadata"])["runwire"])["tool"]);
  return { name: asText(tool["name"]) || "a tool", args: tool["arguments"] ?? {} };
}

/** Read `runwire.input_response`; null if it is none. */
export function settlementOf(value: unknown): { readonly id: string; readonly end: Settlement } | null {
  const facts = asObject(value);
  const status = facts["status"];
  if (status !== "answered" && status !== "expired" && status !== "withdrawn") return null;
  return { id: asText(facts["interruptId"]), end: { status, by: asText(facts["answeredBy"]), payload: facts["payload"] } };
}

/** How a question ended, as a sentence; `me` is who reads it. */
export function settledWords(end: Settlement, me: string): string {
  if (end.status === "expired") return "Nobody answered in time.";
  if (end.status === "withdrawn") return "The agent no longer asks.";
  return end.by === "" || end.by === me ? "You answered." : `${end.by} answered.`;
}
