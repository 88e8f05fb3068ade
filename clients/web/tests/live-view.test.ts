import { beforeEach, describe, expect, it } from "vitest";
import { handOverWords, leaseWords } from "../src/core/control";
import { LiveView, type LiveState } from "../src/core/live-view";
import { Newest } from "../src/core/newest";
import { Hand, keyed, pasted, placeOf, pressed } from "../src/core/page-input";
import type { Command, PageInput } from "../src/core/protocol";
import { CommandError } from "../src/core/run-client";
import { readPicture, type Picture } from "../src/core/view-frame";
import { ManualClock, RUN } from "./make";

function wire(view: number, number: number, flags = 0, jpeg: readonly number[] = [0xff, 0xd8]): ArrayBuffer {
  const message = new ArrayBuffer(16 + jpeg.length);
  const head = new DataView(message);
  head.setUint16(0, view);
  head.setUint32(2, number);
  head.setUint32(6, 1_234);
  head.setUint16(10, 1_280);
  head.setUint16(12, 720);
  head.setUint16(14, flags);
  new Uint8Array(message).set(jpeg, 16);
  return message;
}

const settle = async () => {
  for (let turn = 0; turn < 6; turn++) await Promise.resolve();
};

describe("a picture", () => {
  it("is taken apart", () => {
    const picture = readPicture(wire(7, 70_000, 3));
    expect(picture).toMatchObject({ view: 7, number: 70_000, viewport: { width: 1_280, height: 720 }, polled: true, held: true });
    expect([...(picture?.jpeg ?? [])]).toEqual([0xff, 0xd8]);
    expect(readPicture(wire(1, 1, 2))).toMatchObject({ polled: false, held: true });
  });
  it("is none without a JPEG", () => expect(readPicture(wire(1, 1, 0, []))).toBeNull());
});

describe("newest wins", () => {
  it("one at a time, and only the newest of what came meanwhile", async () => {
    const done: number[] = [];
    let finish: () => void = () => undefined;
    const newest = new Newest<number>(
      (item) => new Promise((resolve) => (finish = () => { done.push(item); resolve(); })),
      () => undefined,
    );
    for (const item of [1, 2, 3, 4]) newest.put(item);
    finish();
    await settle();
    expect(done).toEqual([1]);
    finish();
    await settle();
    finish();
    expect(done).toEqual([1, 4, 4]); // the third call belongs to the same item: nothing else is on its way
  });
  it("goes on behind one that fails", async () => {
    const failed: unknown[] = [];
    const done: number[] = [];
    const newest = new Newest<number>(async (item) => { if (item === 1) throw new Error("broken"); done.push(item); }, (error) => failed.push(error));
    newest.put(1);
    newest.put(2);
    await settle();
    expect([failed.length, done]).toEqual([1, [2]]);
  });
});

