/** What somebody sees who came by a share link: one run at a time, and nothing that could change it. */

import icon from "../assets/favicon.svg";
import { open, turns } from "../app/store";
import { visit, visitProblem } from "../app/visit";
import { Banner, Problem } from "./Banner";
import { cycleTheme, theme } from "./chrome";
import { Help } from "./Help";
import { Icon } from "./Icon";
import { RunPage } from "./RunPage";

export function VisitPage() {
  const share = visit.value;
  const session = open.value;
  if (visitProblem.value) {
    return (
      <main class="gate">
        <div class="gate-card"><h1><img src={icon} alt="" width="36" height="36" />Nothing to see here</h1><p role="alert">{visitProblem.value}</p></div>
      </main>
    );
  }
  if (!share) return <main class="gate" aria-busy="true"><p class="quiet">Opening the link…</p></main>;
  const until = new Date(share.expires_ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return (
    <div class="main visit">
      <header class="visit-bar">
        <img src={icon} alt="" width="22" height="22" /><strong>Runwire</strong>
        <span class="mark">Read-only</span>
        <span class="quiet">{share.thread_id ? "A shared conversation" : "A shared run"}, until {until}</span>
        <button class="button icon-only" title={`Theme: ${theme.value}`} aria-label={`Theme: ${theme.value}. Change`} onClick={cycleTheme}><Icon name="theme" /></button>
      </header>
      <Banner />
      <Problem />
      {session ? <RunPage key={session.runId} session={session} /> : <main class="home"><p class="quiet">{turns.value.length > 0 ? "Opening the run…" : "There is nothing in this conversation yet."}</p></main>}
      <Help />
    </div>
  );
}
