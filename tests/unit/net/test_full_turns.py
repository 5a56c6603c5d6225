"""leafnode.net.turn and net.tcp: what all connections together have in one turn of the loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import SystemClock
from leafnode.limits import READ_CHUNK_BYTES, TURN_NS
from leafnode.net.backlog import WriteRules
from leafnode.net.tcp import TLS_FAILED, TcpConnection
from leafnode.net.turn import Turn
from tests.sim.certificates import tls_pair
from tests.sim.clock import FakeClock
from tests.sim.sessions import RecordingSession

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CROWD = 12


class CountedClock(SystemClock):
    """The loop's timers, and a time that passes by what sessions do alone."""

    now_ns = 1

    def monotonic_ns(self) -> int:
        return self.now_ns


class Costly(RecordingSession):
    """Takes a part of a turn for each read."""

    def __init__(self, clock: CountedClock, cost_ns: int) -> None:
        super().__init__()
        self.clock = clock
        self.cost_ns = cost_ns

    def received(self, data: bytes) -> None:
        super().received(data)
        self.clock.now_ns += self.cost_ns


class Crowd:
    """Connections of one turn, each with one byte that waits."""

    def __init__(self, *costs_ns: int) -> None:
        self.clock = CountedClock()
        self.turn = Turn(self.clock)
        self.sessions = [Costly(self.clock, cost_ns) for cost_ns in costs_ns]
        self.wires: list[TcpConnection] = []
        self.others: list[socket.socket] = []
        for session in self.sessions:
            here, other = socket.socketpair()
            here.setblocking(False)
            other.send(b"x")
            wire = TcpConnection(self.turn, session, here, write_rules=WriteRules())
            wire.begin()
            self.wires.append(wire)
            self.others.append(other)

    def read(self) -> int:
        return sum(len(session.read_sizes) for session in self.sessions)

    async def unread(self) -> None:
        """Wait for somebody who waits."""
        for _ in range(100):
            if any(wire.has_unread() for wire in self.wires):
                return
            await asyncio.sleep(0)
        raise AssertionError("nobody waits")

    async def rounds(self, reads: int) -> list[int]:
        """How many were read in each round of the loop, until so many were."""
        seen = [self.read()]
        while seen[-1] < reads:
            await asyncio.sleep(0)
            seen.append(self.read())
        return [after - before for before, after in pairwise(seen)]

    async def end(self) -> None:
        for wire, session, other in zip(self.wires, self.sessions, self.others, strict=True):
            wire.abort()
            await session.end()
            other.close()


@pytest.mark.real_loop
async def test_of_a_crowd_that_asks_for_a_lot_few_are_read_in_one_round_of_the_loop() -> None:
    crowd = Crowd(*[TURN_NS] * CROWD)

    rounds = await crowd.rounds(CROWD)

    assert max(rounds) == 1
    assert crowd.turn.deferred >= CROWD - 1
    assert [session.received_bytes for session in crowd.sessions] == [b"x"] * CROWD
    await crowd.end()