describe("a person's hand", () => {
  const viewport = { width: 1_280, height: 720 };
  const box = { left: 100, top: 50, width: 640, height: 360 };
  const facts = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, altGraph: false };

  it.each([[100, 50, 0, 0], [420, 230, 640, 360], [739.9, 409.9, 1_279, 719], [2_000, -5, 1_279, 0]])("points at %i,%i", (left, top, x, y) => {
    expect(placeOf(box, viewport, left, top)).toEqual({ x, y });
  });
  it("points nowhere on a canvas without a size", () => expect(placeOf({ ...box, width: 0, height: 0 }, viewport, 5, 5)).toEqual({ x: 0, y: 0 }));
  it("counts its clicks", () => {
    expect(pressed({ x: 1, y: 2 }, "down", 2, 9)).toEqual({ kind: "mouse", action: "down", x: 1, y: 2, button: "right", clicks: 3 });
    expect(pressed({ x: 1, y: 2 }, "up", 0, 0)).toMatchObject({ button: "left", clicks: 1 });
  });
  it.each([
    ["a", {}, { kind: "key", key: "a" }],
    ["A", { shiftKey: true }, { kind: "key", key: "A" }],
    [" ", {}, { kind: "key", key: "Space" }],
    ["ö", {}, { kind: "text", text: "ö" }],
    ["@", { ctrlKey: true, altKey: true, altGraph: true }, { kind: "key", key: "@" }],
    ["a", { ctrlKey: true }, { kind: "key", key: "Control+a" }],
    ["a", { metaKey: true }, { kind: "key", key: "Control+a" }],
    ["Tab", { shiftKey: true }, { kind: "key", key: "Shift+Tab" }],
    ["ArrowLeft", { ctrlKey: true, shiftKey: true }, { kind: "key", key: "Control+Shift+ArrowLeft" }],
    ["F5", {}, { kind: "key", key: "F5" }],
    ["Shift", { shiftKey: true }, null],
    ["Dead", {}, null],
    ["AudioVolumeUp", {}, null],
    ["ö", { ctrlKey: true }, null],
  ])("presses %s", (key, more, input) => expect(keyed({ key, ...facts, ...more })).toEqual(input));
  it("pastes long texts in pieces", () => {
    const pieces = pasted("😀".repeat(2_500)).map((piece) => (piece.kind === "text" ? piece.text : ""));
    expect(pieces.join("")).toBe("😀".repeat(2_500));
    expect(pieces.every((piece) => piece.length <= 2_000)).toBe(true);
  });
  it("gathers moves and turns, in order with what it does", () => {
    const clock = new ManualClock();
    const sent: PageInput[] = [];
    const hand = new Hand(clock, (input) => sent.push(input));
    for (let x = 0; x < 5; x++) hand.move({ x, y: 0 });
    for (let turn = 0; turn < 5; turn++) hand.wheel({ x: 9, y: 9 }, 0, 10);
    hand.act({ kind: "key", key: "a" });
    expect(sent.map((input) => (input.kind === "wheel" ? `wheel ${input.dy}` : input.kind === "mouse" ? `move ${input.x}` : input.kind))).toEqual(["move 0", "move 4", "wheel 50", "key"]);
    for (let step = 0; step < 100; step++) {
      hand.move({ x: step, y: 1 });
      clock.advance(10);
    }
    expect(sent.length - 4).toBeLessThan(25);
    hand.move({ x: 1, y: 1 });
    hand.rest();
    const before = sent.length;
    clock.advance(1_000);
    expect(sent.length).toBe(before);
  });
});

