"""Many rows by few statements. Floor 4; pure but for the connection that it is handed; writer thread only.

The driver gives up the interpreter's lock around every step of SQLite and has to win it back. ``executemany`` steps
once a row, so beside a busy agent thread a batch of 256 rows is 256 fights for the lock (5,000 rows/s were measured);
one statement with 256 rows is one (100,000 rows/s). Alone on the machine it gains a tenth.
"""

from __future__ import annotations

import sqlite3
from typing import Any

_SIZES = (256, 128, 64, 32, *range(16, 0, -1))
"""Rows of one statement, so that most commits need one for each table, and all of them stay in the driver's cache."""


class BulkInsert:
    """An INSERT of rows of one width. ``tail`` stands behind the values, such as an ``ON CONFLICT`` clause."""

    def __init__(self, table: str, columns: str, tail: str = "") -> None:
        self._width = columns.count(",") + 1
        row = f"({', '.join('?' * self._width)})"
        head = f"INSERT INTO {table} ({columns}) VALUES "
        self._statements = [(size, f"{head}{', '.join([row] * size)} {tail}") for size in _SIZES]

    def is_one_statement(self, values: list[Any]) -> bool:
        """Whether :meth:`execute` would need one statement."""
        return len(values) // self._width in _SIZES

    def execute(self, connection: sqlite3.Connection, values: list[Any]) -> None:
        """Insert the rows whose columns stand in ``values``, one row behind the other."""
        at, rows_left = 0, len(values) // self._width
        for size, statement in self._statements:
            while rows_left >= size:
                end = at + size * self._width
                connection.execute(statement, values[at:end])
                at, rows_left = end, rows_left - size
