/**
 * One AG-UI event into the draft of a view: a table from event type to what it does.
 *
 * Deprecated THINKING_* events are read as the REASONING_* that replaced them; *_CHUNK events open what is not open. A type
 * that stands in no row (RAW, or one of a later AG-UI) changes nothing here and remains visible in the raw log. Pure.
 */

import { asNumber, asObject, asText, stepFacts, type AguiEvent, type JsonObject } from "./agui";
import { artifactFrom } from "./artifact";
import { append, close, find, moveToEnd, own, type Draft } from "./draft";
import { applyPatch, PatchError } from "./json-patch";
import type { EventEntry } from "./protocol";
import { settlementOf, toolOf } from "./question";
import { isStepReport } from "./rows";
import type { StepItem } from "./view";

type Handler = (draft: Draft, entry: EventEntry, event: AguiEvent) => void;

const THINKING = "thinking";

const HANDLERS: Readonly<Record<string, Handler>> = {
  TEXT_MESSAGE_START: (draft, entry, event) => openMessage(draft, entry, event),
  TEXT_MESSAGE_CONTENT: addText,
  TEXT_MESSAGE_CHUNK: addText,
  TEXT_MESSAGE_END: (draft, _entry, event) => endMessage(draft, asText(event["messageId"])),
  MESSAGES_SNAPSHOT: takeMessages,
  REASONING_START: () => undefined,
  REASONING_MESSAGE_START: (draft, entry, event) => openReasoning(draft, entry, reasoningId(event)),
  REASONING_MESSAGE_CONTENT: addReasoning,
  REASONING_MESSAGE_CHUNK: addReasoning,
  REASONING_MESSAGE_END: endReasoning,
  REASONING_END: endReasoning,
  THINKING_TEXT_MESSAGE_START: (draft, entry, event) => openReasoning(draft, entry, reasoningId(event)),
  THINKING_TEXT_MESSAGE_CONTENT: addReasoning,
  THINKING_TEXT_MESSAGE_END: endReasoning,
  THINKING_END: endReasoning,
  TOOL_CALL_START: openTool,
  TOOL_CALL_ARGS: addArgs,
  TOOL_CALL_CHUNK: addArgs,
  TOOL_CALL_END: endTool,
  TOOL_CALL_RESULT: toolResult,
  STEP_STARTED: startStep,
  STEP_FINISHED: finishStep,
  STATE_SNAPSHOT: (draft, _entry, event) => void (draft.shared = event["snapshot"]),
  STATE_DELTA: (draft, _entry, event) => patching(draft, () => void (draft.shared = applyPatch(draft.shared ?? {}, event["delta"]))),
  ACTIVITY_SNAPSHOT: activitySnapshot,
  ACTIVITY_DELTA: activityDelta,
  CUSTOM: custom,
};

/** Work one event entry into the draft. */
export function reduceEvent(draft: Draft, entry: EventEntry): void {
  const event = entry.data;
  if (Object.hasOwn(HANDLERS, event.type)) HANDLERS[event.type]?.(draft, entry, event);
}

function openMessage(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const id = asText(event["messageId"]);
  endMessage(draft, id);
  append(draft, entry, "message", { id, role: asText(event["role"]) || "assistant", text: "", open: true }, id);
}

function addText(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const id = asText(event["messageId"]);
  if (!find(draft, "message", id)) openMessage(draft, entry, event);
  const message = find(draft, "message", id);
  if (message) message.text += asText(event["delta"]);
}

function endMessage(draft: Draft, id: string): void {
  const message = find(draft, "message", id);
  if (message) message.open = false;
  close(draft, "message", id);
}

/** A snapshot restates the conversation: known messages get its text, unknown ones are appended. */
function takeMessages(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const messages = Array.isArray(event["messages"]) ? event["messages"] : [];
  const known = new Map(draft.items.flatMap((item, position) => (item.kind === "message" ? [[item.id, position] as const] : [])));
  messages.forEach((raw: unknown, index) => {
    const { id, role, content } = asObject(raw);
    const position = known.get(asText(id));
    if (typeof content !== "string" || typeof id !== "string") return;
    if (position !== undefined) own<"message">(draft, position).text = content;
    else {
      const at = append(draft, entry, "message", { id, role: asText(role) || "assistant", text: content, open: false });
      own<"message">(draft, at).key = `message-${entry.seq}-${index}`;
    }
  });
}

function reasoningId(event: AguiEvent): string {
  return asText(event["messageId"]) || THINKING;
}

function openReasoning(draft: Draft, entry: EventEntry, id: string): void {
  append(draft, entry, "reasoning", { id, text: "", open: true, endedMs: null }, id);
}

function addReasoning(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const id = reasoningId(event);
  if (!find(draft, "reasoning", id)) openReasoning(draft, entry, id);
  const reasoning = find(draft, "reasoning", id);
  if (reasoning) reasoning.text += asText(event["delta"]);
}

function endReasoning(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const id = reasoningId(event);
  const reasoning = find(draft, "reasoning", id);
  if (!reasoning) return;
  reasoning.open = false;
  reasoning.endedMs = entry.ts_ms;
  close(draft, "reasoning", id);
}

function openTool(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const id = asText(event["toolCallId"]);
  append(draft, entry, "tool", { id, name: asText(event["toolCallName"]) || "tool", args: "", result: null, open: true, endedMs: null }, id);
}

function addArgs(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const id = asText(event["toolCallId"]);
  if (!find(draft, "tool", id)) openTool(draft, entry, event);
  const tool = find(draft, "tool", id);
  if (tool) tool.args += asText(event["delta"]);
}

