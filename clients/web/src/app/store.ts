/**
 * The page's state and what a person can do with it: sign in, start, open, stop. Signals out, functions in.
 *
 * The one place that joins the pure modules of `core` with the browser. Components read signals and call functions from here.
 */

import { batch, signal } from "@preact/signals";
import { asObject } from "../core/agui";
import type { CloseRule } from "../core/close-codes";
import { systemClock } from "../core/clock";
import type { SocketLike } from "../core/connection";
import type { ConnectionState } from "../core/connection-table";
import { newRunId } from "../core/ids";
import { isTerminal, type RetryCommand, type StartCommand } from "../core/protocol";
import { CommandError, RunClient } from "../core/run-client";
import * as api from "./api";
import { go, readAddress, route, runHref, takeLoginCode, watchAddress, type Route } from "./router";
import { conversations, noteStatus, refreshConversations, watchList } from "./conversations";
import { keepTurn } from "./earlier";
import { tell } from "./notices";
import { RunSession } from "./run-session";
import { arrival, enterAsVisitor, visit, visitEnded } from "./visit";

export type SignIn = "checking" | "out" | "in";
/** How often the page of a shared conversation looks for further runs, milliseconds. */
const SHARED_TURNS_MS = 5_000;
/** A lost connection is worth a word after this long, milliseconds; most are back before. */
const BANNER_AFTER_MS = 2_000;

export const signIn = signal<SignIn>("checking");
export const signInProblem = signal("");
export const agents = signal<readonly api.Agent[]>([]);
/** Who is signed in. */
export const me = signal<api.Me>({ user: "", admin: false, share_links: false });
/** The runs of the open run's conversation, oldest first. */
export const turns = signal<readonly api.RunRecord[]>([]);
export const open = signal<RunSession | null>(null);
export const connection = signal<ConnectionState>("idle");
/** Why the connection was lost; null while it is well. Set only after BANNER_AFTER_MS. */
export const trouble = signal<CloseRule | null>(null);
/** A sentence that some action failed; null when there is none. */
export const problem = signal<string | null>(null);
/** Unix milliseconds, once a second while somebody looks: for elapsed times. */
export const now = signal(Date.now());

let cancelBanner: () => void = () => undefined;
/** Whether the open run was the newest of a shared conversation when it was opened. */
let openedAsNewest = false;
let messageLimit = 65_536;
/** Runs that were queued behind the open one: the page goes on to them. */
const waitedBehind = new Set<string>();

/** The page's one socket: followed runs, commands, the live view. */
export const client = new RunClient(
  {
    ticket: api.ticket,
    open: openSocket,
    clock: systemClock,
    random: Math.random,
  },
  {
    onState: onConnection,
    onHello: (hello) => void (messageLimit = hello.limits?.message_bytes ?? messageLimit),
  },
);

