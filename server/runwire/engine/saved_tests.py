"""Runs of saved tests and of suites: what is saved becomes runs like any other. Floor 5; the server's loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from runwire.contracts.actors import User
from runwire.contracts.run_store import Created
from runwire.contracts.saved import Draft, Kind, Saved, SavedStore
from runwire.contracts.test_runs import SuiteRun, TaskLink, TestRunStore
from runwire.engine.factory import ExecutionEngineFactory
from runwire.engine.user_engine import UserExecutionContext
from runwire.errors import Conflict, NotFound
from runwire.ids import new_id
from runwire.protocol.browser_options import BrowserOptions, parse_options
from runwire.protocol.commands import StartRun
from runwire.protocol.saved_tests import DEFAULT, SavedTest, Suite, SuiteTest, checked_suite, checked_test, run_input
from runwire.runs.record import NewRun
from runwire.runs.state import Priority

AGENT = "browser-test"


@dataclass(frozen=True, slots=True)
class _Item:
    """One run to be: a test under a configuration (the id of a saved one, or None)."""

    name: str
    input: dict[str, Any]
    task: Saved | None
    configuration: str | None


class SavedTests:
    """Saves tests with their default configuration, and runs them."""

    def __init__(
        self, saved: SavedStore, test_runs: TestRunStore, engines: ExecutionEngineFactory, *, by_model: bool
    ) -> None:
        """``by_model``: a model reads the sentences that the step language does not know."""
        self.saved = saved
        self.runs = test_runs
        self._engines = engines
        self._checked_test = partial(checked_test, by_model=by_model)
        self.checked_suite = partial(checked_suite, by_model=by_model)
        """Refuses a suite that cannot run, apart from what it refers to."""

    # Saving

    async def create_task(self, task_id: str, source: object, actor: User) -> Saved:
        """Save a test and its configuration ``{task_id}_default``. Raises InvalidInput, Conflict, OverCapacity."""
        name, test = await asyncio.to_thread(self._checked_test, source)
        drafts = [
            Draft(Kind.TASK, task_id, name, msgspec.json.encode(test)),
            Draft(Kind.CONFIGURATION, task_id + DEFAULT, f"{name}, default", b"{}"),
        ]
        return (await self.saved.create(drafts, actor))[0]

    async def replace_task(self, task_id: str, source: object, actor: User, expected: int | None) -> Saved:
        """Save a test's next version. Raises InvalidInput, NotFound, Conflict."""
        name, test = await asyncio.to_thread(self._checked_test, source)
        return await self.saved.replace(Draft(Kind.TASK, task_id, name, msgspec.json.encode(test)), actor, expected)

    async def delete_task(self, task_id: str, actor: User) -> None:
        """Delete a test with its versions and its default configuration. Raises NotFound."""
        await self.saved.get(Kind.TASK, task_id, actor)
        await self.saved.delete([(Kind.TASK, task_id), (Kind.CONFIGURATION, task_id + DEFAULT)], actor)

    async def delete_configuration(self, configuration_id: str, actor: User) -> None:
        """Delete a configuration. Raises NotFound; Conflict if it is the default of a test that is there."""
        if configuration_id.endswith(DEFAULT):
            task_id = configuration_id.removesuffix(DEFAULT)
            with suppress(NotFound):
                await self.saved.get(Kind.TASK, task_id, actor)
                raise Conflict(f"{configuration_id} goes with the task {task_id}; change it with PUT instead")
        await self.delete(Kind.CONFIGURATION, configuration_id, actor)

    async def delete(self, kind: Kind, id: str, actor: User) -> None:
        """Delete something with its versions. Raises NotFound."""
        if not await self.saved.delete([(kind, id)], actor):
            raise NotFound(f"no {kind} {id[:80]}")

    # Running

    async def execute(
        self, task_id: str, configuration_id: str, actor: User, priority: Priority, run_id: str | None = None
    ) -> Created:
        """Start a saved test under a saved configuration; ``run_id`` is the client's own, its idempotency key.

        Raises:
            NotFound: there is no such test or configuration; others as ``UserExecutionEngine.start``.
        """
        task = await self.saved.get(Kind.TASK, task_id, actor)
        options = await self._options(configuration_id, actor)
        item = _item(task, msgspec.json.decode(task.body, type=SavedTest), options, configuration_id)
        command = _command(item, priority, run_id=run_id or UNSET)
        chosen = run_id or new_id()
        return await self.runs.start(self._prepare(command, actor, chosen, new_id()), _link(item, chosen), actor)

    async def run_suite(
        self, suite: Suite, actor: User, priority: Priority, suite_id: str | None, own_id: str | None
    ) -> tuple[str, bool]:
        """Start each test of the suite with each of its configurations, all or none.

        ``own_id`` is the client's id for the suite run, ``suite_id`` the saved suite's. Return the suite run's id, and
        whether it existed before.

        Raises:
            InvalidInput: a test could not be carried out; NotFound: it names what is not there.
            OverCapacity, RunIdTaken: see ``TestRunStore.start_suite``.
        """
        items = await self._items(suite, actor)
        suite_run_id = own_id or new_id()

        def prepare() -> list[tuple[NewRun, TaskLink]]:
            made = []
            for position, item in enumerate(items, start=1):
                run_id = new_id()
                command = _command(item, priority, thread_id=UNSET if own_id is None else own_id)
                new = self._prepare(command, actor, run_id, suite_run_id)
                made.append((new, _link(item, run_id, suite_run_id, position)))
            return made

        runs = await asyncio.to_thread(prepare)  # each test is read once more: with hundreds of them that takes a while
        existed = await self.runs.start_suite(SuiteRun(suite_run_id, suite.name, suite_id, 0, len(runs)), runs, actor)
        return suite_run_id, existed

    async def _items(self, suite: Suite, actor: User) -> list[_Item]:
        await asyncio.to_thread(self.checked_suite, suite)
        options = {name: await self._options(name, actor) for name in suite.configurations}
        items: list[_Item] = []
        for one in suite.tests:
            task, test = await self._test(one, actor)
            chosen = options
            if not chosen and task is not None:
                own = task.id + DEFAULT
                chosen = {own: await self._options(own, actor)}
            for name, option in chosen.items():
                items.append(_item(task, test, option, name))
            if not chosen:
                items.append(_item(task, test, BrowserOptions()))
        return items

    async def _test(self, one: SuiteTest, actor: User) -> tuple[Saved | None, SavedTest]:
        if one.task is None:
            return None, (await asyncio.to_thread(self._checked_test, one.test))[1]
        task = await self.saved.get(Kind.TASK, one.task, actor, one.version)
        return task, msgspec.json.decode(task.body, type=SavedTest)

    async def _options(self, configuration_id: str, actor: User) -> BrowserOptions:
        saved = await self.saved.get(Kind.CONFIGURATION, configuration_id, actor)
        return parse_options(msgspec.json.decode(saved.body))

    def _prepare(self, command: StartRun, actor: User, run_id: str, thread_id: str) -> NewRun:
        context = UserExecutionContext(actor.id, thread_id, run_id)
        return self._engines.create_for_user(context).prepare(command, actor)


def _command(
    item: _Item, priority: Priority, *, run_id: str | UnsetType = UNSET, thread_id: str | UnsetType = UNSET
) -> StartRun:
    return StartRun(agent=AGENT, input=item.input, priority=priority, run_id=run_id, thread_id=thread_id)


def _item(task: Saved | None, test: SavedTest, options: BrowserOptions, configuration: str | None = None) -> _Item:
    reference = None
    if task is not None:
        reference = {"id": task.id, "version": task.version, "configuration": configuration or ""}
    name = task.name if task is not None else str(test.test.get("name") or "Browser test")
    return _Item(name, run_input(test.test, options, reference), task, configuration)


def _link(item: _Item, run_id: str, suite_run_id: str | None = None, position: int = 1) -> TaskLink:
    task = item.task
    return TaskLink(
        run_id=run_id,
        name=item.name,
        task_id=None if task is None else task.id,
        task_version=None if task is None else task.version,
        configuration=item.configuration,
        suite_run_id=suite_run_id,
        position=position,
    )
