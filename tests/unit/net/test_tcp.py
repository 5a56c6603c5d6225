"""leafnode.net.tcp beyond what every Transport does: deadlines, stalls, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from leafnode.limits import (
    ENDING_WORK,
    READ_BULK_BYTES,
    READ_CHUNK_BYTES,
    READ_QUICK_NS,
    STALL_PENDING_BYTES,
    TURN_WORK,
)
from leafnode.net import tcp
from leafnode.net.backlog import Late, WriteRules
from leafnode.net.dial import TcpDialer
from leafnode.net.tcp import TcpConnection
from leafnode.net.transport import Target
from leafnode.net.turn import Turn
from tests.sim.certificates import tls_pair
from tests.sim.clock import SlowClock
from tests.sim.sessions import RecordingSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from leafnode.routing.peer import Outbox


class Wire:
    """A TcpConnection and the plain socket at its other end."""

    def __init__(
        self,
        write_deadline_ns: int,
        clock: Clock,
        session: RecordingSession | None,
        *,
        retries: bool,
    ) -> None:
        self.turn = Turn(clock)
        self.session = session or RecordingSession()
        self.rules = WriteRules(write_deadline_ns, retries=retries)
        here, self.other = socket.socketpair()
        here.setblocking(False)
        self.other.setblocking(False)
        self.connection = TcpConnection(
            self.turn,
            self.session,
            here,
            write_rules=self.rules,
        )

    async def take(self, size: int) -> int:
        """Read `size` bytes at the other end, less at the end of the connection."""
        loop, taken = asyncio.get_running_loop(), 0
        while taken < size:
            got = await loop.sock_recv(self.other, min(65536, size - taken))
            if not got:
                break
            taken += len(got)
        return taken


@asynccontextmanager
async def wired(
    write_deadline_ns: int = 10 * NS_PER_S,
    *,
    clock: Clock | None = None,
    retries: bool = False,
    session: RecordingSession | None = None,
) -> AsyncIterator[Wire]:
    wire = Wire(write_deadline_ns, clock or SystemClock(), session, retries=retries)
    wire.connection.begin()
    try:
        yield wire
    finally:
        wire.connection.abort()
        await wire.session.end()
        wire.other.close()


class Greedy(RecordingSession):
    """Wants as many turns as it is told to, beside its reads."""

    wants = 0
    turns = 0

    def received(self, data: bytes) -> None:
        super().received(data)
        self.turns += not data
        if self.wants:
            self.wants -= 1
            assert self.transport is not None
            self.transport.yield_turn()


class Feeder(Greedy):
    """Feeds a peer with what it reads first, which leaves that far behind."""

    outbox: Outbox | None = None

    def received(self, data: bytes) -> None:
        super().received(data)
        if data == b"first":
            assert self.outbox is not None
            self.outbox.stalled = True


def feeder_of(wire: Wire) -> Feeder:
    session = wire.session
    assert isinstance(session, Feeder)
    session.outbox = wire.turn.outbox
    return session


class Flood(socket.socket):
    """Always has as much as is asked for, `left` times."""

    asked: list[int]
    left: int

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if not self.left:
            super().recv(size, flags)
            raise BlockingIOError
        self.left -= 1
        self.asked.append(size)
        return b"x" * size


@pytest.mark.real_loop
@pytest.mark.parametrize(
    ("took_ns", "sizes"),
    [
        (0, [READ_CHUNK_BYTES, READ_BULK_BYTES, READ_BULK_BYTES]),
        (READ_QUICK_NS - 1, [READ_CHUNK_BYTES, READ_BULK_BYTES, READ_BULK_BYTES]),
        (READ_QUICK_NS, [READ_CHUNK_BYTES] * 3),
        (4 * READ_QUICK_NS, [READ_CHUNK_BYTES] * 3),
    ],
)
async def test_who_is_soon_handled_is_read_more_of_at_once(took_ns: int, sizes: list[int]) -> None:
    clock, session = SlowClock(), RecordingSession()
    here, other = socket.socketpair()
    flood = Flood(fileno=here.detach())
    flood.asked, flood.left = [], 3
    flood.setblocking(False)
    received = session.received

    def slow(data: bytes) -> None:
        clock.advance(took_ns * len(data) // READ_CHUNK_BYTES)
        received(data)

    session.received = slow  # type: ignore[method-assign]
    connection = TcpConnection(Turn(clock), session, flood, write_rules=WriteRules(NS_PER_S))
    connection.begin()
    other.send(b"!")
    await session.bytes(sum(sizes))
    connection.abort()
    await session.end()
    other.close()

    assert flood.asked == sizes


@pytest.mark.real_loop
async def test_what_the_kernel_does_not_take_is_pending() -> None:
    async with wired() as wire:
        wire.connection.write([b"x" * 5_000_000])

        assert 0 < wire.connection.pending_bytes() < 5_000_000


@pytest.mark.real_loop
async def test_many_small_chunks_and_few_large_ones_arrive_alike() -> None:
    loop = asyncio.get_running_loop()
    async with wired() as wire:
        wire.connection.write([b"s"] * 10)
        wire.connection.write([b"L" * 2000, b"M" * 2000])

        got = b""
        while len(got) < 4010:
            got += await loop.sock_recv(wire.other, 65536)
        assert got == b"s" * 10 + b"L" * 2000 + b"M" * 2000


@pytest.mark.real_loop
async def test_a_peer_that_takes_nothing_within_the_write_deadline_is_cut() -> None:
    async with wired(write_deadline_ns=20 * NS_PER_MS) as wire:
        wire.connection.write([b"x" * 5_000_000])

        await wire.session.end()

        assert wire.session.lost_reasons == ["Slow Consumer (Write Deadline)"]


@pytest.mark.real_loop
async def test_another_write_deadline_holds_for_a_connection_that_is_open() -> None:
    async with wired(write_deadline_ns=3600 * NS_PER_S) as wire:
        wire.rules.deadline_ns = 20 * NS_PER_MS
        wire.connection.write([b"x" * 5_000_000])

        await wire.session.end()

        assert wire.session.lost_reasons == ["Slow Consumer (Write Deadline)"]


@pytest.mark.real_loop
async def test_a_peer_that_takes_slowly_but_steadily_is_not_cut() -> None:
    clock = SlowClock()
    async with wired(write_deadline_ns=40 * NS_PER_MS, clock=clock) as wire:
        wire.connection.write([b"x" * 800_000])
        for _ in range(10):
            wire.connection.write([b"x" * 800_000])
            assert await wire.take(800_000) == 800_000
            assert wire.connection.pending_bytes()
            clock.advance(30 * NS_PER_MS)

        assert wire.session.lost_reasons == []


@pytest.mark.real_loop
@pytest.mark.parametrize("retries", [False, True])
async def test_a_part_taken_by_the_deadline_is_enough_where_it_is_tried_again(
    retries: bool,
) -> None:
    clock = SlowClock()
    async with wired(write_deadline_ns=60 * NS_PER_MS, clock=clock, retries=retries) as wire:
        told: list[Late] = []
        wire.connection.on_late = told.append
        wire.connection.write([b"x" * 20_000_000])
        for _ in range(8):
            await wire.take(1_000_000)
            clock.advance(20 * NS_PER_MS)
        if not retries:
            await wire.session.end()

        assert wire.session.lost_reasons == ([] if retries else ["Slow Consumer (Write Deadline)"])
        ends = [late.is_over for late in told]
        if retries:  # and nothing at all is not
            assert (ends[0], any(ends)) == (False, False)
            there = len(ends)
            clock.advance(5 * 60 * NS_PER_MS)  # what there was room for at a deadline is a part
            await wire.session.end()
            ends = [late.is_over for late in told]
            assert len(ends) <= there + 3  # that is once, however much room there was
        assert ends == [False] * (len(ends) - 1) + [True]


@pytest.mark.real_loop
async def test_a_close_that_the_peer_does_not_take_ends_at_the_write_deadline() -> None:
    async with wired(write_deadline_ns=20 * NS_PER_MS) as wire:
        wire.connection.write([b"x" * 5_000_000])
        wire.connection.close()

        await wire.session.end()


@pytest.mark.real_loop
async def test_a_producer_that_feeds_a_peer_far_behind_is_not_read_for_a_moment() -> None:
    loop = asyncio.get_running_loop()
    async with wired(session=Feeder()) as wire:
        feeder_of(wire)
        await loop.sock_sendall(wire.other, b"first")
        await wire.session.bytes(5)
        assert wire.connection._held
        assert (wire.connection.stalls, wire.turn.stalls) == (1, 1)

        await loop.sock_sendall(wire.other, b"second")

        assert await wire.session.bytes(11) == b"firstsecond"
        assert wire.connection.stalls == 1


@pytest.mark.real_loop
async def test_who_only_reads_after_another_fed_a_peer_far_behind_is_not_held_back() -> None:
    loop = asyncio.get_running_loop()
    async with wired() as wire:
        wire.turn.outbox.stalled = True  # by the server itself
        await loop.sock_sendall(wire.other, b"first")
        await wire.session.bytes(5)

        assert (wire.connection.stalls, wire.turn.stalls) == (0, 0)


@pytest.mark.real_loop
async def test_the_end_of_a_stall_does_not_undo_the_pause_of_a_session() -> None:
    loop = asyncio.get_running_loop()
    async with wired(session=Feeder()) as wire:
        feeder_of(wire)
        await loop.sock_sendall(wire.other, b"first")
        await wire.session.bytes(5)
        wire.connection.pause_reading()
        await asyncio.sleep(0.01)
        await loop.sock_sendall(wire.other, b"second")
        await asyncio.sleep(0.01)
        assert wire.session.received_bytes == b"first"

        wire.connection.resume_reading()

        assert await wire.session.bytes(11) == b"firstsecond"


@pytest.mark.real_loop
async def test_a_connection_that_is_gone_takes_calls_without_harm() -> None:
    async with wired() as wire:
        wire.other.close()
        await wire.session.end()

        wire.connection.write([b"late"])
        wire.connection.close()
        wire.connection.resume_reading()

        assert wire.connection.pending_bytes() == 0
        with pytest.raises(OSError, match="before TLS"):
            await wire.connection.start_tls(ssl.create_default_context(), "localhost")


@pytest.mark.real_loop
async def test_a_connection_turns_into_tls_after_plain_bytes(tmp_path: Path) -> None:
    server_side, client_side = tls_pair(tmp_path)
    accepted = RecordingSession()
    turn = Turn(SystemClock())

    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO\r\n")
        await writer.start_tls(server_side)
        accepted.received(await reader.readexactly(5))
        writer.write(b"x" * 200_000)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(upgrade, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        session = RecordingSession()
        await TcpDialer(turn)(Target("127.0.0.1", port, NS_PER_S), session)
        await session.bytes(6)

        await session.wire.start_tls(client_side, "localhost")
        session.wire.write([b"he", b"llo"])

        assert await session.bytes(200_006) == b"INFO\r\n" + b"x" * 200_000
        assert await accepted.bytes(5) == b"hello"
        await session.end()


@pytest.mark.real_loop
async def test_the_end_of_the_peer_ends_the_session_while_what_waits_is_still_sent() -> None:
    async with wired() as wire:
        wire.connection.write([b"x" * 4_000_000])
        assert wire.connection.pending_bytes() > 0

        wire.other.shutdown(socket.SHUT_WR)
        await wire.session.end()
        loop, got = asyncio.get_running_loop(), 0
        while got < 4_000_000:
            got += len(await loop.sock_recv(wire.other, 1 << 20))

    assert got == 4_000_000


class LastWords(RecordingSession):
    """Has something left to say when its peer says nothing more, as a client's output may be."""

    def lost(self, reason: str) -> None:
        assert self.transport is not None
        self.transport.write([b"x" * 4_000_000])
        super().lost(reason)


