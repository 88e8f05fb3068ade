/** The side list: start anew, search, and the recent runs with their status. */

import { useComputed, useSignal } from "@preact/signals";
import icon from "../assets/favicon.svg";
import { inputLine } from "../core/agent-input";
import { ago } from "../core/format";
import { now, open, recentRuns, refreshRuns } from "../app/store";
import { runHref } from "../app/router";
import { cycleTheme, helpShown, navShown, theme } from "./chrome";
import { Icon } from "./Icon";
import { StatusDot } from "./Status";

/** Rows shown before "Show more": keeps the page small while a long run streams. */
const FIRST_ROWS = 20;

export function Sidebar() {
  const query = useSignal("");
  const all = useSignal(false);
  const found = useComputed(() => {
    const words = query.value.trim().toLowerCase();
    return recentRuns.value.filter((run) => words === "" || `${run.agent} ${inputLine(run.input)} ${run.id} ${run.status}`.toLowerCase().includes(words));
  });
  const rows = all.value ? found.value : found.value.slice(0, FIRST_ROWS);
  return (
    <nav class={navShown.value ? "side shown" : "side"} aria-label="Runs">
      <div class="side-head">
        <a class="brand" href="#/"><img src={icon} alt="" width="26" height="26" />Runwire</a>
        <button class="button icon-only" title={`Theme: ${theme.value}`} aria-label={`Theme: ${theme.value}. Change`} onClick={cycleTheme}><Icon name="theme" /></button>
        <button class="button icon-only" title="Keyboard (?)" aria-label="Keyboard shortcuts" onClick={() => (helpShown.value = true)}><Icon name="help" /></button>
      </div>
      <a class="button wide" href="#/" onClick={() => (navShown.value = false)}><Icon name="plus" />New run</a>
      <label class="search">
        <Icon name="search" />
        <input id="search" type="search" placeholder="Search runs" aria-label="Search runs" value={query.value} onFocus={() => void refreshRuns()}
          onInput={(event) => (query.value = event.currentTarget.value)} />
      </label>
      <div class="runs">
        {rows.map((run) => (
          <a key={run.id} class="run-link" href={runHref(run.id)} aria-current={open.value?.runId === run.id ? "page" : undefined} onClick={() => (navShown.value = false)}>
            <StatusDot status={run.status} verdict={run.verdict} />
            <span class="run-name">{inputLine(run.input) || run.agent}</span>
            <small>{run.agent}{run.created_ms ? ` · ${ago(run.created_ms, now.value)}` : ""}</small>
          </a>
        ))}
        {rows.length === 0 && <p class="quiet pad">{query.value ? "No run matches." : "No runs yet."}</p>}
        {found.value.length > rows.length && <button class="button wide" onClick={() => (all.value = true)}>Show {found.value.length - rows.length} more</button>}
      </div>
    </nav>
  );
}
