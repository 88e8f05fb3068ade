"""``runwire queue``: who waits for what, and an operator's hand on it. Floor 8."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from runwire.cli.door import add_door, talk
from runwire.cli.threads import printable
from runwire.errors import InvalidInput

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire, QueueStatus


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "queue",
        help="show the queue; pause it, resume it, cancel a user's runs",
        description="Show who waits for what. Operators (an admin's token, such as the data folder's own) may pause "
        "starts, resume them, and cancel all runs of a user that exist now.",
    )
    parser.add_argument("action", nargs="?", choices=("show", *ACTIONS), default="show", help="default: show")
    parser.add_argument("user", metavar="USER", nargs="?", default=None, help="whose runs cancel-user cancels")
    parser.add_argument("--agent", metavar="AGENT", default=None, help="pause or resume only runs of this agent")
    add_door(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the queue, or do to it what the action says. Raises InvalidInput for arguments that do not belong."""
    action = arguments.action
    if (arguments.user is not None) != (action == "cancel-user"):
        raise InvalidInput("`runwire queue cancel-user` takes the user's name, and nothing else does")
    if arguments.agent is not None and action not in ("pause", "resume"):
        raise InvalidInput("--agent goes with pause and resume")
    return talk(arguments, partial(ACTIONS.get(action, _show), arguments))


async def _show(_arguments: argparse.Namespace, client: AsyncRunwire) -> None:
    for line in lines(await client.queue()):
        print(line)


async def _pause(arguments: argparse.Namespace, client: AsyncRunwire) -> None:
    await client.operator.pause(arguments.agent)
    print(f"paused: {_subject(arguments.agent)}; runs that have started go on")


async def _resume(arguments: argparse.Namespace, client: AsyncRunwire) -> None:
    found = await client.operator.resume(arguments.agent)
    print(f"{'resumed' if found else 'was not paused'}: {_subject(arguments.agent)}")


async def _cancel_user(arguments: argparse.Namespace, client: AsyncRunwire) -> None:
    done = await client.operator.cancel_user(arguments.user)
    print(f"{done.ended} waiting runs of {arguments.user} cancelled, {done.stopping} running ones asked to stop")


ACTIONS = {"pause": _pause, "resume": _resume, "cancel-user": _cancel_user}


def lines(queue: QueueStatus) -> Iterator[str]:
    """Yield the queue as it is shown: a summary, then a table for each kind that has something to tell."""
    from runwire.cli.display import place_text

    people = f", {queue.waiting} waiting for a person" if queue.waiting else ""
    yield f"{queue.queued} waiting, {queue.running} of {queue.limits.get('max_running', '?')} running{people}"
    for pause in queue.paused:
        by = f" by {printable(pause.by)}" if pause.by else ""
        yield f"paused{by} since {_when(pause.since_ms)}: {_subject(pause.agent)}"
    agents = [(a.agent, str(a.queued), str(a.running), str(a.max_running), a.blocked or "") for a in queue.agents]
    yield from _table(("AGENT", "WAITING", "RUNNING", "AT ONCE", ""), agents)
    users = [(u.user, str(u.queued), str(u.running)) for u in queue.users]
    yield from _table(("USER", "WAITING", "RUNNING"), users)
    own = [(p.run_id, place_text(p.position, queue.queued, p.eta_s, p.blocked)) for p in queue.own]
    yield from _table(("YOUR RUN", "PLACE"), own)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table: names to the left, numbers to the right, words behind; nothing if there are no rows."""
    if not rows:
        return
    shown = [head, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(head))]
    yield ""
    for row in shown:
        cells = [
            cell.rjust(width) if name in ("WAITING", "RUNNING", "AT ONCE") else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _subject(agent: str | None) -> str:
    return "the whole queue" if agent is None else f"the agent {agent}"


def _when(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000).astimezone():%Y-%m-%d %H:%M}"
