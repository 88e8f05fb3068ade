"""The live view over an isolated run's link: both ends on a real socket, browsers without Chromium, hostile ones."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from runwire.browser.host import BrowserHost
from runwire.contracts.browser import BrowserConfig
from runwire.contracts.live_view import Picture
from runwire.engine.isolation import process_views
from runwire.engine.isolation.messages import (
    PICTURE_BYTES,
    FrameReader,
    FromWorker,
    Held,
    Message,
    Pictured,
    PipeBroken,
    ToWorker,
    Used,
    Watch,
    frame,
)
from runwire.engine.isolation.pipe import Pipe
from runwire.engine.isolation.process_views import ProcessViews, ViewLink
from runwire.engine.isolation.worker_views import WorkerViews
from runwire.errors import Conflict
from runwire.protocol.view import KeyInput
from runwire.testing.browser import JPEG, ScriptedBrowser, ScriptedPage
from tests.support.deadlines import eventually_async
from tests.support.pools import settings

RUN = "run00000"
KEY = KeyInput(key="a")
PATIENT = dict.fromkeys(("start_timeout_s", "launch_timeout_s", "open_timeout_s", "slot_timeout_s"), 5.0)
"""A host on a thread of its own waits for a busy machine."""


@dataclass
class Ends:
    """The server's end of a link, and what has come out at the other one."""

    views: ProcessViews
    pipe: Pipe
    link: ViewLink
    there: socket.socket
    told: list[Watch | Used] = field(default_factory=list)
    broken: list[PipeBroken] = field(default_factory=list)

    def say(self, message: Message) -> None:
        """Be the process that says something."""
        self.there.send(frame(message))

    async def asked(self, holds: Callable[[Watch], bool]) -> Watch:
        """Wait until the process was told to be watched so."""
        await eventually_async(lambda: any(isinstance(one, Watch) and holds(one) for one in self.told), "it is told")
        return next(one for one in reversed(self.told) if isinstance(one, Watch) and holds(one))

    async def granted(self, pictures: int) -> None:
        """Wait until the process may send so many pictures."""
        await self.asked(lambda watch: watch.pictures == pictures)


@asynccontextmanager
async def linked(take: Callable[[Watch | Used], None] | None = None, *, reads: bool = True) -> AsyncIterator[Ends]:
    """Join a server's end to a process's, which gives what it hears to ``take`` if it reads at all."""
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    there.setblocking(False)
    views, pipe = ProcessViews(loop, lambda: None), Pipe(here)
    ends = Ends(views, pipe, views.attach(RUN, pipe), there)
    await asyncio.sleep(0)  # it comes to the server's loop from a runner's

    async def listen() -> None:
        frames = FrameReader(FromWorker, limit_bytes=PICTURE_BYTES + 1_000)
        try:
            while data := await pipe.read():
                for message in frames.feed(data):
                    ends.link.receive(message)
        except PipeBroken as error:
            ends.broken.append(error)

    async def hear() -> None:
        frames = FrameReader(ToWorker, limit_bytes=1_000_000)
        while reads and (data := await loop.sock_recv(there, 65_536)):
            for message in frames.feed(data):
                ends.told.append(message)
                if take is not None:
                    take(message)

    tasks = [loop.create_task(listen()), loop.create_task(hear())]
    try:
        yield ends
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        views.detach(RUN, ends.link)
        await pipe.close()
        there.close()


@asynccontextmanager
async def browsing(browser: ScriptedBrowser) -> AsyncIterator[tuple[Ends, BrowserHost]]:
    """The same with a real worker's end and a real host behind it."""
    with closing(BrowserHost(settings(**PATIENT), lambda: None, browser.start_driver)) as host:
        worker: list[WorkerViews] = []
        async with linked(lambda message: worker[0].take(message)) as ends:
            worker.append(WorkerViews(RUN, lambda: host, ends.say))
            worker[0].begin()
            yield ends, host


