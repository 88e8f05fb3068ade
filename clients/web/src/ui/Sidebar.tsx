/** The side list: start anew, search, and the conversations with the status of their last run. */

import { useComputed, useSignal } from "@preact/signals";
import icon from "../assets/favicon.svg";
import { ago, queuePlace } from "../core/format";
import { conversations, deleteConversation, listProblem, places, refreshConversations, renameConversation, searchConversations, searchText } from "../app/conversations";
import { describe, exportHref, type Conversation } from "../app/api";
import { TEST_AGENT } from "../core/agent-input";
import { notices, switchNotices } from "../app/notices";
import { go, route, runHref } from "../app/router";
import { agents, me, now, open, problem, signOut } from "../app/store";
import { cycleTheme, helpShown, navShown, theme } from "./chrome";
import { Icon } from "./Icon";
import { StatusDot } from "./Status";

/** Rows shown before "Show more": keeps the page small while a long run streams. */
const FIRST_ROWS = 20;

export function Sidebar() {
  const all = useSignal(false);
  const rows = useComputed(() => (all.value ? conversations.value : conversations.value.slice(0, FIRST_ROWS)));
  const more = conversations.value.length - rows.value.length;
  return (
    <nav class={navShown.value ? "side shown" : "side"} aria-label="Conversations">
      <div class="side-head">
        <a class="brand" href="#/"><img src={icon} alt="" width="26" height="26" />Runwire</a>
        <button class="button icon-only" title={`Theme: ${theme.value}`} aria-label={`Theme: ${theme.value}. Change`} onClick={cycleTheme}><Icon name="theme" /></button>
        <button class="button icon-only" title="Keyboard (?)" aria-label="Keyboard shortcuts" onClick={() => (helpShown.value = true)}><Icon name="help" /></button>
      </div>
      <div class="side-new">
        <a class="button" href="#/" onClick={() => (navShown.value = false)}><Icon name="plus" />New run</a>
        {agents.value.some((agent) => agent.name === TEST_AGENT) && <a class="button" href="#/tests" onClick={() => (navShown.value = false)}><Icon name="list" />Tests</a>}
      </div>
      <label class="search">
        <Icon name="search" />
        <input id="search" type="search" placeholder="Search conversations" aria-label="Search conversations" value={searchText.value} onFocus={() => void refreshConversations()}
          onInput={(event) => searchConversations(event.currentTarget.value)} />
      </label>
      <div class="runs">
        {rows.value.map((each) => <Row key={each.id} conversation={each} />)}
        {listProblem.value && <p class="problem" role="alert">{listProblem.value}</p>}
        {rows.value.length === 0 && !listProblem.value && <p class="quiet pad">{searchText.value ? "Nothing matches." : "No runs yet."}</p>}
        {more > 0 && <button class="button wide" onClick={() => (all.value = true)}>Show {more} more</button>}
      </div>
      <Foot />
    </nav>
  );
}

function Row({ conversation }: { conversation: Conversation }) {
  const { id, title, last_run: last, runs, active_ms, snippet } = conversation;
  const current = open.value?.record.value?.thread_id === id;
  const isOpen = last !== null && open.value?.runId === last.run_id;
  const place = last?.status === "QUEUED" ? ((isOpen ? open.value?.queue.value : null) ?? places.value.get(last.run_id)) : undefined;
  return (
    <div class={current ? "conversation current" : "conversation"}>
      <a class="run-link" href={last ? runHref(last.run_id) : "#/"} aria-current={current ? "page" : undefined} onClick={() => (navShown.value = false)}>
        {last ? <StatusDot status={last.status} verdict={last.verdict} /> : <span class="dot off" />}
        <span class="run-name">{title || last?.agent || "Empty"}</span>
        <small>{[place && queuePlace(place), last?.agent, runs > 1 ? `${runs} runs` : "", ago(active_ms, now.value)].filter(Boolean).join(" · ")}</small>
        {snippet && <small class="snippet">{snippet}</small>}
      </a>
      {current && <Tools conversation={conversation} />}
    </div>
  );
}

function Tools({ conversation }: { conversation: Conversation }) {
  const { id, title, live } = conversation;
  const mode = useSignal<"none" | "rename" | "delete">("none");
  const name = useSignal(title);
  const done = async (action: Promise<void>) => {
    try {
      await action;
      mode.value = "none";
    } catch (error) {
      problem.value = describe(error);
    }
  };
  if (mode.value === "rename") {
    return (
      <form class="tools" onSubmit={(event) => { event.preventDefault(); void done(renameConversation(id, name.value)); }}>
        <input aria-label="Title" maxLength={200} value={name.value} autofocus onInput={(event) => (name.value = event.currentTarget.value)} />
        <button class="button small primary">Save</button>
      </form>
    );
  }
  if (mode.value === "delete") {
    return (
      <div class="tools" role="group" aria-label="Delete this conversation?">
        <span>{live > 0 ? "Stop and delete everything in it?" : "Delete everything in it?"}</span>
        <button class="button small danger" onClick={() => { go("#/"); void done(deleteConversation(id)); }}>Delete</button>
        <button class="button small" onClick={() => (mode.value = "none")}>Keep</button>
      </div>
    );
  }
  return (
    <div class="tools">
      <button class="button small" onClick={() => { name.value = title; mode.value = "rename"; }}>Rename</button>
      <details class="export">
        <summary class="button small">Export</summary>
        <a href={exportHref(id, "markdown")} download="">Markdown</a>
        <a href={exportHref(id, "json")} download="">JSON log</a>
        <a href={exportHref(id, "zip")} download="">Zip with files</a>
      </details>
      <button class="button small" onClick={() => (mode.value = "delete")}>Delete</button>
    </div>
  );
}

function Foot() {
  const words = { on: "Notices on", off: "Notices off", denied: "Notices blocked", unavailable: "" }[notices.value];
  return (
    <div class="side-foot">
      <span class="quiet" title="Signed in as">{me.value.user}</span>
      {me.value.admin && <a class="button small" href="#/server" aria-current={route.value.page === "server" ? "page" : undefined}>Server</a>}
      {words && <button class="button small" aria-pressed={notices.value === "on"} disabled={notices.value === "denied"} title="Tell me when a run has ended or needs me" onClick={() => void switchNotices()}>{words}</button>}
      <button class="button small" onClick={() => void signOut()}>Sign out</button>
    </div>
  );
}
