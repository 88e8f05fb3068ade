"""Read-only links to runs and conversations, for people without a token. One event loop; ``AsyncRunwire.shares``.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

from dataclasses import dataclass

from runwire_client.address import Address, checked_id
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor


@dataclass(frozen=True, slots=True)
class Share:
    """A link to a run or to a conversation; ``expires_ms`` is Unix milliseconds. ``url`` is what to give away: known
    only to whoever made the link, else None.
    """

    id: str
    run_id: str | None
    thread_id: str | None
    expires_ms: int
    url: str | None = None


class Shares:
    """The share links of the client's user."""

    def __init__(self, http: HttpDoor, address: Address) -> None:
        self._http = http
        self._address = address

    async def add(
        self, *, run_id: str | None = None, thread_id: str | None = None, expires_s: float | None = None
    ) -> Share:
        """Make a link to one run, or to one conversation with its later runs.

        Args:
            run_id: the run; or
            thread_id: the conversation.
            expires_s: how long it lives, seconds; default a week, or less where the server says so.

        Raises:
            InvalidInput: not one of the two, or a longer life than the server allows; Forbidden: share links are off;
            NotFound: it is not there, or not yours; Conflict: you have as many links as allowed.
        """
        wanted = {"run_id": run_id, "thread_id": thread_id, "expires_s": expires_s}
        body = {name: value for name, value in wanted.items() if value is not None}
        return self._read(await self._http.call("POST", "/v1/shares", body=body))

    async def list(self) -> list[Share]:
        """Return those that have not expired, newest first."""
        return [self._read(row) for row in Fields(await self._http.get("/v1/shares"), "share links").rows("data")]

    async def revoke(self, share_id: str) -> None:
        """End one; whoever has it open is cut off. Raises NotFound."""
        await self._http.call("DELETE", f"/v1/shares/{checked_id(share_id, 'share id')}")

    def _read(self, value: object) -> Share:
        """Return a link. Raises ProtocolViolation."""
        fields = Fields(value, "share link")
        path = fields.text_or_none("path")
        return Share(
            id=fields.text("id"),
            run_id=fields.text_or_none("run_id"),
            thread_id=fields.text_or_none("thread_id"),
            expires_ms=fields.whole("expires_ms"),
            url=None if path is None else self._address.http(path),
        )
