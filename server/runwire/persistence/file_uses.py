"""Which files a run uses: checked and noted in the transaction that stores the run. Floor 4; writer thread only."""

from __future__ import annotations

from runwire.errors import InvalidInput
from runwire.persistence.transaction import Transaction
from runwire.runs.record import NewRun

_SELECT_OWN = "SELECT 1 FROM files WHERE id = ? AND owner_id = ?"
_NOTE_USE = "INSERT INTO file_uses (run_id, file_id) VALUES (?,?) ON CONFLICT DO NOTHING"


def check_files(tx: Transaction, new: NewRun) -> None:
    """Accept the files that a run's input names. Raises InvalidInput for one that its owner does not have."""
    for file_id in new.file_ids:
        if tx.run(_SELECT_OWN, (file_id, new.owner_id)).fetchone() is None:
            raise InvalidInput(f"input: you have no file {file_id[:64]}; POST /v1/files stores one")


def note_uses(tx: Transaction, new: NewRun) -> None:
    """Note which files a run uses: they are kept as long as the run is."""
    for file_id in new.file_ids:
        tx.run(_NOTE_USE, (new.run_id, file_id))
