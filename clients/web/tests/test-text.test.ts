import { describe, expect, it } from "vitest";
import { yaml11 as yaml } from "../src/app/yaml";
import { EMPTY_FORM, inputText, placesInForm, placesInText, slugOf, toForm, toText } from "../src/core/test-text";

const form = { name: "Buy", url: "/shop", steps: 'Click "A"\n\n  Verify text "a: b"  \nReload', rest: "timeout_s: 5\nvariables:\n  x: \"yes\"\n" };

describe("a test as a form and as text", () => {
  it("is the same both ways", () => {
    const { text, restLine } = toText(form);
    expect(text).toBe('name: "Buy"\nurl: "/shop"\nsteps:\n  - Click "A"\n  - "Verify text \\"a: b\\""\n  - "Reload"\ntimeout_s: 5\nvariables:\n  x: "yes"\n');
    expect(restLine).toBe(7);
    expect(toForm(text, yaml)).toEqual({ ...form, steps: 'Click "A"\nVerify text "a: b"\nReload' });
  });
  it.each(["yes", "12:30", "1e3", "# x", "a #b", "- x", "on", "x: ", "", "~", "@a b", "Töpfe kaufen", "tab\there now", "line\u2028sep x"])("keeps %j a text", (sentence) => {
    const parsed = yaml.parse(toText({ ...EMPTY_FORM, name: sentence, steps: "Reload" }).text) as { name?: unknown };
    expect(parsed.name ?? "").toBe(sentence.trim());
  });
  it.each([
    ["# by hand\nsteps: [Reload]\n"], ["steps:\n  - Reload # twice\n"], ["steps: ["], ["- Reload\n"], ["steps: Reload\n"], ["steps: [{a: b}]\n"],
    ["steps:\n  - |\n    Fill \"A\" with \"x\n    y\"\n"], ["name: 5\nsteps: [Reload]\n"], ["steps: ['']\n"],
  ])("stays a text where a form would lose something: %j", (text) => expect(toForm(text, yaml)).toBeNull());
  it("begins empty", () => expect(toForm("  \n", yaml)).toEqual(EMPTY_FORM));
  it("has steps even without any, so that the check can say so", () => expect(toText(EMPTY_FORM).text).toBe("steps: []\n"));
});

describe("what a run was given", () => {
  it("becomes a text without what the server wrote", () => {
    const input = { name: "Look", steps: ["Reload"], task: { id: "x", version: 1, configuration: "y" }, browser: { device: "Desktop" } };
    expect(yaml.parse(inputText(input, yaml))).toEqual({ name: "Look", steps: ["Reload"], browser: { device: "Desktop" } });
    expect(inputText("steps: [Reload] # mine", yaml)).toBe("steps: [Reload] # mine");
  });
});

describe("faults at their lines", () => {
  it("in a form", () => {
    const faults = [
      { message: "step 2: no target given", step: 2, line: 5 }, { message: "bad key", step: null, line: 8 }, { message: "no name", step: null, line: null },
      { message: "step 9: odd", step: 9, line: null },
    ];
    const places = placesInForm(faults, form);
    expect([[...places.steps], [...places.rest], places.other]).toEqual([[[3, "step 2: no target given"]], [[2, "bad key"]], ["no name", "step 9: odd"]]);
  });
  it("in a text, several at one line together", () => {
    const faults = [{ message: "a", step: 1, line: 2 }, { message: "b", step: null, line: 2 }, { message: "c", step: null, line: null }];
    expect([...placesInText(faults)]).toEqual([[2, "a; b"], [0, "c"]]);
  });
});

describe("ids", () => {
  it.each([["Buy two mugs!", "buy-two-mugs"], ["Töpfe & Co", "topfe-co"], ["—", ""], ["a".repeat(60), "a".repeat(40)], ["x".repeat(39) + " y", "x".repeat(39)]])("%j is %j", (name, slug) => expect(slugOf(name)).toBe(slug));
});
