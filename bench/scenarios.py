"""What is measured: each scenario drives one server through its target and returns figures. Runs in the load generator.

A scenario checks all that it received (:mod:`bench.proof`) after its clock has stopped. Times are seconds of
CLOCK_MONOTONIC; CPU is that of the server's process.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any, Final

from bench.arrivals import ON_TIME_S, has_event, last_event_at, latencies_s, lateness_s, percentiles
from bench.procfs import cpu_s, memory
from bench.proof import BrokenStream, Entry, entries_of, prove_order, prove_stream
from bench.swarm import Connection, Stalled, Swarm
from bench.targets import Target, Work

Figures = dict[str, float]

_RUN_LIMIT_S: Final = 60.0
_WARM_UP_RUNS: Final = 20
_OPENING_S: Final = 0.008
"""Time given to start a run or open a socket before a stream begins; a busy machine needs some of it."""


def first_event(target: Target, swarm: Swarm, *, runs: int, beside: str = "", agents: int = 0) -> Figures:
    """One socket asks for ``runs`` one-event runs, one after the other: time from asking to the first event.

    ``beside`` names an agent of which ``agents`` run meanwhile.
    """
    for _ in range(agents):
        target.start_agent(beside, {"seconds": 2.0 + runs * 0.01})
    connection = target.converse(swarm, 1)
    for _ in range(_WARM_UP_RUNS):
        _one_event(target, swarm, connection)
    p50, p99 = percentiles([_one_event(target, swarm, connection) for _ in range(runs)])
    return {"p50_ms": p50 * 1e3, "p99_ms": p99 * 1e3}


def _one_event(target: Target, swarm: Swarm, connection: Connection) -> float:
    """Ask for a one-event run, wait for its end, return the seconds from asking to its first event."""
    seen: list[float] = []
    ended: list[float] = []

    def on_text(_: Connection, text: bytes, now: float) -> None:
        if target.is_first_event(text):
            seen.append(now)
        if target.is_end(text):
            ended.append(now)

    connection.on_text = on_text
    question = target.ask(1)
    asked = perf_counter()
    connection.send(question)
    swarm.run_until(lambda: bool(ended), _RUN_LIMIT_S, "the end of a run")
    return seen[0] - asked


def runs_per_second(target: Target, swarm: Swarm, *, clients: int, seconds: float) -> Figures:
    """``clients`` sockets ask for five-event runs, each for the next as soon as one has ended, for ``seconds``."""
    ends: list[float] = []
    open_runs = clients
    stop_at = 0.0

    def on_text(connection: Connection, text: bytes, now: float) -> None:
        nonlocal open_runs
        connection.texts.append(text)
        if not target.is_end(text):
            return
        ends.append(now)
        if now < stop_at:
            connection.send(target.ask(5))
        else:
            open_runs -= 1

    connections = [target.converse(swarm, 5) for _ in range(clients)]
    for connection in connections:
        connection.on_text = on_text
    cpu, started = cpu_s(target.address.pid), perf_counter()
    stop_at = started + seconds
    for connection in connections:
        connection.send(target.ask(5))
    swarm.run_until(lambda: open_runs == 0, _RUN_LIMIT_S, "the end of all runs")
    used = cpu_s(target.address.pid) - cpu
    in_time = sum(end <= stop_at for end in ends)
    _prove_runs(target, connections, len(ends))
    return {"runs_per_s": in_time / seconds, "cpu_us_per_run": used / len(ends) * 1e6}


def _prove_runs(target: Target, connections: list[Connection], runs: int) -> None:
    """Check every run of the conversation sockets; the bare one's all have the same id and are counted only."""
    by_run: dict[str, list[Entry]] = defaultdict(list)
    for connection in connections:
        for text in connection.texts:
            for entry in entries_of(text):
                by_run[entry.run_id].append(entry)
    if target.address.kind == "bare":
        # All its runs share one id and end with the eighth entry.
        if sum(map(len, by_run.values())) != runs * 8:
            raise BrokenStream("the bare endpoint lost entries")
        return
    if len(by_run) != runs:
        raise BrokenStream(f"{runs} runs ended, {len(by_run)} were seen")
    for entries in by_run.values():
        prove_order(entries, 5, durable=True)


