"""What ``runwire top`` shows of a status: every part, within 80 columns, and rates between two looks."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from runwire.cli.top_view import Look, screen


def status(**changes: Any) -> dict[str, Any]:
    """Return the status of a server with large numbers everywhere."""
    run = {"run_id": "a" * 24, "agent": "an-agent-with-a-long-name", "user": "somebody-with-a-name", "attempt": 3}
    return {
        "version": "0.1.0",
        "uptime_s": 123_456.7,
        "draining": False,
        "problems": [],
        "queue": {
            "queued": 99_999,
            "running": 64,
            "max_running": 64,
            "waiting": 100,
            "paused": {"queue": True, "agents": []},
            "wait_p50_s": 60.0,
            "wait_p95_s": 3600.0,
        },
        "runs": [{**run, "thread_id": "t", "age_s": 7_384.2, "last_seq": 1_000_000}],
        "totals": {"created": 1_234_567, "ended": {"SUCCEEDED": 1_000_000, "FAILED": 2_345}, "entries": 9_876_543_210},
        "sockets": {"open": 10_000, "opened": 1_000_000, "closed": {"1000": 900_000, "1001": 9_999, "4008": 12}},
        "writer": {
            "commits": 10_000_000,
            "commit_p99_s": 0.0025,
            "lag_p99_s": 0.0025,
            "items_p95": 512.0,
            "storage_failures": 0,
            "wal_bytes": 67_108_864,
        },
        "process": {"resident_bytes": 3_456_000_000, "descriptors": 12_345, "stuck_threads": 12, "loop_lag_p99_s": 2.5},
        "browsers": {
            "browsers": [
                {
                    "number": 12_345,
                    "health": "draining",
                    "size_bytes": 900_000_000,
                    "descriptors": 1_234,
                    "leased": 5,
                    "runs": 1_000,
                    "errors": 123,
                }
            ]
            * 4,
            "isolated": 0,
            "leased": 20,
            "waiting": 120,
            "launches": 12_345,
            "failed_launches": 123,
            "lost_runs": 12,
            "reuse_ratio": 0.987,
            "warm_ratio": 0.954,
            "close_s": {"page": {"count": 1_000, "mean": 0.001, "p95": 0.0025}},
            "hung_closes": {"context": 12, "page": 345},
            "removed": {"lost": 12, "silent": 3, "worn": 12_330},
            "circuit": "closed",
        },
        **changes,
    }


def shown(*looks: Look, columns: int = 80, **options: Any) -> str:
    """Return the last look's view as plain text; the one before gives its rates."""
    out = StringIO()
    before = looks[-2] if len(looks) > 1 else None
    view = screen(looks[-1], before, server="http://127.0.0.1:8700", **options)
    Console(file=out, width=columns, highlight=False).print(view)
    return out.getvalue()


@pytest.mark.parametrize("columns", [80, 120])
def test_large_numbers_fit(columns: int) -> None:
    text = shown(Look(status(), 10.0), Look(status(), 11.0), columns=columns)
    lines = text.splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) == 17, "nothing is wrapped"
    assert lines[0] == "runwire 0.1.0  http://127.0.0.1:8700  up 1d 10h"
    assert "a" * 24 in lines[-1], "an id is shown whole: it is what one copies"
    assert "2:03:04" in lines[-1]


def test_rates_are_those_since_the_look_before() -> None:
    run = {"run_id": "r", "agent": "echo", "user": "ann", "attempt": 1, "age_s": 10.0, "last_seq": 500}
    first = status(runs=[run], totals={"created": 1, "ended": {}, "entries": 1_000})
    second = status(
        runs=[{**run, "age_s": 12.0, "last_seq": 560}], totals={"created": 1, "ended": {}, "entries": 1_200}
    )
    assert shown(Look(first, 10.0)).splitlines()[-1].split()[-2:] == ["500", "50"], "over its whole age"
    text = shown(Look(first, 10.0), Look(second, 12.0))
    assert "1,200 entries, 100/s" in text
    assert text.splitlines()[-1].split()[-2:] == ["560", "30"]


def test_an_idle_server_and_a_troubled_one() -> None:
    idle = status(runs=[], totals={"created": 0, "ended": {}, "entries": 0})
    idle["queue"] |= {"wait_p50_s": None, "wait_p95_s": None}
    idle["process"] |= {"resident_bytes": None}
    text = shown(Look(idle, 1.0))
    assert "nothing runs" in text
    assert "none ended" in text
    assert "wait p50 – p95 –" in text
    troubled = shown(Look(status(problems=["the disk is full"], draining=True), 1.0), note="no answer")
    assert "! the disk is full\n! no answer\n" in troubled
    assert troubled.splitlines()[0].endswith("draining")


def test_what_is_paused_is_said() -> None:
    assert "99999 queued (paused)  64/64 running" in shown(Look(status(), 1.0))
    some = status()
    some["queue"] |= {"paused": {"queue": False, "agents": ["echo", "chat"]}}
    assert "99999 queued (2 agents paused)  64/64 running" in shown(Look(some, 1.0))
    some["queue"] |= {"paused": {"queue": False, "agents": []}}
    assert "99999 queued  64/64 running" in shown(Look(some, 1.0))


def test_more_runs_than_rows_are_counted() -> None:
    runs = [{**status()["runs"][0], "run_id": f"run{number:05}"} for number in range(10)]
    lines = shown(Look(status(runs=runs), 1.0), rows=3).splitlines()
    assert [line.split()[0] for line in lines[-4:-1]] == ["run00000", "run00001", "run00002"]
    assert lines[-1] == "and 7 more"


def test_names_of_others_move_no_cursor() -> None:
    runs = [{**status()["runs"][0], "user": "\x1b[2Jann"}]
    assert "\x1b" not in shown(Look(status(runs=runs), 1.0))


def test_each_browser_has_its_line_and_all_together_their_use_and_trouble() -> None:
    text = shown(Look(status(), 10.0))
    assert "  use     99% reused  95% warm  page close p95 ≤2.5ms  circuit closed" in text
    assert "  trouble 12 runs lost  hung closes context×12 page×345" in text
    assert "  removed lost×12 silent×3 worn×12330" in text
    assert text.count("  #12345  draining  900.0MB  1234 descriptors  5 leased  1000 runs  123 errors") == 4


def test_a_server_that_has_launched_no_browser_shows_one_line() -> None:
    quiet = {**status()["browsers"], "browsers": [], "launches": 0, "failed_launches": 0}
    text = shown(Look(status(browsers=quiet), 10.0))
    assert "0 open, " in text
    isolated = shown(Look(status(browsers={**quiet, "isolated": 3}), 10.0))
    assert "0 open and 3 isolated, " in isolated
    assert "reused" not in text
