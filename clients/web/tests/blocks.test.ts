import { describe, expect, it } from "vitest";
import { NO_BLOCKS, splitBlocks } from "../src/core/blocks";
import { HeightIndex } from "../src/core/heights";
import { followsEnd } from "../src/core/stick";
import { RowIndex } from "../src/core/rows";
import { reduce } from "../src/core/reducer";
import { emptyView } from "../src/core/view";
import { end, log, RUN, start, text } from "./make";

const texts = (source: string) => splitBlocks(NO_BLOCKS, source, false).settled.map((block) => block.text.trim());

describe("blocks of markdown", () => {
  it.each([
    ["a\nb\n\nc", ["a\nb", "c"]],
    ["\n\n\na", ["a"]],
    ["- a\n\n- b\n\n  more\n\nend", ["- a\n\n- b\n\n  more", "end"]],
    ["1. a\n2. b\n\ntext", ["1. a\n2. b", "text"]],
    ["```py\na\n\nb\n```\n\nc", ["```py\na\n\nb\n```", "c"]],
    ["~~~~\n```\n\n~~~\n\n~~~~\n\nx", ["~~~~\n```\n\n~~~\n\n~~~~", "x"]],
    ["", []],
    ["   \n", []],
  ])("%j are %j", (source, expected) => expect(texts(source)).toEqual(expected));

  it("are the same, however the text was cut into deltas", () => {
    const source = "# T\n\nOne two\nthree.\n\n- a\n- b\n\n  c\n\n```js\nlet x;\n\nx++;\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nEnd.";
    const whole = splitBlocks(NO_BLOCKS, source, false).settled;
    for (const size of [1, 3, 7]) {
      let state = NO_BLOCKS;
      for (let at = size; at < source.length + size; at += size) state = splitBlocks(state, source.slice(0, at), true);
      expect(splitBlocks(state, source, false).settled).toEqual(whole);
    }
  });

  it("that are settled keep their identity while the text grows", () => {
    const first = splitBlocks(NO_BLOCKS, "a\n\nb\n\nc", true);
    const second = splitBlocks(first, "a\n\nb\n\nc more", true);
    expect(second.settled).toBe(first.settled);
    expect(second.tail?.text).toBe("c more");
  });

  it("of a long list, table or fence are cut, and each part stands on its own", () => {
    const list = texts(Array.from({ length: 200 }, (_, n) => `${n + 1}. item`).join("\n"));
    expect(list.length).toBeGreaterThan(4);
    expect(list[1]).toMatch(/^41\. item/);
    const table = texts("| a |\n|---|\n" + Array.from({ length: 200 }, (_, n) => `| ${n} |`).join("\n"));
    expect(table.every((part) => part.startsWith("| a |\n|---|\n"))).toBe(true);
    const fence = texts("```js\n" + "line\n".repeat(200) + "```\n\nafter");
    expect(fence.slice(0, -1).every((part) => part.startsWith("```js\n") && part.endsWith("```"))).toBe(true);
    expect(fence.slice(0, -1).join("\n").match(/line/g)).toHaveLength(200);
    expect(fence.at(-1)).toBe("after");
  });

  it("of one endless line are cut at words, and no character is lost", () => {
    const source = "word ".repeat(10_000);
    let state = NO_BLOCKS;
    for (let at = 997; at < source.length + 997; at += 997) state = splitBlocks(state, source.slice(0, at), true);
    const blocks = splitBlocks(state, source, false).settled;
    expect(Math.max(...blocks.map((block) => block.text.length))).toBeLessThanOrEqual(6_000);
    expect(blocks.map((block) => block.text).join("")).toBe(source);
  });
});

describe("rows", () => {
  it("give a message one row a block and keep settled rows", () => {
    const index = new RowIndex();
    const before = reduce(emptyView(RUN), log([start("m"), text("m", "a\n\nb\n\nc")]));
    expect(index.update(before.items)).toBe(0);
    const rows = [...index.rows];
    const after = reduce(before, log([text("m", " d"), end("m"), start("n"), text("n", "x")], 3));
    index.update(after.items);
    expect(index.rows.map((row) => row.block?.text.trim())).toEqual(["a", "b", "c d", "x"]);
    expect(index.rows[0]).toBe(rows[0]);
    expect(index.rows[1]).toBe(rows[1]);
    expect(index.rows.map((row) => row.isFirst)).toEqual([true, false, false, true]);
  });

  it("begin anew when the view goes back in time", () => {
    const index = new RowIndex();
    const entries = log([start("m"), text("m", "a\n\nb\n\nc"), end("m"), start("n"), text("n", "x")]);
    index.update(reduce(emptyView(RUN), entries).items);
    index.update(reduce(emptyView(RUN), entries.slice(0, 1)).items);
    expect(index.rows.map((row) => row.block?.text)).toEqual([""]);
    index.update(reduce(emptyView(RUN), entries).items);
    expect(index.rows.map((row) => row.block?.text.trim())).toEqual(["a", "b", "c", "x"]);
  });
});

describe("the end of a transcript", () => {
  it.each([
    [true, 0, 500, true], // rows grew: the end moved away by itself
    [true, -5, 5, false], // a gentle step upwards
    [true, -300, 0, true], // the list became shorter
    [false, 40, 60, true], // back near the end
    [false, 40, 65, false],
    [false, -10, 30, false], // moving away within reach
  ])("followed=%s, moved %d, %d px to go: %s", (before, moved, distance, after) => expect(followsEnd(before, moved, distance)).toBe(after));
});

describe("heights", () => {
  it("find rows and offsets as a plain list would", () => {
    const index = new HeightIndex();
    const plain: number[] = [];
    let seed = 7;
    const next = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
    for (let round = 0; round < 3_000; round++) {
      const action = next(10);
      if (action < 6 || plain.length === 0) {
        const height = 1 + next(90);
        index.push(height);
        plain.push(height);
      } else if (action < 9) {
        const position = next(plain.length);
        const height = 1 + next(90);
        index.set(position, height);
        plain[position] = height;
      } else {
        const length = Math.max(0, plain.length - next(5));
        index.truncate(length);
        plain.length = length;
      }
    }
    const total = plain.reduce((sum, height) => sum + height, 0);
    expect(index.total).toBe(total);
    for (let y = 0; y < total; y += 997) {
      const position = index.find(y);
      expect(index.offset(position)).toBeLessThanOrEqual(y);
      expect(index.offset(position) + index.get(position)).toBeGreaterThan(y);
    }
    expect([index.find(-5), index.find(total + 5)]).toEqual([0, plain.length - 1]);
  });
});