def one_stream(target: Target, swarm: Swarm, *, events: int) -> Figures:
    """One run of ``events`` events of 100 bytes, live, to one socket: events a second from begin to last."""
    begin_at = perf_counter() + 0.3
    connection = target.follow(swarm, target.start(Work(events, begin_at=begin_at)))
    swarm.run_until_closed(_RUN_LIMIT_S)
    _prove_all(target, [connection], events)
    return {"events_per_s": events / (last_event_at([connection]) - begin_at)}


def replay(target: Target, swarm: Swarm, *, events: int) -> Figures:
    """A finished run of ``events`` events, read again from its start (the bare endpoint can only stream live)."""
    if target.address.kind == "bare":
        return one_stream(target, swarm, events=events)
    stream_id = target.start(Work(events))
    target.follow(swarm, stream_id)
    swarm.run_until_closed(_RUN_LIMIT_S)
    asked = perf_counter()
    connection = target.follow(swarm, stream_id)
    swarm.run_until_closed(_RUN_LIMIT_S)
    _prove_all(target, [connection], events)
    return {"events_per_s": events / (last_event_at([connection]) - asked)}


def fan_out_flood(target: Target, swarm: Swarm, *, subscribers: int, events: int) -> Figures:
    """One run of ``events`` events to ``subscribers`` sockets as fast as it goes: deliveries a second."""
    begin_at = perf_counter() + subscribers * _OPENING_S + 0.5
    connections = _subscribe(target, swarm, subscribers, Work(events, begin_at=begin_at))
    swarm.run_until_closed(_RUN_LIMIT_S)
    _prove_all(target, connections, events)
    rate = events * subscribers / (last_event_at(connections) - begin_at)
    return {"deliveries_per_s": rate, "complete": len(connections)}


def fan_out_paced(target: Target, swarm: Swarm, *, subscribers: int, period_ms: float, seconds: float) -> Figures:
    """One run with an event each ``period_ms`` to ``subscribers`` sockets: CPU for each delivery, and latency."""
    events = int(seconds * 1000 / period_ms)
    begin_at = perf_counter() + subscribers * _OPENING_S + 0.5
    connections = _subscribe(target, swarm, subscribers, Work(events, 100, period_ms, begin_at=begin_at))
    swarm.run_until(lambda: has_event(connections[-1]), _RUN_LIMIT_S, "the first event")
    cpu = cpu_s(target.address.pid)
    before = perf_counter()
    swarm.run_for(seconds * 0.8)
    used, after = cpu_s(target.address.pid) - cpu, perf_counter()
    swarm.run_until_closed(_RUN_LIMIT_S)
    latencies = [late for connection in connections for late in latencies_s(connection, before, after)]
    _prove_all(target, connections, events)
    p50, p99 = percentiles(latencies)
    return {"cpu_us_per_delivery": used / len(latencies) * 1e6, "p50_ms": p50 * 1e3, "p99_ms": p99 * 1e3}


def paced_runs(target: Target, swarm: Swarm, *, runs: int, period_ms: float, seconds: float) -> Figures:
    """``runs`` runs at once, an event each ``period_ms``, one socket each: latency, punctuality, CPU for each event.

    Latency (making to arrival) and CPU are taken in a window of ``seconds`` in which every run is due to go on.
    """
    begin_at = perf_counter() + runs * _OPENING_S + 0.5
    work = Work(int((seconds + 0.6) * 1000 / period_ms), 100, period_ms)
    # Spread over one period: a hundred timers that fire at once would measure the burst and not the pace.
    phases = [begin_at + run / runs * period_ms / 1000 for run in range(runs)]
    connections = [target.follow(swarm, target.start(replace(work, begin_at=phase))) for phase in phases]
    if perf_counter() > begin_at:
        raise Stalled("the first run began before the last was started; the machine is too busy for this row")
    # The window is fixed beforehand: one that waited for a server that falls behind would flatter it.
    swarm.run_for(begin_at + 0.3 - perf_counter())
    cpu, before = cpu_s(target.address.pid), perf_counter()
    swarm.run_for(seconds)
    used, after = cpu_s(target.address.pid) - cpu, perf_counter()
    swarm.run_until_closed(_RUN_LIMIT_S)
    latencies = [late for connection in connections for late in latencies_s(connection, before, after)]
    _prove_all(target, connections, work.count)
    p50, p99 = percentiles(latencies)
    on_time = sum(lateness_s(connection, work) <= ON_TIME_S for connection in connections)
    figures = {"p50_ms": p50 * 1e3, "p99_ms": p99 * 1e3, "on_time": on_time}
    return figures | {"cpu_us_per_event": used / len(latencies) * 1e6, "cpu_percent": used / (after - before) * 100}


