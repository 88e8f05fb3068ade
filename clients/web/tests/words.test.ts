import { describe, expect, it } from "vitest";
import { exampleInput, InputError, inputKind, inputLine, readInput } from "../src/core/agent-input";
import { ago, announcement, clockTime, duration, ordinal, queuePlace, size, statusWords, tally, wholeSeconds } from "../src/core/format";
import { reduce } from "../src/core/reducer";
import { advance, lengthMs, play, seek, type Replay } from "../src/core/replay";
import { RunLog } from "../src/core/run-log";
import { emptyView } from "../src/core/view";
import { end, log, queued, RUN, running, start, succeeded, text } from "./make";

describe("what an agent takes", () => {
  it.each([
    [undefined, "text"], [{ type: "string" }, "text"], [{ type: "object" }, "object"], [{ properties: { a: {} } }, "object"],
    [{ type: ["string", "object"], examples: ["Hello"] }, "text"], [{ type: ["object", "string"], examples: [{ steps: [] }] }, "object"],
    [{ $ref: "#/$defs/Script", examples: [{ steps: [] }] }, "object"], [{}, "text"], [{ type: ["object", "string"], properties: {} }, "object"], [{ anyOf: [{ type: "string" }, { type: "object" }] }, "text"], [{ oneOf: [{ type: "object" }] }, "object"],
  ])("by the schema %j is %s", (schema, kind) => expect(inputKind(schema)).toBe(kind));

  it("is shown by its example, or by its fields", () => {
    expect(exampleInput({ examples: [{ a: 1 }] })).toEqual({ a: 1 });
    expect(exampleInput({ properties: { name: { type: "string" }, n: { default: 3 } } })).toEqual({ name: "", n: 3 });
    expect(exampleInput({ type: "object" })).toBeUndefined();
  });

  it("is read as text or as fields, with an error in words", () => {
    expect(readInput("hi", "text", JSON.parse)).toBe("hi");
    expect(readInput('{"a":1}', "object", JSON.parse)).toEqual({ a: 1 });
    expect(() => readInput("  ", "text", JSON.parse)).toThrow(InputError);
    expect(() => readInput("7", "object", JSON.parse)).toThrow("named fields");
    expect(() => readInput("{", "object", JSON.parse)).toThrow("not valid YAML or JSON");
  });

  it("fits one line in lists", () => {
    expect([inputLine("a\n b"), inputLine({ name: "N" }), inputLine({ steps: [1, 2], x: 1 }), inputLine([1]), inputLine(null)]).toEqual(["a b", "N", "steps (2), x", "[1]", ""]);
  });
});

describe("words and figures", () => {
  it("of times, places and sizes", () => {
    expect([400, 1_200, 42_000, 185_000, 3_720_000].map(duration)).toEqual(["400 ms", "1.2 s", "42 s", "3 min 05 s", "1 h 02 min"]);
    expect([-5, 900, 3_900, 12_800, 61_000].map(wholeSeconds)).toEqual(["0 s", "0 s", "3 s", "12 s", "1 min 01 s"]);
    expect([1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal).join(" ")).toBe("1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 111th");
    expect(queuePlace({ type: "queue", run_id: RUN, position: 3, size: 12, eta_s: 40 })).toBe("3rd of 12, about 40 s");
    expect(queuePlace({ type: "queue", run_id: RUN, position: 1, size: 1 })).toBe("1st of 1");
    expect([clockTime(0), clockTime(61_250)]).toEqual(["0:00.0", "1:01.2"]);
    expect([size(12), size(3_100), size(2_500_000)]).toEqual(["12 B", "3.1 kB", "2.5 MB"]);
    expect([ago(0, 5_000), ago(0, 300_000), ago(0, 7_200_000)]).toEqual(["just now", "5 min ago", "2 h ago"]);
  });

  it("of how a run ended", () => {
    expect([statusWords("SUCCEEDED").label, statusWords("SUCCEEDED", "failed").label, statusWords("SUCCEEDED", "passed").tone]).toEqual(["Done", "Test failed", "good"]);
    expect([tally({ status: "SUCCEEDED", attempt: 1, result: { passed: 4, total: 6 } }), tally(null)]).toEqual(["4/6 passed", ""]);
  });

  it("are spoken at the start, at a failed step and at the end, and not for each token", () => {
    const passed = { type: "STEP_FINISHED", stepName: "p", metadata: { runwire: { status: "PASSED", text: "Open" } } };
    const failed = { type: "STEP_FINISHED", stepName: "s", metadata: { runwire: { status: "FAILED", text: "Click" } } };
    const entries = log([queued, running, start("m"), ...Array.from({ length: 500 }, () => text("m", "w ")), passed, failed, end("m"), succeeded]);
    const spoken: string[] = [];
    entries.reduce((view, entry) => {
      const after = reduce(view, [entry]);
      spoken.push(announcement(view, after));
      return after;
    }, emptyView(RUN));
    expect(spoken.filter(Boolean)).toEqual(["The run has started.", "Step failed: Click", "Run ended: Done."]);
  });
});

