"""The page: its files, under a strict policy. Floor 6.

Built by ``clients/web`` into ``runwire/static``; without it the server works, and the page says how to build it.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from runwire.settings import Settings
from runwire.web.responses import SECURITY_HEADERS

STATIC = Path(__file__).resolve().parents[1] / "static"
ASSETS = STATIC / "assets"

CSP = (
    "default-src 'self'; img-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
SAMPLES_CSP = "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'; base-uri 'none'"
"""The sample sites are ours, and may use inline scripts as the sites of testers do; they reach no other origin."""

PAGE_HEADERS = {**SECURITY_HEADERS, "Content-Security-Policy": CSP, "X-Frame-Options": "DENY"}

_MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Runwire</title>
<h1>Runwire is running</h1>
<p>The page is not built. Build it with <code>make web</code>, then reload.
The command line and the API work without it.</p></html>"""


async def page(_request: Request) -> Response:
    """Return the page; it finds its way by the address."""
    index = STATIC / "index.html"
    if not index.is_file():
        return HTMLResponse(_MISSING, headers=PAGE_HEADERS)
    return FileResponse(index, headers={**PAGE_HEADERS, "Cache-Control": "no-cache"})


class HeaderedFiles(StaticFiles):
    """Static files with fixed headers on every answer."""

    def __init__(self, directory: Path, headers: dict[str, str], *, html: bool = False) -> None:
        super().__init__(directory=directory, html=html, check_dir=False)
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file, adding the headers."""

        async def with_headers(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))  # type: ignore[call-overload]
                message["headers"] = given + [(k.lower().encode(), v.encode()) for k, v in self._headers.items()]
            await send(message)

        await super().__call__(scope, receive, with_headers)  # type: ignore[arg-type]


def assets() -> HeaderedFiles:
    """Return the page's scripts, styles and pictures; their names carry a hash, so they never change."""
    headers = {**PAGE_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
    return HeaderedFiles(ASSETS, headers)


def samples(folder: Path) -> HeaderedFiles:
    """Return the sample sites: pages of their own, with their own scripts, kept apart from the chat page's login."""
    return HeaderedFiles(folder, {**SECURITY_HEADERS, "Content-Security-Policy": SAMPLES_CSP}, html=True)


def samples_folder(settings: Settings) -> Path | None:
    """Return where the sample sites lie: as set, inside an installed package, or in a checkout."""
    if settings.samples:
        return Path(settings.samples)
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_examples", package.parents[1] / "examples"):
        if folder.is_dir():
            return folder
    return None
