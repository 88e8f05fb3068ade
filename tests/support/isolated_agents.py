"""Agents that need a process of their own, and use it badly."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from runwire.contracts.agent import RunContext, SyncRunContext
from runwire.contracts.browser import BrowserConfig
from runwire.engine.isolation.messages import Pictured, frame

_STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"


def _told(name: str, value: Any) -> dict[str, Any]:
    return {"type": "CUSTOM", "name": name, "value": value}


def _child(code: str, **more: Any) -> int:
    """Start a Python below this one and wait until it has begun; return its pid."""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, **more)
    assert child.stdout is not None
    child.stdout.readline()
    return child.pid


async def surroundings(_ctx: RunContext, _input: Any) -> dict[str, Any]:
    """Return what this process sees."""
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "environment": sorted(os.environ),
        "folder": os.getcwd(),
        "files": os.listdir(),
        "temporary": os.environ["TMPDIR"],
        "limits": [resource.getrlimit(which)[0] for which in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)],
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    }


async def dies(ctx: RunContext, input: str) -> None:
    """Say half a sentence, print a line, end the process in the way that ``input`` names."""
    await ctx.text("half a sen")
    await ctx.emit(_told("pid", os.getpid()))
    if input != "waits":
        print("these are", "my last words", sep="\n")
    if input == "exit":
        os._exit(3)
    if input == "segfault":
        ctypes.string_at(0)
    if input == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.Event().wait()


def exceeds(ctx: SyncRunContext, input: str) -> None:
    """Use more than is allowed of what ``input`` names."""
    ctx.emit(_told("pid", os.getpid()))
    if input == "memory":
        kept = [bytearray(os.urandom(1_000_000)) for _ in range(400)]
        time.sleep(60)
        del kept
    elif input == "cpu":
        while True:
            pass
    elif input == "file":
        with open("large", "wb") as file:
            while True:
                file.write(bytes(100_000))
    elif input == "processes":
        for _ in range(40):
            subprocess.Popen(["sleep", "60"])
        time.sleep(60)


async def leaves_processes(ctx: RunContext, input: dict[str, Any]) -> str:
    """Leave a child in a session of its own behind, and an orphan; both ignore SIGTERM."""
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_STUBBORN!r}]); print(1, flush=True)"
    session = _child(_STUBBORN, start_new_session=True)
    _child(code, start_new_session=True)
    await ctx.emit(_told("pid", os.getpid()))
    await ctx.emit(_told("pid", session))
    if input.get("wait"):
        await asyncio.Event().wait()
    return "done"


def deaf(ctx: SyncRunContext, input: dict[str, Any]) -> None:
    """Ignore every request to stop, SIGTERM too; with a child that does the same."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if input.get("child"):
        ctx.emit(_told("pid", _child(_STUBBORN)))
    ctx.emit(_told("pid", os.getpid()))
    while True:
        time.sleep(60)


def cleans_up(ctx: SyncRunContext, input: str) -> None:
    """Look at nothing, but clean up when it is thrown out."""
    ctx.emit(_told("pid", os.getpid()))
    try:
        time.sleep(60)
    finally:
        Path(input).write_text("cleaned up")


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


_BROKEN = {
    "garbage": b"\x00\x00\x00\x05hello",
    "huge": b"\xff\xff\xff\xff",
    "pictures": frame(Pictured(1, 1280, 720, b"\xff\xd8\xff", polled=False)),
}


async def breaks_link(ctx: RunContext, input: str) -> None:
    """Close the link to the server, or write what is no message on it, or none that is asked for."""
    await ctx.emit(_told("pid", os.getpid()))
    await ctx.flush()
    for number in filter(_is_socket, range(3, 64)):  # the link is one of them; the others wake threads up
        if input == "close":
            socket.socket(fileno=number).shutdown(socket.SHUT_RDWR)
        else:
            os.write(number, _BROKEN[input])
    await asyncio.Event().wait()


async def prints(_ctx: RunContext, input: dict[str, int]) -> str:
    """Print so many lines on standard output, and one on standard error."""
    for number in range(input["lines"]):
        print(f"line {number}")
    print("to standard error", file=sys.stderr)
    return "printed"


async def stuck_in_c(ctx: RunContext, input: float) -> None:
    """Hold the interpreter's lock for so many seconds: no other thread of this process does anything meanwhile."""
    await ctx.emit(_told("pid", os.getpid()))
    await ctx.flush()
    ctypes.PyDLL(None).usleep(int(input * 1_000_000))


async def shows_page(ctx: RunContext, input: str) -> None:
    """Open a page and wait; nothing is a step of it."""
    async with ctx.browser.lease(ctx.run_id, BrowserConfig()) as lease, lease.page() as page:
        await page.goto(input, timeout_s=10)
        await ctx.emit(_told("pid", os.getpid()))
        await asyncio.Event().wait()


_AGENTS = (
    surroundings,
    dies,
    exceeds,
    leaves_processes,
    deaf,
    cleans_up,
    breaks_link,
    prints,
    stuck_in_c,
    shows_page,
)
for _agent in _AGENTS:
    setattr(_agent, "isolation", "process")  # noqa: B010  # declared on the function, as users do
PATHS = tuple(f"{__name__}:{agent.__name__}" for agent in _AGENTS)
"""Every agent of this file, as ``--agents`` takes them."""