describe("a replay", () => {
  const entries = log([queued, running, start("m"), text("m", "a"), text("m", "b"), end("m"), succeeded]);
  const paused: Replay = { playing: false, speed: 1, atMs: 0, seq: 0 };

  it("plays at the run's own pace, times the speed, and pauses at the end", () => {
    expect(lengthMs(entries)).toBe(60);
    let replay = play(paused, entries);
    replay = advance(replay, entries, 25);
    expect([replay.seq, replay.atMs, replay.playing]).toEqual([3, 25, true]);
    replay = advance({ ...replay, speed: 2 }, entries, 10);
    expect([replay.seq, replay.atMs]).toEqual([5, 45]);
    replay = advance(replay, entries, 1_000);
    expect([replay.seq, replay.atMs, replay.playing]).toEqual([7, 60, false]);
    expect(play(replay, entries)).toMatchObject({ seq: 0, atMs: 0, playing: true });
  });

  it("jumps to any entry and never beyond the log", () => {
    expect(seek(paused, entries, 4)).toMatchObject({ seq: 4, atMs: 30 });
    expect([seek(paused, entries, 99).seq, seek(paused, entries, -3).seq]).toEqual([7, 0]);
  });

  it("shows at each entry what the live view showed then", () => {
    const runLog = new RunLog(RUN);
    runLog.push(entries);
    let live = emptyView(RUN);
    for (const entry of entries) {
      live = reduce(live, [entry]);
      expect(runLog.viewAt(entry.seq)).toEqual(live);
    }
    expect(runLog.viewAt(0)).toEqual(emptyView(RUN));
  });

  it("jumps about in a long log by checkpoints", () => {
    const long = log([running, start("m"), ...Array.from({ length: 9_000 }, (_, n) => text("m", `${n} `))]);
    const runLog = new RunLog(RUN);
    runLog.push(long);
    const whole = reduce(emptyView(RUN), long);
    expect(runLog.viewAt(9_002)).toEqual(whole);
    for (const seq of [5_000, 3, 8_999, 2_000, 4_001]) expect(runLog.viewAt(seq)).toEqual(reduce(emptyView(RUN), long.slice(0, seq)));
    const middle = runLog.viewAt(4_500);
    expect(runLog.viewAt(4_600, middle)).toEqual(reduce(emptyView(RUN), long.slice(0, 4_600)));
  });

  it("keeps no more entries than its bound", () => {
    const runLog = new RunLog(RUN, 5);
    runLog.push(entries.slice(0, 4));
    expect(runLog.dropped).toBe(0);
    runLog.push(entries.slice(4));
    expect(runLog.entries).toEqual(entries.slice(0, 5));
    expect(runLog.dropped).toBe(entries.length - 5);
    runLog.clear();
    expect(runLog.dropped).toBe(0);
  });
});
