"""Full-text search over conversations, on SQLite's FTS5: the one place that knows its words. Floor 4.

PostgreSQL will have the same functions over a ``tsvector``. An ended run is indexed from a note that its terminal entry
left (``endings``), by portions, on a reader; only the finished words go through the writer. Threads: functions that
take a ``Transaction`` run on the writer, those that take a connection on a reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from runwire.errors import InvalidInput
from runwire.persistence.bulk_insert import BulkInsert
from runwire.persistence.transaction import Transaction
from runwire.protocol.transcript import SAID, SEPARATOR, first_words_of, spoken, texts_in

log = structlog.get_logger(__name__)

RUNS_A_PORTION, ENTRIES_A_PORTION = 32, 4_000
"""What one portion looks at, at most, but for the rest of its last run."""

ENTRIES_A_RUN, TEXT_LENGTH = 20_000, 65_536
"""How much of one run is searchable: its first entries, and characters that are kept. Guesses."""

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
    "SELECT r.id, (SELECT max(seq) FROM entries WHERE run_id = r.id), r.thread_id, r.owner_id, r.input, r.terminal"
    " FROM unindexed u CROSS JOIN runs r ON r.id = u.run_id LIMIT ?"  # in this order: the planner would scan the runs
)
_IDS = "(SELECT value FROM json_each(?))"
_SAID = (
    f"SELECT run_id, frame FROM entries WHERE run_id IN {_IDS} AND seq <= {ENTRIES_A_RUN} AND kind = 'event'"
    f" AND instr(frame, x'{SAID.hex()}') ORDER BY run_id, seq"
)
_NOTED = f"SELECT json_group_array(run_id) FROM unindexed WHERE run_id IN {_IDS}"
_FORGET_NOTES = f"DELETE FROM unindexed WHERE run_id IN {_IDS}"
_INSERT_TEXTS = BulkInsert("search_texts", "thread_id, run_id, owner, text")
_NAMELESS = f"SELECT json_group_array(id) FROM threads WHERE id IN {_IDS} AND first_words = ''"
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
    """Return the words of some ended runs that are not indexed yet; none when nothing waits.

    Two statements for all of them, and a row only for what was said: each one is a turn that a reader takes from the
    runs that go on beside it.
    """
    hearings: dict[str, _Hearing] = {}
    budget = ENTRIES_A_PORTION
    for run_id, last_seq, *facts in connection.exec_driver_sql(_PENDING, (RUNS_A_PORTION,)):
        if budget <= 0:
            break
        hearings[run_id] = _Hearing(run_id, *facts)
        budget -= min(last_seq, ENTRIES_A_RUN)
    for run_id, frame in connection.exec_driver_sql(_SAID, (msgspec.json.encode(list(hearings)).decode(),)):
        hearings[run_id].hear(frame)
    return [hearing.words() for hearing in hearings.values()]


class _Hearing:
    """Gathers what one run is found by, as far as it is kept. A damaged row makes it empty: others are not kept
    waiting.
    """

    def __init__(self, run_id: str, thread_id: str, owner_id: str, body: bytes, terminal: bytes) -> None:
        self._facts = run_id, thread_id, owner_id
        self._terminal = terminal
        self._parts: list[str] = []
        self._room = TEXT_LENGTH // 2
        self._message: Any = None
        self._damage: Exception | None = None
        self._title = ""
        with self._noting_damage():
            self._parts.append(texts_in(body, TEXT_LENGTH // 2))
            self._title = first_words_of(body)

    def hear(self, frame: bytes) -> None:
        """Take an entry."""
        if self._room <= 0:
            return
        with self._noting_damage():
            for message, text in spoken((frame,), self._message):
                self._parts.append(text[: self._room] if message == self._message else SEPARATOR + text[: self._room])
                self._message = message
                self._room -= len(text)

    def words(self) -> Words:
        """Return the words."""
        if self._room > 0:
            with self._noting_damage():
                self._parts.append(SEPARATOR + _ending(self._terminal, self._room))
        if self._damage is not None:
            log.warning("search.run_not_indexed", run_id=self._facts[0], error=str(self._damage))
            return Words(*self._facts, "", "")
        return Words(*self._facts, self._title, "".join(self._parts))

    @contextmanager
    def _noting_damage(self) -> Iterator[None]:
        try:
            yield
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._damage = error


def _ending(terminal: bytes, room: int) -> str:
    ending = msgspec.json.decode(terminal, type=dict[str, msgspec.Raw])
    return "\n".join(texts_in(bytes(ending[name]), room) for name in ("result", "error") if name in ending)


def store(gathered: list[Words], tx: Transaction) -> None:
    """Add words to the index, with a fixed number of statements but for threads that have no name yet. A run that was
    deleted meanwhile has no note any more and is left out.
    """
    noted = _ids_of(tx, _NOTED, [words.run_id for words in gathered])
    tx.run(_FORGET_NOTES, (msgspec.json.encode(noted).decode(),))
    kept = [words for words in gathered if words.run_id in noted]
    values: list[Any] = []
    for words in kept:
        values += (words.thread_id, words.run_id, owner_word(words.owner_id), words.text)
    tx.insert(_INSERT_TEXTS, values)
    nameless = _ids_of(tx, _NAMELESS, [words.thread_id for words in kept])
    for words in kept:
        if words.thread_id in nameless:
            tx.run(_NAME_THREAD, (words.title, words.thread_id))


def _ids_of(tx: Transaction, statement: str, ids: list[str]) -> list[str]:
    """Return those of ``ids`` that the statement finds."""
    return msgspec.json.decode(tx.run(statement, (msgspec.json.encode(ids).decode(),)).fetchone()[0], type=list[str])


def store_title(tx: Transaction, thread_id: str, owner_id: str, title: str | None) -> None:
    """Make a conversation findable by the title that a person gave it."""
    tx.run(_FORGET_TITLE, (thread_id,))
    if title is not None:
        tx.insert(_INSERT_TEXTS, [thread_id, None, owner_word(owner_id), title])