@pytest.mark.real_loop
async def test_what_a_session_says_at_the_end_of_its_peer_is_sent() -> None:
    async with wired(session=LastWords()) as wire:
        wire.other.shutdown(socket.SHUT_WR)

        assert await wire.take(5_000_000) == 4_000_000


class Leaves(RecordingSession):
    """Closes for good when its peer says nothing more."""

    def lost(self, reason: str) -> None:
        assert self.transport is not None
        self.transport.abort()
        super().lost(reason)


@pytest.mark.real_loop
@pytest.mark.parametrize("kind", [RecordingSession, Leaves, LastWords])
async def test_the_end_of_the_process_waits_for_nobody_who_is_gone(
    kind: type[RecordingSession],
) -> None:
    async with wired(session=kind()) as wire:
        wire.other.shutdown(socket.SHUT_WR)
        await wire.session.end()
        await wire.take(5_000_000)

        async with asyncio.timeout(5):
            await wire.turn.leaving.all_gone()
        assert wire.connection.pending_bytes() == 0


@pytest.mark.real_loop
@pytest.mark.parametrize("is_abort", [False, True])
async def test_of_many_connections_that_end_at_once_few_sessions_learn_it_in_one_round(
    *, is_abort: bool
) -> None:
    loop, turn = asyncio.get_running_loop(), Turn(SystemClock())
    a_turn = TURN_WORK // ENDING_WORK
    sessions = [RecordingSession() for _ in range(3 * a_turn)]
    seen = [0]

    def look() -> None:
        seen.append(sum(len(session.lost_reasons) for session in sessions))
        if seen[-1] < len(sessions):
            loop.call_soon(look)

    others = []
    for session in sessions:
        here, other = socket.socketpair()
        here.setblocking(False)
        connection = TcpConnection(turn, session, here, write_rules=WriteRules())
        connection.begin()
        others.append(connection.abort if is_abort else other.close)
        if is_abort:
            others.append(other.close)
    for end in others:
        end()
    look()
    for session in sessions:
        await session.end()

    assert max(after - before for before, after in pairwise(seen)) <= a_turn


