"""Which LS+ and LS- go out. Source: nats-server 2.15.1 server/leafnode.go smap, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from leafnode.leaf.interest import Interest
from leafnode.leaf.rules import Between, spoke_rules
from leafnode.limits import LINK_WORK, TURN_WORK
from leafnode.protocol.leaf_op import LeafSub, LeafUnsub, SubjectRulesInfo, parse_leaf_line
from leafnode.routing.peer import Kind, LeafSide
from tests.sim.clock import FakeClock
from tests.sim.making import made
from tests.sim.peers import FakePeer, account

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.routing.account import Account


class World:
    """An account whose interest goes to a list of lines."""

    def __init__(self, *, hub_import: SubjectRulesInfo | None = None) -> None:
        self.clock = FakeClock()
        self.account: Account = account()
        rules = made(spoke_rules(Between("edge", "hub"), hub_import=hub_import))
        self.peer = FakePeer(self.account, cid=9, kind=Kind.LEAF)
        self.interest = Interest(self.account, self.peer, rules, self.clock)
        self.client = FakePeer(self.account)

    def start(self) -> None:
        """Tell everything in one turn."""
        self.interest.start(b"$LDS.own")
        assert self.interest.tell()

    def take(self) -> bytes:
        return self.peer.got()


def started(**more: SubjectRulesInfo) -> World:
    world = World(**more)
    world.start()
    world.take()
    return world


def test_at_the_start_every_key_is_announced_once_and_the_loop_subject() -> None:
    world = World()
    world.client.subscribe(b"a", b"1")
    world.client.subscribe(b"a", b"2")
    world.client.subscribe(b"work", b"3", b"Q")
    world.client.subscribe(b"work", b"4", b"Q")

    world.start()

    assert world.take() == b"LS+ $LDS.own\r\nLS+ a\r\nLS+ work Q 2\r\n"


def test_each_link_that_is_told_of_a_key_is_work_of_the_turn() -> None:
    world = started()
    rules = made(spoke_rules(Between("edge", "hub")))
    for cid in (10, 11):
        peer = FakePeer(world.account, cid=cid, kind=Kind.LEAF)
        Interest(world.account, peer, rules, world.clock).start(b"$LDS.own")  # nothing to tell yet
    outbox = world.account.system.outbox

    def work_of(act: Callable[[], object]) -> int:
        before = outbox.work_left
        act()
        return before - outbox.work_left

    assert work_of(lambda: world.client.subscribe(b"a", b"1")) == 3 * LINK_WORK
    assert work_of(lambda: world.account.remove(world.client.subs.pop(b"1"))) == 3 * LINK_WORK
    assert work_of(lambda: world.peer.subscribe(b"b", b"b")) == 2 * LINK_WORK


def test_all_that_is_announced_at_the_start_is_work_of_the_turn() -> None:
    world = World()
    for sid in range(5):
        world.client.subscribe(b"s.%d" % sid, b"%d" % sid)
    before = world.peer.outbox.work_left

    world.start()

    assert before - world.peer.outbox.work_left == 5 * LINK_WORK


def test_long_subjects_are_more_work_of_the_turn() -> None:
    world = World()
    long = b"a" * 64_000
    for number in range(3):
        world.client.subscribe(long + b"%d" % number, b"%d" % number)
    world.start()
    outbox = world.peer.outbox
    before = outbox.work_left
    world.client.subscribe(long + b"3", b"3")

    assert before - outbox.work_left >= 1000
    assert TURN_WORK - before >= 3 * 1000


def test_new_interest_goes_out_at_once_so_that_a_request_behind_it_finds_it() -> None:
    world = started()

    world.client.subscribe(b"_INBOX.x", b"1")

    assert world.take() == b"LS+ _INBOX.x\r\n"


def test_a_second_subscriber_changes_nothing_and_the_last_one_withdraws() -> None:
    world = started()
    first = world.client.subscribe(b"a", b"1")
    second = world.client.subscribe(b"a", b"2")
    assert world.take() == b"LS+ a\r\n"

    world.account.remove(first)
    world.clock.advance(0)
    after_the_first = world.take()
    world.account.remove(second)
    world.clock.advance(0)

    assert after_the_first == b""
    assert world.take() == b"LS- a\r\n"


def test_a_queue_is_announced_again_with_its_weight_once_per_turn() -> None:
    world = started()

    subs = [world.client.subscribe(b"work", b"%d" % sid, b"Q") for sid in range(3)]
    at_once = world.take()
    world.clock.advance(0)
    grown = world.take()
    world.account.remove(subs[0])
    world.clock.advance(0)

    assert at_once == b"LS+ work Q 1\r\n"
    assert grown == b"LS+ work Q 3\r\n"
    assert world.take() == b"LS+ work Q 2\r\n"


def test_the_last_queue_member_withdraws_the_key() -> None:
    world = started()
    sub = world.client.subscribe(b"work", b"1", b"Q")
    world.take()

    world.account.remove(sub)
    world.clock.advance(0)

    assert world.take() == b"LS- work Q\r\n"


def test_interest_that_ends_and_returns_within_a_turn_is_not_spoken_of() -> None:
    world = started()
    sub = world.client.subscribe(b"a", b"1")
    world.take()

    world.account.remove(sub)
    world.client.subscribe(b"a", b"2")
    world.clock.advance(0)

    assert world.take() == b""


def test_interest_of_the_hub_itself_is_not_sent_back() -> None:
    world = started()
    hub = FakePeer(world.account, kind=Kind.LEAF)

    hub.subscribe(b"theirs", b"theirs")

    assert world.take() == b""


def test_what_may_not_cross_is_not_announced_nor_withdrawn() -> None:
    world = started(hub_import=SubjectRulesInfo(["in.>"], None))

    for subject in (b"$JS.API.>", b"$KV.b.>", b"else"):
        world.account.remove(world.client.subscribe(subject, subject))
    world.client.subscribe(b">", b"9")
    world.clock.advance(0)

    assert world.take() == b"LS+ >\r\n"


def test_a_subject_or_queue_that_would_break_a_line_stays_here() -> None:
    world = started()

    world.account.subscribe(b"a\r\nLS+ secret", lambda _: None)
    world.account.subscribe(b"a b", lambda _: None)
    world.account.subscribe(b"a", lambda _: None, queue=b"q\r\nLS+ secret")
    world.account.subscribe(b"a..b", lambda _: None)
    world.clock.advance(0)

    assert world.take() == b""


def test_after_the_stop_nothing_is_sent_and_no_timer_waits() -> None:
    world = started()
    sub = world.client.subscribe(b"a", b"1")
    world.take()
    world.account.remove(sub)

    world.interest.stop()
    world.interest.stop()
    world.client.subscribe(b"b", b"2")
    world.clock.advance(1)

    assert world.take() == b""
    assert world.clock.pending() == 0
    assert not world.account.watchers


def test_what_one_turn_has_no_room_for_is_told_in_the_next() -> None:
    world = World()
    outbox = world.peer.outbox
    for sid in range(5):
        world.client.subscribe(b"s.%d" % sid, b"%d" % sid)
    world.interest.start(b"$LDS.own")
    world.take()

    told, lines = [], []
    while not told or not told[-1]:
        outbox.work_left = 2 * LINK_WORK
        told.append(world.interest.tell())
        lines.append(world.take().count(b"LS+ "))

    assert lines == [2, 2, 1]
    assert told == [False, False, True]
    assert world.interest.tell()


def test_what_changes_before_it_is_told_is_told_once_and_as_it_is_then() -> None:
    world = World()
    outbox = world.peer.outbox
    subs = {
        name: world.client.subscribe(name, name, b"Q" if name == b"grows" else b"")
        for name in (b"first", b"goes", b"returns", b"grows")
    }
    world.interest.start(b"$LDS.own")
    outbox.work_left = 0
    world.interest.tell()
    assert world.take() == b"LS+ $LDS.own\r\nLS+ first\r\n"

    world.account.remove(subs[b"goes"])
    world.account.remove(subs[b"returns"])
    world.client.subscribe(b"returns", b"1")
    world.client.subscribe(b"grows", b"2", b"Q")
    world.client.subscribe(b"comes", b"3")
    changed = world.take()
    outbox.work_left = 10 * LINK_WORK
    assert world.interest.tell()
    world.clock.advance(0)

    assert changed == b"LS+ returns\r\nLS+ grows Q 2\r\nLS+ comes\r\n"
    assert world.take() == b""


def test_a_link_that_is_over_is_told_nothing_more() -> None:
    world = World()
    world.client.subscribe(b"a", b"1")
    world.interest.start(b"$LDS.own")
    world.take()

    world.interest.stop()

    assert world.interest.tell()
    assert world.take() == b""


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "add", "remove", "turn"]),
            st.sampled_from([b"a", b"b.*", b"$KV.x", b"in.>"]),
            st.sampled_from([b"", b"Q"]),
        ),
        max_size=60,
    )
)
def test_after_each_turn_the_hub_knows_exactly_the_interest_that_may_cross(
    steps: list[tuple[str, bytes, bytes]],
) -> None:
    world = World()
    world.start()
    subs = []
    known: dict[tuple[bytes, bytes], int] = {}

    for sid, (step, subject, queue) in enumerate([*steps, ("turn", b"", b"")]):
        if step == "add":
            subs.append(world.client.subscribe(subject, b"%d" % sid, queue))
        elif step == "remove" and subs:
            world.account.remove(subs.pop())
        elif step == "turn":
            world.clock.advance(0)
            apply(known, world.take())
            assert known == expected(world.account)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "add", "remove", "leaf adds", "leaf removes", "turn", "tell"]),
            st.sampled_from([b"a", b"b", b"b.*", b"$KV.x", b"in.>"]),
            st.sampled_from([b"", b"Q"]),
        ),
        max_size=80,
    ),
    st.integers(min_value=0, max_value=40),
)
def test_told_in_turns_the_hub_knows_in_the_end_what_it_knows_when_told_at_once(
    steps: list[tuple[str, bytes, bytes]], begins_at: int
) -> None:
    world = World()
    below = FakePeer(world.account, cid=20, kind=Kind.LEAF)
    below.leaf = LeafSide("below", is_hub=False)
    here, there = [], []
    known: dict[tuple[bytes, bytes], int] = {}

    for sid, (step, subject, queue) in enumerate(steps):
        if sid == begins_at:
            world.interest.start(b"$LDS.own")
        match step:
            case "add":
                here.append(world.client.subscribe(subject, b"%d" % sid, queue))
            case "leaf adds":
                there.append(below.subscribe(subject, b"%d" % sid, queue))
            case "remove" if here:
                world.account.remove(here.pop(0))
            case "leaf removes" if there:
                world.account.remove(there.pop(0))
            case "turn":
                world.clock.advance(0)
            case "tell":
                world.peer.outbox.work_left = LINK_WORK
                world.interest.tell()
        apply(known, world.take())
    if len(steps) <= begins_at:
        world.interest.start(b"$LDS.own")
    world.peer.outbox.work_left = TURN_WORK
    assert world.interest.tell()
    world.clock.advance(0)
    apply(known, world.take())

    naive: dict[tuple[bytes, bytes], int] = {}
    other = FakePeer(world.account, cid=10, kind=Kind.LEAF)
    told_at_once = Interest(
        world.account, other, made(spoke_rules(Between("edge", "hub"))), world.clock
    )
    told_at_once.start(b"$LDS.own")
    assert told_at_once.tell()
    apply(naive, other.got())
    assert known == naive


def apply(known: dict[tuple[bytes, bytes], int], lines: bytes) -> None:
    """Learn what the lines say, none of which may say what is known."""
    for line in lines.split(b"\r\n")[:-1]:
        match parse_leaf_line(line):
            case LeafSub(b"$LDS.own"):
                pass
            case LeafSub(subject, queue, weight):
                weight = weight if queue else 1
                assert known.get((subject, queue)) != weight
                known[subject, queue] = weight
            case LeafUnsub(subject, queue):
                del known[subject, queue]
            case other:
                raise AssertionError(other)


def expected(of: Account) -> dict[tuple[bytes, bytes], int]:
    """A plain key has no weight on the wire."""
    return {
        (subject, queue): count if queue else 1
        for (subject, queue), count in of.local_interest.items()
        if not subject.startswith(b"$KV")
    }
