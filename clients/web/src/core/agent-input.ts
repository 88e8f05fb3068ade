/**
 * What a person writes for an agent, and what the agent gets: plain text, or a form in YAML or JSON. Pure.
 *
 * The parser of YAML is handed in, because it is a chunk of its own that many visits never need.
 */

import { asObject } from "./agui";

/** The agent whose inputs can be saved as tests. */
export const TEST_AGENT = "browser-test";

export type InputKind = "text" | "object";

/**
 * Whether an agent with this JSON Schema takes plain text; an agent without one does.
 *
 * Where the schema allows both, or says neither in a way that is understood here, its first example decides, else whether it
 * names fields.
 */
export function inputKind(schema: unknown): InputKind {
  const { text, fields } = allows(schema);
  if (text !== fields) return fields ? "object" : "text";
  const [first] = examples(schema);
  if (first !== undefined) return isStructured(first) ? "object" : "text";
  return asObject(schema)["properties"] === undefined ? "text" : "object";
}

function allows(schema: unknown): { readonly text: boolean; readonly fields: boolean } {
  const { type, anyOf, oneOf, properties } = asObject(schema);
  const types = Array.isArray(type) ? type : [type];
  const choices = [...(Array.isArray(anyOf) ? anyOf : []), ...(Array.isArray(oneOf) ? oneOf : [])].map(allows);
  return {
    text: types.includes("string") || choices.some((choice) => choice.text),
    fields: types.includes("object") || types.includes("array") || properties !== undefined || choices.some((choice) => choice.fields),
  };
}

function isStructured(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function examples(schema: unknown): readonly unknown[] {
  const { examples: many, default: fallback } = asObject(schema);
  return Array.isArray(many) ? many : fallback === undefined ? [] : [fallback];
}

/** Return the first example of the schema, or a value made of its required properties' own examples. */
export function exampleInput(schema: unknown): unknown {
  const given = examples(schema);
  if (given.length > 0) return given.find(isStructured) ?? given[0];
  const { properties } = asObject(schema);
  const filled = Object.entries(asObject(properties)).map(([name, property]) => [name, exampleInput(property) ?? blank(property)] as const);
  return filled.length > 0 ? Object.fromEntries(filled) : undefined;
}

function blank(schema: unknown): unknown {
  const blanks: Readonly<Record<string, unknown>> = { string: "", number: 0, integer: 0, boolean: false, array: [], object: {} };
  const { type } = asObject(schema);
  return blanks[String(type)] ?? null;
}

/** The text cannot be read as YAML or JSON, or is not what the agent takes. The message is for a person. */
export class InputError extends Error {}

/**
 * Turn what was written into the run's input.
 *
 * `parse` reads YAML (of which JSON is a part) and throws if it cannot. Raises InputError.
 */
export function readInput(text: string, kind: InputKind, parse: (text: string) => unknown): unknown {
  if (text.trim() === "") throw new InputError("Write something first.");
  if (kind === "text") return text;
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "";
    throw new InputError(`This is not valid YAML or JSON. ${reason}`.trim());
  }
  if (!isStructured(value)) throw new InputError("This agent takes named fields, such as `name: value`.");
  return value;
}

/** Return a run's input as one short line, for lists and titles. */
export function inputLine(input: unknown): string {
  if (typeof input === "string") return input.replace(/\s+/g, " ").trim().slice(0, 120);
  const { name, text, prompt, url } = asObject(input);
  for (const value of [name, text, prompt, url]) if (typeof value === "string" && value) return inputLine(value);
  const fields = Object.entries(asObject(input)).map(([key, value]) => (Array.isArray(value) ? `${key} (${value.length})` : key));
  if (fields.length > 0) return fields.join(", ").slice(0, 120);
  return input === undefined || input === null ? "" : JSON.stringify(input).slice(0, 120);
}
