"""Full-text search over conversations, on SQLite's FTS5: the one place that knows its words. Floor 4.

PostgreSQL will have the same functions over a ``tsvector``. An ended run is indexed from a note that its terminal entry
left (``endings``), by portions, on a reader; only the finished words go through the writer. Threads: functions that
take a ``Transaction`` run on the writer, those that take a connection on a reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
import structlog

from runwire.errors import InvalidInput
from runwire.persistence.transaction import Transaction
from runwire.protocol.transcript import SEPARATOR, first_words_of, spoken, texts_in

log = structlog.get_logger(__name__)

RUNS_A_PORTION, ENTRIES_A_PORTION = 32, 4_000
"""What one portion reads, at most, but for the rest of its last run."""

ENTRIES_A_RUN, TEXT_LENGTH = 20_000, 65_536
"""How much of one run is searchable: entries that are looked at, characters that are kept. Guesses."""

MOST_FOUND = 5_000
"""Newest texts that one search looks at: a word that stands everywhere finds recent conversations."""

QUERY_LENGTH, QUERY_WORDS = 200, 16

FOUND = (
    "WITH found (thread_id, text_id) AS (SELECT thread_id, max(id) FROM (SELECT t.thread_id, t.id FROM search_fts"
    " JOIN search_texts t ON t.id = search_fts.rowid WHERE search_fts MATCH ?"
    f" ORDER BY search_fts.rowid DESC LIMIT {MOST_FOUND}) GROUP BY thread_id) "
)
"""Begins a statement that joins ``found``; its one parameter is what :func:`match_of` returns."""

_SNIPPETS = (
    "SELECT rowid, snippet(search_fts, 1, '', '', '…', 16) FROM search_fts WHERE search_fts MATCH ? AND rowid = ?"
)
_PENDING = (
    "SELECT r.id, r.thread_id, r.owner_id, r.input, r.terminal FROM unindexed u JOIN runs r ON r.id = u.run_id LIMIT ?"
)
_ENTRIES = "SELECT frame FROM entries WHERE run_id = ? AND kind = 'event' ORDER BY seq LIMIT ?"
_FORGET_NOTE = "DELETE FROM unindexed WHERE run_id = ?"
_INSERT = "INSERT INTO search_texts (thread_id, run_id, owner, text) VALUES (?,?,?,?)"
_NAME_THREAD = "UPDATE threads SET first_words = ? WHERE id = ? AND first_words = ''"
_FORGET_TITLE = "DELETE FROM search_texts WHERE thread_id = ? AND run_id IS NULL"


@dataclass(frozen=True, slots=True)
class Words:
    """What one ended run adds to the index."""

    run_id: str
    thread_id: str
    owner_id: str
    title: str
    text: str


def match_of(owner_id: str, query: str) -> str:
    """Return the FTS5 expression for every word of ``query`` (the last one may be unfinished) in the owner's texts.

    Raises InvalidInput for no word, or more than a search takes.
    """
    words = query.split()
    if not words or len(query) > QUERY_LENGTH or len(words) > QUERY_WORDS:
        raise InvalidInput(f"q: 1 to {QUERY_WORDS} words, at most {QUERY_LENGTH} characters")
    quoted = " ".join('"' + word.replace('"', '""').replace("\x00", " ") + '"' for word in words)
    return f"owner : {owner_word(owner_id)} AND text : ({quoted}*)"


def owner_word(owner_id: str) -> str:
    """Return the owner as one word of the index: a search reads this list and the words' own, no other user's texts."""
    return "o" + hashlib.sha256(owner_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def snippets(connection: sa.Connection, match: str, text_ids: Iterable[int]) -> dict[int, str]:
    """Return, by text, the words around the first match."""
    return {
        row[0]: row[1] for text_id in text_ids for row in connection.exec_driver_sql(_SNIPPETS, (match, text_id)).all()
    }


def gather(connection: sa.Connection) -> list[Words]:
    """Return the words of some ended runs that are not indexed yet; none when nothing waits."""
    gathered: list[Words] = []
    budget = ENTRIES_A_PORTION
    for run_id, *facts in connection.exec_driver_sql(_PENDING, (RUNS_A_PORTION,)).all():
        try:
            words, looked_at = _words_of(connection, run_id, *facts)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # a damaged row: the others are not kept waiting
            log.warning("search.run_not_indexed", run_id=run_id, error=str(error))
            words, looked_at = Words(run_id, facts[0], facts[1], "", ""), 1
        gathered.append(words)
        budget -= looked_at
        if budget <= 0:
            break
    return gathered


def _words_of(
    connection: sa.Connection, run_id: str, thread_id: str, owner_id: str, body: bytes, terminal: bytes
) -> tuple[Words, int]:
    parts, room = [texts_in(body, TEXT_LENGTH // 2)], TEXT_LENGTH // 2
    message, looked_at = None, 0

    def frames() -> Iterable[bytes]:
        nonlocal looked_at
        for (frame,) in connection.exec_driver_sql(_ENTRIES, (run_id, ENTRIES_A_RUN)):
            looked_at += 1
            yield frame

    for message_id, text in spoken(frames()):
        parts.append(text[:room] if message_id == message else SEPARATOR + text[:room])
        message = message_id
        room -= len(text)
        if room <= 0:
            break
    if room > 0:
        parts.append(SEPARATOR + _ending(terminal, room))
    return Words(run_id, thread_id, owner_id, first_words_of(body), "".join(parts)), looked_at


def _ending(terminal: bytes, room: int) -> str:
    ending = msgspec.json.decode(terminal, type=dict[str, msgspec.Raw])
    return "\n".join(texts_in(bytes(ending[name]), room) for name in ("result", "error") if name in ending)


def store(gathered: list[Words], tx: Transaction) -> None:
    """Add words to the index. A run that was deleted meanwhile has no note any more and is left out."""
    for words in gathered:
        if tx.run(_FORGET_NOTE, (words.run_id,)).rowcount:
            tx.run(_INSERT, (words.thread_id, words.run_id, owner_word(words.owner_id), words.text))
            tx.run(_NAME_THREAD, (words.title, words.thread_id))


def store_title(tx: Transaction, thread_id: str, owner_id: str, title: str | None) -> None:
    """Make a conversation findable by the title that a person gave it."""
    tx.run(_FORGET_TITLE, (thread_id,))
    if title is not None:
        tx.run(_INSERT, (thread_id, None, owner_word(owner_id), title))
