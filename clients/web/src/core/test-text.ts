/**
 * A browser test as text (YAML), and as a form: name, address, one sentence a line, and the rest as YAML. Pure.
 *
 * The text is what is checked and saved; the form is a way to write it. What the form could not give back unchanged
 * (comments, sentences of several lines, what is no YAML) is edited as text.
 */

import { asObject, asText } from "./agui";

/** Reads and writes YAML 1.1, which is what the server reads; handed in, because it is a chunk of its own. */
export interface Yaml {
  readonly parse: (text: string) => unknown;
  readonly stringify: (value: unknown) => string;
}

export interface TestForm {
  readonly name: string;
  readonly url: string;
  /** One sentence a line; empty lines mean nothing. */
  readonly steps: string;
  /** The other keys, as YAML. */
  readonly rest: string;
}

export const EMPTY_FORM: TestForm = { name: "", url: "", steps: "", rest: "" };

const COMMENT = /^\s*#|\s#/m;
/** Words that YAML reads as they stand: no colon, no comment, nothing that could be a number, a date or a truth value. */
const PLAIN = /^[A-Za-z][A-Za-z-]* [^\s\p{C}][^\p{C}]*$/u;
const SPECIAL = /: |:$| #/;

/** Return the lines of the form's steps, with the line (from 1) that each stands in. */
export function sentencesOf(steps: string): readonly { readonly text: string; readonly line: number }[] {
  return steps.split("\n").map((text, index) => ({ text: text.trim(), line: index + 1 })).filter(({ text }) => text !== "");
}

/** Return the form that means the same as `text`, or null if none does. */
export function toForm(text: string, yaml: Yaml): TestForm | null {
  if (text.trim() === "") return EMPTY_FORM;
  if (COMMENT.test(text)) return null;
  let test: unknown;
  try {
    test = yaml.parse(text);
  } catch {
    return null; // half written, or no YAML: the check says what is wrong
  }
  const { name, url, steps, ...rest } = asObject(test);
  const isText = (value: unknown) => value === undefined || value === null || typeof value === "string";
  const fits = Array.isArray(steps) && steps.every((step) => typeof step === "string" && step.trim() !== "" && !/[\n\r]/.test(step));
  if (asObject(test) !== test || !isText(name) || !isText(url) || !fits) return null;
  return {
    name: asText(name), url: asText(url), steps: steps.map((step: string) => step.trim()).join("\n"),
    rest: Object.keys(rest).length === 0 ? "" : yaml.stringify(rest),
  };
}

/** Return the form as text; `restLine` is the line (from 1) of the text in which the rest begins. */
export function toText({ name, url, steps, rest }: TestForm): { readonly text: string; readonly restLine: number } {
  const lines: string[] = [];
  if (name.trim()) lines.push(`name: ${scalar(name.trim())}`);
  if (url.trim()) lines.push(`url: ${scalar(url.trim())}`);
  const sentences = sentencesOf(steps);
  lines.push(sentences.length === 0 ? "steps: []" : "steps:", ...sentences.map((sentence) => `  - ${scalar(sentence.text)}`));
  const restLine = lines.length + 1;
  if (rest.trim()) lines.push(rest.trimEnd());
  return { text: `${lines.join("\n")}\n`, restLine };
}

/** Return a run's input (an object, or text of one) as text, without what the server adds to it. */
export function inputText(input: unknown, yaml: Yaml): string {
  if (typeof input === "string") return input;
  const { task: _task, ...test } = asObject(input);
  const form = toForm(yaml.stringify(test), yaml);
  return form ? toText(form).text : yaml.stringify(test);
}

function scalar(text: string): string {
  return PLAIN.test(text) && !SPECIAL.test(text) ? text : JSON.stringify(text);
}

/** Return an id made of a name: small letters, digits and hyphens, at most 40. */
export function slugOf(name: string): string {
  return name.normalize("NFKD").toLowerCase().replace(/[\u0300-\u036f]/g, "").replace(/[^a-z0-9]+/g, "-").replace(/^-+/, "").slice(0, 40).replace(/-+$/, "");
}

/** What is wrong with a test, and where: the answer of `POST /v1/tasks/check`. */
export interface Fault {
  readonly message: string;
  readonly step: number | null;
  readonly line: number | null;
}

/** Faults by the line of an editor that they are shown at; 0 for those without a place there. */
export type Places = ReadonlyMap<number, string>;

/** Return the faults of a text by its lines. */
export function placesInText(faults: readonly Fault[]): Places {
  return byLine(faults.map((fault) => [fault.line ?? 0, fault.message]));
}

/** Return the faults of a form, by the lines of its steps and of its rest. */
export function placesInForm(faults: readonly Fault[], form: TestForm): { readonly steps: Places; readonly rest: Places; readonly other: readonly string[] } {
  const sentences = sentencesOf(form.steps);
  const { restLine } = toText(form);
  const steps: [number, string][] = [];
  const rest: [number, string][] = [];
  const other: string[] = [];
  for (const { message, step, line } of faults) {
    const sentence = step === null ? undefined : sentences[step - 1];
    if (sentence) steps.push([sentence.line, message]);
    else if (line !== null && line >= restLine && form.rest.trim()) rest.push([line - restLine + 1, message]);
    else other.push(message);
  }
  return { steps: byLine(steps), rest: byLine(rest), other };
}

function byLine(found: readonly (readonly [number, string])[]): Places {
  const places = new Map<number, string>();
  for (const [line, message] of found) places.set(line, places.has(line) ? `${places.get(line)}; ${message}` : message);
  return places;
}
