"""Mission E3: a browser that has no processor is told from one that is frozen, by what the kernel counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from runwire.browser.processes import cpu_wait_s, is_stopped
from tests.support.deadlines import eventually


def test_e3_who_waits_for_a_processor_is_known() -> None:
    """Busy processes that share one processor wait for it most of their time; a frozen one never does."""
    (processor, *_) = os.sched_getaffinity(0)
    busy = f"import os; os.sched_setaffinity(0, [{processor}])\nwhile True: pass"
    processes = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(3)]
    try:
        pids = [one.pid for one in processes]
        eventually(lambda: cpu_wait_s(pids) > 0.1, "they wait for each other", 8.0)
        os.kill(pids[0], signal.SIGSTOP)
        eventually(lambda: is_stopped(pids[0]), "it is frozen")
        frozen, others = cpu_wait_s(pids[:1]), cpu_wait_s(pids[1:])
        eventually(lambda: cpu_wait_s(pids[1:]) > others + 0.1, "the others go on waiting for each other", 8.0)
        assert cpu_wait_s(pids[:1]) == frozen
    finally:
        for one in processes:
            one.kill()
            one.wait()
