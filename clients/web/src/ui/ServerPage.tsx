/** The operators' page: what runs and waits, the limits, stuck threads, sockets, memory and browsers. */

import { useEffect } from "preact/hooks";
import type { ServerStatus } from "../app/api";
import { runHref } from "../app/router";
import { history, lookProblem, queue, REMEMBERED, setPaused, status, watchServer, type Moment } from "../app/server-status";
import { agents } from "../app/store";
import { duration, size } from "../core/format";
import { Icon } from "./Icon";

export function ServerPage() {
  useEffect(watchServer, []);
  useEffect(() => {
    document.title = "Server · Runwire";
    return () => void (document.title = "Runwire");
  }, []);
  const now = status.value;
  return (
    <main class="server">
      <h1>Server</h1>
      {lookProblem.value && <p class="problem" role="alert">{lookProblem.value}</p>}
      {now === null ? !lookProblem.value && <p class="quiet">Looking…</p> : <Now now={now} />}
    </main>
  );
}

function Now({ now }: { now: ServerStatus }) {
  const { process, writer, sockets } = now;
  return (
    <>
      {now.problems.map((each) => <p key={each} class="problem" role="alert">{each}</p>)}
      <div class="charts">
        <Chart title="Running" value={`${now.queue.running} of ${now.queue.max_running}`} of={(moment) => moment.running} />
        <Chart title="Waiting" value={String(now.queue.queued)} of={(moment) => moment.queued} />
        <Chart title="Sockets" value={String(sockets.open)} of={(moment) => moment.sockets} />
        <Chart title="Memory" value={size(process.resident_bytes)} of={(moment) => moment.memoryBytes} />
      </div>
      <Queue now={now} />
      <Runs now={now} />
      <Browsers now={now} />
      <section>
        <h2>Inside</h2>
        <dl class="facts">
          <Fact name="Version" value={`${now.version}, up ${duration(now.uptime_s * 1_000)}${now.draining ? ", draining" : ""}`} />
          <Fact name="Stuck threads" value={String(process.stuck_threads)} isBad={process.stuck_threads > 0} />
          <Fact name="Slow readers cut" value={String(sockets.closed["4008"] ?? 0)} />
          <Fact name="Loop late, p99" value={seconds(process.loop_lag_p99_s)} />
          <Fact name="Commit, p99" value={seconds(writer.commit_p99_s)} />
          <Fact name="Storage failures" value={String(writer.storage_failures)} isBad={writer.storage_failures > 0} />
          <Fact name="Write-ahead log" value={size(writer.wal_bytes)} />
          <Fact name="Descriptors" value={String(process.descriptors)} />
        </dl>
      </section>
    </>
  );
}

function Queue({ now }: { now: ServerStatus }) {
  const view = queue.value;
  if (!view) return null;
  const pauseOfAll = view.paused.find((each) => each.agent === null);
  const busy = new Map(view.agents.map((each) => [each.agent, each]));
  return (
    <section aria-label="Queue" tabIndex={0}>
      <div class="section-head">
        <h2>Queue</h2>
        <span class="quiet">{now.queue.wait_p95_s === null ? "" : `19 of 20 waited ${seconds(now.queue.wait_p95_s)} at most`}</span>
        <button class="button small" onClick={() => void setPaused(!pauseOfAll)}>{pauseOfAll ? "Resume all" : "Pause all"}</button>
      </div>
      {pauseOfAll && <p class="problem">Nothing starts: {pauseOfAll.by} has paused the queue.</p>}
      <table>
        <thead><tr><th>Agent</th><th>Running</th><th>Waiting</th><th>Held back</th><th><span class="unseen">Pause</span></th></tr></thead>
        <tbody>
          {agents.value.map(({ name }) => {
            const load = busy.get(name);
            const paused = view.paused.some((each) => each.agent === name);
            return (
              <tr key={name}>
                <td>{name}</td><td>{load ? `${load.running} of ${load.max_running}` : 0}</td><td>{load?.queued ?? 0}</td><td class="wrap">{load?.blocked ?? ""}</td>
                <td><button class="button small" aria-label={`${paused ? "Resume" : "Pause"} ${name}`} onClick={() => void setPaused(!paused, name)}>{paused ? "Resume" : "Pause"}</button></td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {view.users.length > 0 && <p class="quiet">By user: {view.users.map((each) => `${each.user} ${each.running} running, ${each.queued} waiting`).join("; ")}</p>}
    </section>
  );
}

function Runs({ now }: { now: ServerStatus }) {
  return (
    <section aria-label="Running now" tabIndex={0}>
      <h2>Running now</h2>
      {now.runs.length === 0 ? <p class="quiet">Nothing.</p> : (
        <table>
          <thead><tr><th>Run</th><th>Agent</th><th>User</th><th>Age</th><th>Entries</th></tr></thead>
          <tbody>
            {now.runs.map((run) => (
              <tr key={run.run_id}><td><a href={runHref(run.run_id)}>{run.run_id}</a></td><td>{run.agent}</td><td>{run.user}</td><td>{duration(run.age_s * 1_000)}</td><td>{run.last_seq ?? "–"}</td></tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Browsers({ now }: { now: ServerStatus }) {
  const { browsers } = now;
  if (browsers.launches === 0) return null;
  return (
    <section aria-label="Browsers" tabIndex={0}>
      <div class="section-head">
        <h2>Browsers</h2>
        <span class="quiet">{browsers.leased} in use, {browsers.parked} pages ready, {Math.round(browsers.warm_ratio * 100)} % warm</span>
      </div>
      <table>
        <thead><tr><th>No.</th><th>Health</th><th>In use</th><th>Runs</th><th>Errors</th><th>Memory</th><th>Age</th></tr></thead>
        <tbody>
          {browsers.browsers.map((each) => (
            <tr key={each.number}><td>{each.number}</td><td>{each.health}</td><td>{each.leased}</td><td>{each.runs}</td><td>{each.errors}</td><td>{size(each.size_bytes)}</td><td>{duration(each.age_s * 1_000)}</td></tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Fact({ name, value, isBad = false }: { name: string; value: string; isBad?: boolean }) {
  return <div><dt>{name}</dt><dd class={isBad ? "bad" : ""}>{isBad && <Icon name="alert" />}{value}</dd></div>;
}

const WIDTH = 180;
const HEIGHT = 36;

/** The last minutes as a line; the scale begins at zero. */
function Chart({ title, value, of }: { title: string; value: string; of: (moment: Moment) => number }) {
  const points = history.value.map(of);
  const top = Math.max(1, ...points);
  const line = points.map((point, index) => `${((REMEMBERED - points.length + index) / (REMEMBERED - 1)) * WIDTH},${HEIGHT - (point / top) * (HEIGHT - 2) - 1}`).join(" ");
  return (
    <figure class="chart">
      <figcaption><span>{title}</span><strong>{value}</strong></figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true"><polyline points={line} /></svg>
    </figure>
  );
}

function seconds(value: number | null): string {
  return value === null ? "–" : duration(value * 1_000);
}
