/**
 * The live view of the run that is open, on one canvas. Signals out, functions in.
 *
 * Pictures are decoded beside the page's thread, one at a time, the newest only, and drawn with the next frame. Nothing is
 * captured on the server while nobody looks: a hidden tab closes its view, unless its person has control, which ends by
 * itself if they do not come back.
 */

import { signal } from "@preact/signals";
import { systemClock } from "../core/clock";
import { CLOSED, LiveView, type LiveState } from "../core/live-view";
import { Newest } from "../core/newest";
import type { Picture, Size } from "../core/view-frame";
import type { RunSession } from "./run-session";
import { client, me } from "./store";

/** Silence after which nobody knows whether a picture is still true, milliseconds: a heartbeat comes each 10 s. */
const STALE_MS = 12_000;

/** What is seen of a picture besides its pixels. */
export interface Shown {
  readonly viewport: Size;
  readonly polled: boolean;
}

/** Whether the person at this page has control of a browser: then its picture stays, whatever step is selected. */
export const hasControl = signal(false);

export class LiveRun {
  readonly state = signal<LiveState>(CLOSED);
  /** Null until the first picture is drawn. */
  readonly shown = signal<Shown | null>(null);
  readonly view: LiveView;

  constructor(private readonly session: RunSession) {
    this.view = new LiveView(session.runId, me.value.user, client, systemClock, {
      onState: (state) => this.onState(state),
      onPicture: (picture) => this.pictures.put(picture),
    });
  }

  private canvas: HTMLCanvasElement | null = null;
  private readonly pictures = new Newest<Picture>(
    (picture) => this.draw(picture),
    () => undefined, // a picture that cannot be decoded: the one before it stays, and a newer one comes
  );

  /** Show the run on `canvas` until the returned function is called. */
  begin(canvas: HTMLCanvasElement): () => void {
    this.canvas = canvas;
    client.viewSink = this.view;
    const look = () => {
      if (document.visibilityState === "visible") this.view.open();
      else if (!this.state.peek().mine) this.view.close();
    };
    document.addEventListener("visibilitychange", look);
    look();
    return () => {
      document.removeEventListener("visibilitychange", look);
      this.view.close();
      this.canvas = null;
      if (client.viewSink === this.view) client.viewSink = null;
    };
  }

  /** Whether the picture may be out of date: it is cut off, or the server says nothing any more. */
  isStale(): boolean {
    return this.state.value.phase !== "open" || client.connection.silentMs > STALE_MS;
  }

  private onState(state: LiveState): void {
    const lost = this.state.peek().mine && !state.mine;
    this.state.value = state;
    hasControl.value = state.mine;
    if (lost && document.visibilityState !== "visible") this.view.close();
  }

  private async draw({ jpeg, viewport, polled }: Picture): Promise<void> {
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    try {
      await new Promise(requestAnimationFrame);
      const context = this.canvas?.getContext("2d", { alpha: false });
      if (!this.canvas || !context) return;
      if (this.canvas.width !== bitmap.width || this.canvas.height !== bitmap.height) {
        this.canvas.width = bitmap.width;
        this.canvas.height = bitmap.height;
      }
      context.drawImage(bitmap, 0, 0);
      this.shown.value = { viewport, polled };
      this.session.pictured.value = true;
    } finally {
      bitmap.close();
    }
  }
}
