/** The controls of a replay: play, scrub, pace, and a link to this very moment. */

import { useSignal } from "@preact/signals";
import { clockTime } from "../core/format";
import { lengthMs, SPEEDS, type Speed } from "../core/replay";
import { runHref } from "../app/router";
import { agents, retryRun } from "../app/store";
import type { RunSession } from "../app/run-session";
import { Icon } from "./Icon";

export function ReplayBar({ session }: { session: RunSession }) {
  const copied = useSignal(false);
  const replay = session.replay.value;
  if (!replay) return null;
  const { entries } = session.log;
  const forkable = agents.value.some((agent) => agent.name === session.record.value?.agent && agent.forkable);
  const first = entries[0]?.seq ?? 1;
  const last = entries[entries.length - 1]?.seq ?? 0;
  const address = location.pathname + runHref(session.runId, replay.seq);
  const copy = async () => {
    history.replaceState(null, "", address);
    await navigator.clipboard?.writeText(location.origin + address);
    copied.value = true;
    setTimeout(() => (copied.value = false), 1_500);
  };
  return (
    <div class="replay" role="group" aria-label="Replay">
      <button class="button round primary" aria-label={replay.playing ? "Pause" : "Play"} onClick={() => session.playPause()}><Icon name={replay.playing ? "pause" : "play"} /></button>
      <span class="time">{clockTime(replay.atMs)} / {clockTime(lengthMs(entries))}</span>
      <input type="range" min={first - 1} max={last} value={replay.seq} aria-label="Moment of the run" aria-valuetext={`Entry ${replay.seq} of ${last}`}
        onInput={(event) => session.seekReplay(Number(event.currentTarget.value))} />
      <span class="time" data-testid="replay-seq">#{replay.seq}</span>
      <select aria-label="Pace" value={replay.speed} onChange={(event) => session.setSpeed(Number(event.currentTarget.value) as Speed)}>
        {SPEEDS.map((speed) => <option key={speed} value={speed}>{speed}×</option>)}
      </select>
      {forkable && <button class="button small" title="Run it again from behind this entry" disabled={replay.seq < first} onClick={() => void retryRun(replay.seq)}>Fork here</button>}
      <button class="button icon-only" aria-label="Link to this moment" title="Copy a link to this moment" onClick={copy}><Icon name={copied.value ? "check" : "link"} /></button>
      <button class="button icon-only" aria-label="Close the replay" title="Close the replay" onClick={() => session.closeReplay()}><Icon name="cross" /></button>
    </div>
  );
}
