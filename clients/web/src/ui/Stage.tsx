/** The browser as the run saw it: the strip of steps, and the selected step's picture. */

import { useState } from "preact/hooks";
import { artifactHref } from "../app/api";
import { duration } from "../core/format";
import { isPicture } from "../core/artifact";
import type { Artifact, RunView, StepItem } from "../core/view";
import { hasControl } from "../app/live-run";
import { visit } from "../app/visit";
import type { RunSession } from "../app/run-session";
import { LiveScreen, liveWanted, switchLive } from "./LiveScreen";
import { pickedStep, selection, type Picked } from "./selection";
import { Icon } from "./Icon";

/** Segments of the strip; where there are more steps, neighbours share one, which shows the worst of them. */
const MAX_SEGMENTS = 40;
const WORST: readonly StepItem["status"][] = ["FAILED", "RUNNING", "STOPPED", "SKIPPED", "PASSED"];

export function Stage({ session }: { session: RunSession }) {
  const view = session.shown.value;
  const picked = pickedStep(view, selection.value);
  if (!picked) return null;
  const { step } = picked;
  const pictures = picturesOf(view, picked);
  const total = Math.max(step.total ?? 0, view.steps.length);
  const screen = <Screen key={pictures.map((picture) => picture.id).join()} pictures={pictures} step={step} />;
  const mayBeLive = view.terminal === null && session.replay.value === null && visit.value === null;
  const isLive = mayBeLive && liveWanted.value && (selection.value === null || hasControl.value);
  return (
    <section class="stage" aria-label="Browser">
      <div class="stage-head">
        <strong>Step {step.index ?? picked.number + 1}/{total}</strong>
        <span class="stage-text">{step.text}</span>
        {selection.value !== null && <button class="button small" onClick={() => (selection.value = null)}>Follow latest</button>}
        {mayBeLive && <button class="button small live-switch" aria-pressed={liveWanted.value} title="Show the browser live" onClick={switchLive}>Live</button>}
      </div>
      <Strip view={view} picked={picked} total={total} />
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

function Screen({ pictures, step }: { pictures: readonly Artifact[]; step: StepItem }) {
  const [chosen, choose] = useState(pictures.length - 1);
  const picture = pictures[Math.min(chosen, pictures.length - 1)];
  return (
    <figure class="screen">
      {picture
        ? <a href={artifactHref(picture.url)} target="_blank" rel="noopener"><img src={artifactHref(picture.url)} alt={`The page: ${step.text}`} /></a>
        : <div class="screen-empty"><Icon name="clock" /><span>{step.status === "RUNNING" ? "Working…" : "No picture of this step"}</span></div>}
      <figcaption>
        {pictures.length > 1 && (
          <span class="switch">
            {pictures.map((each, number) => (
              <button key={each.id} aria-pressed={each === picture} onClick={() => choose(number)}>{number === 0 ? "Before" : number === pictures.length - 1 ? "After" : number + 1}</button>
            ))}
          </span>
        )}
        {step.error ? <span class="step-error">{step.error}</span> : <span class="quiet">{step.durationMs === null ? "" : duration(step.durationMs)}</span>}
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
