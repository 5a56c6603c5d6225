"""leafnode.net.turn: who is flushed when, and what a failing session costs."""

from __future__ import annotations

from itertools import pairwise

import pytest

from leafnode.limits import ENDING_WORK, STALL_NS, TURN_WORK
from leafnode.net.turn import Turn
from leafnode.routing.peer import Kind, Peer
from tests.sim.clients import RawClient
from tests.sim.clock import FakeClock
from tests.sim.network import MemoryNetwork


class Echo(RawClient):
    """Sends to its peer what it reads; fails on `boom`."""

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self.peer = peer

    def received(self, data: bytes) -> None:
        self.peer.send(data)
        if data == b"boom":
            raise RuntimeError("as the test wants it")


def noting(turn: Turn) -> tuple[Peer, list[bytes]]:
    """A peer that notes what is flushed."""
    peer = Peer(1, Kind.CLIENT, turn.outbox)
    flushed: list[bytes] = []
    peer.flush = lambda: flushed.extend(peer.take())
    return peer, flushed


def test_peers_made_dirty_by_a_read_are_flushed_at_its_end_without_a_timer() -> None:
    clock = FakeClock()
    turn = Turn(clock)
    peer, flushed = noting(turn)

    assert turn.read(Echo(peer), b"hello")

    assert flushed == [b"hello"]
    assert clock.pending() == 0


def test_a_peer_made_dirty_outside_of_a_read_is_flushed_in_the_next_turn() -> None:
    clock = FakeClock()
    turn = Turn(clock)
    peer, flushed = noting(turn)

    peer.send(b"one")
    peer.send(b"two")
    assert flushed == []
    clock.advance(0)

    assert flushed == [b"one", b"two"]


def test_what_a_thread_handed_over_is_written_at_its_end_without_a_timer() -> None:
    clock = FakeClock()
    turn = Turn(clock)
    peer, flushed = noting(turn)

    turn.run(lambda: peer.send(b"done"))

    assert flushed == [b"done"]
    assert clock.pending() == 0


def test_what_a_thread_handed_over_is_written_though_it_fails() -> None:
    turn = Turn(FakeClock())
    peer, flushed = noting(turn)

    def job() -> None:
        peer.send(b"done")
        raise RuntimeError("as the test wants it")

    with pytest.raises(RuntimeError):
        turn.run(job)

    assert flushed == [b"done"]


def falls_behind(turn: Turn) -> Peer:
    """A peer that is far behind with each byte it is given."""
    peer = Peer(1, Kind.CLIENT, turn.outbox)

    def flush() -> None:
        peer.take()
        turn.outbox.stalled = True

    peer.flush = flush
    return peer


def test_the_reader_that_feeds_a_peer_far_behind_must_stall_once() -> None:
    turn = Turn(FakeClock())

    turn.read(Echo(falls_behind(turn)), b"fed")

    assert [turn.must_stall(), turn.must_stall()] == [True, False]
    assert turn.stalls == 1


@pytest.mark.parametrize("lags", [None, [True, True, False]])
def test_a_stall_ends_in_a_moment_or_with_the_lag_that_is_our_own(lags: list[bool] | None) -> None:
    clock = FakeClock()
    turn = Turn(clock)
    ended: list[bool] = []
    asked = [*lags] if lags is not None else []
    turn.outbox.lags = (lambda: asked.pop(0)) if lags is not None else None

    turn.end_stall_later(lambda: ended.append(True))

    assert turn.outbox.lags is None
    for _ in range(len(lags or [True]) - 1):
        clock.advance(STALL_NS)
        assert not ended
    clock.advance(STALL_NS)
    assert (ended, asked) == ([True], [])


