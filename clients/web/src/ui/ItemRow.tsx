/** One row of the transcript, by the kind of its item. Everything an agent can fill is rendered as text, or as sanitised markdown. */

import { memo } from "./memo";
import { asObject, asText } from "../core/agui";
import { handOverWords } from "../core/control";
import { duration, againWords, size, statusWords, tally } from "../core/format";
import { isPicture, isVideo } from "../core/artifact";
import { artifactHref } from "../app/api";
import { isTerminal } from "../core/protocol";
import type { Row } from "../core/rows";
import type { Artifact, LifeItem, StepItem } from "../core/view";
import { Icon, type IconName } from "./Icon";
import { Markdown } from "./Markdown";
import { RequestCard } from "./RequestCard";

export interface RowProps {
  readonly row: Row;
  readonly expanded: boolean;
  readonly selected: boolean;
  /** Whether it belongs to an earlier run than the open one: nothing in it can be answered here. */
  readonly past?: boolean;
  readonly artifact: Artifact | undefined;
  /** The text of the answer before the end, which a result need not repeat. */
  readonly answer: string;
  readonly onToggle: (key: string) => void;
  readonly onSelect: (row: Row) => void;
}

export const ItemRow = memo(function ItemRow({ row, expanded, selected, past = false, artifact, answer, onToggle, onSelect }: RowProps) {
  const { item } = row;
  switch (item.kind) {
    case "message":
      if (item.role === "user") return <div class="bubble">{item.text}</div>;
      if (row.block === null) {
        return <Fold icon="list" title="Report" note="the steps in words" expanded={expanded} onToggle={() => onToggle(row.key)}><div class="fold-text">{item.text}</div></Fold>;
      }
      return row.block?.text || !row.live ? <Markdown text={row.block?.text ?? ""} live={row.live} /> : <div class="md live" />;
    case "reasoning":
      return (
        <Fold icon="thought" title={item.open ? "Thinking…" : `Thought for ${duration((item.endedMs ?? item.tsMs) - item.tsMs)}`} busy={item.open}
          note={item.open ? item.text.slice(-90) : ""} expanded={expanded} onToggle={() => onToggle(row.key)}>
          <div class="fold-text">{item.text}</div>
        </Fold>
      );
    case "tool":
      return (
        <Fold icon="tool" title={item.name} busy={item.endedMs === null} note={item.args.slice(0, 120)} mono
          time={item.endedMs === null ? "" : duration(item.endedMs - item.tsMs)} expanded={expanded} onToggle={() => onToggle(row.key)}>
          <pre class="fold-code">{pretty(item.args) || "no arguments"}</pre>
          {item.result !== null && <pre class="fold-code result">{pretty(item.result)}</pre>}
        </Fold>
      );
    case "step":
      return <StepRow step={item} selected={selected} onSelect={() => onSelect(row)} />;
    case "artifact":
      return artifact ? <ArtifactRow artifact={artifact} /> : null;
    case "activity":
      return <Fold icon="list" title={item.activityType || "Activity"} expanded={expanded} onToggle={() => onToggle(row.key)}><pre class="fold-code">{json(item.content)}</pre></Fold>;
    case "custom":
      if (item.name === "runwire.control") return <div class="divider hand"><Icon name="hand" />{handOverWords(item.value)}</div>;
      return <Fold icon="box" title={item.name || "Custom event"} expanded={expanded} onToggle={() => onToggle(row.key)}><pre class="fold-code">{json(item.value)}</pre></Fold>;
    case "request":
      return <RequestCard item={item} past={past} />;
    case "life":
      return isTerminal(item.state.status) ? <Outcome item={item} answer={answer} /> : <div class="divider"><Icon name="again" />{againWords(item.state)}</div>;
  }
});

interface FoldProps {
  readonly icon: IconName;
  readonly title: string;
  readonly note?: string;
  readonly time?: string;
  readonly busy?: boolean;
  readonly mono?: boolean;
  readonly expanded: boolean;
  readonly onToggle: () => void;
  readonly children: preact.ComponentChildren;
}