def test_whoever_holds_reading_back_has_a_bit_of_its_own() -> None:
    bits = [bit for name, bit in vars(tcp).items() if name.startswith("_HELD_")]

    assert sorted(bits) == [1 << place for place in range(len(bits))]
    assert bits


def test_the_stall_bound_is_below_what_a_client_may_have_pending() -> None:
    from leafnode.limits import MAX_PENDING_BYTES

    assert STALL_PENDING_BYTES < MAX_PENDING_BYTES


@pytest.mark.real_loop
async def test_who_yields_reads_nothing_until_it_is_done_and_loses_nothing_at_the_end() -> None:
    loop = asyncio.get_running_loop()
    async with wired(session=Greedy()) as wire:
        session = wire.session
        assert isinstance(session, Greedy)
        session.wants = 3
        await loop.sock_sendall(wire.other, b"first")
        await session.bytes(5)
        await loop.sock_sendall(wire.other, b"second")
        wire.other.close()

        assert await session.bytes(11) == b"firstsecond"
        await session.end()

        assert session.turns == 3


@pytest.mark.real_loop
async def test_a_turn_comes_after_a_pause_and_after_a_stall() -> None:
    loop = asyncio.get_running_loop()
    async with wired(session=Feeder()) as wire:
        session = feeder_of(wire)
        session.wants = 1
        await loop.sock_sendall(wire.other, b"first")
        await session.bytes(5)
        wire.connection.pause_reading()
        for _ in range(10):
            await asyncio.sleep(0)
        assert session.turns == 0

        wire.connection.resume_reading()
        await loop.sock_sendall(wire.other, b"second")

        assert await session.bytes(11) == b"firstsecond"
        assert session.turns == 1
