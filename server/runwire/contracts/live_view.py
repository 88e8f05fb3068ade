"""The seam to what a run's browser shows, and to its mouse and keyboard. Floor 3; called on one loop: the server's, or
in a run's own process that of its live view.

Apart from :class:`~runwire.contracts.browser.BrowserPool`, which agents hold: an agent has no way to look at another
run. Who may watch or take over is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from runwire.protocol.view import Input


@dataclass(frozen=True, slots=True)
class Picture:
    """The viewport at one moment. ``number`` counts the pictures of one capture; ``width`` and ``height`` are the
    viewport's, in CSS pixels; ``polled``: it was photographed because the page never stands still.
    """

    number: int
    width: int
    height: int
    jpeg: bytes
    polled: bool


Show = Callable[[Picture], None]
"""Takes a picture; called on any thread, must not block."""

NO_PAGE = "the run has no page open now; try again when it shows one"
"""What :meth:`LiveViews.hold` says then."""


class LiveViews(Protocol):
    """The pages of the server's runs, as people see and use them."""

    async def watch(self, run_id: str, show: Show) -> None:
        """Show the run's current page, and go with it from page to page, until :meth:`unwatch` of the same ``show``.

        A run that has no page yet is waited for. A page is captured once, for all who watch. Raises BrowserUnavailable.
        """

    def unwatch(self, run_id: str, show: Show) -> None:
        """Stop; the last one ends the capture. Idempotent."""

    async def hold(self, run_id: str, limit_s: float) -> bool:
        """Keep the agent from its pages: what it is doing ends first, what it does next waits for :meth:`release`.

        False: an action did not end within ``limit_s`` seconds; nothing is held. Raises Conflict: there is no page, or
        the run's process does not answer.
        """

    def release(self, run_id: str) -> None:
        """Let the agent go on. Idempotent."""

    def use(self, run_id: str, what: Input) -> None:
        """Do to the current page what a person does; in order, without waiting. Dropped where no page is held."""
