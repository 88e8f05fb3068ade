import { beforeEach, describe, expect, it } from "vitest";
import { CLOSE_RULES, closeRule, MAX_DELAY_MS, resumeDelayMs } from "../src/core/close-codes";
import { PROBE_LIMIT_MS, SILENCE_LIMIT_MS, STEP_LIMIT_MS, type SocketLike, type Ticket } from "../src/core/connection";
import { CONNECTION_TABLE, nextState, type ConnectionState } from "../src/core/connection-table";
import { accept } from "../src/core/cursor";
import { isRunId, newRunId } from "../src/core/ids";
import { parseFrame, type Entry } from "../src/core/protocol";
import { RunClient, type RunSink } from "../src/core/run-client";
import { log, ManualClock, RUN, running, start, succeeded, text } from "./make";

class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  sent: Record<string, unknown>[] = [];
  closed = false;
  send(message: string): void {
    this.sent.push(JSON.parse(message) as Record<string, unknown>);
  }
  close(): void {
    this.closed = true;
  }
  frame(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  ops(): unknown[] {
    return this.sent.map((message) => message["op"]);
  }
}

class Desk implements RunSink {
  entries: Entry[] = [];
  heard: string[] = [];
  onConnected = () => void this.heard.push("connected");
  onReset = () => {
    this.heard.push("reset");
    this.entries = [];
  };
  onEntries = (entries: readonly Entry[]) => void this.entries.push(...entries);
  onQueue = () => void this.heard.push("queue");
  onEnd = (rule: { action: string }) => void this.heard.push(`end ${rule.action}`);
  onRefused = (error: { code: string }) => void this.heard.push(`refused ${error.code}`);
}

let clock: ManualClock;
let sockets: FakeSocket[];
let states: ConnectionState[];
let tickets: () => Promise<Ticket>;
let client: RunClient;
let desk: Desk;

const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
};
const latest = () => sockets[sockets.length - 1] as FakeSocket;
const hello = { type: "hello", protocol: "1", user: "u", heartbeat_s: 10, limits: {} };
const connected = (last_seq: number, epoch = "e1") => ({
  type: "connected", run_id: RUN, status: "RUNNING", epoch, first_seq: 1, last_seq, resumed: true, heartbeat_s: 10, protocol: "1",
});

beforeEach(() => {
  clock = new ManualClock();
  sockets = [];
  states = [];
  desk = new Desk();
  tickets = () => Promise.resolve({ kind: "ticket", ticket: "t" });
  client = new RunClient(
    { ticket: () => tickets(), open: () => (sockets.push(new FakeSocket()), latest()), clock, random: () => 0.5 },
    { onState: (state) => void states.push(state), onHello: () => undefined },
  );
});

/** Bring the client to a live socket. */
async function live(): Promise<FakeSocket> {
  await settle();
  latest().onopen?.();
  latest().frame(hello);
  await settle();
  return latest();
}

/** Follow the run and hold its first three entries. */
async function following(): Promise<FakeSocket> {
  client.follow(RUN, desk);
  const socket = await live();
  socket.frame({ type: "reply", id: socket.sent[1]?.["id"], ok: true, result: {} });
  socket.frame(connected(3));
  socket.frame({ type: "batch", run_id: RUN, first_seq: 1, entries: log([running, start("m"), text("m", "a")]) });
  return socket;
}

