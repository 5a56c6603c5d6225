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


def test_what_peers_left_has_one_turn_among_what_ends() -> None:
    world = World()
    for cid in range(20):
        peer = Peer(cid, Kind.CLIENT, world.outbox)
        parked.begin(peer, world.steps(f"{cid}", *[TURN_WORK] * 3))
        parked.leave(peer)
        parked.leave(peer)  # twice does nothing
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
    fit = LEFT_BYTES_MAX // (size + LEFT_BYTES)
    for cid in range(fit):
        assert not left.is_full
        peer = Peer(cid, Kind.CLIENT, world.outbox)
        parked.begin(peer, world.steps("a", TURN_WORK, 1), size)
        parked.leave(peer)

    assert (left.is_full, len(left), left.held_bytes) == (True, fit, LEFT_BYTES_MAX)
    world.turn()  # its first is through
    assert (left.is_full, len(left)) == (False, fit - 1)
    while world.later:
        world.turn()
    assert (len(left), left.held_bytes, world.done) == (0, 0, ["a"] * 2 * fit)


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
    assert (len(backlog), backlog.held_bytes) == (4, 18)
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
def test_beyond_the_bound_of_a_backlog_what_waits_is_sent_in_one_turn(
    count: int, size: int
) -> None:
    world = World()
    backlog = parked.Backlog(world.outbox)
    for _ in range(count):
        backlog.add(world.steps("in", TURN_WORK, TURN_WORK), size)
    assert backlog.hurried == 0

    backlog.add(world.steps("over", 1), size)

    assert world.done == ["in"] * 2 * count
    assert (len(backlog), backlog.held_bytes, backlog.hurried) == (1, size, 1)
    while world.later:
        world.turn()
    assert world.done[2 * count :] == ["over"]


def test_what_is_hurried_does_not_take_along_what_it_brings() -> None:
    world = World()
    backlog = parked.Backlog(world.outbox)

    def bring() -> None:
        backlog.finish()  # from within: it is part of what comes first
        backlog.add(world.steps("brought", 1), 1)

    backlog.then(bring)
    backlog.add(world.steps("b", 1), 1)
    backlog.finish()

    assert world.done == ["b"]
    while world.later:
        world.turn()
    assert world.done == ["b", "brought"]


def test_a_message_that_is_larger_than_the_bound_is_taken_alone() -> None:
    world = World()
    backlog = parked.Backlog(world.outbox)

    backlog.add(world.steps("large", 1), BACKLOG_BYTES_MAX + 1)

    assert (len(backlog), backlog.hurried) == (1, 0)
