/** What can be done with a run: stop, retry, replay, take its files away, share it, see its raw log. */

import { useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { TEST_AGENT } from "../core/agent-input";
import { asObject, asText } from "../core/agui";
import { size } from "../core/format";
import { artifactHref, artifactsHref, exportHref, traversalHref, type RunRecord } from "../app/api";
import { newTestHref, testHref } from "../app/router";
import type { RunSession } from "../app/run-session";
import { me, problem, retryRun, stopRun } from "../app/store";
import { visit } from "../app/visit";
import { Icon } from "./Icon";

/** Files listed one by one; all of them are in the archive. */
const LISTED = 50;

interface Props {
  readonly session: RunSession;
  readonly ended: boolean;
  readonly raw: boolean;
  readonly onRaw: () => void;
  readonly onReplay: () => void;
}

export function RunActions({ session, ended, raw, onRaw, onReplay }: Props) {
  const mayAct = visit.value === null;
  return (
    <div class="actions">
      {!ended && mayAct && <button class="button danger" aria-label="Stop" disabled={session.stopping.value} onClick={() => void stopRun()}><Icon name="stop" /><span>Stop</span></button>}
      {session.live.value.terminal && mayAct && <button class="button" aria-label="Retry" title="Retry (Shift+R)" onClick={() => void retryRun()}><Icon name="again" /><span>Retry</span></button>}
      {ended && mayAct && <TestLink record={session.record.value} />}
      {ended && <button class="button" aria-label="Replay" aria-pressed={session.replay.value !== null} onClick={onReplay}><Icon name="history" /><span>Replay</span></button>}
      <Downloads session={session} />
      {mayAct && me.value.share_links && <ShareButton session={session} />}
      <button class="button icon-only" aria-pressed={raw} aria-label="Raw log" title="Raw log" onClick={onRaw}><Icon name="list" /></button>
    </div>
  );
}

/** To the saved test that was run; a test that is not saved yet can be. */
function TestLink({ record }: { record: RunRecord | null }) {
  if (record?.agent !== TEST_AGENT || record.input === undefined) return null;
  const saved = asText(asObject(asObject(record.input)["task"])["id"]);
  const [words, href] = saved ? ["Edit test", testHref(saved)] : ["Save as test", newTestHref(record.id)];
  return <a class="button" aria-label={words} href={href}><Icon name={saved ? "tool" : "plus"} /><span>{words}</span></a>;
}

/** What can be taken away as files; a menu that Esc, or a step out of it, closes. */
function Downloads({ session }: { session: RunSession }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => menu.current?.removeAttribute("open");
  const { runId } = session;
  const view = session.shown.value;
  const threadId = session.record.value?.thread_id;
  const files = [...view.artifacts.values()].filter((artifact) => artifact.url);
  const isTest = view.steps.length > 0 && visit.value === null;
  if (files.length === 0 && !isTest && !threadId) return null;
  return (
    <details ref={menu} class="menu" onClick={(event) => (event.target as HTMLElement).closest("a") && close()}
      onKeyDown={(event) => event.key === "Escape" && (event.stopPropagation(), close(), menu.current?.querySelector("summary")?.focus())}
      onFocusOut={(event) => event.relatedTarget instanceof Node && !menu.current?.contains(event.relatedTarget) && close()}>
      <summary class="button icon-only" aria-label="Downloads" title="Downloads"><Icon name="save" /></summary>
      <div class="menu-list">
        {files.length > 0 && <a href={artifactsHref(runId)} download="">All files of this run (zip)</a>}
        {isTest && <a href={traversalHref(runId)} download={`${runId}-traversal.json`}>Traversal: the steps as recorded (JSON)</a>}
        {threadId && <>
          <a href={exportHref(threadId, "markdown")} download="">Conversation as Markdown</a>
          <a href={exportHref(threadId, "json")} download="">Conversation as JSON log</a>
          <a href={exportHref(threadId, "zip")} download="">Conversation as zip with files</a>
        </>}
        {files.slice(0, LISTED).map((file) => (
          <a key={file.id} class="menu-file" href={artifactHref(file.url)} download={file.name}>{file.name}{file.bytes === null ? "" : ` · ${size(file.bytes)}`}</a>
        ))}
        {files.length > LISTED && <small>{files.length - LISTED} more are in the archive</small>}
      </div>
    </details>
  );
}

type Dialog = typeof import("./ShareDialog").ShareDialog;

/** Opens the dialog, whose code is loaded when it is first wanted. */
function ShareButton({ session }: { session: RunSession }) {
  const dialog = useSignal<{ readonly Shown: Dialog } | null>(null);
  const show = () => {
    import("./ShareDialog").then(
      ({ ShareDialog }) => (dialog.value = { Shown: ShareDialog }),
      () => (problem.value = "The page could not load a part of itself. Reload it."),
    );
  };
  const Shown = dialog.value?.Shown;
  return (
    <>
      <button class="button icon-only" aria-label="Share" title="Share" onClick={show}><Icon name="share" /></button>
      {Shown && <Shown session={session} onClose={() => (dialog.value = null)} />}
    </>
  );
}