def page_of(browser: ScriptedBrowser) -> ScriptedPage:
    return next(part for part in browser.parts if isinstance(part, ScriptedPage))


def view_threads() -> int:
    """Return how many workers' ends work; they end with their processes."""
    return sum(thread.name == "runwire-views" for thread in threading.enumerate())


def pictured(number: int, jpeg: bytes = JPEG) -> Pictured:
    return Pictured(number, 1280, 720, jpeg, polled=False)


async def test_a_page_is_captured_from_the_first_viewer_to_the_last() -> None:
    browser, seen = ScriptedBrowser(), dict[str, list[Picture]](early=[], late=[])
    async with browsing(browser) as (ends, host):
        early, late = seen["early"].append, seen["late"].append
        await ends.views.watch(RUN, early)
        await eventually_async(lambda: bool(host._early), "it waits, and nothing is started for it")
        async with host.lease(RUN, BrowserConfig()) as lease, lease.page():
            await eventually_async(lambda: bool(seen["early"]), "the page is seen by who came before it")
            await ends.views.watch(RUN, late)
            assert seen["late"] == seen["early"], "a late viewer gets the newest picture at once"
            assert (seen["late"][0].jpeg, seen["late"][0].number) == (JPEG, 1)
            ends.views.unwatch(RUN, early)
            ends.views.unwatch(RUN, early)
            await asyncio.sleep(0)
            assert (browser.calls["cast"], browser.calls["uncast"]) == (1, 0)
            ends.views.unwatch(RUN, late)
            await eventually_async(lambda: browser.calls["uncast"] == 1, "nobody watches")
        assert len(seen["early"]) == 1, "a page that stands still sends no more"


async def test_a_person_holds_uses_and_gives_back() -> None:
    browser = ScriptedBrowser()
    async with browsing(browser) as (ends, host):
        with pytest.raises(Conflict, match="no page open"):
            await ends.views.hold(RUN, 0.1)
        async with host.lease(RUN, BrowserConfig()) as lease, lease.page() as page:
            ends.views.use(RUN, KEY)  # not held: it goes nowhere
            assert await ends.views.hold(RUN, 1.0)
            acting = asyncio.create_task(page.goto("about:blank", timeout_s=5))
            for number in range(3):
                ends.views.use(RUN, KeyInput(key=str(number)))
            await eventually_async(lambda: len(page_of(browser).used) == 3, "what they did has come")
            assert (page_of(browser).used, page_of(browser).visited) == ([KeyInput(key=str(n)) for n in range(3)], [])
            ends.views.release(RUN)
            ends.views.release(RUN)
            assert await acting == 200


async def test_an_action_that_does_not_end_keeps_a_person_waiting_for_their_limit_alone() -> None:
    browser = ScriptedBrowser(hanging={"goto"})
    async with browsing(browser) as (ends, host), host.lease(RUN, BrowserConfig()) as lease, lease.page() as page:
        acting = asyncio.create_task(page.goto("about:blank", timeout_s=5))
        await eventually_async(lambda: browser.calls["goto"] == 1, "it acts")
        assert not await ends.views.hold(RUN, 0.05)
        claim = asyncio.create_task(ends.views.hold(RUN, 5))
        await ends.asked(lambda watch: watch.hold == 2)
        claim.cancel()  # the person's socket is gone
        await asyncio.wait((claim,))
        await ends.asked(lambda watch: watch.hold == 0)
        assert not await ends.views.hold(RUN, 0.05), "the claim that was given up holds up nobody"
        browser.resume("goto")
        assert await acting == 200
        assert await page.goto("about:blank", timeout_s=5) == 200


async def test_a_process_that_does_not_answer_is_told_of_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_views, "ANSWER_S", 0.05)
    async with linked() as ends:
        await ends.views.watch(RUN, lambda picture: None)
        with pytest.raises(Conflict, match="does not answer"):
            await ends.views.hold(RUN, 0.05)
        await ends.asked(lambda watch: watch.hold == 0 and watch.limit_s > 0)
        late = (await ends.asked(lambda watch: watch.hold > 0)).hold
        again = asyncio.create_task(ends.views.hold(RUN, 5))
        number = (await ends.asked(lambda watch: watch.hold > late)).hold
        ends.say(Held(late, "held"))  # too late: it has been told to let go
        ends.say(Held(number, "busy"))
        assert not await again
        assert ends.broken == []


