"""Tells the followers of a conversation how its runs move. Floor 5; the server's loop only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runwire.runs.tally import Move

Tell = Callable[[Move], None]


class ThreadWatch:
    """Who follows which conversation."""

    def __init__(self) -> None:
        self._followers: dict[str, list[tuple[str, Tell]]] = {}

    def follow(self, thread_id: str, owner_id: str, tell: Tell) -> Callable[[], None]:
        """Tell of each move of the owner's runs in the conversation. Returns what ends it."""
        follower = (owner_id, tell)
        self._followers.setdefault(thread_id, []).append(follower)

        def unfollow() -> None:
            followers = self._followers.get(thread_id, [])
            if follower in followers:
                followers.remove(follower)
                if not followers:
                    del self._followers[thread_id]

        return unfollow

    def on_moves(self, moves: Sequence[Move]) -> None:
        """Take the runs that a commit has moved; the bridge calls this."""
        if not self._followers:
            return
        for move in moves:
            for owner_id, tell in tuple(self._followers.get(move.thread_id, ())):
                if owner_id == move.owner_id:
                    tell(move)
