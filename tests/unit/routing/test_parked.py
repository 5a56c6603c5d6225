"""leafnode.routing.parked: what takes more than a turn waits within bounds, and in order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from leafnode.limits import (
    BACKLOG_BYTES_MAX,
    BACKLOG_MAX,
    LEFT_BYTES,
    LEFT_BYTES_MAX,
    TURN_WORK,
)
from leafnode.routing import parked
from leafnode.routing.account import Account
from leafnode.routing.peer import Kind, Outbox, Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator


class World:
    """An outbox whose later turns come when asked for."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []
        self.outbox = Outbox(lambda: None, end_later=self.later.append)
        self.done: list[str] = []

    def steps(self, name: str, *works: int) -> Generator[None, None, None]:
        for work in works:
            self.outbox.work_left -= work
            self.done.append(name)
            yield

    def turn(self) -> None:
        calls, self.later[:] = list(self.later), []
        self.outbox.renew_work()
        for call in calls:
            call()


def test_a_peers_steps_go_on_where_they_stopped() -> None:
    world = World()
    peer = Peer(1, Kind.CLIENT, world.outbox)

    parked.begin(peer, world.steps("a", TURN_WORK, 1))
    assert world.done == ["a"]
    assert peer.parked is not None
    world.outbox.renew_work()

    assert parked.go_on(peer)
    assert parked.go_on(peer)
    assert world.done == ["a", "a"]
    assert peer.parked is None


def test_the_steps_of_a_peer_that_is_gone_have_turns_of_their_own() -> None:
    world = World()
    peer = Peer(1, Kind.CLIENT, world.outbox)
    parked.begin(peer, world.steps("a", *[TURN_WORK] * 3))

    parked.leave(peer)
    assert world.done == ["a"]
    world.turn()
    assert world.done == ["a", "a"]
    world.turn()
    world.turn()

    assert (world.done, world.later) == (["a"] * 3, [])


def test_what_comes_while_some_waits_goes_behind_it() -> None:
    world = World()
    peer = Peer(1, Kind.CLIENT, world.outbox)

    def bring() -> Iterator[None]:
        parked.begin(peer, world.steps("brought", 1))
        yield
        world.done.append("bringer")

    parked.begin(peer, world.steps("a", TURN_WORK, 1))
    parked.begin(peer, bring())
    parked.begin(peer, world.steps("b", 1))
    world.outbox.renew_work()
    assert parked.go_on(peer)

    assert world.done == ["a", "a", "bringer", "b", "brought"]
    assert peer.parked is None


def test_a_step_of_a_peer_that_fails_takes_nothing_from_those_behind_it() -> None:
    world = World()
    peer = Peer(1, Kind.CLIENT, world.outbox)

    def fail() -> Iterator[None]:
        raise RuntimeError
        yield

    parked.begin(peer, world.steps("a", TURN_WORK))
    parked.begin(peer, fail())
    parked.begin(peer, world.steps("b", 1))
    world.outbox.renew_work()

    with pytest.raises(RuntimeError):
        parked.go_on(peer)
    parked.leave(peer)
    world.turn()
    assert (world.done, peer.parked, len(world.outbox.left)) == (["a", "b"], None, 0)


def test_steps_that_fail_last_leave_no_turns_behind() -> None:
    world = World()
    peer = Peer(1, Kind.CLIENT, world.outbox)

    def fail() -> Iterator[None]:
        yield
        world.outbox.work_left -= TURN_WORK
        yield
        raise RuntimeError

    world.outbox.work_left = 0
    parked.begin(peer, fail())
    parked.leave(peer)
    backlog = parked.Backlog(world.outbox)
    backlog.add(fail(), 1)
    failures = 0
    for _ in range(10):
        try:
            world.turn()
        except RuntimeError:
            failures += 1

    assert (failures, world.later, len(world.outbox.left), len(backlog)) == (2, [], 0, 0)


