"""What models have made of the free words in a user's browser tests. One event loop; ``AsyncRunwire.readings``.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from runwire_client.address import checked_id
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence of a test, and the ``reading`` of it that later runs use: a sentence of the step language.

    The test is saved under ``task_id``, or it is one called ``test_name`` that starts at ``test_url``. ``occurrence``
    counts the same sentence in it from 1; ``created_ms`` is Unix milliseconds.
    """

    id: str
    task_id: str | None
    test_name: str | None
    test_url: str | None
    sentence: str
    occurrence: int
    reading: str
    model: str
    created_ms: int


class Readings:
    """The readings of the client's user."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    async def list(self, task_id: str | None = None, *, limit: int = 50) -> AsyncGenerator[Reading, None]:
        """Yield them, newest first, or those of one saved test; ``limit`` is the size of a page."""
        query: dict[str, str | int] = {"limit": limit} if task_id is None else {"limit": limit, "task_id": task_id}
        async with aclosing(self._http.pages("/v1/readings", "before", query, read_reading)) as rows:
            async for row in rows:
                yield row

    async def get(self, reading_id: str) -> Reading:
        """Return one. Raises NotFound."""
        return read_reading(await self._http.get(_path(reading_id)))

    async def forget(self, reading_id: str) -> None:
        """Forget one: the test's next run asks a model again. Raises NotFound."""
        await self._http.call("DELETE", _path(reading_id))


def read_reading(value: object) -> Reading:
    """Return a reading. Raises ProtocolViolation."""
    fields = Fields(value, "reading")
    return Reading(
        id=fields.text("id"),
        task_id=fields.text_or_none("task_id"),
        test_name=fields.text_or_none("test_name"),
        test_url=fields.text_or_none("test_url"),
        sentence=fields.text("sentence"),
        occurrence=fields.whole("occurrence"),
        reading=fields.text("reading"),
        model=fields.text("model"),
        created_ms=fields.whole("created_ms"),
    )


def _path(reading_id: str) -> str:
    return f"/v1/readings/{checked_id(reading_id, 'reading id')}"
