"""A process that has imported the server and forks one whenever asked: 0.1 s a start instead of a second. One thread.

What it forks is a real ``runwire serve`` in a process of its own, with its own sockets, threads and death; only the
imports are shared. A hundred kills fit into ``make test`` because of it. Run as ``python -m tests.faults.zygote``;
talks in JSON lines over stdin and stdout; its servers die with it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

PRELOADED = ("runwire.wiring.server", "runwire.cli.serve", "uvicorn.lifespan.on", "tests.faults.agents")

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve requests until stdin ends: ``{"argv", "env", "log"}`` → ``{"pid"}``; ``{"reap"}`` → ``{"code"}``."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # what is imported stays shared: a collection in a child would copy its pages
    for line in sys.stdin:
        request = json.loads(line)
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        else:
            answer = {"pid": _fork(request)}
        print(json.dumps(answer), flush=True)


def _fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        code = _serve(request)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve(request: dict[str, Any]) -> int:
    """Become a server: own log, own environment, own randomness; the failpoints are read anew."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(Path(request["log"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(request["env"])
    random.seed()
    from runwire import __main__, failpoints

    importlib.reload(failpoints)
    return __main__.main(request["argv"])


if __name__ == "__main__":
    main()