def test_what_peers_left_has_one_turn_among_what_ends() -> None:
    world = World()
    for cid in range(20):
        peer = Peer(cid, Kind.CLIENT, world.outbox)
        parked.begin(peer, world.steps(f"{cid}", *[TURN_WORK] * 3))
        parked.leave(peer)
        parked.leave(peer)  # twice changes nothing
    world.outbox.end_later(lambda: world.done.append("ended"))
    del world.done[:]

    world.turn()
    assert world.done == ["0", "ended"]
    while world.later:
        world.turn()
    assert world.done[:1] + world.done[2:] == [f"{cid}" for cid in range(20) for _ in range(2)]


@pytest.mark.parametrize("size", [LEFT_BYTES_MAX // 4 - LEFT_BYTES, 0])
def test_what_peers_left_is_full_at_its_bound(size: int) -> None:
    world = World()
    left = world.outbox.left
    fit, body = LEFT_BYTES_MAX // (size + LEFT_BYTES), bytes(size)
    for cid in range(fit):
        assert not left.is_full
        peer = Peer(cid, Kind.CLIENT, world.outbox)
        parked.begin(peer, world.steps("a", TURN_WORK, 1), (body,))
        parked.leave(peer)

    assert (left.is_full, len(left), left.held_bytes) == (True, fit, LEFT_BYTES_MAX)
    world.turn()  # its first is through
    assert (left.is_full, len(left)) == (False, fit - 1)
    while world.later:
        world.turn()
    assert (len(left), left.held_bytes, world.done) == (0, 0, ["a"] * 2 * fit)


def test_what_a_peer_left_counts_a_body_once_and_one_copy_of_it_at_a_time() -> None:
    world = World()
    left, peer = world.outbox.left, Peer(1, Kind.CLIENT, world.outbox)
    body, other = bytes(1000), bytes(200)
    for _ in range(10):
        parked.begin(peer, world.steps("a", TURN_WORK), (body,), len(body))
    parked.begin(peer, world.steps("a", TURN_WORK), (other, body))

    parked.leave(peer)
    assert left.held_bytes == 11 * LEFT_BYTES + 2200
    peer.closing = True
    parked.begin(peer, world.steps("a", TURN_WORK), (bytes(3),), 3)
    assert left.held_bytes == 12 * LEFT_BYTES + 2200 + 2 * 3
    parked.leave(peer)
    assert left.held_bytes == 12 * LEFT_BYTES + 2203
    while world.later:
        world.turn()

    assert (left.held_bytes, len(left), len(world.done)) == (0, 0, 12)


def test_what_is_begun_for_a_peer_that_is_gone_has_turns_of_its_own() -> None:
    world = World()
    peer = Peer(1, Kind.CLIENT, world.outbox)
    peer.closing = True

    parked.begin(peer, world.steps("a", *[TURN_WORK] * 3))
    assert world.done == ["a"]
    while world.later:
        world.turn()

    assert (world.done, peer.parked, len(world.outbox.left)) == (["a"] * 3, None, 0)


def test_accounts_and_what_was_left_take_turns() -> None:
    world = World()
    peer = Peer(1, Kind.CLIENT, world.outbox)
    parked.begin(peer, world.steps("left", *[TURN_WORK] * 3))
    parked.leave(peer)
    jobs = {"a": 3, "b": 2}

    def job(name: str) -> bool:
        world.done.append(name)
        jobs[name] -= 1
        return jobs[name] > 0

    for name in jobs:
        world.outbox.aside.take_turns(partial(job, name))
    while world.later:
        world.turn()

    assert world.done == ["left", "left", "a", "b", "left", "a", "b", "a"]


def test_what_waits_in_an_account_goes_one_after_the_other() -> None:
    world = World()
    backlog = parked.Backlog(world.outbox)
    backlog.add(world.steps("a", TURN_WORK, 1), 5)
    backlog.add(world.steps("b", 1), 6)
    backlog.then(lambda: world.done.append("then"))
    backlog.add(world.steps("c", 1), 7)

    assert world.done == []
    assert (len(backlog), backlog.held_bytes) == (3, 18)
    while world.later:
        world.turn()

    assert world.done == ["a", "a", "b", "then", "c"]
    assert (len(backlog), backlog.held_bytes) == (0, 0)


def test_a_step_that_fails_takes_nothing_from_those_behind_it() -> None:
    world = World()
    backlog = parked.Backlog(world.outbox)

    def fail() -> None:
        raise RuntimeError

    backlog.then(fail)
    backlog.add(world.steps("b", 1), 1)

    with pytest.raises(RuntimeError):
        world.turn()
    while world.later:
        world.turn()
    assert world.done == ["b"]


@pytest.mark.parametrize(("count", "size"), [(BACKLOG_MAX, 1), (4, BACKLOG_BYTES_MAX // 4)])
def test_at_the_bound_of_a_backlog_who_may_add_to_it_waits(count: int, size: int) -> None:
    world = World()
    account = Account("A", world.outbox)
    backlog, peer = account.backlog, Peer(1, Kind.CLIENT, world.outbox)
    assert not parked.must_wait(peer), "it is in no account yet"
    peer.account = account
    for _ in range(count):
        assert not backlog.is_full
        assert not parked.must_wait(peer)
        backlog.add(world.steps("in", TURN_WORK, 1), size)

    assert backlog.is_full
    assert parked.must_wait(peer)
    assert (backlog.held, peer.outbox.work_left <= 0) == (1, True)
    backlog.add(world.steps("late", 1), size)  # of somebody who was at it
    world.turn()
    world.turn()
    world.outbox.renew_work()
    assert backlog.is_full
    assert not parked.go_on(peer)
    world.turn()
    world.turn()
    world.outbox.renew_work()
    assert parked.go_on(peer)

    assert (len(backlog), backlog.is_full) == (count - 1, False)
    while world.later:
        world.turn()
    assert world.done == ["in"] * 2 * count + ["late"]
    assert (len(backlog), backlog.held_bytes) == (0, 0)


def test_a_message_that_is_larger_than_the_bound_is_taken_alone() -> None:
    world = World()
    backlog = parked.Backlog(world.outbox)

    backlog.add(world.steps("large", 1), BACKLOG_BYTES_MAX + 1)

    assert (len(backlog), backlog.is_full) == (1, True)
    world.turn()
    assert (len(backlog), backlog.is_full) == (0, False)


def test_who_is_gone_does_not_wait_for_room() -> None:
    world = World()
    account = Account("A", world.outbox)
    peer = Peer(1, Kind.CLIENT, world.outbox)
    peer.account = account
    for _ in range(BACKLOG_MAX):
        account.backlog.add(world.steps("in", TURN_WORK, 1), 1)
    assert parked.must_wait(peer)
    parked.begin(peer, world.steps("said", 1))

    peer.closing = True
    parked.leave(peer)
    world.turn()
    world.turn()

    assert world.done == ["in", "said"]
    assert len(world.outbox.left) == 0


def test_who_waits_for_room_is_called_as_far_as_it_goes() -> None:
    world = World()
    backlog = parked.Backlog(world.outbox)
    for _ in range(BACKLOG_MAX // 2):
        assert not backlog.is_half_full
        backlog.add(world.steps("in", 1), 1)
    assert (backlog.is_half_full, backlog.is_full) == (True, False)

    def adds(name: str) -> None:
        world.done.append(name)
        backlog.add(world.steps(f"of {name}", 1), 1)

    backlog.when_room(partial(adds, "a"))
    backlog.when_room(partial(adds, "b"))
    for number in range(2 * BACKLOG_MAX):
        backlog.when_room(partial(world.done.append, f"{number}"))
    world.turn()
    assert world.done == ["in", "a"]
    world.turn()
    assert world.done[2:] == ["in", "b"]
    world.turn()
    assert world.done[4:] == ["in", "0"]
    while world.later:
        world.turn()
    assert world.done.index("of a") < world.done.index("of b")
    assert world.done[-1] == f"{2 * BACKLOG_MAX - 1}"
