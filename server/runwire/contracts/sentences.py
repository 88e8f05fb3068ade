"""The seam to what models have made of sentences of browser tests. Floor 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from runwire.contracts.actors import User
from runwire.protocol.readings import KeptReading, Reading, SentenceKey


class SentenceStore(Protocol):
    """Readings by owner and sentence. Blocks for a short statement: not for a loop."""

    def recall(self, owner_id: str, key: SentenceKey) -> Reading | None:
        """Return what the owner's sentence was read as, or None."""

    def remember(self, owner_id: str, key: SentenceKey, reading: Reading) -> None:
        """Keep a reading, durably, in place of an earlier one. Each owner has at most 10,000: the oldest go.

        Raises StorageUnavailable.
        """


class RunSentences(Protocol):
    """The readings of a run's owner, for the run."""

    async def recall(self, key: SentenceKey) -> Reading | None:
        """Return what the sentence was read as, or None."""

    async def remember(self, key: SentenceKey, reading: Reading) -> None:
        """Keep a reading. Raises StorageUnavailable."""


class ReadingStore(Protocol):
    """What is kept, for its owner to look at. Coroutines of the server's loop; somebody else's is absent."""

    async def list(self, owner: User, task_id: str | None, before: str | None, limit: int) -> Sequence[KeptReading]:
        """Return at most ``limit`` of the owner's readings, the newest first, older than the one of the id ``before``;
        with ``task_id`` those of one saved test. Nothing if ``before`` is none of them.
        """

    async def get(self, owner: User, reading_id: str) -> KeptReading:
        """Return one. Raises NotFound."""

    async def forget(self, owner: User, reading_id: str) -> None:
        """Forget one: the test's next run asks a model again. Raises NotFound."""
