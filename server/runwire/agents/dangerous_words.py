"""Words on what pays, deletes, sends or binds. Floor 4; pure.

A fence, not a wall: a page can call its delete button "Next".
"""

from __future__ import annotations

import re

_WORDS = (
    "pay", "buy", "purchase", "order", "donate", "subscribe", "unsubscribe", "book now", "reserve", "bid", "transfer",
    "withdraw", "delete", "remove", "erase", "destroy", "reset", "revoke", "terminate", "deactivate", "close account",
    "cancel order", "cancel subscription", "send", "submit", "publish", "invite", "reply", "confirm", "approve",
    "authorize", "authorise", "install", "deploy", "merge",
    "kaufen", "bestellen", "bezahlen", "zahlen", "löschen", "entfernen", "senden", "absenden", "abschicken",
    "kündigen", "überweisen", "veröffentlichen", "bestätigen",
)  # fmt: skip
"""Words on what pays, deletes, sends or binds, in the languages that the authors read; a list that grows."""
_DANGEROUS = re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(word) for word in _WORDS)})(?!\w)", re.IGNORECASE)


def dangerous_word(text: str) -> str | None:
    """Return the first such word in a text, or None."""
    found = _DANGEROUS.search(text)
    return None if found is None else found[0]
