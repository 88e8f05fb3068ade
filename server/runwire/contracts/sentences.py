"""The seam to what models have made of sentences of browser tests. Floor 3."""

from __future__ import annotations

from typing import Protocol

from runwire.protocol.readings import Reading, SentenceKey


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
