"""Traces of runs by OpenTelemetry: from the command to the terminal state. Floor 1; any thread.

Optional: the SDK (extra ``otel``) is imported by :func:`open_tracer`, and only when a collector is named. A run is one
span with children, one after the other: ``queue`` (it waits), ``execute`` (its agent works), ``store`` (its end is
committed). Spans carry ids, names and codes, never content. Bounded by the runs that live in this process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from runwire import __version__
from runwire.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

log = structlog.get_logger(__name__)

CARRIED = ("traceparent", "tracestate")
"""Headers of a request or an upgrade that make its runs part of the caller's trace (W3C Trace Context)."""

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Standard variables that name a collector, also without a setting of ours."""

EXPORT_TIMEOUT_S = 2.0
"""How long one export may take, and the last one at the end; a collector on the same network needs some ms."""

QUEUE, EXECUTE, STORE = "queue", "execute", "store"


@dataclass(slots=True)
class _Trace:
    """A run's own span, and that of what it does now."""

    run: Span
    phase: Span
    phase_name: str


class RunTracer:
    """The open spans of runs. Safe from any thread: a run's command, execution and end happen on three."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("runwire", __version__)
        self._traces: dict[str, _Trace] = {}
        self._lock = threading.Lock()

    def begin(self, run_id: str, agent: str, thread_id: str, headers: Mapping[str, str]) -> CommandTrace:
        """Begin a run's trace with its command; part of the caller's trace if ``headers`` name one."""
        trace = self._open(run_id, agent, thread_id, headers)
        with self._lock:
            first = self._traces.setdefault(run_id, trace) is trace
        return CommandTrace(self, run_id, trace, first=first)

    def claimed(self, run_id: str, agent: str, thread_id: str, attempt: int) -> None:
        """An attempt begins. A run that was stored by an earlier process begins its trace here."""
        with self._lock:
            trace = self._traces.get(run_id)
            if trace is None:
                trace = self._traces[run_id] = self._open(run_id, agent, thread_id, {})
            self._turn(trace, EXECUTE)
        trace.phase.set_attribute("runwire.attempt", attempt)

    def enter(self, run_id: str) -> None:
        """Make an attempt's span the current one of this thread: spans of the agent's own become its children."""
        from opentelemetry import context, trace

        with self._lock:
            found = self._traces.get(run_id)
        if found is not None:
            context.attach(trace.set_span_in_context(found.phase))

    def finished(self, run_id: str) -> None:
        """The agent has ended; its end is on the way to the storage."""
        self._move(run_id, EXECUTE, STORE)

    def requeued(self, run_id: str) -> None:
        """The attempt's end is stored, and the run waits for another one."""
        self._move(run_id, STORE, QUEUE)
        self._move(run_id, EXECUTE, QUEUE)  # given up from outside: its agent did not end

    def ended(self, run_id: str, status: str, error: str | None) -> None:
        """The run's terminal state is stored."""
        from opentelemetry.trace import Status, StatusCode

        with self._lock:
            trace = self._traces.pop(run_id, None)
        if trace is None:
            return
        trace.phase.end()
        trace.run.set_attribute("runwire.status", status)
        if error is not None:
            trace.run.set_attribute("runwire.error", error)
            trace.run.set_status(Status(StatusCode.ERROR, error))
        trace.run.end()

    def dropped(self, run_id: str, trace: _Trace) -> None:
        """Forget a trace whose command made no run."""
        with self._lock:
            if self._traces.get(run_id) is trace:
                del self._traces[run_id]

    async def close(self) -> None:
        """Export what is left, within a bound."""
        try:
            async with asyncio.timeout(EXPORT_TIMEOUT_S):
                await asyncio.to_thread(self._provider.shutdown)
        except TimeoutError:
            log.warning("traces.not_exported")

    def _open(self, run_id: str, agent: str, thread_id: str, headers: Mapping[str, str]) -> _Trace:
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        caller = TraceContextTextMapPropagator().extract(headers)
        facts = {"runwire.run_id": run_id, "runwire.agent": agent, "runwire.thread_id": thread_id}
        run = self._tracer.start_span(f"run {agent}", caller, SpanKind.SERVER, facts)
        return _Trace(run, self._tracer.start_span(QUEUE, set_span_in_context(run)), QUEUE)

    def _move(self, run_id: str, source: str, target: str) -> None:
        with self._lock:
            trace = self._traces.get(run_id)
            if trace is not None and trace.phase_name == source:
                self._turn(trace, target)

    def _turn(self, trace: _Trace, phase: str) -> None:
        """End what a run does and begin the next; under the lock."""
        from opentelemetry.trace import set_span_in_context

        trace.phase.end()
        trace.phase = self._tracer.start_span(phase, set_span_in_context(trace.run))
        trace.phase_name = phase


class CommandTrace:
    """What became of a command: one of the two methods is called, once."""

    def __init__(self, tracer: RunTracer, run_id: str, trace: _Trace, *, first: bool) -> None:
        """``first``: no other command has begun this run's trace."""
        self._tracer = tracer
        self._run_id = run_id
        self._trace = trace
        self._first = first

    def accepted(self, *, existed: bool) -> None:
        """The run is stored; a command that named one which existed already is told apart, and ends here."""
        if existed or not self._first:
            self._trace.run.set_attribute("runwire.existed", existed)
            self._end()

    def refused(self, error: str) -> None:
        """No run was made; ``error`` is a code of the catalogue."""
        from opentelemetry.trace import Status, StatusCode

        self._trace.run.set_status(Status(StatusCode.ERROR, error))
        self._end()

    def _end(self) -> None:
        self._tracer.dropped(self._run_id, self._trace)
        self._trace.phase.end()
        self._trace.run.end()


def carried(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what ``headers`` tell of the caller's trace; empty if nothing."""
    return {name: headers[name] for name in CARRIED if name in headers}


def open_tracer(endpoint: str, environ: Mapping[str, str]) -> RunTracer | None:
    """Return a tracer that exports to ``endpoint`` (OTLP over HTTP) or where the standard variables say; None if nobody
    names a collector, or ``OTEL_SDK_DISABLED`` is true. Other ``OTEL_…`` variables count as the SDK documents them.

    Raises:
        ConfigurationError: a collector is named, but the extra is not installed.
    """
    named = endpoint or next((environ[name] for name in ENDPOINTS if environ.get(name)), "")
    if not named or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError("traces are wanted (otel_endpoint): pip install 'runwire[otel]'") from error
    address = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None  # else the exporter reads the variables itself
    name = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "runwire"}
    provider = TracerProvider(resource=Resource.create(name), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(address, timeout=EXPORT_TIMEOUT_S)))
    return RunTracer(provider)