describe("a live view", () => {
  let clock: ManualClock;
  let asked: { command: Command; resolve: (result: Record<string, unknown>) => void; reject: (error: Error) => void }[];
  let told: Command[];
  let states: LiveState[];
  let pictures: Picture[];
  let view: LiveView;

  beforeEach(() => {
    clock = new ManualClock();
    asked = [];
    told = [];
    states = [];
    pictures = [];
    view = new LiveView(RUN, "Ada", {
      command: (command) => new Promise((resolve, reject) => asked.push({ command, resolve, reject })),
      tell: (command) => void told.push(command),
    }, clock, { onState: (state) => void states.push(state), onPicture: (picture) => void pictures.push(picture) });
  });
  const answer = async (result: Record<string, unknown>) => {
    asked.shift()?.resolve(result);
    await settle();
  };
  const refuse = async (code: string, retryable = false) => {
    asked.shift()?.reject(new CommandError({ code, message: `refused: ${code}`, retryable }));
    await settle();
  };
  const opened = async (number = 1) => {
    view.open();
    await answer({ view: number, control: "AGENT" });
  };
  const taken = async () => {
    const taking = view.take();
    await answer({ view: 1, control: "PERSON", holder: "Ada", lease_s: 60 });
    await taking;
  };
  const handed = (control: "AGENT" | "PERSON", holder?: string) =>
    view.onFrame({ type: "view", view: 1, run_id: RUN, control, ...(holder ? { holder, lease_s: 30 } : {}) });

  it("shows the pictures of its own number alone", async () => {
    view.open();
    expect(asked[0]?.command).toEqual({ op: "view.open", run_id: RUN, name: "Ada" });
    view.onBinary(wire(1, 1));
    await answer({ view: 1, control: "AGENT" });
    view.onBinary(wire(1, 2));
    view.onBinary(wire(2, 3));
    expect(pictures.map((picture) => picture.number)).toEqual([2]);
    expect(view.state.phase).toBe("open");
  });
  it("closes on the server what was closed here before the answer came", async () => {
    view.open();
    view.close();
    await answer({ view: 5, control: "AGENT" });
    expect(told).toEqual([{ op: "view.close", view: 5 }]);
    expect(view.state.phase).toBe("closed");
  });
  it("opens again on the next socket, and says that control is lost", async () => {
    await opened();
    await taken();
    view.onLost();
    expect(view.state).toMatchObject({ phase: "opening", mine: false, holder: "", notice: "The connection was lost: the agent has control again." });
    view.use({ kind: "key", key: "a" });
    expect(told).toEqual([]);
    view.onLive();
    await answer({ view: 1, control: "PERSON", holder: "Bob", lease_s: 20 });
    expect(view.state).toMatchObject({ phase: "open", mine: false, holder: "Bob" });
  });
  it("asks again later where that may help, and not where it cannot", async () => {
    view.open();
    await refuse("over_capacity", true);
    clock.advance(2_000);
    expect(asked.length).toBe(1);
    await refuse("conflict");
    clock.advance(60_000);
    expect([asked.length, view.state.phase, view.state.notice]).toEqual([0, "refused", "refused: conflict"]);
  });
  it("sends inputs only with control, which each renews", async () => {
    await opened();
    view.use({ kind: "key", key: "a" });
    expect(told).toEqual([]);
    await taken();
    expect(view.state).toMatchObject({ mine: true, holder: "Ada", untilMs: 60_000 });
    clock.advance(5_000);
    view.use({ kind: "key", key: "a" });
    expect(told).toEqual([{ op: "view.input", view: 1, input: { kind: "key", key: "a" } }]);
    expect(view.state.untilMs).toBe(65_000);
  });
  it("learns that a lease has become shorter than at first", async () => {
    await opened();
    await taken();
    clock.advance(11_000);
    view.use({ kind: "key", key: "a" });
    await answer({ view: 1, control: "PERSON", holder: "Ada", lease_s: 12 });
    expect(view.state.untilMs).toBe(23_000);
  });
  it("tells who lost control, and not who gave it back", async () => {
    await opened();
    await taken();
    handed("AGENT");
    expect(view.state).toMatchObject({ mine: false, notice: "Control went back to the agent." });
    await taken();
    const giving = view.give();
    handed("AGENT");
    await answer({ view: 1, control: "AGENT" });
    await giving;
    expect(view.state).toMatchObject({ mine: false, notice: "", asking: false });
  });
  it("says who was faster", async () => {
    await opened();
    const taking = view.take();
    handed("PERSON", "Bob");
    await refuse("control_taken", true);
    await taking;
    expect(view.state).toMatchObject({ mine: false, holder: "Bob", notice: "refused: control_taken", asking: false });
  });
  it("ends with its run, and stays so", async () => {
    await opened();
    view.onFrame({ type: "view_end", view: 1, run_id: RUN, status: "SUCCEEDED" });
    view.close();
    view.onLive();
    expect([view.state.phase, asked.length, told.length]).toEqual(["ended", 0, 0]);
  });
});

describe("control in words", () => {
  it.each([
    [{ state: "PERSON", person: "Ada", reason: "taken" }, "Ada took control of the browser."],
    [{ state: "AGENT", person: "Ada", reason: "expired" }, "Ada did nothing for too long: the agent has control again."],
    [{ state: "AGENT", person: 5, reason: "new" }, "Somebody no longer has control."],
    ["nonsense", "Somebody no longer has control."],
  ])("%j", (value, words) => expect(handOverWords(value)).toBe(words));
  it("says how long", () => {
    expect(leaseWords(true, 59_100)).toBe("back to the agent after 1 min 00 s without input");
    expect(leaseWords(false, 4_200)).toBe("free in 5 s unless they go on");
    expect(leaseWords(false, 0)).toBe("");
  });
});