function openSocket(): SocketLike {
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws`);
  socket.binaryType = "arraybuffer";
  return socket as unknown as SocketLike;
}

function onConnection(state: ConnectionState, why: CloseRule | null): void {
  connection.value = state;
  if (state === "signed_out" && visit.value) visitEnded();
  else if (state === "signed_out" && signIn.peek() === "in") signedOut("Your session has ended.");
  cancelBanner();
  if (state === "live" || state === "idle") trouble.value = null;
  else if (state === "stopped") trouble.value = why;
  else if (why) cancelBanner = systemClock.after(trouble.value ? 0 : BANNER_AFTER_MS, () => void (trouble.value = why));
}

function signedOut(words: string): void {
  batch(() => {
    signIn.value = "out";
    signInProblem.value = words;
  });
}

/** Begin: take a login code out of the address, look whether there is a session, and follow the address. Called once. */
export async function begin(): Promise<void> {
  watchAddress();
  route.subscribe(onRoute);
  addEventListener("online", () => client.connection.wake());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") client.connection.wake();
  });
  setInterval(() => {
    if (document.visibilityState === "visible") now.value = Date.now();
  }, 1_000);
  if (arrival) return beginVisit();
  watchList();
  const code = takeLoginCode();
  if (code === null) client.connection.need(); // a socket takes three round trips; where there is no session it is refused
  await (code === null ? enter("") : enterWith({ code }));
}

/** Show what a share link leads to, and keep up with what is still said in a shared conversation. */
async function beginVisit(): Promise<void> {
  if (!arrival || !(await enterAsVisitor(arrival))) return;
  signIn.value = "in";
  await readSharedTurns();
  const newest = turns.value[turns.value.length - 1];
  if (route.value.page !== "run" && newest) history.replaceState(null, "", runHref(newest.id));
  readAddress();
  if (visit.value?.thread_id) setInterval(() => document.visibilityState === "visible" && void goOnInVisit(), SHARED_TURNS_MS);
}

async function readSharedTurns(): Promise<void> {
  try {
    turns.value = await api.turns("");
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 401) visitEnded();
    else problem.value = api.describe(error);
  }
}

/** Look for later runs of a shared conversation, and go on to the newest if the one that was is looked at and has ended. */
async function goOnInVisit(): Promise<void> {
  await readSharedTurns();
  const shown = open.value;
  const newest = turns.value[turns.value.length - 1];
  if (openedAsNewest && shown?.live.value.terminal && !shown.replay.value && newest && newest.id !== shown.runId) go(runHref(newest.id));
}

/** Sign in by a token that a person pasted. */
export function signInWithToken(token: string): Promise<void> {
  return enterWith({ token: token.trim() });
}

async function enterWith(credentials: { code: string } | { token: string }): Promise<void> {
  try {
    await api.login(credentials);
  } catch (error) {
    const byLink = "code" in credentials;
    const refused = error instanceof api.ApiError && error.status < 500;
    const words = byLink ? "This link was used before or is too old." : "The server does not know this token.";
    // A used link in a browser that is signed in already is no reason to ask again.
    if (byLink && refused) return enter(words);
    return signedOut(refused ? words : api.describe(error));
  }
  await enter("The browser did not keep the session. Cookies must be allowed for this page.");
}

async function enter(wordsIfOut: string): Promise<void> {
  try {
    [agents.value, me.value] = await Promise.all([api.agents(), api.me()]);
  } catch (error) {
    const out = error instanceof api.ApiError && (error.status === 401 || error.status === 403);
    return signedOut(out ? wordsIfOut : api.describe(error));
  }
  batch(() => {
    signIn.value = "in";
    signInProblem.value = "";
  });
  client.connection.retry();
  onRoute(route.value);
  await refreshConversations();
}

/** End the session here, and show the gate. */
export async function signOut(): Promise<void> {
  try {
    await api.logout();
  } catch (error) {
    return void (problem.value = `You are still signed in. ${api.describe(error)}`);
  }
  location.replace("/"); // whatever this page still holds is gone with it
}

/** Try the connection again now. */
export function reconnect(): void {
  client.connection.retry();
}

function onRoute(to: Route): void {
  if (signIn.value !== "in") return;
  const shown = open.value;
  if (to.page !== "run") return leave();
  if (shown?.runId === to.runId) {
    if (to.seq !== null && to.seq !== shown.replay.value?.seq) shown.openReplay(to.seq);
    return;
  }
  leave();
  openedAsNewest = turns.value[turns.value.length - 1]?.id === to.runId;
  const session = newSession(to.runId);
  if (to.seq !== null) session.openReplay(to.seq);
  client.follow(to.runId, session);
  open.value = session;
  void readRecord(session);
}

function newSession(runId: string): RunSession {
  return new RunSession(runId, client, (session) => {
    const status = session.live.value.status;
    if (!status) return;
    noteStatus(runId, status, session.live.value.terminal?.verdict);
    turns.value = turns.value.map((run) => (run.id === runId ? { ...run, status, verdict: session.live.value.terminal?.verdict ?? null } : run));
    tell(session);
    if (isTerminal(status)) void readRecord(session).then(() => goOn(session));
  });
}

/** Show the run that waited behind this one, if somebody still looks at this one. */
function goOn(ended: RunSession): void {
  const at = turns.value.findIndex((run) => run.id === ended.runId);
  const next = at < 0 ? undefined : turns.value[at + 1];
  if (open.value === ended && !ended.replay.value && waitedBehind.delete(next?.id ?? "") && next) go(runHref(next.id));
}

function leave(): void {
  if (open.value) keepTurn(open.value.live.value);
  open.value?.close();
  open.value = null;
  if (!visit.value) turns.value = [];
}

async function readRecord(session: RunSession): Promise<void> {
  try {
    const record = await api.run(session.runId);
    session.record.value = record;
    if (visit.value) return void (visit.value.thread_id && (await readSharedTurns()));
    if (!conversations.value.some((each) => each.last_run?.run_id === record.id)) void refreshConversations();
    if (record.thread_id && open.value === session) turns.value = await api.turns(record.thread_id);
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 404) return; // the follow tells the same, in its own words
    problem.value = api.describe(error);
  }
}

/** Start a run and show it at once; its id is made here. `threadId` continues a conversation. */
export async function startRun(agent: string, input: unknown, threadId?: string): Promise<void> {
  const runId = newRunId();
  const command = { op: "run.start" as const, run_id: runId, agent, input, ...(threadId ? { thread_id: threadId } : {}) };
  if (new TextEncoder().encode(JSON.stringify(command)).length > messageLimit - 64) {
    problem.value = `This input is too long: at most ${messageLimit} bytes fit.`;
    return;
  }
  await showNew({ id: runId, agent, input, ...(threadId ? { thread_id: threadId } : {}) }, command);
}

/**
 * Repeat the open run in its conversation and show the repetition; from behind entry `fromSeq` where the agent can fork.
 */
export async function retryRun(fromSeq?: number): Promise<void> {
  const ended = open.value;
  const record = ended?.record.value;
  if (!ended || !record || visit.value || ended.live.value.terminal === null) return;
  const runId = newRunId();
  const fork = fromSeq === undefined ? {} : { from_seq: fromSeq };
  await showNew({ ...record, id: runId, retry_of: record.id, ...fork }, { op: "run.retry", run_id: record.id, new_run_id: runId, ...fork });
}

/** Show a run that is about to begin, and begin it. */
async function showNew(record: Omit<api.RunRecord, "status">, command: StartCommand | RetryCommand): Promise<void> {
  leave();
  const session = newSession(record.id);
  session.loading.value = false;
  const { id, agent, input, thread_id, retry_of, from_seq } = record;
  session.record.value = {
    id, agent, input, status: "QUEUED", created_ms: Date.now(), retry_of: retry_of ?? null, from_seq: from_seq ?? null, ...(thread_id ? { thread_id } : {}),
  };
  open.value = session;
  problem.value = null;
  go(runHref(id));
  try {
    await client.start(command, session);
    await readRecord(session);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    session.onRefused(error.fault);
  }
}

/**
 * Start a run behind those of its conversation, without leaving the open one: it is shown when its turn has come.
 *
 * Returns "" or why it was refused, as a sentence.
 */
export async function queueRun(agent: string, input: unknown, threadId: string): Promise<string> {
  const runId = newRunId();
  try {
    await client.command({ op: "run.start", run_id: runId, agent, input, thread_id: threadId, if_busy: "enqueue" });
    client.drop(runId);
    waitedBehind.add(runId);
    turns.value = await api.turns(threadId);
  } catch (error) {
    return api.describe(error);
  }
  return "";
}

/** Send a message into the open run. Returns what became of it, as a sentence. */
export async function steer(runId: string, message: string): Promise<string> {
  try {
    const { status } = await client.command({ op: "run.send", run_id: runId, message, message_id: newRunId() });
    return status === "delivered" ? "Delivered." : "This agent does not listen while it works: kept for the next run.";
  } catch (error) {
    return api.describe(error);
  }
}

/** Ask for the open run to be stopped; valid from QUEUED on. */
export async function stopRun(): Promise<void> {
  const session = open.value;
  const status = session?.live.value.status;
  if (!session || visit.value || session.stopping.value || (status && isTerminal(status))) return;
  session.stopping.value = true;
  try {
    await client.command({ op: "run.cancel", run_id: session.runId });
  } catch (error) {
    session.stopping.value = false;
    problem.value = api.describe(error);
  }
}

/**
 * Answer what the open run asks. Returns "" once the server has the answer, else why it does not: a sentence.
 *
 * Who was faster is told by the log, to everybody.
 */
export async function respond(runId: string, requestId: string, payload: unknown): Promise<string> {
  try {
    await client.command({ op: "run.respond", run_id: runId, request_id: requestId, payload });
    return "";
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const { answered_by: by } = asObject(error.fault.details);
    return error.fault.code === "already_answered" && typeof by === "string" ? `${by} was faster.` : error.message;
  }
}
