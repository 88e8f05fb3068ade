/**
 * One run that is open on the page: what arrives is gathered and worked into the view once a frame.
 *
 * Holds the signals that the components of a run read. Owned by `store.ts`; ends with `close`.
 */

import { batch, signal } from "@preact/signals";
import type { CloseRule } from "../core/close-codes";
import { announcement } from "../core/format";
import type { ConnectedFrame, Entry, QueueFrame, ReplyError } from "../core/protocol";
import { isTerminal } from "../core/protocol";
import { reduce } from "../core/reducer";
import { advance, play, seek, type Replay, type Speed } from "../core/replay";
import type { RunClient, RunSink } from "../core/run-client";
import { RunLog } from "../core/run-log";
import { emptyView, type RunView } from "../core/view";
import type { RunRecord } from "./api";
import { oncePerFrame } from "./frame";

/** Pause between two drawings while a long log comes in, milliseconds: each shows other rows, which the next one throws away. */
const CATCH_UP_MS = 250;

export class RunSession implements RunSink {
  readonly log: RunLog;
  /** The run as it is now. */
  readonly live = signal<RunView>(emptyView(""));
  /** The run as it is shown: now, or at the moment of the replay. */
  readonly shown = signal<RunView>(emptyView(""));
  readonly replay = signal<Replay | null>(null);
  readonly queue = signal<QueueFrame | null>(null);
  readonly record = signal<RunRecord | null>(null);
  readonly refused = signal<ReplyError | null>(null);
  readonly stopping = signal(false);
  /** Whether a live picture of its browser was ever seen: then it has one, whatever its agent says. */
  readonly pictured = signal(false);
  /** True until as much of the log is here as there was when the run was opened. */
  readonly loading = signal(true);
  /** The last sentence for the status line. */
  readonly spoken = signal("");

  private buffer: Entry[] = [];
  private knownSeq = 0;
  private wantedSeq: number | null = null;
  private ticking = 0;
  private drawnAt = -Infinity;
  private readonly flushSoon = oncePerFrame(() => (this.isCatchingUp() ? this.flushSoon() : this.flush()));

  constructor(readonly runId: string, private readonly client: RunClient, private readonly onChange: (session: RunSession) => void) {
    this.log = new RunLog(runId);
    this.live.value = this.shown.value = emptyView(runId);
  }

  close(): void {
    cancelAnimationFrame(this.ticking);
    this.client.unfollow(this.runId);
  }

  onConnected(frame: ConnectedFrame): void {
    this.knownSeq = frame.last_seq;
    if (frame.last_seq === 0) this.loading.value = false;
  }

  onReset(): void {
    this.buffer = [];
    this.log.clear();
    batch(() => {
      this.live.value = emptyView(this.runId);
      if (!this.replay.value) this.shown.value = this.live.value;
    });
  }

  onEntries(entries: readonly Entry[]): void {
    for (const entry of entries) this.buffer.push(entry);
    this.flushSoon();
  }

  onQueue(frame: QueueFrame): void {
    this.queue.value = frame;
  }

  onEnd(rule: CloseRule): void {
    this.flush();
    if (rule.action !== "done") this.refused.value = { code: "ended", message: `The server stopped sending this run: ${rule.meaning}.` };
  }

  onRefused(error: ReplyError): void {
    batch(() => {
      this.refused.value = error;
      this.loading.value = false;
    });
  }

  /** Open the replay at `seq` (paused), or at the beginning (playing). */
  openReplay(seq?: number): void {
    if (this.loading.value && seq !== undefined) return void (this.wantedSeq = seq);
    const begin: Replay = { playing: false, speed: this.replay.value?.speed ?? 1, atMs: 0, seq: 0 };
    this.setReplay(seq === undefined ? play(begin, this.log.entries) : seek(begin, this.log.entries, seq));
  }

  closeReplay(): void {
    batch(() => {
      this.replay.value = null;
      this.shown.value = this.live.value;
    });
  }

  seekReplay(seq: number): void {
    if (this.replay.value) this.setReplay(seek(this.replay.value, this.log.entries, seq));
  }

  playPause(): void {
    const replay = this.replay.value;
    if (replay) this.setReplay(replay.playing ? { ...replay, playing: false } : play(replay, this.log.entries));
  }

  setSpeed(speed: Speed): void {
    if (this.replay.value) this.replay.value = { ...this.replay.value, speed };
  }

  private setReplay(replay: Replay): void {
    batch(() => {
      this.replay.value = replay;
      this.shown.value = this.log.viewAt(replay.seq, this.shown.value);
    });
    cancelAnimationFrame(this.ticking);
    if (replay.playing) this.tick(performance.now());
  }

  private tick(before: number): void {
    this.ticking = requestAnimationFrame((now) => {
      const replay = this.replay.value;
      if (!replay?.playing) return;
      const next = advance(replay, this.log.entries, now - before);
      batch(() => {
        this.replay.value = next;
        if (next.seq !== replay.seq) this.shown.value = this.log.viewAt(next.seq, this.shown.value);
      });
      this.tick(now);
    });
  }

  /** Whether more of what is there already comes in a moment, and something was drawn just now. */
  private isCatchingUp(): boolean {
    const lastSeq = this.buffer[this.buffer.length - 1]?.seq ?? 0;
    return this.loading.peek() && lastSeq < this.knownSeq && performance.now() - this.drawnAt < CATCH_UP_MS;
  }

  private flush(): void {
    const entries = this.buffer;
    if (entries.length === 0) return;
    this.buffer = [];
    this.drawnAt = performance.now();
    const before = this.live.value;
    const after = reduce(before, entries);
    this.log.push(entries);
    const wasLoading = this.loading.value;
    batch(() => {
      this.live.value = after;
      if (!this.replay.value) this.shown.value = after;
      if (after.status !== "QUEUED") this.queue.value = null;
      if (after.status && isTerminal(after.status)) this.stopping.value = false;
      if (after.lastSeq >= this.knownSeq) this.loading.value = false;
      const isPast = wasLoading && after.lastSeq > 3 && after.status !== "WAITING";
      const words = isPast ? "" : announcement(before, after);
      if (words) this.spoken.value = words;
    });
    if (!this.loading.value && this.wantedSeq !== null) {
      this.openReplay(this.wantedSeq);
      this.wantedSeq = null;
    }
    if (after.status !== before.status) this.onChange(this);
  }
}
