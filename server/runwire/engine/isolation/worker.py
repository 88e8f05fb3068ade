"""Executes one attempt in a process of its own, by the code that a runner thread uses. Floor 5; its main thread.

SIGTERM, the second rung of a stop, is an exception in the agent's code here (``SystemExit``), so that its ``finally``
has a turn; whatever does not react to it is killed.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import random
import resource
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import NoReturn, Protocol, TextIO

import msgspec

from runwire.agents.factory import AgentInstanceFactory
from runwire.agents.registry import AgentRegistry
from runwire.browser.statistics import PoolStatistics
from runwire.contracts.browser import BrowserPool
from runwire.contracts.live_view import LiveViews
from runwire.engine.context import BlockingRunContext, LiveRunContext, RunServices
from runwire.engine.daemon_executor import RunnerLoop
from runwire.engine.emitter import UserWebSocketEmitter
from runwire.engine.isolation.limits import ProcessLimits
from runwire.engine.isolation.link import Link
from runwire.engine.isolation.linked import (
    LinkedArtifacts,
    LinkedFamily,
    LinkedFiles,
    LinkedModel,
    LinkedQuestions,
    LinkedSentences,
    LinkedTraversals,
)
from runwire.engine.isolation.messages import Ended, Job
from runwire.engine.isolation.process_browsers import CountedBrowsers
from runwire.engine.isolation.worker_views import WorkerViews
from runwire.engine.outcome import outcome_of_error
from runwire.engine.runner import Assignment, execute
from runwire.errors import LimitExceeded
from runwire.runs.record import Outcome

SWITCH_INTERVAL_S = 0.0005
"""As in the server: an agent that computes does not keep the link's thread from the interpreter."""

LAST_WORDS_S = 10.0
"""How long the end may take to leave this process."""

CPU_GRACE_S = 2
"""Seconds of CPU between the limit, told as an exception, and the kernel's SIGKILL."""

OOM_SCORE = 500
"""Before the server and the fork server, if the kernel has to choose."""


class WorkerBrowsers(Protocol):
    """A worker's own browsers; made when somebody first asks for them. Any thread."""

    def pool(self) -> BrowserPool | None:
        """Return them, or None where Playwright is not installed."""

    def views(self) -> LiveViews | None:
        """Return what can be seen of them, or None."""

    def statistics(self) -> PoolStatistics:
        """Return a snapshot. Raises TimeoutError, BrowserLost."""


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What every worker of a server is made with."""

    agents: AgentRegistry
    limits: ProcessLimits
    event_bytes: int
    events_per_run: int
    artifact_bytes: int
    cleanup_timeout_s: float
    browsers: Callable[[Callable[[], str | None]], WorkerBrowsers]
    """Makes a worker's own browsers, given where the samples are."""


def work(parts: WorkerParts, end: socket.socket) -> NoReturn:
    """Execute the attempt that comes over the link and leave the process."""
    link = Link(end)
    job = link.job()
    browsers = parts.browsers(lambda: job.sample_origin)
    views = WorkerViews(job.claimed.run_id, browsers.views, link.send)
    link.receive(views.take)
    _settle_in(job, parts.limits)
    loop = RunnerLoop("runwire-runner")
    asyncio.set_event_loop(loop)
    emitter = _emitter(parts, link, job)
    outcome, _clean = execute(loop, _assignment(parts, link, job, emitter, partial(_counted, browsers, views, link)))
    if emitter.exceeded is not None and link.stop.reason is None:  # also if the agent has swallowed that
        outcome = outcome_of_error(emitter.exceeded)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it has ended: nothing is to cut its last words short
    link.send(_ended(outcome))
    link.wait_sent(LAST_WORDS_S)
    with suppress(OSError, ValueError):  # nobody reads any more, or the agent has closed it
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _settle_in(job: Job, limits: ProcessLimits) -> None:
    """Make this process the run's own: folder, limits, signals, randomness, streams that lose nothing in a crash."""
    os.chdir(job.folder)
    os.environ["TMPDIR"] = tempfile.tempdir = job.folder
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(OOM_SCORE))
    cpu_s = ceil(limits.cpu_s)
    _lower(resource.RLIMIT_CPU, cpu_s, cpu_s + CPU_GRACE_S)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes)
    _lower(resource.RLIMIT_NOFILE, limits.open_files, limits.open_files)
    _lower(resource.RLIMIT_CORE, 0, 0)
    signal.signal(signal.SIGXCPU, _limit_reached("process_cpu_s", f"{limits.cpu_s:g} s of CPU"))
    signal.signal(signal.SIGXFSZ, _limit_reached("process_file_bytes", f"a file of {limits.file_bytes} bytes"))
    signal.signal(signal.SIGTERM, _asked_to_end)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    faulthandler.enable()
    random.seed()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    threading.current_thread().name = "runwire-runner"