describe("the connection", () => {
  it("asks for a ticket, sends it as the first message, and follows after hello", async () => {
    const socket = await following();
    expect(states).toEqual(["ticket", "opening", "greeting", "live"]);
    expect(socket.sent[0]).toEqual({ op: "auth", ticket: "t" });
    expect(socket.sent[1]).toMatchObject({ op: "run.follow", run_id: RUN, batch: true });
    expect(socket.sent[1]).not.toHaveProperty("after");
  });

  it("does not connect while nobody needs it", async () => {
    await settle();
    expect(sockets).toHaveLength(0);
  });

  it("says signed_out when no ticket is given, and tries again when asked", async () => {
    tickets = () => Promise.resolve({ kind: "refused" });
    client.follow(RUN, desk);
    await settle();
    expect(client.connection.state).toBe("signed_out");
    clock.advance(60_000);
    expect(client.connection.state).toBe("signed_out");
    tickets = () => Promise.resolve({ kind: "ticket", ticket: "t" });
    client.connection.retry();
    await settle();
    expect(client.connection.state).toBe("opening");
  });

  it("takes one 4401 as a stale ticket, two in a row as no session", async () => {
    await following();
    latest().onclose?.({ code: 4401 });
    await settle();
    expect(client.connection.state).toBe("opening");
    latest().onopen?.();
    latest().onclose?.({ code: 4401 });
    expect(client.connection.state).toBe("signed_out");
  });

  it("resumes after a cut behind the last entry held, with the epoch", async () => {
    await following();
    latest().onclose?.({ code: 1006 });
    expect(client.connection.state).toBe("waiting");
    clock.advance(500);
    const second = await live();
    expect(second.sent[1]).toMatchObject({ op: "run.follow", after: 3, epoch: "e1" });
    second.frame(connected(5));
    second.frame({ type: "batch", run_id: RUN, first_seq: 3, entries: log([text("m", "a"), text("m", "b"), succeeded], 3) });
    second.frame({ type: "end", run_id: RUN, code: 1000 });
    expect(desk.entries.map((entry) => entry.seq)).toEqual([1, 2, 3, 4, 5]);
    expect(desk.heard).toEqual(["connected", "connected", "end done"]);
  });

  it("waits at least five seconds when the server is full, and not at all when the page wakes up", async () => {
    await following();
    latest().onclose?.({ code: 1013 });
    clock.advance(4_999);
    expect(client.connection.state).toBe("waiting");
    client.connection.wake();
    expect(client.connection.state).toBe("ticket");
  });

  it.each([1002, 4501, 4503])("does not come back by itself after %d", async (code) => {
    await following();
    latest().onclose?.({ code });
    clock.advance(120_000);
    expect(client.connection.state).toBe("stopped");
    client.connection.retry();
    expect(client.connection.state).toBe("ticket");
  });

  it("holds a socket for dead after 25 s of silence while a run is followed", async () => {
    const socket = await following();
    clock.advance(SILENCE_LIMIT_MS - 1);
    expect(client.connection.state).toBe("live");
    clock.advance(1);
    expect([client.connection.state, socket.closed]).toEqual(["waiting", true]);
  });

  it("takes heartbeats for life", async () => {
    const socket = await following();
    for (let beat = 0; beat < 12; beat++) {
      clock.advance(10_000);
      socket.frame({ type: "heartbeat", run_id: RUN, last_seq: 3, ts_ms: 1 });
    }
    expect(sockets).toHaveLength(1);
  });

  it("drops a frozen socket 3 s after the page woke up, and keeps one that answers", async () => {
    const socket = await following();
    clock.advance(5_000);
    client.connection.wake();
    expect(socket.ops().at(-1)).toBe("ping");
    clock.advance(100);
    socket.frame({ type: "reply", id: "probe", ok: true });
    clock.advance(PROBE_LIMIT_MS);
    expect(client.connection.state).toBe("live");
    client.connection.wake();
    clock.advance(PROBE_LIMIT_MS);
    expect(client.connection.state).toBe("waiting");
  });

  it("gives up a ticket, an upgrade and a greeting after ten seconds each", async () => {
    tickets = () => new Promise(() => undefined);
    client.follow(RUN, desk);
    clock.advance(STEP_LIMIT_MS);
    expect(client.connection.state).toBe("waiting");
    tickets = () => Promise.resolve({ kind: "ticket", ticket: "t" });
    clock.advance(MAX_DELAY_MS);
    await settle();
    expect(client.connection.state).toBe("opening");
    clock.advance(STEP_LIMIT_MS);
    expect(latest().closed).toBe(true);
  });

  it("parks when it is closed as idle and nothing is followed", async () => {
    await following();
    client.unfollow(RUN);
    latest().frame({ type: "reply", id: latest().sent.at(-1)?.["id"], ok: true });
    latest().onclose?.({ code: 1001 });
    expect(client.connection.state).toBe("idle");
  });
});