def idle_sockets(target: Target, swarm: Swarm, *, sockets: int, seconds: float) -> Figures:
    """Memory of a socket that follows a silent run (slope from 50 to ``sockets``), and CPU while nothing happens."""
    pid = target.address.pid
    stream_id = ""
    if target.address.kind == "runwire":
        stream_id = target.start_agent("scripted", {"steps": [{"sleep_s": seconds + 30.0}]})
    for _ in range(50):
        target.idle(swarm, stream_id)
    swarm.run_for(0.5)
    base = memory(pid)
    for _ in range(sockets - 50):
        target.idle(swarm, stream_id)
    swarm.run_for(1.0)
    full = memory(pid)
    cpu, before = cpu_s(pid), perf_counter()
    swarm.run_for(seconds)
    used, span = cpu_s(pid) - cpu, perf_counter() - before
    per_socket = (full.uss - base.uss) / (sockets - 50)
    return {"kib_per_socket": per_socket, "cpu_percent": used / span * 100, "uss_mib": full.uss / 1024}


def loop_latency(target: Target, swarm: Swarm, *, agent: str, agents: int, seconds: float) -> Figures:
    """``agents`` careless agents at work; meanwhile GET /healthz every 10 ms over one kept-alive connection.

    The wait of such a request is what the server's loop makes everybody wait. ``agent`` "" measures without any.
    """
    for _ in range(agents if agent else 0):
        target.start_agent(agent, {"seconds": seconds + 1.0})
    time.sleep(0.5)
    waits: list[float] = []
    stop = perf_counter() + seconds
    while perf_counter() < stop:
        asked = perf_counter()
        target.ask_health()
        waits.append(perf_counter() - asked)
        time.sleep(0.01)
    time.sleep(1.5)
    p50, p99 = percentiles(waits)
    return {"p50_ms": p50 * 1e3, "p99_ms": p99 * 1e3}


def _subscribe(target: Target, swarm: Swarm, subscribers: int, work: Work) -> list[Connection]:
    """Follow one stream with many sockets before its first event."""
    stream_id = target.start(work)
    connections = [target.follow(swarm, stream_id) for _ in range(subscribers)]
    if any(map(has_event, connections)):
        raise Stalled("the stream began before all were there; raise the delay")
    return connections


def _prove_all(target: Target, connections: list[Connection], events: int) -> None:
    for connection in connections:
        prove_stream(connection, events, durable=target.address.kind == "runwire")


SCENARIOS: Final[dict[str, Callable[..., Figures]]] = {
    scenario.__name__: scenario
    for scenario in (
        first_event,
        runs_per_second,
        one_stream,
        replay,
        fan_out_flood,
        fan_out_paced,
        paced_runs,
        idle_sockets,
        loop_latency,
    )
}
"""By name, as the generator's jobs call them."""


def run(name: str, target: Target, arguments: dict[str, Any]) -> Figures:
    """Run one scenario with sockets of its own.

    Raises:
        Stalled, WireError, BrokenStream: the server did not do what the scenario asks for.
    """
    with Swarm(target.address.host, target.address.port) as swarm:
        return SCENARIOS[name](target, swarm, **arguments)
