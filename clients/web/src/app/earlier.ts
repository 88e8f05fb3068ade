/**
 * The runs before the open one in its conversation, read one by one, upwards, as somebody looks there. Signals out, functions in.
 *
 * What has ended never changes, so it is read once and kept for the next run of the conversation, within a bound.
 */

import { signal } from "@preact/signals";
import { isTerminal } from "../core/protocol";
import { reduce } from "../core/reducer";
import type { Shown } from "../core/turns-model";
import { emptyView, type RunView } from "../core/view";
import * as api from "./api";

/** Entries of an earlier run that are read; what is longer is opened by itself. A guess: some 10 MB. */
const MAX_ENTRIES = 20_000;
/** Earlier runs above the open one; those before them are opened by themselves. */
export const MAX_TURNS = 30;
/** Ended runs that are kept. */
const KEPT = 60;

export interface Turn extends Shown {
  readonly record: api.RunRecord;
  /** Place in the conversation, from 1. */
  readonly number: number;
  /** Whether there is more of it than was read. */
  readonly isCut: boolean;
}

const kept = new Map<string, { readonly view: RunView; readonly isCut: boolean }>();

/** Keep what the page has of an ended run that was open: it is an earlier one soon. */
export function keepTurn(view: RunView): void {
  if (view.terminal && view.lastSeq <= MAX_ENTRIES) keep(view.runId, { view, isCut: false });
}

function keep(runId: string, found: { readonly view: RunView; readonly isCut: boolean }): void {
  kept.delete(runId);
  kept.set(runId, found);
  for (const oldest of [...kept.keys()].slice(0, Math.max(0, kept.size - KEPT))) kept.delete(oldest);
}

export class EarlierTurns {
  /** Those that were read (or, rolled back, are only named), the oldest first; they end right before the open run. */
  readonly turns = signal<readonly Turn[]>([]);
  readonly busy = signal(false);
  /** Why the last one could not be read; "" if it could. */
  readonly problem = signal("");

  constructor(private readonly runId: string) {}

  /** Return the next run upwards among all runs of the conversation; undefined if there is none, or enough are shown. */
  next(all: readonly api.RunRecord[]): api.RunRecord | undefined {
    if (this.turns.value.length >= MAX_TURNS) return undefined;
    const first = this.turns.value[0]?.id ?? this.runId;
    return all[all.findIndex((run) => run.id === first) - 1];
  }

  /** Put the next run upwards in front; one that was rolled back is only named. Does nothing while one is being read. */
  async readNext(all: readonly api.RunRecord[]): Promise<void> {
    const record = this.next(all);
    if (!record || this.busy.value) return;
    const named = { id: record.id, record, number: all.indexOf(record) + 1 };
    if (record.rolled_back_by) this.turns.value = [{ ...named, view: null, isCut: false }, ...this.turns.value];
    else await this.reading(record, (found) => (this.turns.value = [{ ...named, ...found }, ...this.turns.value]));
  }

  /** Show, or hide again, a run that was rolled back. */
  async toggle(turn: Turn): Promise<void> {
    const replace = (view: RunView | null, isCut: boolean) =>
      void (this.turns.value = this.turns.value.map((each) => (each.id === turn.id ? { ...each, view, isCut } : each)));
    if (turn.view) replace(null, false);
    else await this.reading(turn.record, ({ view, isCut }) => replace(view, isCut));
  }

  private async reading(record: api.RunRecord, use: (found: { view: RunView; isCut: boolean }) => void): Promise<void> {
    this.busy.value = true;
    try {
      use(await read(record));
      this.problem.value = "";
    } catch (error) {
      this.problem.value = `Run ${record.id} could not be read. ${api.describe(error)}`;
    } finally {
      this.busy.value = false;
    }
  }
}

async function read(record: api.RunRecord): Promise<{ view: RunView; isCut: boolean }> {
  const known = kept.get(record.id);
  if (known) return known;
  let view = emptyView(record.id);
  let after: number | null = 0;
  while (after !== null && after < MAX_ENTRIES) {
    const page: Awaited<ReturnType<typeof api.entries>> = await api.entries(record.id, after);
    view = reduce(view, page.data);
    after = page.next;
  }
  const found = { view, isCut: after !== null };
  if (isTerminal(record.status)) keep(record.id, found);
  return found;
}
