"""What a browser host is told. Floor 4; values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from runwire.browser.downloads import DownloadBounds
from runwire.browser.film import VideoBounds
from runwire.browser.secrets import HttpSecret


@dataclass(frozen=True, slots=True)
class CloseBounds:
    """Longest wait, in seconds, for each part to close; then it is counted as hung and the next one follows.

    ``page.close()`` hangs for more than 20 s in a good part of the tries when a navigation commits at that moment,
    ``context.close()`` never did (measured with Playwright 1.65).
    """

    page_s: float = 0.3
    context_s: float = 1.0
    browser_s: float = 0.5
    driver_s: float = 0.7
    total_s: float = 3.0
    """The whole host. At the end contexts get at most ``browser_s`` too: the parts must fit into the whole."""


@dataclass(frozen=True, slots=True)
class BrowserHostSettings:
    """Everything that shapes the host. Seconds end in ``_s``.

    ``executable`` empty: look for one. ``wrapper``: a program that drops to an unprivileged user and executes
    ``$RUNWIRE_CHROMIUM`` with its own arguments; with it, Chromium's sandbox stays on although the server is root.
    ``allow_hosts``: hosts and networks that may be visited although private. ``isolation`` ``browser``: each run gets a
    Chromium of its own. ``reserve_bytes`` and ``reserve_descriptors`` must be free for one more run to start: about
    three times what a run on a small page takes. ``parked_pages`` wait for each configuration, ``parked_in_all`` for
    all of them together: users may have many configurations; one that was taken is replaced after ``refill_after_s``.
    ``secrets`` are what ``http_auth`` may name.
    """

    executable: str = ""
    headless: bool = True
    wrapper: str = ""
    slots: int = 5
    runs_per_browser: int = 5
    isolation: Literal["context", "browser"] = "context"
    allow_hosts: tuple[str, ...] = ()
    parked_pages: int = 2
    parked_in_all: int = 8
    parked_idle_s: float = 60.0
    refill_after_s: float = 0.005
    start_timeout_s: float = 15.0
    launch_timeout_s: float = 15.0
    open_timeout_s: float = 5.0
    slot_timeout_s: float = 60.0
    probe_period_s: float = 1.0
    probe_timeout_s: float = 0.4
    reserve_bytes: int = 300_000_000
    reserve_descriptors: int = 128
    max_runs: int = 1_000
    max_age_s: float = 3_600.0
    max_growth: float = 0.5
    secrets: Mapping[str, HttpSecret] = field(default_factory=dict)
    downloads: DownloadBounds = field(default_factory=DownloadBounds)
    trace: Literal["off", "on_failure", "on"] = "off"
    video: VideoBounds = field(default_factory=VideoBounds)
    close: CloseBounds = field(default_factory=CloseBounds)

    @property
    def browsers(self) -> int:
        """Most browsers of a host: at most ``runs_per_browser`` runs are lost by one fault."""
        return self.slots if self.isolation == "browser" else ceil(self.slots / self.runs_per_browser)