async def test_a_process_that_ends_answers_whoever_waits_for_it() -> None:
    async with linked() as ends:
        waiting = asyncio.create_task(ends.views.hold(RUN, 60))
        await ends.asked(lambda watch: watch.hold == 1)
        ends.views.detach(RUN, ends.link)
        with pytest.raises(Conflict, match="no page open"):
            await waiting


async def test_a_viewer_stays_for_the_next_attempt_and_numbers_go_on() -> None:
    seen = list[Picture]()
    async with linked() as ends:
        await ends.views.watch(RUN, seen.append)
        await ends.granted(1)
        ends.say(pictured(7))
        await eventually_async(lambda: bool(seen), "the first attempt is seen")
        ends.views.detach(RUN, ends.link)
        ends.told.clear()
        ends.link = ends.views.attach(RUN, ends.pipe)
        await ends.asked(lambda watch: watch.watch > 0 and watch.pictures == 1)
        ends.say(pictured(1))
        await eventually_async(lambda: len(seen) == 2, "the second one too")
        assert [picture.number for picture in seen] == [7, 8]


async def test_the_next_picture_is_asked_for_when_one_has_come_and_not_too_soon() -> None:
    async with linked() as ends:
        await ends.views.watch(RUN, lambda picture: None)
        begun = asyncio.get_running_loop().time()
        for number in range(1, 7):
            await ends.granted(number)
            ends.say(pictured(number))
        assert asyncio.get_running_loop().time() - begun > 5 * process_views.PICTURE_S
        assert max(one.pictures for one in ends.told if isinstance(one, Watch)) == 6


async def test_a_worker_sends_the_newest_picture_when_it_may_and_none_too_large() -> None:
    browser, sent = ScriptedBrowser(), list[Message]()
    with closing(BrowserHost(settings(**PATIENT), lambda: None, browser.start_driver)) as host:
        worker = WorkerViews(RUN, lambda: host, sent.append)
        worker.begin()
        worker.take(Watch(watch=1, pictures=1, hold=0, limit_s=0.0))
        async with host.lease(RUN, BrowserConfig()) as lease, lease.page():
            await eventually_async(lambda: len(sent) == 1, "the first picture")
            for jpeg in (JPEG + b"older", JPEG + b"newer", JPEG + bytes(PICTURE_BYTES)):
                worker._slot.put(Picture(1, 100_000, 1, jpeg, polled=False))
            assert len(sent) == 1
            worker.take(Watch(watch=1, pictures=3, hold=0, limit_s=0.0))
            await eventually_async(lambda: len(sent) == 2, "the newest that may be sent")
            assert sent[1] == Pictured(3, 65_535, 1, JPEG + b"newer", polled=False)
            worker.take(Watch(watch=2, pictures=3, hold=0, limit_s=0.0))
            await eventually_async(lambda: len(sent) == 3, "another watch begins with a picture, though nothing moves")
            assert browser.calls["cast"] == 2


async def test_a_run_without_a_browser_is_watched_by_nothing_until_it_asks_for_one() -> None:
    browser, made, before = ScriptedBrowser(), list[BrowserHost](), view_threads()
    with closing(BrowserHost(settings(**PATIENT), lambda: None, browser.start_driver)) as host:

        def views() -> BrowserHost:
            made.append(host)
            return host

        worker: list[WorkerViews] = []
        async with linked(lambda message: worker[0].take(message)) as ends:
            worker.append(WorkerViews(RUN, views, ends.say))
            seen = list[Picture]()
            await ends.views.watch(RUN, seen.append)
            await ends.granted(1)
            ends.views.use(RUN, KEY)
            with pytest.raises(Conflict, match="no page open"):
                await ends.views.hold(RUN, 5.0)
            assert (made, view_threads()) == ([], before)

            worker[0].begin()
            worker[0].begin()
            async with host.lease(RUN, BrowserConfig()) as lease, lease.page():
                await eventually_async(lambda: bool(seen), "who watched before sees it")
                assert await ends.views.hold(RUN, 5.0)
            assert ends.broken == [], "what was refused is not answered twice"


