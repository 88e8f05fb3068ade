"""The server's browsers, made when somebody first asks for them. Floor 4; any thread; imports Playwright only then."""

from __future__ import annotations

import threading
from collections.abc import Callable

from runwire.browser.secrets import read_secrets
from runwire.browser.statistics import PoolStatistics
from runwire.contracts.browser import BrowserPool
from runwire.contracts.live_view import LiveViews
from runwire.settings import Settings


class BrowserSupport:
    """The server's browsers, made when somebody first asks for them: a start needs none, nor Playwright's imports."""

    def __init__(self, settings: Settings, sample_origin: Callable[[], str | None]) -> None:
        """Raises ConfigurationError if the file of the secrets is no such file."""
        self._settings = settings
        self._secrets = read_secrets(settings.browser_secrets)
        self._sample_origin = sample_origin
        self._lock = threading.Lock()
        self._host: BrowserPool | None = None
        self._views: LiveViews | None = None
        self._close: Callable[[], None] | None = None
        self._reclaim: Callable[[str], None] | None = None
        self._statistics: Callable[[], PoolStatistics] = PoolStatistics

    def pool(self) -> BrowserPool | None:
        """Return the browsers, or None where Playwright is not installed; any thread."""
        with self._lock:
            if self._host is None:
                self._make()
            return self._host

    def unavailable_reason(self) -> str | None:
        """Return why no browser can be had here, or None. Looks at files; any thread."""
        host = self.pool()
        return "this server has no browsers" if host is None else host.unavailable_reason()

    def full_reason(self) -> str | None:
        """Return why one more browser run should stay queued for now, or None; None too where no browser can be had
        at all: such a run fails at once, and says why. Reads files; any thread.
        """
        host = self.pool()
        return None if host is None else host.full_reason()

    def views(self) -> LiveViews | None:
        """Return what can be seen of them, or None where Playwright is not installed; any thread."""
        with self._lock:
            if self._host is None:
                self._make()
            return self._views

    def reclaim(self, run_id: str) -> None:
        """Take back the browser contexts of a run that has ended; any thread, does not wait."""
        with self._lock:
            reclaim = self._reclaim
        if reclaim is not None:
            reclaim(run_id)

    def _make(self) -> None:
        try:
            from runwire.browser.downloads import DownloadBounds
            from runwire.browser.film import VideoBounds
            from runwire.browser.host import BrowserHost  # the extra `browser`, and only when it is installed
            from runwire.browser.settings import BrowserHostSettings
        except ImportError:
            return
        settings = self._settings
        host = BrowserHost(
            BrowserHostSettings(
                executable=settings.browser_executable,
                headless=settings.browser_headless,
                wrapper=settings.browser_wrapper,
                isolation=settings.browser_isolation,
                slots=min(settings.max_running, settings.browser_runs or settings.max_running),
                runs_per_browser=settings.browser_shared_by,
                reserve_bytes=settings.browser_reserve_bytes,
                reserve_descriptors=settings.browser_reserve_descriptors,
                allow_hosts=settings.browser_allow,
                secrets=self._secrets,
                trace=settings.browser_trace,
                downloads=DownloadBounds(settings.browser_download_bytes, settings.browser_downloads),
                video=VideoBounds(
                    ffmpeg=settings.browser_ffmpeg,
                    count=settings.browser_videos,
                    longest_s=settings.browser_video_s,
                    one_bytes=min(settings.browser_video_bytes, settings.artifact_bytes),
                ),
            ),
            self._sample_origin,
        )
        self._reclaim = host.reclaim
        self._host, self._views, self._close, self._statistics = host, host, host.close, host.statistics

    def statistics(self) -> PoolStatistics:
        """Return a snapshot, all zero while nobody has asked for a browser; blocks for 2 s at most.

        Raises TimeoutError: the browsers' thread does not answer.
        """
        with self._lock:
            read = self._statistics
        return read()

    def close(self) -> None:
        """Close every browser, within the host's own bound (3 s); blocks."""
        with self._lock:
            close = self._close
        if close is not None:
            close()