/** The call is complete; it stays open for its result. */
function endTool(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const tool = find(draft, "tool", asText(event["toolCallId"]));
  if (!tool) return;
  tool.open = false;
  tool.endedMs = entry.ts_ms;
}

function toolResult(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const id = asText(event["toolCallId"]);
  if (!find(draft, "tool", id)) openTool(draft, entry, event);
  const tool = find(draft, "tool", id);
  if (!tool) return;
  const content = event["content"];
  tool.result = typeof content === "string" ? content : JSON.stringify(content ?? null);
  tool.open = false;
  tool.endedMs = entry.ts_ms;
  close(draft, "tool", id);
}

function startStep(draft: Draft, entry: EventEntry, event: AguiEvent): number {
  const name = asText(event["stepName"]);
  const facts = stepFacts(event);
  const position = append(draft, entry, "step", {
    name, text: facts.text ?? name, index: facts.index ?? null, total: facts.total ?? null,
    status: "RUNNING", durationMs: null, error: "", reading: null, artifactIds: [], endSeq: null,
  }, name);
  draft.steps.push(position);
  return position - keepReportBehind(draft);
}

/** The steps in words begin after the first step and grow with each: they stand behind the steps. Returns by how much those moved up. */
function keepReportBehind(draft: Draft): number {
  for (const position of draft.open.values()) {
    const item = draft.items[position];
    if (item?.kind !== "message" || !isStepReport(item.text)) continue;
    moveToEnd(draft, position);
    return 1;
  }
  return 0;
}

function finishStep(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const name = asText(event["stepName"]);
  const facts = stepFacts(event);
  const step = find(draft, "step", name) ?? own<"step">(draft, startStep(draft, entry, event));
  step.status = facts.status ?? "PASSED";
  step.text = facts.text ?? step.text;
  step.index = facts.index ?? step.index;
  step.total = facts.total ?? step.total;
  step.durationMs = facts.duration_ms ?? entry.ts_ms - step.tsMs;
  step.error = facts.error ?? "";
  step.reading = facts.reading ?? null;
  step.endSeq = entry.seq;
  if (facts.artifact_id) addArtifactTo(step, facts.artifact_id);
  close(draft, "step", name);
}

function addArtifactTo(step: { artifactIds: StepItem["artifactIds"] }, id: string): void {
  if (!step.artifactIds.includes(id)) step.artifactIds = [...step.artifactIds, id];
}

function activitySnapshot(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const activityType = asText(event["activityType"]);
  const id = asText(event["messageId"]) || activityType;
  const content = asObject(event["content"]);
  if (activityType === "runwire.progress") return setProgress(draft, content);
  const known = find(draft, "activity", id);
  if (known && event["replace"] === false) return;
  if (known) known.content = content;
  else append(draft, entry, "activity", { id, activityType, content }, id);
}

function activityDelta(draft: Draft, _entry: EventEntry, event: AguiEvent): void {
  const activityType = asText(event["activityType"]);
  patching(draft, () => {
    if (activityType === "runwire.progress") return setProgress(draft, asObject(applyPatch(draft.progress ?? {}, event["patch"])));
    const known = find(draft, "activity", asText(event["messageId"]) || activityType);
    if (!known) throw new PatchError("no such activity");
    known.content = applyPatch(known.content, event["patch"]);
  });
}

function setProgress(draft: Draft, content: Readonly<Record<string, unknown>>): void {
  draft.progress = { done: asNumber(content["done"]) ?? 0, total: asNumber(content["total"]) ?? null, label: asText(content["label"]) };
}

function custom(draft: Draft, entry: EventEntry, event: AguiEvent): void {
  const name = asText(event["name"]);
  const value = event["value"];
  if (name === "runwire.artifact") return takeArtifact(draft, entry, value);
  if (name === "runwire.input_request") {
    return ask(draft, entry, asObject(value));
  }
  if (name === "runwire.input_response") return settle(draft, value);
  append(draft, entry, "custom", { name, value });
}

/** A later attempt announces an open question again under the same id: it is still the same question. */
function ask(draft: Draft, entry: EventEntry, interrupt: JsonObject): void {
  const id = asText(interrupt["id"]);
  if (id === "" || find(draft, "request", id)) return;
  append(draft, entry, "request", { id, prompt: asText(interrupt["message"]), schema: interrupt["responseSchema"], tool: toolOf(interrupt), end: null }, id);
}

function settle(draft: Draft, value: unknown): void {
  const settlement = settlementOf(value);
  const request = settlement && find(draft, "request", settlement.id);
  if (request) request.end = settlement.end;
}

/** An artifact that comes while a step runs belongs to the step; any other, and what shows all of them, stands on its own. */
function takeArtifact(draft: Draft, entry: EventEntry, value: unknown): void {
  const artifact = artifactFrom(value, draft.runId, entry.seq);
  if (!artifact) return void (draft.oddEntries += 1);
  draft.artifacts.set(artifact.id, artifact);
  const position = draft.steps[draft.steps.length - 1];
  const step = position === undefined ? undefined : draft.items[position];
  if (position !== undefined && step?.kind === "step" && step.status === "RUNNING" && artifact.kind !== "video") {
    return addArtifactTo(own<"step">(draft, position), artifact.id);
  }
  if (step?.kind === "step" && step.artifactIds.includes(artifact.id)) return; // named by its step before it was announced
  append(draft, entry, "artifact", { id: artifact.id });
}

function patching(draft: Draft, change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    draft.oddEntries += 1; // told on the page; the entry itself is in the raw log
  }
}
