/**
 * What the page shows of one run: the view model that `reducer.ts` makes from the log. Types and the empty view. Pure.
 *
 * Values are frozen: a change makes a new object, so that a component may compare by identity.
 */

import type { StepReading, StepStatus } from "./agui";
import type { RunStatus, StateData } from "./protocol";
import type { Settlement, ToolCall } from "./question";

interface ItemBase {
  /** Unique and stable within the run: kind and the seq of its first entry. */
  readonly key: string;
  readonly seq: number;
  readonly tsMs: number;
}
export interface MessageItem extends ItemBase {
  readonly kind: "message";
  readonly id: string;
  readonly role: string;
  readonly text: string;
  /** True while more text may come. */
  readonly open: boolean;
}
export interface ReasoningItem extends ItemBase {
  readonly kind: "reasoning";
  readonly id: string;
  readonly text: string;
  readonly open: boolean;
  readonly endedMs: number | null;
}
export interface ToolItem extends ItemBase {
  readonly kind: "tool";
  readonly id: string;
  readonly name: string;
  /** JSON text, as it streamed in. */
  readonly args: string;
  readonly result: string | null;
  readonly open: boolean;
  readonly endedMs: number | null;
}
export interface StepItem extends ItemBase {
  readonly kind: "step";
  readonly name: string;
  readonly text: string;
  readonly index: number | null;
  readonly total: number | null;
  readonly status: StepStatus | "RUNNING" | "STOPPED";
  readonly durationMs: number | null;
  readonly error: string;
  /** Null where no model was asked. */
  readonly reading: StepReading | null;
  /** Ids of the artifacts that belong to the step, in order. */
  readonly artifactIds: readonly string[];
  readonly endSeq: number | null;
}
export interface ArtifactItem extends ItemBase {
  readonly kind: "artifact";
  readonly id: string;
}
export interface ActivityItem extends ItemBase {
  readonly kind: "activity";
  readonly id: string;
  readonly activityType: string;
  readonly content: unknown;
}
export interface RequestItem extends ItemBase {
  readonly kind: "request";
  readonly id: string;
  readonly prompt: string;
  readonly schema: unknown;
  /** Set for an approval. */
  readonly tool: ToolCall | null;
  /** Null while it is open. */
  readonly end: Settlement | null;
}
/** A CUSTOM event that this page has no special view for. */
export interface CustomItem extends ItemBase {
  readonly kind: "custom";
  readonly name: string;
  readonly value: unknown;
}
/** A change of the run's life worth telling: another attempt, waiting for a person, the end. */
export interface LifeItem extends ItemBase {
  readonly kind: "life";
  readonly state: StateData;
}
export type Item =
  | MessageItem | ReasoningItem | ToolItem | StepItem | ArtifactItem | ActivityItem | RequestItem | CustomItem | LifeItem;

export interface Artifact {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  /** Address on this server; "" if the entry named a foreign or malformed one, which is never loaded. */
  readonly url: string;
  readonly mime: string;
  readonly bytes: number | null;
  readonly seq: number;
}

export interface Progress {
  readonly done: number;
  readonly total: number | null;
  readonly label: string;
}

export interface RunView {
  readonly runId: string;
  readonly status: RunStatus | null;
  readonly attempt: number;
  /** The last entry that this view contains; 0 for none. */
  readonly lastSeq: number;
  readonly queuedMs: number | null;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly lastMs: number | null;
  readonly items: readonly Item[];
  /** Positions in `items` of what may still change, by kind and id. */
  readonly open: ReadonlyMap<string, number>;
  /** Positions in `items` of the steps, in order. */
  readonly steps: readonly number[];
  readonly artifacts: ReadonlyMap<string, Artifact>;
  /** The agent's shared state (STATE_SNAPSHOT, STATE_DELTA); undefined if it never published one. */
  readonly shared: unknown;
  readonly progress: Progress | null;
  readonly terminal: StateData | null;
  /** Entries that could not be understood (a patch that does not fit). They are in the raw log. */
  readonly oddEntries: number;
}

/** Return the view of a run of which nothing is known yet. */
export function emptyView(runId: string): RunView {
  return {
    runId, status: null, attempt: 0, lastSeq: 0, queuedMs: null, startedMs: null, endedMs: null, lastMs: null,
    items: [], open: new Map(), steps: [], artifacts: new Map(), shared: undefined, progress: null, terminal: null, oddEntries: 0,
  };
}
