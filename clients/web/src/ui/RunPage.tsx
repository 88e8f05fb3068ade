/** One run: what it is and how it stands, what it says, what it shows, and what can be done with it. */

import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { inputLine } from "../core/agent-input";
import { duration, queuePlace, statusWords, wholeSeconds } from "../core/format";
import { isTerminal } from "../core/protocol";
import type { RunSession } from "../app/run-session";
import { runHref } from "../app/router";
import { agents, now, queueRun, retryRun, steer, turns } from "../app/store";
import { Composer } from "./Composer";
import { Icon } from "./Icon";
import { runKeys } from "./keys";
import { CutNote, RawLog } from "./RawLog";
import { ReplayBar } from "./ReplayBar";
import { RunActions } from "./RunActions";
import { moveSelection, selection } from "./selection";
import { hasStage, Stage } from "./Stage";
import { StatusChip, StatusDot } from "./Status";
import { Transcript } from "./Transcript";

export function RunPage({ session }: { session: RunSession }) {
  const raw = useSignal(false);
  const showItem = useRef<(position: number) => void>(() => undefined);
  useEffect(() => {
    selection.value = null;
    return runKeys({
      next: (by) => {
        const position = moveSelection(session.shown.value, by);
        if (position !== null) showItem.current(position);
      },
      replay: () => toggleReplay(session),
      retry: () => void retryRun(),
      playPause: () => session.playPause(),
      seek: (by) => session.replay.value && session.seekReplay(session.replay.value.seq + by),
      isReplaying: () => session.replay.value !== null,
    });
  }, [session]);
  const refused = session.refused.value;
  if (refused) {
    return (
      <main class="home">
        <h1>{refused.code === "not_found" || refused.code.includes("not_found") ? "No such run" : "This did not work"}</h1>
        <p class="problem" role="alert">{refused.message}</p>
        <a class="button" href="#/"><Icon name="left" />Back</a>
      </main>
    );
  }
  return (
    <main class="run-page">
      <Header session={session} raw={raw.value} onRaw={() => (raw.value = !raw.value)} />
      <Turns session={session} />
      <Progress session={session} />
      <div class={hasStage(session) && !raw.value ? "run-body split" : "run-body"}>
        {raw.value ? <RawLog session={session} /> : <Transcript key={session.runId} session={session} onReady={(show) => (showItem.current = show)} />}
        {!raw.value && <Stage session={session} />}
      </div>
      {(raw.value || session.replay.value) && <CutNote session={session} />}
      <Foot session={session} />
      <p class="unseen" role="status" aria-live="polite">{session.spoken.value}</p>
    </main>
  );
}

function Header({ session, raw, onRaw }: { session: RunSession; raw: boolean; onRaw: () => void }) {
  const record = session.record.value;
  const live = session.live.value;
  const status = live.status ?? record?.status ?? "QUEUED";
  const ended = isTerminal(status);
  const label = session.stopping.value ? "Stopping…" : status === "QUEUED" && session.queue.value ? queuePlace(session.queue.value) : undefined;
  const title = inputLine(record?.input) || record?.agent || "Run";
  const shownLabel = label ?? statusWords(status, live.terminal?.verdict).label;
  useEffect(() => {
    document.title = `${shownLabel} · ${title} · Runwire`;
    return () => void (document.title = "Runwire");
  }, [shownLabel, title]);
  const begun = live.startedMs ?? live.queuedMs;
  const elapsed = begun === null ? "" : live.endedMs === null ? wholeSeconds(now.value - begun) : duration(live.endedMs - begun);
  return (
    <header class="run-head">
      <div class="run-title">
        <h1 title={title}>{title}</h1>
        <small>
          {record?.agent}
          {live.attempt > 1 ? ` · attempt ${live.attempt}` : ""}
          <Origin session={session} />
          {status === "QUEUED" && session.queue.value?.blocked ? ` · waits: ${session.queue.value.blocked}` : ""}
        </small>
      </div>
      <StatusChip status={status} verdict={live.terminal?.verdict} label={label} />
      <span class="time" aria-label="Elapsed time">{elapsed}</span>
      <RunActions session={session} ended={ended} raw={raw} onRaw={onRaw} onReplay={() => toggleReplay(session)} />
    </header>
  );
}

/** What the run repeats, and what took its place. */
function Origin({ session }: { session: RunSession }) {
  const { retry_of: id, from_seq: seq, rolled_back_by: by } = session.record.value ?? {};
  return (
    <>
      {id && <> · <a href={runHref(id, seq ?? undefined)}>{seq ? `forked from ${nameOf(id)} at #${seq}` : `retry of ${nameOf(id)}`}</a></>}
      {by && <> · <a href={runHref(by)}>rolled back by {nameOf(by)}</a></>}
    </>
  );
}

function nameOf(runId: string): string {
  const number = turns.value.findIndex((run) => run.id === runId) + 1;
  return number > 0 ? `run ${number}` : "another run";
}

/** The runs of the conversation, one after the other; a single one needs no list. */
function Turns({ session }: { session: RunSession }) {
  if (turns.value.length < 2) return null;
  return (
    <nav class="turns" aria-label="Runs of this conversation">
      {turns.value.map((run, number) => (
        <a key={run.id} class={run.rolled_back_by ? "undone" : ""} href={runHref(run.id)} aria-current={run.id === session.runId ? "page" : undefined} title={`${inputLine(run.input)}${run.rolled_back_by ? " (rolled back)" : ""}`}>
          <StatusDot status={run.status} verdict={run.verdict} />{number + 1}
        </a>
      ))}
    </nav>
  );
}

function toggleReplay(session: RunSession): void {
  if (session.replay.value) session.closeReplay();
  else if (session.live.value.terminal) session.openReplay();
}

function Progress({ session }: { session: RunSession }) {
  const { progress, terminal } = session.shown.value;
  if (!progress || terminal || progress.total === null || progress.total <= 0) return null;
  return (
    <div class="progress">
      <progress max={progress.total} value={Math.min(progress.done, progress.total)} aria-label={progress.label || "Progress"} />
      <small>{progress.done}/{progress.total} {progress.label}</small>
    </div>
  );
}

function Foot({ session }: { session: RunSession }) {
  if (session.replay.value) return <ReplayBar session={session} />;
  const record = session.record.value;
  const agent = agents.value.find((each) => each.name === record?.agent);
  const wantsText = typeof record?.input === "string";
  const threadId = record?.thread_id;
  if (!agent || !wantsText || !threadId) return null;
  if (session.live.value.terminal) return <Composer agent={agent} threadId={threadId} placeholder={`Go on with ${agent.name}`} />;
  const meanwhile = { queue: (text: string) => queueRun(agent.name, text, threadId), steer: (text: string) => steer(session.runId, text) };
  return <Composer agent={agent} placeholder={`Tell ${agent.name} more`} meanwhile={meanwhile} />;
}
