"""leafnode.net.outbound: the bound of what waits for one peer."""

from __future__ import annotations

import pytest

from leafnode.limits import CODED_TURN_BYTES, MAX_PENDING_BYTES, MIB, STALL_PENDING_BYTES
from leafnode.net.outbound import Outbound
from leafnode.net.turn import Turn
from leafnode.routing.peer import Kind, Peer
from tests.sim.clients import RawClient
from tests.sim.clock import FakeClock
from tests.sim.network import MemoryNetwork


class World:
    """A peer whose bytes go to a reader that can be made deaf."""

    def __init__(self, max_pending_bytes: int, *, holds_back: bool = True) -> None:
        self.clock = FakeClock()
        self.turn = Turn(self.clock)
        network = MemoryNetwork(self.clock)
        self.reader = RawClient()
        network.listen(self.turn, lambda: self.reader, host="h", port=1)
        self.transport, self.link = network.connect(RawClient(), "h", 1)
        self.slow = 0
        self.peer = Peer(1, Kind.CLIENT, self.turn.outbox)
        self.outbound = Outbound(
            self.peer,
            self.transport,
            max_pending_bytes=max_pending_bytes,
            on_slow=self._on_slow,
            holds_back=holds_back,
        )

    def _on_slow(self) -> None:
        self.slow += 1


def test_what_a_peer_gathers_goes_out_in_one_turn() -> None:
    world = World(max_pending_bytes=100)

    world.peer.send(b"one ")
    world.peer.send(b"two")
    world.clock.advance(0)

    assert world.reader.take() == b"one two"
    assert world.outbound.pending_bytes() == 0


def test_an_empty_flush_writes_nothing() -> None:
    world = World(max_pending_bytes=0)

    world.outbound.flush()

    assert world.slow == 0


@pytest.mark.parametrize(("size", "slow"), [(100, 0), (101, 1)])
def test_more_than_max_pending_is_slow_and_not_a_byte_less(size: int, slow: int) -> None:
    world = World(max_pending_bytes=100)
    world.link.deaf = True

    world.peer.send(b"x" * 50)
    world.clock.advance(0)
    world.peer.send(b"x" * (size - 50))
    world.clock.advance(0)

    assert world.slow == slow
    assert world.outbound.pending_bytes() == size


def test_what_one_turn_gathers_beyond_max_pending_is_not_even_written() -> None:
    world = World(max_pending_bytes=100)

    world.peer.send(b"x" * 101)
    world.clock.advance(0)

    assert world.slow == 1
    assert world.reader.take() == b""
    assert world.outbound.pending_bytes() == 0


MESSAGES = [b"%07d\n" % number * 8192 for number in range(64)]  # 4 MiB


def coded_world(max_pending_bytes: int = MAX_PENDING_BYTES, *, deaf: bool = False) -> World:
    world = World(max_pending_bytes=max_pending_bytes)
    world.transport.coding = 4
    world.link.deaf = deaf
    return world


def sizes_written(world: World) -> list[int]:
    """What the transport is given to write from now on, as sizes."""
    written: list[int] = []
    write = world.transport.write

    def note(chunks: list[bytes]) -> None:
        written.append(sum(map(len, chunks)))
        write(chunks)

    world.transport.write = note  # type: ignore[method-assign]
    return written


