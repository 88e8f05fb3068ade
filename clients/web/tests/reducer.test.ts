import { describe, expect, it } from "vitest";
import { isVideo } from "../src/core/artifact";
import { reduce } from "../src/core/reducer";
import { RowIndex } from "../src/core/rows";
import { emptyView, type MessageItem, type StepItem, type ToolItem } from "../src/core/view";
import type { AguiEvent } from "../src/core/agui";
import { end, log, queued, RUN, running, start, succeeded, text } from "./make";

const fresh = () => emptyView(RUN);
const view = (...items: Parameters<typeof log>[0]) => reduce(fresh(), log(items));

describe("the view is made from the log", () => {
  it("joins text deltas into one message and closes it", () => {
    const result = view(queued, running, start("m"), text("m", "Hel"), text("m", "lo"), end("m"), succeeded);
    const message = result.items[0] as MessageItem;
    expect([message.text, message.open, message.role]).toEqual(["Hello", false, "assistant"]);
    expect([result.status, result.lastSeq, result.endedMs]).toEqual(["SUCCEEDED", 7, 1_070]);
  });

  it("shows the same, however the entries were cut into batches", () => {
    const entries = log([
      queued, running, start("m"), text("m", "a"), { type: "STEP_STARTED", stepName: "s" }, text("m", "b"), end("m"),
      { type: "STEP_FINISHED", stepName: "s", metadata: { runwire: { status: "FAILED", error: "no" } } },
      { type: "STATE_SNAPSHOT", snapshot: { n: 1 } }, { type: "STATE_DELTA", delta: [{ op: "replace", path: "/n", value: 2 }] }, succeeded,
    ]);
    const whole = reduce(fresh(), entries);
    for (let cut = 1; cut < entries.length; cut++) {
      expect(reduce(reduce(fresh(), entries.slice(0, cut)), entries.slice(cut))).toEqual(whole);
    }
    expect(entries.reduce((sofar, entry) => reduce(sofar, [entry]), fresh())).toEqual(whole);
  });

  it("shows the steps in words behind the steps, though they begin after the first one", () => {
    const step = (index: number): AguiEvent[] => [
      { type: "STEP_STARTED", stepName: `s${index}` },
      { type: "CUSTOM", name: "said", value: index },
      { type: "STEP_FINISHED", stepName: `s${index}`, metadata: { runwire: { status: "PASSED" } } },
    ];
    const words = (index: number) => text("m", `Step ${index}/3 PASSED Click\n`);
    const entries = log([
      queued, running, ...step(1), start("m"), words(1), ...step(2), words(2), ...step(3), words(3), text("m", "3/3 passed\n"),
      { type: "CUSTOM", name: "behind", value: 1 }, end("m"), succeeded,
    ]);
    const whole = reduce(fresh(), entries);
    const names = whole.items.map((item) => (item.kind === "step" || item.kind === "custom" ? item.name : item.kind));
    expect(names).toEqual(["s1", "said", "s2", "said", "s3", "message", "said", "behind", "life"]);
    expect(whole.steps.map((position) => (whole.items[position] as StepItem).name)).toEqual(["s1", "s2", "s3"]);
    expect((whole.items[5] as MessageItem).text.split("\n").length).toBe(5);
    const index = new RowIndex();
    let live = fresh();
    for (const entry of entries) {
      live = reduce(live, [entry]);
      index.update(live.items);
    }
    expect(live).toEqual(whole);
    expect(index.rows.map((row) => row.key)).toEqual(whole.items.map((item) => item.key));
  });

  it("does not apply an entry twice", () => {
    const entries = log([start("m"), text("m", "x")]);
    const once = reduce(fresh(), entries);
    expect(reduce(once, entries)).toEqual(once);
  });

  it("does not change the view it was given", () => {
    const before = reduce(fresh(), log([start("m"), text("m", "x")]));
    const copy = structuredClone(before);
    reduce(before, log([text("m", "y"), end("m"), succeeded], 3));
    expect(before).toEqual(copy);
  });

  it("keeps the identity of items that did not change", () => {
    const before = reduce(fresh(), log([start("a"), text("a", "x"), end("a"), start("b")]));
    const after = reduce(before, log([text("b", "y")], 5));
    expect(after.items[0]).toBe(before.items[0]);
    expect(after.items[1]).not.toBe(before.items[1]);
  });

  it("gathers a tool call, its arguments and its result", () => {
    const result = view(
      { type: "TOOL_CALL_START", toolCallId: "t", toolCallName: "search" }, { type: "TOOL_CALL_ARGS", toolCallId: "t", delta: '{"q":' },
      { type: "TOOL_CALL_ARGS", toolCallId: "t", delta: "1}" }, { type: "TOOL_CALL_END", toolCallId: "t" },
      { type: "TOOL_CALL_RESULT", messageId: "r", toolCallId: "t", content: "found" },
    );
    const tool = result.items[0] as ToolItem;
    expect([tool.name, tool.args, tool.result, tool.open]).toEqual(["search", '{"q":1}', "found", false]);
  });

  it("reads THINKING_* as reasoning and opens chunks that nothing opened", () => {
    const result = view(
      { type: "THINKING_TEXT_MESSAGE_START" }, { type: "THINKING_TEXT_MESSAGE_CONTENT", delta: "hm" }, { type: "THINKING_TEXT_MESSAGE_END" },
      { type: "REASONING_MESSAGE_CHUNK", messageId: "r", delta: "so" }, { type: "TEXT_MESSAGE_CHUNK", messageId: "m", delta: "Hi" },
    );
    expect(result.items.map((item) => [item.kind, "text" in item ? item.text : ""])).toEqual([
      ["reasoning", "hm"], ["reasoning", "so"], ["message", "Hi"],
    ]);
  });

  it("reads what a model made of a step, and nothing where none was asked", () => {
    const reading = { sentence: 'Click link "Blue mug"', model: "eyes", recorded: true };
    const result = view(
      running,
      { type: "STEP_FINISHED", stepName: "1", metadata: { runwire: { status: "PASSED", reading } } },
      { type: "STEP_FINISHED", stepName: "2", metadata: { runwire: { status: "PASSED", reading: { sentence: 3 } } } },
    );
    expect(result.items.map((item) => (item as StepItem).reading)).toEqual([reading, null]);
  });

  it("reads a step's facts and the screenshot that came while it ran", () => {
    const result = view(
      { type: "STEP_STARTED", stepName: "1", metadata: { runwire: { index: 1, total: 2, text: "Navigate to /" } } },
      { type: "CUSTOM", name: "runwire.artifact", value: { id: "a1", kind: "screenshot", url: `/v1/runs/${RUN}/artifacts/a1`, mime: "image/png", bytes: 9 } },
      { type: "STEP_FINISHED", stepName: "1", metadata: { runwire: { index: 1, total: 2, text: "Navigate to /", status: "PASSED", duration_ms: 12, artifact_id: "a1" } } },
    );
    const step = result.items[0] as StepItem;
    expect(result.items).toHaveLength(1);
    expect([step.index, step.total, step.status, step.durationMs, step.artifactIds]).toEqual([1, 2, "PASSED", 12, ["a1"]]);
  });

  it("lets a run's video stand on its own, although a step was cut off by the run's end", () => {
    const video = (mime: string) => ({ id: "v", kind: "video", url: `/v1/runs/${RUN}/artifacts/v`, name: "video.webm", mime, bytes: 9 });
    const cut = (mime: string) => view({ type: "STEP_STARTED", stepName: "1" }, { type: "CUSTOM", name: "runwire.artifact", value: video(mime) });
    expect(cut("video/webm").items.map((item) => item.kind)).toEqual(["step", "artifact"]);
    const played = (mime: string) => isVideo(cut(mime).artifacts.get("v")!);
    expect([played("video/webm"), played("text/html")]).toEqual([true, false]);
  });

  it("closes what was open when the run ends or is queued again", () => {
    const result = view(running, start("m"), text("m", "x"), { type: "STEP_STARTED", stepName: "s" }, { status: "QUEUED", attempt: 2, reason: "worker_lost" });
    expect((result.items[0] as MessageItem).open).toBe(false);
    expect((result.items[1] as StepItem).status).toBe("STOPPED");
    expect([result.status, result.attempt, result.items[2]?.kind]).toEqual(["QUEUED", 2, "life"]);
  });

  it("keeps progress and activities as states", () => {
    const result = view(
      { type: "ACTIVITY_SNAPSHOT", messageId: "p", activityType: "runwire.progress", content: { done: 1, total: 4, label: "pages" } },
      { type: "ACTIVITY_DELTA", messageId: "p", activityType: "runwire.progress", patch: [{ op: "replace", path: "/done", value: 2 }] },
      { type: "ACTIVITY_SNAPSHOT", messageId: "x", activityType: "plan", content: { a: [1] } },
      { type: "ACTIVITY_DELTA", messageId: "x", activityType: "plan", patch: [{ op: "add", path: "/a/-", value: 2 }] },
    );
    expect(result.progress).toEqual({ done: 2, total: 4, label: "pages" });
    expect(result.items).toMatchObject([{ kind: "activity", content: { a: [1, 2] } }]);
  });

  it("survives events whose fields are of any type", () => {
    const types = [
      "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_RESULT", "STEP_STARTED",
      "STEP_FINISHED", "STATE_DELTA", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "CUSTOM", "MESSAGES_SNAPSHOT", "REASONING_MESSAGE_CONTENT", "RAW", "toString", "__proto__",
    ];
    const values: unknown[] = [null, 7, [], {}, "x", { runwire: 3 }];
    const events = types.flatMap((type) => values.map((value): AguiEvent => ({
      type, messageId: value, toolCallId: value, stepName: value, delta: value, patch: value, content: value, name: "runwire.artifact", value, metadata: value, messages: [value],
    })));
    expect(view(...events).lastSeq).toBe(events.length);
  });

  it("counts a patch that does not fit and leaves the state alone", () => {
    const result = view({ type: "STATE_SNAPSHOT", snapshot: { a: 1 } }, { type: "STATE_DELTA", delta: [{ op: "remove", path: "/b" }] });
    expect([result.shared, result.oddEntries]).toEqual([{ a: 1 }, 1]);
  });

  it("reduces 50,000 entries in batches of 64 in linear time", () => {
    const entries = log(Array.from({ length: 50_000 }, (_, n) => text(`m${n % 40}`, "word ")));
    let result = fresh();
    for (let at = 0; at < entries.length; at += 64) result = reduce(result, entries.slice(at, at + 64));
    expect(result.items).toHaveLength(40);
    expect((result.items[0] as MessageItem).text).toHaveLength(50_000 / 40 * 5);
  });
});

describe("an artifact's address", () => {
  it.each([
    ["/v1/runs/other/artifacts/a1"], ["https://evil.example/a.png"], ["//evil.example/a.png"], ["javascript:alert(1)"], ["data:image/png;base64,AA"],
    [`/v1/runs/${RUN}/artifacts/../../tickets`], [`/v1/runs/${RUN}/artifacts/a?x=1`], [7],
  ])("is not loaded when it is %s", (url) => {
    const result = view({ type: "CUSTOM", name: "runwire.artifact", value: { id: "a", url, mime: "image/png" } });
    expect(result.artifacts.get("a")?.url).toBe("");
  });
});
