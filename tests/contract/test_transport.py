"""What every Transport does: TCP over loopback, TLS over loopback, and the memory network."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S, SystemClock
from leafnode.limits import READ_BULK_BYTES
from leafnode.net.dial import TcpDialer
from leafnode.net.listener import ANY_PORT, Listener
from leafnode.net.transport import Target
from leafnode.net.turn import Turn
from tests.sim.network import MemoryNetwork
from tests.sim.sessions import RecordingSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"
KINDS = pytest.mark.parametrize("kind", ["tcp", "memory"])


@asynccontextmanager
async def pair(kind: str) -> AsyncIterator[tuple[RecordingSession, RecordingSession]]:
    """Two connected sessions, the one that dialed first."""
    clock = SystemClock()
    turn = Turn(clock)
    accepted = RecordingSession()
    if kind == "memory":
        network = MemoryNetwork(clock)
        network.listen(turn, lambda: accepted, host=HOST, port=1)
        dialed = RecordingSession()
        await network(Target(HOST, 1, NS_PER_S), dialed)
        yield dialed, accepted
        return
    listener = Listener(turn, lambda: accepted)
    port = await listener.bind(HOST, ANY_PORT)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(listener.serve())
        dialed = RecordingSession()
        await TcpDialer(turn)(Target(HOST, port, NS_PER_S), dialed)
        await accepted.attached()
        try:
            yield dialed, accepted
        finally:
            dialed.wire.abort()
            accepted.wire.abort()
            serving.cancel()
            await asyncio.wait([serving])
            listener.close()


@KINDS
@pytest.mark.real_loop
async def test_chunks_arrive_in_order_and_whole(kind: str) -> None:
    async with pair(kind) as (one, other):
        one.wire.write([b"a", b"b" * 5000, b"c"])
        one.wire.write([b"d"])

        assert await other.bytes(5003) == b"a" + b"b" * 5000 + b"cd"


@KINDS
@pytest.mark.real_loop
async def test_both_ways_at_once(kind: str) -> None:
    async with pair(kind) as (one, other):
        one.wire.write([b"ping"])
        other.wire.write([b"pong"])

        assert await other.bytes(4) == b"ping"
        assert await one.bytes(4) == b"pong"


@KINDS
@pytest.mark.real_loop
async def test_no_read_is_larger_than_its_bound(kind: str) -> None:
    async with pair(kind) as (one, other):
        one.wire.write([b"x" * (3 * READ_BULK_BYTES)])

        await other.bytes(3 * READ_BULK_BYTES)

        assert max(other.read_sizes) <= READ_BULK_BYTES


@KINDS
@pytest.mark.real_loop
async def test_a_paused_reader_gets_nothing_until_it_resumes(kind: str) -> None:
    async with pair(kind) as (one, other):
        other.wire.pause_reading()
        one.wire.write([b"hello"])
        for _ in range(20):
            await asyncio.sleep(0)
        assert other.received_bytes == b""

        other.wire.resume_reading()

        assert await other.bytes(5) == b"hello"


@KINDS
@pytest.mark.real_loop
async def test_close_sends_what_is_pending_and_both_ends_learn_of_it(kind: str) -> None:
    async with pair(kind) as (one, other):
        one.wire.write([b"x" * 3_000_000])
        one.wire.close()

        await other.end()
        await one.end()

        assert other.received_bytes == b"x" * 3_000_000
        assert (one.lost_reasons, other.lost_reasons) == ([""], [""])


@KINDS
@pytest.mark.real_loop
async def test_nothing_is_sent_after_close(kind: str) -> None:
    async with pair(kind) as (one, other):
        one.wire.close()
        one.wire.write([b"late"])
        one.wire.close()

        await other.end()

        assert other.received_bytes == b""


@KINDS
@pytest.mark.real_loop
async def test_abort_ends_both_sides_once(kind: str) -> None:
    async with pair(kind) as (one, other):
        one.wire.abort()
        one.wire.abort()

        await one.end()
        await other.end()

        assert len(one.lost_reasons) == len(other.lost_reasons) == 1


@KINDS
@pytest.mark.real_loop
async def test_who_reads_nothing_can_ask_whether_the_peer_is_gone(kind: str) -> None:
    async with pair(kind) as (one, other):
        other.wire.pause_reading()
        one.wire.write([b"last words"])
        assert not other.wire.has_lost_peer()

        one.wire.close()

        async with asyncio.timeout(30):
            while not other.wire.has_lost_peer():  # noqa: ASYNC110 -- the kernel has no event
                await asyncio.sleep(0.01)
        assert (other.received_bytes, other.lost_reasons) == (b"", [])
        other.wire.resume_reading()
        assert await other.bytes(10) == b"last words"
        await other.end()


@KINDS
@pytest.mark.real_loop
async def test_it_is_known_when_the_other_end_was_last_reached(kind: str) -> None:
    async with pair(kind) as (one, other):
        one.wire.write([b"hello"])
        assert await other.bytes(5) == b"hello"

        silent_ns = one.wire.silent_ns()
        assert silent_ns is not None
        assert silent_ns >= 0


@KINDS
@pytest.mark.real_loop
async def test_what_has_yet_to_reach_the_other_end_is_known(kind: str) -> None:
    async with pair(kind) as (one, other):
        other.wire.pause_reading()
        while not one.wire.has_unsent():
            one.wire.write([bytes(1 << 20)])
            await asyncio.sleep(0)
        assert one.wire.has_unsent()

        other.wire.resume_reading()

        async with asyncio.timeout(30):
            while one.wire.has_unsent():  # noqa: ASYNC110 -- the kernel has no event
                await asyncio.sleep(0.01)


@KINDS
@pytest.mark.real_loop
async def test_the_peer_is_named_by_address_and_port(kind: str) -> None:
    async with pair(kind) as (one, other):
        for session in (one, other):
            host, _, port = session.wire.peer.rpartition(":")
            assert host == HOST
            assert int(port) > 0


@KINDS
@pytest.mark.real_loop
async def test_a_session_that_fails_ends_its_connection_alone_and_is_counted(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(kind) as (one, other):
        other.fails_on = b"boom"
        one.wire.write([b"boom"])

        await one.end()
        await other.end()

    assert "handling its bytes failed" in caplog.text