def test_whoever_is_read_after_the_server_itself_fed_a_peer_far_behind_must_not_stall() -> None:
    clock = FakeClock()
    turn = Turn(clock)
    slow, innocent = falls_behind(turn), Echo(noting(turn)[0])

    turn.run(lambda: slow.send(b"by a thread"))
    turn.read(innocent, b"1")
    after_a_thread = turn.must_stall()
    slow.send(b"by a timer")
    clock.advance(0)
    turn.read(innocent, b"2")
    after_a_timer = turn.must_stall()
    slow.send(b"by a timer, in the same round of the loop")
    turn.read(innocent, b"3")

    assert [after_a_thread, after_a_timer, turn.must_stall()] == [False] * 3


def test_a_session_that_fails_is_logged_counted_and_the_others_are_still_flushed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turn = Turn(FakeClock())
    peer, flushed = noting(turn)

    assert not turn.read(Echo(peer), b"boom")

    assert flushed == [b"boom"]
    assert turn.faults == 1
    assert "handling its bytes failed" in caplog.text
    assert turn.read(Echo(peer), b"after")


def test_a_session_that_fails_to_greet_or_to_clean_up_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(RawClient):
        def connected(self, transport: object) -> None:
            raise RuntimeError("as the test wants it")

        def lost(self, reason: str) -> None:
            raise RuntimeError("as the test wants it")

    clock = FakeClock()
    turn = Turn(clock)
    network = MemoryNetwork(clock)
    network.listen(turn, Failing, host="h", port=1)
    client = RawClient()

    network.connect(client, "h", 1)
    clock.advance(0)

    assert client.ended
    assert turn.faults == 2


def test_who_waits_for_a_turn_has_it_one_in_a_round_in_order_and_once() -> None:
    clock = FakeClock()
    turn = Turn(clock)
    taken: list[str] = []

    def again() -> None:
        taken.append("again")
        if len(taken) < 4:
            turn.wait_for(again)

    def once() -> None:
        taken.append("once")

    turn.wait_for(again)
    turn.wait_for(once)
    turn.wait_for(again)
    assert taken == []
    clock.advance(0)

    assert taken == ["again", "once", "again", "again"]
    assert turn.yields == 5


def ended_in_each_turn(endings: int, *, work: int = 0) -> list[int]:
    """How many of so many that end at once do so before others have their next turn."""
    clock = FakeClock()
    turn = Turn(clock)
    ended: list[int] = []
    seen = [0]

    def end() -> None:
        ended.append(len(ended))
        turn.outbox.work_left -= work

    def look() -> None:
        seen.append(len(ended))
        if len(ended) < endings:
            clock.call_later(0, look)

    for _ in range(endings):
        turn.end_later(end)
    clock.call_later(0, look)
    clock.advance(0)

    assert clock.pending() == 0
    return [after - before for before, after in pairwise(seen)]


def test_of_many_that_end_at_once_so_many_do_in_a_turn_as_others_can_wait_for() -> None:
    a_turn = TURN_WORK // ENDING_WORK

    assert ended_in_each_turn(2 * a_turn + 1) == [a_turn, a_turn, 1]


def test_what_an_end_has_to_clear_away_is_work_of_its_turn() -> None:
    assert ended_in_each_turn(3, work=TURN_WORK) == [1, 1, 1]


def test_an_end_that_fails_does_not_keep_the_others() -> None:
    clock = FakeClock()
    turn = Turn(clock)
    ended: list[str] = []

    def fail() -> None:
        raise RuntimeError("as the test wants it")

    turn.end_later(fail)
    turn.end_later(lambda: ended.append("the other"))
    with pytest.raises(RuntimeError):
        clock.advance(0)
    clock.advance(0)

    assert ended == ["the other"]


def test_where_the_server_ends_all_turns_are_taken_at_once() -> None:
    clock = FakeClock()
    turn = Turn(clock)
    peer, flushed = noting(turn)
    taken: list[int] = []

    def again() -> None:
        taken.append(len(taken))
        if len(taken) < 4:
            turn.wait_for(again)

    turn.wait_for(again)
    peer.send(b"the last")
    turn.run_out()
    at_once = len(taken), list(flushed)
    clock.advance(0)

    assert at_once == (4, [b"the last"])
    assert len(taken) == 4
    turn.wait_for(again)
    clock.advance(0)
    assert len(taken) == 5