def test_what_must_be_encrypted_goes_in_order_and_piece_by_piece() -> None:
    world = coded_world()
    written = sizes_written(world)
    for message in MESSAGES:
        world.peer.send(message)

    world.turn.outbox.flush()
    at_once = list(written)
    world.peer.send(b"behind it")
    world.turn.outbox.flush()
    before = world.outbound.pending_bytes()
    world.clock.advance(0)
    world.peer.send(b", the end")
    world.clock.advance(0)

    assert at_once == []
    assert before == 4 * MIB + 9
    assert written == [CODED_TURN_BYTES // 4] * 16 + [9, 9]
    assert world.turn.yields == 17
    assert world.reader.take() == b"".join(MESSAGES) + b"behind it, the end"


def test_of_many_who_must_be_encrypted_to_some_wait_for_another_turn() -> None:
    world = coded_world()
    size = CODED_TURN_BYTES // 4 // 2

    world.peer.outbox.coding_left = 0
    world.peer.send(b"x" * size)
    world.outbound.flush()
    waits = world.transport.pending_bytes()
    world.clock.advance(0)

    assert waits == 0
    assert world.reader.take() == b"x" * size


def test_what_waits_to_be_encrypted_is_bounded_like_the_rest() -> None:
    world = coded_world(2 * MIB, deaf=True)
    for message in MESSAGES[:30]:
        world.peer.send(message)
    world.turn.outbox.flush()
    slow_before = world.slow

    world.peer.send(b"x" * MIB)
    world.turn.outbox.flush()
    left = world.outbound.pending_bytes()
    world.clock.advance(0)

    assert (slow_before, world.slow, left) == (0, 1, 0)
    assert world.transport.pending_bytes() == 0


def test_a_connection_ends_behind_what_waits_to_be_encrypted_and_that_goes_on_in_pieces() -> None:
    world = coded_world()
    written = sizes_written(world)
    for message in MESSAGES:
        world.peer.send(message)
    world.turn.outbox.flush()
    world.peer.send(b"-ERR")

    world.outbound.finish()
    world.outbound.close("Protocol Violation")
    at_once = list(written)
    ended_at_once = world.reader.ended
    world.clock.advance(0)

    assert (at_once, ended_at_once) == ([], False)
    assert written == [CODED_TURN_BYTES // 4] * 16 + [4]
    assert world.reader.take() == b"".join(MESSAGES) + b"-ERR"
    assert world.reader.ended
    assert world.outbound.pending_bytes() == 0


def test_nothing_waits_and_the_connection_ends_at_once() -> None:
    world = coded_world()
    world.peer.send(b"-ERR")

    world.outbound.finish()
    world.outbound.close("Protocol Violation")
    world.clock.advance(0)

    assert world.reader.take() == b"-ERR"
    assert world.reader.ended


def test_for_a_peer_that_is_gone_one_piece_is_encrypted_and_the_rest_forgotten() -> None:
    world = coded_world()
    written = sizes_written(world)
    for message in MESSAGES:
        world.peer.send(message)
    world.turn.outbox.flush()

    world.outbound.lose()
    world.clock.advance(0)

    assert written == [CODED_TURN_BYTES // 4]
    assert world.outbound.pending_bytes() == 0


def test_who_takes_the_place_of_another_goes_on_with_what_that_had_to_encrypt() -> None:
    world = coded_world()
    for message in MESSAGES:
        world.peer.send(message)
    world.turn.outbox.flush()
    before = world.outbound
    before._write_next()

    after = Outbound(
        world.peer, world.transport, max_pending_bytes=MAX_PENDING_BYTES, on_slow=world._on_slow
    )
    after.take_over(before)
    pending = after.pending_bytes() - world.transport.pending_bytes()
    world.peer.send(b"behind it")
    world.clock.advance(0)

    assert pending == 4 * MIB - CODED_TURN_BYTES // 4
    assert world.reader.take() == b"".join(MESSAGES) + b"behind it"
    assert world.slow == 0


@pytest.mark.parametrize(
    ("size", "stalled"), [(STALL_PENDING_BYTES, False), (STALL_PENDING_BYTES + 1, True)]
)
def test_a_peer_far_behind_asks_for_a_stall(size: int, stalled: bool) -> None:
    world = World(max_pending_bytes=2 * STALL_PENDING_BYTES)
    world.link.deaf = True

    world.peer.send(b"x" * size)
    world.clock.advance(0)

    assert world.turn.must_stall() == stalled
    assert not world.turn.must_stall()


@pytest.mark.parametrize(("size", "stalled"), [(2000, False), (2001, True)])
def test_where_little_may_wait_the_stall_comes_at_half(size: int, stalled: bool) -> None:
    world = World(max_pending_bytes=4000)
    world.link.deaf = True

    world.peer.send(b"x" * size)
    world.clock.advance(0)

    assert world.turn.must_stall() == stalled


def test_who_lags_for_our_own_sake_does_so_until_it_is_encrypted() -> None:
    world = coded_world(8 * MIB)  # half of it is the bound
    for message in MESSAGES:
        world.peer.send(message)
    world.turn.outbox.flush()
    exactly = world.turn.outbox.lags
    world.peer.send(b"x")
    world.turn.outbox.flush()
    lags = world.turn.outbox.lags

    assert exactly is None
    assert world.turn.must_stall()
    assert lags is not None
    assert lags()
    world.outbound._write_next()
    assert not lags()


@pytest.mark.parametrize("how", ["lost", "cut", "taken over"])
def test_nobody_lags_who_is_not_written_to_any_more(how: str) -> None:
    world = coded_world(8 * MIB)
    for message in (*MESSAGES, b"x"):
        world.peer.send(message)
    world.turn.outbox.flush()
    lags = world.turn.outbox.lags
    assert lags is not None

    if how == "lost":
        world.outbound.lose()
    elif how == "cut":
        world.peer.send(bytes(8 * MIB))
        world.turn.outbox.flush()
    else:
        Outbound(
            world.peer, world.transport, max_pending_bytes=8 * MIB, on_slow=world._on_slow
        ).take_over(world.outbound)

    assert not lags()


def test_nobody_is_held_back_where_that_is_configured() -> None:
    world = World(max_pending_bytes=2 * STALL_PENDING_BYTES, holds_back=False)
    world.link.deaf = True

    world.peer.send(b"x" * (STALL_PENDING_BYTES + 1))
    world.clock.advance(0)

    assert not world.turn.must_stall()


def test_what_waits_in_the_peer_counts_as_pending() -> None:
    world = World(max_pending_bytes=100)

    world.peer.send(b"12345")

    assert world.outbound.pending_bytes() == 5


@pytest.mark.parametrize("is_coded", [False, True])
def test_a_write_that_fails_ends_its_connection_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, *, is_coded: bool
) -> None:
    world = coded_world() if is_coded else World(MAX_PENDING_BYTES)
    taken: list[str] = []

    def fail(chunks: list[bytes]) -> None:
        raise MemoryError("as the test wants it")

    world.transport.write = fail  # type: ignore[method-assign]
    for message in MESSAGES:
        world.peer.send(message)
    world.turn.outbox.flush()
    world.turn.wait_for(lambda: taken.append("another"))
    world.clock.advance(0)

    assert taken == ["another"]
    assert world.reader.ended
    assert world.peer.closing
    assert world.outbound.pending_bytes() == 0
    assert world.turn.faults == 1
    assert "Writing to a connection failed: cid=1" in caplog.text