def test_the_end_of_a_watch_starts_nothing() -> None:
    before = view_threads()
    worker = WorkerViews(RUN, lambda: pytest.fail("no browsers are wanted"), lambda _message: None)
    worker.take(Watch(watch=1, pictures=1, hold=0, limit_s=0.0))
    worker.take(Watch(watch=0, pictures=1, hold=0, limit_s=0.0))
    worker.begin()
    assert view_threads() == before


HOSTILE: dict[str, tuple[list[Message], str]] = {
    "a flood": ([pictured(1), pictured(2)], "nobody asked for"),
    "no JPEG": ([pictured(1, b"<html>")], "that is none"),
    "an answer": ([Held(1, "held")], "answered what nobody asked"),
    "an answer of nothing": ([Held(0, "no_page")], "answered what nobody asked"),
}


@pytest.mark.parametrize(("messages", "words"), HOSTILE.values(), ids=list(HOSTILE))
async def test_what_a_process_may_not_say_is_refused(messages: list[Message], words: str) -> None:
    async with linked() as ends:
        await ends.views.watch(RUN, lambda picture: None)
        await ends.granted(1)
        for message in messages:
            ends.say(message)
        await eventually_async(lambda: bool(ends.broken), "it is refused")
        assert words in ends.broken[0].message


async def test_pictures_are_counted_upwards() -> None:
    async with linked() as ends:
        await ends.views.watch(RUN, lambda picture: None)
        for number, granted in ((5, 1), (5, 2)):
            await ends.granted(granted)
            ends.say(pictured(number))
        await eventually_async(lambda: bool(ends.broken), "it is refused")


@pytest.mark.parametrize(
    "changed", [{1: 0}, {1: "1"}, {2: -1}, {3: 70_000}, {4: JPEG + bytes(PICTURE_BYTES)}, {4: "text"}, {5: None}]
)
def test_a_picture_of_other_types_or_sizes_is_no_message(changed: dict[int, Any]) -> None:
    fields: list[Any] = ["pictured", 1, 1280, 720, JPEG, False]
    for place, value in changed.items():
        fields[place] = value
    body = msgspec.msgpack.encode(fields)
    with pytest.raises(PipeBroken):
        FrameReader(FromWorker, limit_bytes=2 * PICTURE_BYTES).feed(len(body).to_bytes(4, "big") + body)


async def test_a_process_that_does_not_read_is_not_filled_up_by_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs are dropped, how it is to be watched is told when it reads again: the newest, once."""
    monkeypatch.setattr(process_views, "ANSWER_S", 0.05)
    async with linked(reads=False) as ends:
        holding = asyncio.create_task(ends.views.hold(RUN, 30))
        await asyncio.sleep(0)
        for _ in range(20_000):
            ends.views.use(RUN, KeyInput(key="x" * 40))
        await asyncio.sleep(0)
        assert not ends.pipe.clear
        assert len(ends.pipe._unsent) < 1_000
        for _ in range(100):
            await ends.views.watch(RUN, print)
            ends.views.unwatch(RUN, print)
        await ends.views.watch(RUN, print)
        holding.cancel()
        await asyncio.wait((holding,))
        frames, told, loop = FrameReader(ToWorker, limit_bytes=1_000), list[Any](), asyncio.get_running_loop()
        while not told or told[-1] != Watch(102, 1, 0, 30):
            async with asyncio.timeout(5):
                told += frames.feed(await loop.sock_recv(ends.there, 65_536))
        assert sum(isinstance(one, Watch) for one in told) == 2