@pytest.mark.real_loop
async def test_of_a_crowd_that_asks_for_little_many_are_read_in_one_round() -> None:
    crowd = Crowd(*[TURN_NS // 4] * CROWD)

    rounds = await crowd.rounds(CROWD)

    assert max(rounds) == 4
    await crowd.end()


@pytest.mark.real_loop
async def test_who_had_to_wait_is_read_again_as_others_are() -> None:
    crowd = Crowd(*[TURN_NS] * 3)
    await crowd.rounds(3)

    for other in crowd.others:
        other.send(b"yz")
    await crowd.rounds(6)

    assert [session.received_bytes for session in crowd.sessions] == [b"xyz"] * 3
    assert not any(wire.has_unread() for wire in crowd.wires)
    await crowd.end()


@pytest.mark.real_loop
async def test_whose_bytes_wait_says_so_until_they_are_read() -> None:
    crowd = Crowd(TURN_NS, TURN_NS)
    await crowd.unread()

    waits = [wire.has_unread() for wire in crowd.wires]
    assert waits == [not session.read_sizes for session in crowd.sessions]
    await crowd.rounds(2)

    assert not any(wire.has_unread() for wire in crowd.wires)
    await crowd.end()


@pytest.mark.real_loop
async def test_who_is_held_back_by_its_session_meanwhile_is_read_once_that_lets_it() -> None:
    crowd = Crowd(TURN_NS, TURN_NS)
    await crowd.unread()
    late = next(wire for wire in crowd.wires if wire.has_unread())

    late.pause_reading()
    for _ in range(5):
        await asyncio.sleep(0)
    assert crowd.read() == 1
    late.resume_reading()
    await crowd.rounds(2)

    assert crowd.read() == 2
    await crowd.end()


@pytest.mark.real_loop
async def test_who_is_cut_while_it_waits_is_not_read() -> None:
    crowd = Crowd(TURN_NS, TURN_NS)
    await crowd.unread()

    next(wire for wire in crowd.wires if wire.has_unread()).abort()
    for _ in range(5):
        await asyncio.sleep(0)

    assert crowd.read() == 1
    await crowd.end()


class Asked(Turn):
    """Notes what reads of whoever has to wait cost."""

    def __init__(self, clock: CountedClock) -> None:
        super().__init__(clock)
        self.costs_ns: list[int] = []

    def wait_unread(self, read: Callable[[], None], cost_ns: int) -> None:
        self.costs_ns.append(cost_ns)
        super().wait_unread(read, cost_ns)


async def cost_after(*spent_ns: int) -> int:
    """What one is believed to cost after reads that took so long."""
    clock = CountedClock()
    turn, session = Asked(clock), Costly(clock, 0)
    here, other = socket.socketpair()
    here.setblocking(False)
    wire = TcpConnection(turn, session, here, write_rules=WriteRules())
    wire.begin()
    for number, session.cost_ns in enumerate(spent_ns, 1):
        other.send(b"x")
        await session.bytes(number)
        for _ in range(3):  # rounds of the loop, the next of which has time for it again
            await asyncio.sleep(0)
    turn.is_full = True
    other.send(b"x")
    await session.bytes(len(spent_ns) + 1)
    wire.abort()
    await session.end()
    other.close()
    return turn.costs_ns[-1]


@pytest.mark.real_loop
async def test_one_read_that_took_long_makes_nobody_dear_and_many_do() -> None:
    little_ns = TURN_NS // 200
    cheap = [little_ns] * 20

    assert await cost_after(*cheap) < 2 * little_ns
    assert await cost_after(*cheap, TURN_NS) < 4 * little_ns
    assert await cost_after(*cheap, *[TURN_NS] * 20) > TURN_NS // 2


@pytest.mark.real_loop
async def test_a_read_is_of_the_time_at_which_it_began() -> None:
    clock = CountedClock()
    turn, session = Turn(clock), RecordingSession()
    here, other = socket.socketpair()
    here.setblocking(False)
    wire = TcpConnection(turn, session, here, write_rules=WriteRules())
    wire.begin()

    clock.now_ns = 7
    other.send(b"x")
    await session.bytes(1)

    assert turn.outbox.now[0] == 7
    wire.abort()
    await session.end()
    other.close()


def filled() -> tuple[FakeClock, Turn, Callable[[str], Callable[[], None]], list[str]]:
    """A turn that is full, and what takes a whole one and notes its name."""
    clock = FakeClock()
    turn = Turn(clock)
    taken: list[str] = []

    def taker(name: str) -> Callable[[], None]:
        def take() -> None:
            taken.append(name)
            began_ns = clock.monotonic_ns()
            clock.advance(TURN_NS)
            turn.spend_since(began_ns)

        return take

    turn.spend_since(clock.monotonic_ns() - TURN_NS)
    assert turn.is_full
    return clock, turn, taker, taken


def test_those_who_go_on_and_those_who_were_not_read_begin_in_turn() -> None:
    clock, turn, taker, taken = filled()
    for number in range(2):
        turn.wait_for(taker(f"goes on {number}"))
    for number in range(2):
        turn.wait_unread(taker(f"unread {number}"), 0)

    for _ in range(8):
        clock.turn()

    assert taken == ["unread 1", "goes on 0", "unread 0", "goes on 1"]


def test_a_turn_is_no_longer_full_in_the_next_round() -> None:
    clock, turn, _, _ = filled()

    clock.turn()

    assert not turn.is_full
    assert clock.pending() == 0


def test_a_turn_that_did_little_asks_for_nothing() -> None:
    clock = FakeClock()
    turn = Turn(clock)

    turn.spend_since(clock.monotonic_ns() - TURN_NS // 4 + 1)

    assert not turn.is_full
    assert clock.pending() == 0


class Ceding(RecordingSession):
    """Goes on in a turn of its own after each read, which takes all of the loop's."""

    def __init__(self, clock: CountedClock) -> None:
        super().__init__()
        self.clock = clock

    def received(self, data: bytes) -> None:
        super().received(data)
        if data:
            self.wire.yield_turn()
        else:
            self.clock.now_ns += TURN_NS


@pytest.mark.real_loop
async def test_what_is_decrypted_when_a_turn_is_full_comes_before_the_end(tmp_path: Path) -> None:
    contexts = tls_pair(tmp_path)
    clock = CountedClock()
    session = Ceding(clock)
    here, other = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    here.setblocking(False)
    wire = TcpConnection(Turn(clock), session, here, write_rules=WriteRules())
    wire.begin()
    secured: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    wire.secure(contexts[0], secured.set_result, b"")
    tls, outgoing = await asyncio.to_thread(shake_hands, contexts[1], other)
    assert await secured is None
    said = b"".join(bytes([number]) * 16_384 for number in range(7)) + b"!" * 16_208
    for start in range(0, len(said), 16_384):
        tls.write(said[start : start + 16_384])
    sent = outgoing.read()
    assert 2 * READ_CHUNK_BYTES - 100 < len(sent) <= 2 * READ_CHUNK_BYTES  # two reads, both full
    other.sendall(sent)
    other.shutdown(socket.SHUT_WR)

    await session.end()

    assert len(session.received_bytes) == len(said)
    assert session.received_bytes == said
    other.close()


def shake_hands(
    context: ssl.SSLContext, sock: socket.socket
) -> tuple[ssl.SSLObject, ssl.MemoryBIO]:
    """Return TLS at its client's end, and what it has to send."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
        else:
            sock.sendall(outgoing.read())
            return tls, outgoing


@pytest.mark.real_loop
@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_why_tls_failed_is_known_before_the_end_though_another_ends_in_that_turn(
    answer: bytes,
) -> None:
    turn, session, known = Turn(SystemClock()), RecordingSession(), []
    here, other = socket.socketpair()
    here.setblocking(False)
    wire = TcpConnection(turn, session, here, write_rules=WriteRules())
    wire.begin()

    async def shake() -> None:
        with pytest.raises(OSError, match=r"SSL|within the TLS handshake"):
            await wire.start_tls(ssl.create_default_context(), "localhost")
        known.append(list(session.lost_reasons))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shake())
        await asyncio.sleep(0)
        other.recv(READ_CHUNK_BYTES)
        other.sendall(answer)
        other.shutdown(socket.SHUT_WR)
        turn.end_later(list)  # due in the turn that reads the answer
    await session.end()
    other.close()

    assert known == [[]]
    assert session.lost_reasons == [TLS_FAILED]
