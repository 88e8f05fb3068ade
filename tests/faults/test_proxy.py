"""The fault proxy does what it says: a test that relies on a fault which does not happen proves nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import FaultProxy, Faults


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    """A server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def exchange(port: int, data: bytes, expect: int) -> tuple[bytes, float]:
    """Return what comes back within a second, and after how many seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started, got = time.monotonic(), b""
    try:
        writer.write(data)
        async with asyncio.timeout(1.0):
            while len(got) < expect and (piece := await reader.read(65_536)):
                got += piece
    except (TimeoutError, ConnectionError):
        return got, time.monotonic() - started
    finally:
        writer.close()
    return got, time.monotonic() - started


async def test_without_faults_every_byte_passes(echo_port: int) -> None:
    async with FaultProxy(echo_port) as proxy:
        assert (await exchange(proxy.own_port, b"x" * 300_000, 300_000))[0] == b"x" * 300_000


async def test_latency_and_bandwidth_take_their_time(echo_port: int) -> None:
    async with FaultProxy(echo_port, down=Faults(latency_s=0.2)) as proxy:
        assert (await exchange(proxy.own_port, b"hello", 5))[1] >= 0.2
    async with FaultProxy(echo_port, down=Faults(bytes_per_s=10_000)) as proxy:
        got, took_s = await exchange(proxy.own_port, b"x" * 3_000, 3_000)
        assert len(got) == 3_000
        assert 0.25 < took_s < 0.9


async def test_a_black_hole_swallows_one_direction_only(echo_port: int) -> None:
    async with FaultProxy(echo_port, down=Faults(hole=True)) as proxy:
        assert (await exchange(proxy.own_port, b"hello", 5))[0] == b""
        assert proxy.links[0].up is not None
        assert proxy.links[0].up.passed_bytes == 5


@pytest.mark.parametrize("cut_after", [0, 1, 7, 4_999])
async def test_a_cut_comes_behind_exactly_that_many_bytes(echo_port: int, cut_after: int) -> None:
    async with FaultProxy(echo_port, down=Faults(cut_after=cut_after)) as proxy:
        assert len((await exchange(proxy.own_port, b"x" * 5_000, 5_000))[0]) <= cut_after
        assert proxy.links[0].down is not None
        assert proxy.links[0].down.passed_bytes == cut_after


async def test_slices_arrive_whole(echo_port: int) -> None:
    async with FaultProxy(echo_port, up=Faults(slice_bytes=1), down=Faults(slice_bytes=3)) as proxy:
        assert (await exchange(proxy.own_port, bytes(range(256)), 256))[0] == bytes(range(256))


async def test_a_slow_close_holds_the_end_back(echo_port: int) -> None:
    async with FaultProxy(echo_port, up=Faults(close_after_s=0.2)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.own_port)
        started = time.monotonic()
        writer.write_eof()
        assert await reader.read() == b""
        assert time.monotonic() - started >= 0.2
        writer.close()
