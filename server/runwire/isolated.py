"""Puts a run's own process together: what the room ``wiring`` is for the server, this is for the fork server. Floor 7.

:func:`main` is called in a new interpreter with an environment of allowed names only; the first message on its socket
says which agents to import and what a run may use. No secret of the server is in it. What only it needs is imported
there: a server without isolated agents has nothing of it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from runwire.agents.registry import AgentRegistry, load_agents
from runwire.browser.support import BrowserSupport
from runwire.engine.isolation.host import ForkServerHost
from runwire.engine.isolation.limits import ProcessLimits
from runwire.engine.isolation.process_browsers import ProcessBrowsers
from runwire.engine.isolation.process_run import ProcessParts
from runwire.engine.isolation.process_views import ProcessViews
from runwire.settings import Settings
from runwire.telemetry.logs import configure_logs

if TYPE_CHECKING:
    from runwire.engine.isolation.guard import Work

MODULE = "runwire.isolated"

CLOSE_S = 1.0
"""How long the fork server may take to end what still runs when the server ends."""

_CONFIG_BYTES = 1_048_576

_TOLD = (
    "agents",
    "isolation",
    "event_bytes",
    "events_per_run",
    "artifact_bytes",
    "cleanup_timeout_s",
    "log_level",
    "log_format",
)
"""The settings that count in a run's process, beside those of browsers."""

_PATHS = ("browser_executable", "browser_wrapper", "browser_secrets", "browser_ffmpeg")


class ForkConfig(msgspec.Struct, frozen=True):
    """What the fork server is told. ``settings`` are those that count in a run's process; the rest stays at home."""

    server: int
    settings: dict[str, Any]
    limits: ProcessLimits
    browsers: bool


@contextmanager
def process_isolation(
    settings: Settings, agents: AgentRegistry, browsers: BrowserSupport, sample_origin: Callable[[], str | None]
) -> Iterator[ProcessParts | None]:
    """Keep a fork server for the block if any agent is isolated; without one there is nothing. On the server's loop;
    ``browsers`` are the server's own, which know whether any can be had.
    """
    isolated = agents.isolated()
    if not isolated:
        yield None
        return
    folder = settings.data_path.resolve() / "work"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed server has left
    folder.mkdir(mode=0o700, exist_ok=True)
    config = config_for(settings, browsers=any(spec.needs_browser for spec in isolated))
    host = ForkServerHost(MODULE, config, environment_for(settings, os.environ))
    host.start()
    try:
        yield ProcessParts(
            host,
            folder,
            sample_origin,
            settings.cancel_grace_s,
            settings.artifact_bytes,
            ProcessViews(asyncio.get_running_loop(), browsers.unavailable_reason),
            ProcessBrowsers(),
        )
    finally:
        host.close(CLOSE_S)


def config_for(settings: Settings, *, browsers: bool) -> bytes:
    """Return the fork server's first message; ``browsers``: an isolated agent needs one, so import what it takes."""
    names = [name for name in Settings.__struct_fields__ if name in _TOLD or name.startswith("browser_")]
    config = ForkConfig(
        server=os.getpid(),
        settings={name: getattr(settings, name) for name in names} | _paths(settings),
        limits=limits_of(settings),
        browsers=browsers,
    )
    return msgspec.json.encode(config)


def _paths(settings: Settings) -> dict[str, str]:
    """Return the settings that are paths as they are found from another folder."""
    given = {name: str(getattr(settings, name)) for name in _PATHS}
    return {name: os.path.abspath(path) for name, path in given.items() if os.path.exists(path)}


def limits_of(settings: Settings) -> ProcessLimits:
    """Return what a run's processes may use."""
    return ProcessLimits(
        cpu_s=settings.process_cpu_s,
        memory_bytes=settings.process_memory_bytes,
        processes=settings.process_count,
        file_bytes=settings.process_file_bytes,
        open_files=settings.process_open_files,
        output_bytes=min(settings.process_output_bytes, settings.artifact_bytes),
    )


def environment_for(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the allowed part of ``environ``."""
    allowed = settings.process_environment
    return {name: value for name, value in environ.items() if any(fnmatchcase(name, pattern) for pattern in allowed)}


def main(descriptor: int) -> None:
    """Be the fork server."""
    from runwire.engine.isolation import fork_server

    requests = socket.socket(fileno=descriptor)
    config = msgspec.json.decode(requests.recv(_CONFIG_BYTES), type=ForkConfig)
    settings = msgspec.convert({**config.settings, "max_running": 1}, Settings)
    configure_logs(settings.log_level, settings.log_format)
    fork_server.serve(config.server, requests, config.limits, partial(_prepare, config, settings))


def _prepare(config: ForkConfig, settings: Settings) -> Work:
    """Import the agents and return what a worker does."""
    from runwire.engine.isolation.worker import WorkerParts, work

    if config.browsers:
        with suppress(ImportError):  # not installed: the run that asks for a browser is told so
            import runwire.browser.host  # noqa: F401  # once here instead of in each run
    parts = WorkerParts(
        agents=load_agents(settings.agents, settings.isolation),
        limits=config.limits,
        event_bytes=settings.event_bytes,
        events_per_run=settings.events_per_run,
        artifact_bytes=settings.artifact_bytes,
        cleanup_timeout_s=settings.cleanup_timeout_s,
        browsers=partial(BrowserSupport, settings),
    )
    return partial(work, parts)