describe("commands and follows", () => {
  it("sends a start again, once, when the socket died before its reply, and shows each entry once", async () => {
    const started = client.start({ op: "run.start", run_id: RUN, agent: "echo", input: "hi" }, desk);
    await live();
    expect(latest().ops()).toEqual(["auth", "run.start"]);
    latest().onclose?.({ code: 1006 });
    clock.advance(1_000);
    const second = await live();
    expect(second.ops()).toEqual(["auth", "run.start", "run.follow"]);
    const sent = second.sent.find((message) => message["op"] === "run.start");
    expect(sent).toMatchObject({ run_id: RUN, agent: "echo", input: "hi" });
    second.frame({ type: "reply", id: sent?.["id"], ok: true, result: { run_id: RUN } });
    second.frame(connected(1));
    second.frame(log([running])[0]);
    second.frame(connected(1));
    second.frame(log([running])[0]);
    await expect(started).resolves.toBeUndefined();
    expect(desk.entries).toHaveLength(1);
  });

  it("follows a repetition by the id that was chosen for it, and sends it again under the same", async () => {
    const started = client.start({ op: "run.retry", run_id: "originaloriginal", new_run_id: RUN }, desk);
    (await live()).onclose?.({ code: 1006 });
    clock.advance(1_000);
    const second = await live();
    const sent = second.sent.find((message) => message["op"] === "run.retry");
    expect(sent).toMatchObject({ run_id: "originaloriginal", new_run_id: RUN });
    second.frame({ type: "reply", id: sent?.["id"], ok: true, result: { run_id: RUN } });
    second.frame(connected(1));
    second.frame(log([running])[0]);
    await expect(started).resolves.toBeUndefined();
    expect(desk.entries).toHaveLength(1);
  });

  it("rejects a command with the server's words and stops following a run that never began", async () => {
    const started = client.start({ op: "run.start", run_id: RUN, agent: "nobody", input: "hi" }, desk);
    const socket = await live();
    const sent = socket.sent.find((message) => message["op"] === "run.start");
    socket.frame({ type: "reply", id: sent?.["id"], ok: false, error: { code: "unknown_agent", message: "no such agent", retryable: false } });
    await expect(started).rejects.toThrow("no such agent");
    expect(client.expectsFrames()).toBe(false);
  });

  it("asks again behind the cursor when an entry is missing, and ignores the old cursor meanwhile", async () => {
    const socket = await following();
    socket.frame(log([text("m", "c")], 5)[0]);
    expect(socket.sent.at(-1)).toMatchObject({ op: "run.follow", after: 3 });
    socket.frame(log([text("m", "d")], 6)[0]);
    socket.frame(connected(6));
    socket.frame({ type: "batch", run_id: RUN, first_seq: 4, entries: log([text("m", "b"), text("m", "c"), text("m", "d")], 4) });
    expect(desk.entries.map((entry) => entry.seq)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("asks again when a heartbeat shows entries that never came", async () => {
    const socket = await following();
    socket.frame({ type: "heartbeat", run_id: RUN, last_seq: 9, ts_ms: 1 });
    expect(socket.sent.at(-1)).toMatchObject({ op: "run.follow", after: 3 });
  });

  it("begins anew after a reset", async () => {
    const socket = await following();
    socket.frame({ type: "reset", run_id: RUN, reason: "epoch", first_seq: 1, last_seq: 1 });
    socket.frame(log([running])[0]);
    expect(desk.entries.map((entry) => entry.seq)).toEqual([1]);
  });

  it("tells the reader when a run is unknown, and comes back later when told so", async () => {
    client.follow(RUN, desk);
    const socket = await live();
    socket.frame({ type: "reply", id: socket.sent[1]?.["id"], ok: false, error: { code: "busy", message: "later", retryable: true } });
    await settle();
    clock.advance(20_000);
    expect(socket.ops().filter((op) => op === "run.follow")).toHaveLength(2);
    socket.frame({ type: "reply", id: socket.sent.at(-1)?.["id"], ok: false, error: { code: "not_found", message: "no such run" } });
    await settle();
    expect(desk.heard).toEqual(["refused not_found"]);
  });

  it("follows again when the server cut a slow reader of one run", async () => {
    const socket = await following();
    socket.frame({ type: "end", run_id: RUN, code: 4008 });
    clock.advance(1_000);
    expect(socket.sent.at(-1)).toMatchObject({ op: "run.follow", after: 3 });
  });
});

describe("tables", () => {
  it("reaches every state of the connection and can leave each of them", () => {
    const states = Object.keys(CONNECTION_TABLE) as ConnectionState[];
    const reached = new Set(states.flatMap((state) => Object.values(CONNECTION_TABLE[state])));
    expect([...reached].sort()).toEqual([...states].sort());
    expect(nextState("live", "hello")).toBeNull();
  });

  it("has a rule for every code of section 5", () => {
    expect(Object.keys(CLOSE_RULES).map(Number)).toEqual([
      1000, 1001, 1002, 1003, 1005, 1006, 1007, 1009, 1011, 1012, 1013, 4008, 4009, 4029, 4401, 4501, 4503,
    ]);
    expect([closeRule(4123).action, closeRule(4777).action, closeRule(1015).action]).toEqual(["resume", "stop", "resume"]);
  });

  it("comes back within 0–2 s after a restart, and never waits much longer than the limit", () => {
    expect([resumeDelayMs(closeRule(1012), 0, 0), resumeDelayMs(closeRule(1012), 0, 0.999)]).toEqual([0, 1_998]);
    expect(resumeDelayMs(closeRule(1006), 40, 0.999)).toBeLessThanOrEqual(MAX_DELAY_MS);
    expect(resumeDelayMs(closeRule(1013), 0, 0)).toBe(5_000);
  });

  it("accepts each seq once and stops at a hole", () => {
    const entries = log([running, running, running, running]);
    expect(accept(2, entries)).toMatchObject({ after: 4, gap: false, fresh: entries.slice(2) });
    expect(accept(0, entries.slice(1))).toEqual({ after: 0, gap: true, fresh: [] });
  });

  it("makes run ids that the server takes", () => {
    const ids = Array.from({ length: 200 }, () => newRunId());
    expect(ids.every((id) => isRunId(id) && id.length === 24 && /^[a-z]/.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(200);
  });

  it("passes over frames of a later server and refuses what is no frame", () => {
    expect(parseFrame('{"type":"news"}')).toBeNull();
    expect(() => parseFrame("[]")).toThrow(SyntaxError);
  });
});
