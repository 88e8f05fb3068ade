import { describe, expect, it } from "vitest";
import { reduce } from "../src/core/reducer";
import { TurnsModel } from "../src/core/turns-model";
import { MAX_DRAWN } from "../src/core/transcript-model";
import { emptyView } from "../src/core/view";
import { end, log, RUN, running, start, succeeded, text } from "./make";

/** An ended run of `lines` paragraphs. */
const turn = (id: string, lines: number) => {
  const words = Array.from({ length: lines }, (_, line) => text("m", `line ${line}\n\n`));
  return { id, view: reduce(emptyView(RUN), log([running, start("m"), ...words, end("m"), succeeded])) };
};

describe("the earlier runs of a conversation", () => {
  it("are rows in their order, each run behind its head; one that is only named is a head", () => {
    const model = new TurnsModel();
    model.set([turn("a", 2), { id: "b", view: null }, turn("c", 1)]);
    expect(model.rows.filter((row) => row.row === null).map((row) => row.key)).toEqual(["a", "b", "c"]);
    expect(new Set(model.rows.map((row) => row.key)).size).toBe(model.rows.length);
  });

  it("keep what is read in place while runs come in above and rows turn out taller", () => {
    const model = new TurnsModel();
    const [a, b] = [turn("a", 30), turn("b", 30)];
    model.set([b]);
    const anchor = model.anchor(model.offset(10) + 7);
    model.set([a, b]);
    for (let position = 0; position < 40; position++) model.measure(position, 61);
    const at = model.rows.findIndex((row) => row.key === anchor.key);
    expect(at).toBeGreaterThan(30);
    expect(model.find(anchor)).toBe(model.offset(at) + 7);
  });

  it("keep a place below the list, and that of a row that is gone, at its distance from the end", () => {
    const model = new TurnsModel();
    model.set([turn("b", 5)]);
    const below = model.anchor(model.total + 40);
    const inside = model.anchor(10);
    model.set([turn("a", 5)]);
    expect(model.find(below)).toBe(model.total + 40);
    expect(model.find(inside)).toBe(model.total + 10);
  });

  it("are drawn as far as they are seen, and not at all out of sight", () => {
    const model = new TurnsModel();
    expect(model.window(0, 800)).toEqual({ first: 0, last: -1 });
    model.set([turn("a", 500)]);
    expect(model.window(model.total + 900, 800)).toEqual({ first: 0, last: -1 });
    expect(model.window(-2_000, 800)).toEqual({ first: 0, last: -1 });
    const { first, last } = model.window(model.total / 2, 800);
    expect(last).toBeGreaterThan(first);
    expect(last - first).toBeLessThan(MAX_DRAWN);
    expect(model.window(0, 800).first).toBe(0);
  });
});
