"""Whom one start wants to be told of its end: noted in the transaction that stores the run. Floor 4; writer thread."""

from __future__ import annotations

from runwire.errors import InvalidInput
from runwire.persistence.transaction import Transaction
from runwire.runs.record import NewRun

_SECRET = "SELECT secret FROM webhooks WHERE owner_id = ? AND name = ?"
_NOTE = "INSERT INTO run_webhooks (run_id, url, secret) VALUES (?,?,?)"


def secret_for(tx: Transaction, new: NewRun) -> str | None:
    """Return the secret that a start names. Raises InvalidInput for a name that its owner does not have."""
    assert new.webhook is not None, "asked for a start that names a receiver"
    name = new.webhook.secret_name
    if name is None:
        return None
    row = tx.run(_SECRET, (new.owner_id, name)).fetchone()
    if row is None:
        raise InvalidInput(f"webhook.secret_name: you have no webhook called {name}; POST /v1/webhooks makes one")
    secret: str = row[0]
    return secret


def note_webhook(tx: Transaction, new: NewRun, secret: str | None) -> None:
    """Note whom to tell of the run's end."""
    assert new.webhook is not None, "asked for a start that names a receiver"
    tx.receivers.some = True
    tx.run(_NOTE, (new.run_id, new.webhook.url, secret))
