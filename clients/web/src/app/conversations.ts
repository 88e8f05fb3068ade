/**
 * The side list: one's conversations, found by words, named and deleted. Signals out, functions in.
 *
 * What is typed is asked of the server, which knows every run; of two questions on the way only the newest counts.
 */

import { batch, signal } from "@preact/signals";
import { systemClock, type Cancel } from "../core/clock";
import { isTerminal, type QueueFrame, type RunStatus, type Verdict } from "../core/protocol";
import * as api from "./api";

/** Conversations in the side list. */
const LISTED = 50;
/** Time between two looks at listed runs that have not ended, milliseconds. */
const LOOK_EVERY_MS = 3_000;
/** Pause in typing after which a search begins, milliseconds. */
const SEARCH_AFTER_MS = 180;

export const conversations = signal<readonly api.Conversation[]>([]);
export const searchText = signal("");
/** Why the list could not be read; "" while it could. */
export const listProblem = signal("");

/** The places in the queue of those listed conversations whose last run waits, by run. */
export const places = signal<ReadonlyMap<string, QueueFrame>>(new Map());

let cancelSearch: Cancel = () => undefined;
let newest = 0;

/** Read the list anew. */
export async function refreshConversations(): Promise<void> {
  const mine = ++newest;
  try {
    const found = await api.conversations(LISTED, searchText.value.trim());
    if (mine !== newest) return;
    batch(() => {
      conversations.value = found;
      listProblem.value = "";
    });
  } catch (error) {
    if (mine === newest) listProblem.value = `The list could not be read. ${api.describe(error)}`;
  }
}

/** Keep up with listed runs that have not ended, also those that are not open. Called once. */
export function watchList(): void {
  setInterval(() => {
    const isLive = conversations.value.some(({ last_run: last }) => last && !isTerminal(last.status));
    if (isLive && document.visibilityState === "visible") void refreshConversations().then(refreshPlaces);
  }, LOOK_EVERY_MS);
}

async function refreshPlaces(): Promise<void> {
  const isWaiting = conversations.value.some(({ last_run: last }) => last?.status === "QUEUED");
  try {
    const waiting = isWaiting ? (await api.queueView()).data : [];
    places.value = new Map(waiting.map((place) => [place.run_id, place]));
  } catch (error) {
    listProblem.value = `The queue could not be read. ${api.describe(error)}`;
  }
}

/** Look for conversations with these words, once typing pauses. */
export function searchConversations(words: string): void {
  searchText.value = words;
  cancelSearch();
  cancelSearch = systemClock.after(SEARCH_AFTER_MS, () => void refreshConversations());
}

/** Show a run's new status where its conversation is listed. */
export function noteStatus(runId: string, status: RunStatus, verdict: Verdict | undefined): void {
  const news = { status, ...(verdict ? { verdict } : {}) };
  conversations.value = conversations.value.map((each) => (each.last_run?.run_id === runId ? { ...each, last_run: { ...each.last_run, ...news } } : each));
}

/** Name a conversation; "" gives it back its first words. */
export async function renameConversation(id: string, title: string): Promise<void> {
  await api.renameConversation(id, title.trim() || null);
  await refreshConversations();
}

/** Delete a conversation with everything in it; its live runs are cancelled first. */
export async function deleteConversation(id: string): Promise<void> {
  await api.deleteConversation(id);
  await refreshConversations();
}
