/** The browser as the run saw it: the strip of steps, and the selected step's picture. */

import { useState } from "preact/hooks";
import { artifactHref } from "../app/api";
import { duration } from "../core/format";
import { isPicture } from "../core/artifact";
import type { Artifact, RunView, StepItem } from "../core/view";
import { hasControl } from "../app/live-run";
import { agents } from "../app/store";
import { visit } from "../app/visit";
import type { RunSession } from "../app/run-session";
import { LiveScreen, liveWanted, switchLive } from "./LiveScreen";
import { pickedStep, selection, type Picked } from "./selection";
import { Icon } from "./Icon";

/** Segments of the strip; where there are more steps, neighbours share one, which shows the worst of them. */
const MAX_SEGMENTS = 40;
const WORST: readonly StepItem["status"][] = ["FAILED", "RUNNING", "STOPPED", "SKIPPED", "PASSED"];

/** Whether the run has, or may soon have, something to be seen. */
export function hasStage(session: RunSession): boolean {
  return session.shown.value.steps.length > 0 || (mayBeLive(session) && (session.pictured.value || saysBrowser(session)));
}

function mayBeLive({ shown, replay }: RunSession): boolean {
  const { status } = shown.value;
  return (status === "RUNNING" || status === "WAITING") && replay.value === null && visit.value === null;
}

function saysBrowser({ record }: RunSession): boolean {
  return agents.value.some((agent) => agent.name === record.value?.agent && agent.needs_browser);
}

/** A running run without steps is watched all the same, unseen until a picture comes: only that tells that it has a browser. */
export function Stage({ session }: { session: RunSession }) {
  const view = session.shown.value;
  const picked = pickedStep(view, selection.value);
  const live = mayBeLive(session);
  if (!picked && !live) return null;
  const total = Math.max(picked?.step.total ?? 0, view.steps.length);
  const pictures = picked ? picturesOf(view, picked) : [];
  const screen = <Screen key={pictures.map((picture) => picture.id).join()} pictures={pictures} step={picked?.step ?? null} />;
  const isLive = live && liveWanted.value && (selection.value === null || hasControl.value);
  return (
    <section class="stage" aria-label="Browser" hidden={!hasStage(session)}>
      <div class="stage-head">
        <strong>{picked ? `Step ${picked.step.index ?? picked.number + 1}/${total}` : "Browser"}</strong>
        <span class="stage-text">{picked?.step.text}</span>
        {selection.value !== null && <button class="button small" onClick={() => (selection.value = null)}>Follow latest</button>}
        {live && <button class="button small live-switch" aria-pressed={liveWanted.value} title="Show the browser live" onClick={switchLive}>Live</button>}
      </div>
      {picked && <Strip view={view} picked={picked} total={total} />}
      {isLive ? <LiveScreen session={session}>{screen}</LiveScreen> : screen}
    </section>
  );
}

/** The step's own pictures; while it has none yet, the latest one before it. */
function picturesOf(view: RunView, picked: Picked): readonly Artifact[] {
  for (let number = picked.number; number >= 0 && number > picked.number - 5; number--) {
    const item = view.items[view.steps[number] ?? -1];
    if (item?.kind !== "step") continue;
    const pictures = item.artifactIds.flatMap((id) => view.artifacts.get(id) ?? []).filter(isPicture);
    if (pictures.length > 0) return pictures;
  }
  return [];
}

function Screen({ pictures, step }: { pictures: readonly Artifact[]; step: StepItem | null }) {
  const [chosen, choose] = useState(pictures.length - 1);
  const picture = pictures[Math.min(chosen, pictures.length - 1)];
  return (
    <figure class="screen">
      {picture
        ? <a href={artifactHref(picture.url)} target="_blank" rel="noopener"><img src={artifactHref(picture.url)} alt={`The page: ${step?.text}`} /></a>
        : <div class="screen-empty"><Icon name="clock" /><span>{step && step.status !== "RUNNING" ? "No picture of this step" : "Working…"}</span></div>}
      <figcaption>
        {pictures.length > 1 && (
          <span class="switch">
            {pictures.map((each, number) => (
              <button key={each.id} aria-pressed={each === picture} onClick={() => choose(number)}>{number === 0 ? "Before" : number === pictures.length - 1 ? "After" : number + 1}</button>
            ))}
          </span>
        )}
        {step?.error ? <span class="step-error">{step.error}</span> : <span class="quiet">{typeof step?.durationMs === "number" && duration(step.durationMs)}</span>}
      </figcaption>
    </figure>
  );
}

function Strip({ view, picked, total }: { view: RunView; picked: Picked; total: number }) {
  const width = Math.max(1, Math.ceil(total / MAX_SEGMENTS));
  const segments: { first: StepItem | null; status: string; current: boolean }[] = [];
  for (let from = 0; from < total; from += width) {
    const steps = view.steps.slice(from, from + width).flatMap((position) => {
      const item = view.items[position];
      return item?.kind === "step" ? [item] : [];
    });
    const status = WORST.find((name) => steps.some((step) => step.status === name)) ?? "pending";
    segments.push({ first: steps[0] ?? null, status: status.toLowerCase(), current: picked.number >= from && picked.number < from + width });
  }
  return (
    <div class="strip" role="group" aria-label="Steps">
      {segments.map(({ first, status, current }, number) => (
        <button key={number} class={`segment ${status}`} aria-current={current ? "step" : undefined} disabled={!first} title={first?.text ?? ""}
          aria-label={first ? `${first.text}: ${status}` : "not reached yet"} onClick={() => first && (selection.value = first.seq)}
          onMouseEnter={() => first && selection.value !== null && (selection.value = first.seq)} />
      ))}
    </div>
  );
}
