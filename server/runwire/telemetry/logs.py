"""Structured logs on standard error. Floor 1; configured once, at start-up.

A line carries facts (ids, counts, durations), never content: no input, no event, no secret.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

import structlog

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class LogStream:
    """Standard error, whose disk may be full and whose reader may be gone: a line that cannot be written must not end
    the thread that says it. Lost lines are counted, and the number is written as soon as a line can be. Any thread.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._lost = 0

    def write(self, text: str) -> int:
        """Write ``text`` or count it as lost."""
        with self._lock:
            try:
                if self._lost:
                    self._stream.write(f"[{self._lost} log writes were lost]\n")
                    self._stream.flush()
                    self._lost = 0
                return self._stream.write(text)
            except (OSError, ValueError):  # ValueError: the stream is closed
                self._lost += 1
                return len(text)

    def flush(self) -> None:
        """Flush, or count the line as lost."""
        with self._lock:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lost += 1

    def isatty(self) -> bool:
        """Whether a person reads along."""
        return self._stream.isatty()


def configure_logs(level: str, style: str) -> None:
    """Write our lines, and other libraries' from WARNING on, to standard error; ``style`` is ``console`` or
    ``json``.
    """
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if style == "json":
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        processors += [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    else:  # the default shows local variables: inputs, events, tokens
        plain = structlog.dev.plain_traceback
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, LogStream(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s [%(levelname)s] %(name)s %(message)s"
    )


@contextmanager
def startup_step(name: str, **facts: Any) -> Iterator[None]:
    """Log that a step of the start-up succeeded and how long it took, or that it failed and why."""
    log = structlog.get_logger("runwire.startup")
    begun = time.perf_counter()
    try:
        yield
    except Exception as error:
        log.error("startup.failed", step=name, error=str(error), **facts)
        raise
    log.info("startup.done", step=name, ms=round((time.perf_counter() - begun) * 1000, 1), **facts)
