"""What ``runwire top`` shows: a server's status as a few lines and a table, 80 columns wide. Floor 8; pure.

Rates need two looks: against the status before, or for the first one against the run's whole age.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from runwire.cli.threads import printable

Status = Mapping[str, Any]

LABEL_WIDTH = 10
BROWSERS = 8
"""Most browsers that have a line each: five runs share one."""


@dataclass(frozen=True, slots=True)
class Look:
    """One status, and when it was taken (monotonic seconds)."""

    status: Status
    at: float


def screen(now: Look, before: Look | None, *, server: str, note: str = "", rows: int | None = None) -> Group:
    """Return the whole view. ``note`` is a line about the connection, ``rows`` the most runs that are shown."""
    status = now.status
    lines: list[RenderableType] = [_head(status, server)]
    lines += [_line(label, text) for label, text in _parts(now, before)]
    lines += [Text(f"! {printable(problem)}", style="bold red") for problem in status["problems"]]
    if note:
        lines.append(Text(f"! {printable(note)}", style="bold yellow"))
    lines += [Text(""), _runs(now, before, rows)]
    return Group(*lines)


def _head(status: Status, server: str) -> Text:
    draining = "  draining" if status["draining"] else ""
    head = Text(f"runwire {status['version']}  {printable(server)}  up {_long(status['uptime_s'])}", style="bold")
    return head.append(draining, style="bold yellow")


def _line(label: str, text: str) -> Text:
    line = Text.assemble((f"{label:<{LABEL_WIDTH}}", "cyan"), text)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _parts(now: Look, before: Look | None) -> list[tuple[str, str]]:
    status = now.status
    queue, totals, sockets = status["queue"], status["totals"], status["sockets"]
    writer, process, browsers = status["writer"], status["process"], status["browsers"]
    ended = ", ".join(f"{count} {state.lower()}" for state, count in sorted(totals["ended"].items()))
    closed = " ".join(f"{code}×{count}" for code, count in sorted(sockets["closed"].items()))
    return [
        (
            "queue",
            f"{queue['queued']} queued{_paused(queue['paused'])}  {queue['running']}/{queue['max_running']} running  "
            f"{queue['waiting']} asking  wait p50 {_bound(queue['wait_p50_s'])} p95 {_bound(queue['wait_p95_s'])}",
        ),
        ("runs", f"{totals['created']} created  {ended or 'none ended'}"),
        ("sockets", f"{sockets['open']} open  {sockets['opened']} opened  closed {closed or 'none'}"),
        (
            "writer",
            f"{totals['entries']:,} entries{_rate(now, before, 'totals', 'entries')}  commit p99 "
            f"{_bound(writer['commit_p99_s'])}  lag p99 {_bound(writer['lag_p99_s'])}  "
            f"log {_bytes(writer['wal_bytes'])}",
        ),
        (
            "process",
            f"{_bytes(process['resident_bytes'])}  {process['descriptors']} descriptors  loop p99 "
            f"{_bound(process['loop_lag_p99_s'])}  {process['stuck_threads']} stuck threads",
        ),
        (
            "browsers",
            f"{len(browsers['browsers'])} open{_isolated(browsers)}, "
            f"{_bytes(sum(one['size_bytes'] for one in browsers['browsers']))}  "
            f"{browsers['leased']} leased  {browsers['waiting']} waiting  {browsers['launches']} launched  "
            f"{browsers['failed_launches']} failed",
        ),
        *(_browsers(browsers) if browsers["launches"] or browsers["failed_launches"] else ()),
    ]


def _browsers(browsers: Status) -> Iterator[tuple[str, str]]:
    """Yield how well browsers are used, what went wrong with them, and a line for each."""
    removed = " ".join(f"{reason}×{count}" for reason, count in sorted(browsers["removed"].items()))
    hung = " ".join(f"{part}×{count}" for part, count in sorted(browsers["hung_closes"].items()))
    yield (
        "  use",
        f"{browsers['reuse_ratio']:.0%} reused  {browsers['warm_ratio']:.0%} warm  page close p95 "
        f"{_bound(browsers['close_s'].get('page', {}).get('p95'))}  circuit {browsers['circuit']}",
    )
    yield "  trouble", f"{browsers['lost_runs']} runs lost  hung closes {hung or 'none'}"
    yield "  removed", removed or "none"
    for one in browsers["browsers"][:BROWSERS]:
        yield (
            f"  #{one['number']}",
            f"{one['health']}  {_bytes(one['size_bytes'])}  {one['descriptors']} descriptors  {one['leased']} leased  "
            f"{one['runs']} runs  {one['errors']} errors",
        )


def _isolated(browsers: Status) -> str:
    """Return how many more belong to isolated runs; their memory counts as their runs'."""
    return f" and {browsers['isolated']} isolated" if browsers["isolated"] else ""


def _paused(paused: Status) -> str:
    if paused["queue"]:
        return " (paused)"
    return f" ({len(paused['agents'])} agents paused)" if paused["agents"] else ""


def _runs(now: Look, before: Look | None, rows: int | None) -> RenderableType:
    runs = now.status["runs"]
    if not runs:
        return Text("nothing runs", style="dim")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="cyan")
    table.add_column("RUN", no_wrap=True, width=24)
    table.add_column("AGENT", no_wrap=True, max_width=14, overflow="ellipsis")
    table.add_column("USER", no_wrap=True, max_width=10, overflow="ellipsis")
    for title in ("TRY", "AGE", "ENTRIES", "/S"):
        table.add_column(title, no_wrap=True, justify="right")
    known = {run["run_id"]: run for run in before.status["runs"]} if before is not None else {}
    for run in runs[:rows]:
        table.add_row(
            *(Text(printable(run[name])) for name in ("run_id", "agent", "user")),
            str(run["attempt"]),
            _long(run["age_s"]),
            f"{run['last_seq'] or 0:,}",
            _run_rate(run, known.get(run["run_id"]), 0.0 if before is None else now.at - before.at),
        )
    more = len(runs) - len(runs[:rows])
    return Group(table, Text(f"and {more} more", style="dim")) if more else table


def _run_rate(run: Status, before: Status | None, passed_s: float) -> str:
    """Return how many entries a second a run writes: since the look before, else since its attempt began."""
    seq = run["last_seq"] or 0
    if before is not None and passed_s > 0:
        return f"{max(0, seq - (before['last_seq'] or 0)) / passed_s:,.0f}"
    return f"{seq / run['age_s']:,.0f}" if run["age_s"] > 0 else "0"


def _rate(now: Look, before: Look | None, part: str, name: str) -> str:
    if before is None or now.at <= before.at:
        return ""
    return f", {max(0, now.status[part][name] - before.status[part][name]) / (now.at - before.at):,.0f}/s"


def _bound(seconds: float | None) -> str:
    """Return a quantile as a person reads it; it is the upper bound of where the true one lies."""
    if seconds is None:
        return "–"
    return f"≤{seconds * 1000:g}ms" if seconds < 1 else f"≤{seconds:g}s"


def _long(seconds: float) -> str:
    """Return an age: 4.2s, 3:07, 2:03:07, 4d 2h."""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f}s"
    if whole < 3_600:
        return f"{whole // 60}:{whole % 60:02}"
    if whole < 86_400:
        return f"{whole // 3_600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 86_400}d {whole // 3_600 % 24}h"


def _bytes(size: int | None) -> str:
    if size is None:
        return "–"
    return f"{size / 1e9:.1f}GB" if size >= 1e9 else f"{size / 1e6:.1f}MB" if size >= 1e6 else f"{size / 1e3:.0f}kB"
