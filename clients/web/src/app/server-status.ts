/** What the server does right now, for operators: asked for while its page is looked at, with a short memory for the charts. */

import { signal } from "@preact/signals";
import { systemClock, type Cancel } from "../core/clock";
import * as api from "./api";

/** Time between two looks, milliseconds. */
const LOOK_EVERY_MS = 2_000;
/** Looks that the charts remember. */
export const REMEMBERED = 90;

export interface Moment {
  readonly queued: number;
  readonly running: number;
  readonly sockets: number;
  readonly memoryBytes: number;
}

export const status = signal<api.ServerStatus | null>(null);
export const queue = signal<api.QueueView | null>(null);
export const history = signal<readonly Moment[]>([]);
/** Why the last look failed; "" if it did not. */
export const lookProblem = signal("");

/** Look until the returned function is called. */
export function watchServer(): () => void {
  let ended = false;
  let cancel: Cancel = () => undefined;
  const look = async () => {
    await lookOnce();
    if (!ended) cancel = systemClock.after(LOOK_EVERY_MS, () => void look());
  };
  void look();
  return () => {
    ended = true;
    cancel();
  };
}

async function lookOnce(): Promise<void> {
  if (document.visibilityState !== "visible") return;
  try {
    const [now, waiting] = await Promise.all([api.serverStatus(), api.queueView()]);
    const moment = { queued: now.queue.queued, running: now.queue.running, sockets: now.sockets.open, memoryBytes: now.process.resident_bytes };
    status.value = now;
    queue.value = waiting;
    history.value = [...history.value, moment].slice(-REMEMBERED);
    lookProblem.value = "";
  } catch (error) {
    lookProblem.value = api.describe(error);
  }
}

/** Pause the queue, or one agent in it, or take the pause back. */
export async function setPaused(paused: boolean, agent?: string): Promise<void> {
  try {
    await api.pauseQueue(paused, agent);
  } catch (error) {
    lookProblem.value = api.describe(error);
    return;
  }
  await lookOnce();
}
