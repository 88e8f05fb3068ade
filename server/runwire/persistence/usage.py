"""Usage by user and day, and budgets, in SQL. Floor 4. Coroutines on the server's loop; functions that take a
``Transaction`` on the writer, those that take a connection on a reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa

from runwire.clock import Clock
from runwire.contracts.usage import UsageReport
from runwire.persistence.reader import ReaderPool
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import LogWriter
from runwire.runs.usage import Budget, Period, Used, check_budget, day_of, period_at

_SUM = (
    "SELECT coalesce(sum(runs), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),"
    " coalesce(sum(cost_micros), 0) FROM usage WHERE owner_id = ? AND day >= ?"
)
_DAYS = (
    "SELECT day, runs, input_tokens, output_tokens, cost_micros FROM usage WHERE owner_id = ? AND day >= ? ORDER BY day"
)
_OWN = "SELECT tokens, cost_micros FROM budgets WHERE owner_id = ?"
_ALL = "SELECT owner_id, tokens, cost_micros FROM budgets ORDER BY owner_id"
_SET = (
    "INSERT INTO budgets (owner_id, tokens, cost_micros) VALUES (?,?,?)"
    " ON CONFLICT (owner_id) DO UPDATE SET tokens = excluded.tokens, cost_micros = excluded.cost_micros"
)
_UNSET = "DELETE FROM budgets WHERE owner_id = ?"


class BudgetGate:
    """Looks at a user's budget before a run is stored; writer thread. Free while nobody has a budget."""

    def __init__(self, budget: Budget, period: Period) -> None:
        """``budget`` is that of users without one of their own."""
        self.budget = budget
        self.period = period
        self._some_have_own = False

    def restore(self, connection: sa.Connection) -> None:
        """Learn whether anybody has a budget of their own."""
        self._some_have_own = connection.exec_driver_sql(_ALL).first() is not None

    def own_budgets_changed(self) -> None:
        """Note that there may be some."""
        self._some_have_own = True

    def check(self, tx: Transaction, owner_id: str) -> None:
        """Accept one more run of a user. Raises OverBudget."""
        if self.budget.unlimited and not self._some_have_own:
            return
        own = tx.run(_OWN, (owner_id,)).fetchone() if self._some_have_own else None
        budget = self.budget if own is None else Budget(*own)
        if not budget.unlimited:
            tx.flush()  # a run may have ended in this very transaction
            since_ms, _ = period_at(self.period, tx.now_ms)
            used = Used(*tx.run(_SUM, (owner_id, day_of(since_ms))).fetchone())
            check_budget(used, budget, self.period, tx.now_ms)


class SqlUsageStore:
    """Implements ``contracts.usage.UsageStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool, clock: Clock, gate: BudgetGate) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._gate = gate

    async def report(self, user_id: str) -> UsageReport:
        """Return what a user has used in this period."""
        return await self._readers.run(partial(self._report, user_id))

    def _report(self, user_id: str, connection: sa.Connection) -> UsageReport:
        since_ms, renews_ms = period_at(self._gate.period, self._clock.now_ms())
        values = (user_id, day_of(since_ms))
        own = connection.exec_driver_sql(_OWN, (user_id,)).first()
        return UsageReport(
            user_id=user_id,
            period=self._gate.period,
            since_ms=since_ms,
            renews_ms=renews_ms,
            used=Used(*connection.exec_driver_sql(_SUM, values).one()),
            days=[(row[0], Used(*row[1:])) for row in connection.exec_driver_sql(_DAYS, values)],
            budget=self._gate.budget if own is None else Budget(*own),
        )

    async def budgets(self) -> Sequence[tuple[str, Budget]]:
        """Return the budgets of users who have one of their own."""
        rows = await self._readers.run(lambda connection: connection.exec_driver_sql(_ALL).all())
        return [(row[0], Budget(row[1], row[2])) for row in rows]

    async def set_budget(self, user_id: str, budget: Budget | None) -> None:
        """Give a user a budget of their own, or with None the server's again."""

        def apply(tx: Transaction) -> None:
            if budget is None:
                tx.run(_UNSET, (user_id,))
            else:
                tx.run(_SET, (user_id, budget.tokens, budget.cost_micros))
                self._gate.own_budgets_changed()

        await self._writer.write(apply)
