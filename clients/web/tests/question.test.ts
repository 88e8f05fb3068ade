/** What a question asks for, as a form, and what the filled form answers. */

import { describe, expect, test } from "vitest";
import { AnswerError, fieldsOf, payloadOf, settledWords, settlementOf, toolOf } from "../src/core/question";
import { reduce } from "../src/core/reducer";
import { emptyView } from "../src/core/view";
import { log } from "./make";

const FORM = {
  type: "object",
  properties: { name: { type: "string", title: "Name" }, size: { type: "integer", default: 3 }, kind: { enum: ["a", "b"] }, sure: { type: "boolean" } },
  required: ["name"],
};

describe("fieldsOf", () => {
  test("makes a field of each property of a flat object", () => {
    const fields = fieldsOf(FORM);
    expect(fields.map(({ name, kind, required }) => [name, kind, required])).toEqual([
      ["name", "text", true], ["size", "number", false], ["kind", "choice", false], ["sure", "yes_no", false],
    ]);
    expect(fields[0]?.label).toBe("Name");
    expect(fields[1]?.preset).toBe("3");
  });
  test.each([
    [undefined, "text"], [{ type: "string" }, "text"], [{ type: "number" }, "number"], [{ type: "boolean" }, "yes_no"], [{ enum: ["x"] }, "choice"],
    [{ type: "array" }, "json"], [{ type: "object" }, "json"], [{ enum: [1, 2] }, "json"], ["nonsense", "json"],
    [{ type: "object", properties: { deep: { type: "object" } } }, "json"],
    [{ type: "object", properties: { a: { type: "string" } }, additionalProperties: true }, "json"],
  ])("answers %j as %s", (schema, kind) => {
    expect(fieldsOf(schema).map((field) => field.kind)).toEqual([kind]);
  });
});

describe("payloadOf", () => {
  const fields = fieldsOf(FORM);
  test("leaves out what is optional and empty, and keeps what was preset", () => {
    expect(payloadOf(fields, { name: "n" })).toEqual({ name: "n", size: 3, sure: false });
    expect(payloadOf(fields, { name: "n", size: "", kind: "b", sure: "true" })).toEqual({ name: "n", kind: "b", sure: true });
  });
  test("is the value itself where one value is asked for", () => {
    expect(payloadOf(fieldsOf(undefined), { "": "words" })).toBe("words");
    expect(payloadOf(fieldsOf({ type: "array" }), { "": "[1, 2]" })).toEqual([1, 2]);
  });
  test.each([[{}, "Name: write"], [{ name: "n", size: "many" }, "size: this is not a number"]])("refuses %j", (values, words) => {
    expect(() => payloadOf(fields, values)).toThrow(AnswerError);
    expect(() => payloadOf(fields, values)).toThrow(words);
  });
  test("refuses what is no JSON", () => {
    expect(() => payloadOf(fieldsOf({ type: "array" }), { "": "[1" })).toThrow("not valid JSON");
  });
});

describe("in the log", () => {
  const asked = { type: "CUSTOM", name: "runwire.input_request", value: { id: "q", reason: "input_required", message: "Which?", responseSchema: FORM } };
  const ended = { type: "CUSTOM", name: "runwire.input_response", value: { interruptId: "q", status: "answered", payload: 1, answeredBy: "ann" } };

  test("a question is open until it is settled, and asked again it is the same", () => {
    const view = reduce(emptyView("r"), log([asked, asked]));
    expect(view.items).toHaveLength(1);
    expect(view.items[0]).toMatchObject({ kind: "request", prompt: "Which?", tool: null, end: null });
    expect(reduce(view, log([ended], 3)).items[0]).toMatchObject({ end: { status: "answered", by: "ann", payload: 1 } });
  });
  test.each([[{ id: 7 }], [null], ["text"]])("a malformed question %j is none", (value) => {
    expect(reduce(emptyView("r"), log([{ type: "CUSTOM", name: "runwire.input_request", value }])).items).toEqual([]);
  });
  test("an end of an unknown question changes nothing", () => {
    expect(reduce(emptyView("r"), log([ended])).items).toEqual([]);
    expect(settlementOf({ status: "other" })).toBeNull();
  });
});

test("an approval names its tool", () => {
  expect(toolOf({ reason: "tool_call", metadata: { runwire: { tool: { name: "deploy", arguments: { to: "x" } } } } })).toEqual({ name: "deploy", args: { to: "x" } });
  expect(toolOf({ reason: "input_required" })).toBeNull();
});

test("who answered is told from the reader's side", () => {
  const end = { status: "answered", by: "ann", payload: 1 } as const;
  expect([settledWords(end, "ann"), settledWords(end, "bob"), settledWords({ ...end, status: "expired" }, "bob")]).toEqual([
    "You answered.", "ann answered.", "Nobody answered in time.",
  ]);
});