function Fold({ icon, title, note = "", time = "", busy = false, mono = false, expanded, onToggle, children }: FoldProps) {
  return (
    <div class="fold">
      <button class="fold-head" aria-expanded={expanded} onClick={onToggle}>
        <Icon name={icon} /><strong class={busy ? "busy" : ""}>{title}</strong>
        {note && !expanded && <span class={mono ? "note mono" : "note"}>{note}</span>}
        <small>{time}</small>
      </button>
      {expanded && children}
    </div>
  );
}

/** Letters, not drawings: a list of steps is long, and each drawing would be two more nodes a row. */
const STEP_MARKS: Readonly<Record<StepItem["status"], string>> = { RUNNING: "•", PASSED: "✓", FAILED: "✕", SKIPPED: "–", STOPPED: "–" };

function StepRow({ step, selected, onSelect }: { step: StepItem; selected: boolean; onSelect: () => void }) {
  return (
    <button class={`step ${step.status.toLowerCase()}`} aria-pressed={selected} onClick={onSelect}>
      <span class="step-mark" role="img" aria-label={step.status.toLowerCase()}>{STEP_MARKS[step.status]}</span>
      <span class="step-text" data-index={step.index ?? undefined}>{step.text}</span>
      {step.durationMs !== null && <small>{duration(step.durationMs)}</small>}
      {step.reading && <span class="step-reading">read by {step.reading.model}{step.reading.recorded ? " in an earlier run" : ""} as: {step.reading.sentence}</span>}
      {step.error && <span class="step-error">{step.error}</span>}
    </button>
  );
}

function ArtifactRow({ artifact }: { artifact: Artifact }) {
  const facts = [artifact.kind, artifact.bytes === null ? "" : size(artifact.bytes)].filter(Boolean).join(" · ");
  const href = artifactHref(artifact.url);
  if (isPicture(artifact)) {
    return <a class="shot" href={href} target="_blank" rel="noopener"><img src={href} alt={artifact.name} loading="lazy" /><small>{artifact.name} · {facts}</small></a>;
  }
  if (isVideo(artifact)) {
    return <figure class="shot"><video src={href} controls preload="metadata" aria-label={`The run as a video: ${artifact.name}`} /><small>{artifact.name} · {facts}</small></figure>;
  }
  const content = <><Icon name="save" /><strong>{artifact.name}</strong><small>{facts}</small></>;
  return href ? <a class="file" href={href} download="">{content}</a> : <span class="file">{content}</span>;
}

function Outcome({ item, answer }: { item: LifeItem; answer: string }) {
  const { state } = item;
  const words = statusWords(state.status, state.verdict);
  const result = resultNews(state.result, answer, tally(state) !== "");
  if (words.tone === "good" && result === "" && !tally(state)) {
    return <div class="outcome outcome-line" data-status={state.status}><Icon name="check" />{words.label}</div>;
  }
  const icon = words.tone === "good" ? "check" : words.tone === "bad" ? "cross" : "dash";
  return (
    <div class={`card outcome ${words.tone}`} data-status={state.status}>
      <div class="outcome-head"><Icon name={icon} /><strong>{words.label}</strong><span>{tally(state)}</span></div>
      {state.error && <p><code>{state.error.code}</code> {state.error.message}</p>}
      {state.reason && !state.error && <p class="quiet">{state.reason}</p>}
      {result && <pre class="fold-code">{result}</pre>}
    </div>
  );
}

/** Return what a result says beyond the answer above it and the tally beside it; "" for nothing. */
function resultNews(result: unknown, answer: string, isTallied: boolean): string {
  const said = typeof result === "string" ? result : asText(asObject(result)["text"]);
  const isRepeated = said.trim() !== "" && said.trim() === answer.trim();
  return result === undefined || result === null || isRepeated || isTallied ? "" : json(result);
}

/** Return JSON text laid out for reading, or the text itself if it is no JSON (yet). */
function pretty(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : json(value);
  } catch {
    return text; // still streaming in, or plain text
  }
}

function json(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
}