def _stream(descriptor: int) -> TextIO:
    """Return a stream that gives each line away at once: what is printed right before a crash is what counts."""
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _lower(which: int, soft: int, hard: int) -> None:
    """Set a limit; one that the system has set lower already stays."""
    _, allowed = resource.getrlimit(which)
    if allowed != resource.RLIM_INFINITY:
        soft, hard = min(soft, allowed), min(hard, allowed)
    resource.setrlimit(which, (soft, hard))


def _limit_reached(limit: str, what: str) -> Callable[[int, object], None]:
    def tell(_number: int, _frame: object) -> None:
        raise LimitExceeded(f"the run has reached its limit {limit}: {what}", limit=limit)

    return tell


def _asked_to_end(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: the clearing up behind it is not to be interrupted
    raise SystemExit("the run was asked to end by SIGTERM")


def _emitter(parts: WorkerParts, link: Link, job: Job) -> UserWebSocketEmitter:
    claimed = job.claimed
    emitter = UserWebSocketEmitter(
        link,
        claimed.owner_id,
        claimed.thread_id,
        claimed.run_id,
        limit_bytes=parts.event_bytes,
        limit_events=parts.events_per_run,
    )
    emitter.open(claimed.fence, job.limits)
    return emitter


def _assignment(
    parts: WorkerParts,
    link: Link,
    job: Job,
    emitter: UserWebSocketEmitter,
    browsers: Callable[[], BrowserPool | None],
) -> Assignment:
    claimed, stop = job.claimed, link.stop
    agents = AgentInstanceFactory(parts.agents)
    agents.configure(websocket_bridge=link)
    artifacts = LinkedArtifacts(link, parts.artifact_bytes)
    questions, family = LinkedQuestions(link), LinkedFamily(link)
    model = LinkedModel(link, job.no_model)
    services = RunServices(
        artifacts,
        LinkedTraversals(link),
        LinkedFiles(link),
        browsers,
        model,
        LinkedSentences(link),
    )
    return Assignment(
        claimed=claimed,
        stop=stop,
        make=lambda: agents.create(claimed.agent, emitter),
        live_context=lambda loop: LiveRunContext(claimed, emitter, stop, questions, family, services, loop, job.limits),
        blocking_context=lambda: BlockingRunContext(claimed, emitter, stop, questions, family, services),
        finish=lambda _outcome: None,
        cleanup_timeout_s=parts.cleanup_timeout_s,
        limits=job.limits,
    )


def _counted(browsers: WorkerBrowsers, views: WorkerViews, link: Link) -> BrowserPool | None:
    pool = browsers.pool()
    if pool is None:
        return None
    views.begin()
    return CountedBrowsers(pool, browsers.statistics, link.send)


def _ended(outcome: Outcome) -> Ended:
    error = outcome.error
    return Ended(
        result=None if outcome.result is None else msgspec.json.encode(outcome.result),
        verdict=None if outcome.verdict is None else outcome.verdict.value,
        usage=outcome.usage,
        error=None if error is None else (error.code, error.message, error.retryable, error.limit),
    )
