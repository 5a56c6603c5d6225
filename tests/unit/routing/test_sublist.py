"""leafnode.routing.sublist against brute force, and its cache."""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from leafnode.limits import (
    BELOW_BYTES_MAX,
    BELOW_CACHE_MAX,
    FOUND_WORK,
    MATCHES_BYTES_MAX,
    RECEIVERS_MAX,
    SEEN_SUBJECTS,
    WALK_WORK,
)
from leafnode.routing.match import WIDE, size_of_match
from leafnode.routing.peer import Kind, Outbox, Peer
from leafnode.routing.sublist import Sublist
from leafnode.routing.subscription import Subscription
from tests.oracle import matcher

if TYPE_CHECKING:
    from collections.abc import Callable

TOKENS = st.sampled_from([b"a", b"b", b"c", b"*x"])
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=4).map(b".".join)
PATTERNS = st.lists(st.one_of(TOKENS, st.just(b"*")), min_size=1, max_size=4).flatmap(
    lambda tokens: st.sampled_from([b".".join(tokens), b".".join([*tokens, b">"]), b">"])
)
QUEUES = st.sampled_from([b"", b"", b"q", b"z"])


def subscription(subject: bytes, queue: bytes = b"") -> Subscription:
    return Subscription(PEER, subject, queue=queue)


PEER = Peer(1, Kind.CLIENT, Outbox(lambda: None))


def test_a_subject_nobody_wants_matches_nothing() -> None:
    match = Sublist().match(b"a.b")

    assert match.plain == []
    assert match.groups == []


def test_removing_what_is_not_there_is_refused() -> None:
    sublist = Sublist()
    sublist.insert(subscription(b"a.b"))

    assert not sublist.remove(subscription(b"a.b"))
    assert not sublist.remove(subscription(b"a.c"))
    assert not sublist.remove(subscription(b"a.b", b"q"))
    assert sublist.count == 1


def test_what_is_published_under_a_wildcard_is_matched_by_its_words() -> None:
    sublist = Sublist()
    subs = [subscription(b"a.>"), subscription(b"a.*.b"), subscription(b"a.b.b")]
    for one in subs:
        sublist.insert(one)

    assert sublist.match(b"a.>.b").plain == subs[:2]
    assert sublist.match(b"a..b").plain == []


def test_members_of_one_queue_meet_from_different_patterns() -> None:
    sublist = Sublist()
    sublist.insert(subscription(b"a.*", b"q"))
    sublist.insert(subscription(b"a.b", b"q"))
    sublist.insert(subscription(b"a.b", b"z"))

    groups = {group.queue: len(group.members) for group in sublist.match(b"a.b").groups}

    assert groups == {b"q": 2, b"z": 1}


def test_a_literal_subscription_spoils_its_own_subject_alone() -> None:
    sublist = Sublist()
    one, other = sublist.match(b"a"), sublist.match(b"b")

    sublist.insert(subscription(b"a"))

    assert one.generation != sublist.generation
    assert other.generation == sublist.generation
    assert sublist.match(b"b") is other


def test_a_wildcard_subscription_spoils_every_result() -> None:
    sublist = Sublist()
    results = [sublist.match(b"a"), sublist.match(b"b")]

    sublist.insert(subscription(b"x.*"))

    assert all(match.generation != sublist.generation for match in results)


def test_finding_leaves_the_cache_alone() -> None:
    sublist = Sublist()

    sublist.find(b"_INBOX.1")

    assert sublist.cached == 0


def test_the_cache_holds_its_maximum_and_then_starts_over() -> None:
    sublist = Sublist()
    first = sublist.match(b"s.0")
    each = sublist.held_bytes
    for number in range(1, MATCHES_BYTES_MAX // each):
        sublist.match(b"s.%d" % (number % 10))
    assert first.generation == sublist.generation
    for number in range(MATCHES_BYTES_MAX // each):
        sublist.match(b"longer.%d" % number)

    assert sublist.held_bytes <= MATCHES_BYTES_MAX
    assert first.generation != sublist.generation
    assert sublist.match(b"longer.%d" % number).generation == sublist.generation


def test_a_result_beyond_the_bound_is_held_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sublist = Sublist()
    monkeypatch.setattr(sublist, "_most_bytes", 1000)
    for _ in range(200):
        sublist.insert(subscription(b"s.>"))
    first, second = sublist.match(b"x"), sublist.match(b"s.1")

    assert sublist.cached == 1
    assert first.generation != second.generation == sublist.generation
    assert sublist.match(b"y").generation == sublist.generation != second.generation


def test_results_of_many_subscriptions_share_their_list_where_it_is_the_same() -> None:
    sublist = Sublist()
    for number in range(100):
        sublist.insert(subscription(b"s.>"))
        sublist.insert(subscription(b"t.>" if number else b"*.>"))

    one = sublist.match(b"s.1")
    before = sublist.held_bytes
    two, other = sublist.match(b"s.2"), sublist.match(b"t.1")

    assert one.plain is two.plain
    assert len(one.plain) == 101
    assert other.plain is not one.plain
    assert len(other.plain) == 100
    assert sublist.held_bytes < before + 2 * 400 + 8 * 101


def test_what_a_sub_spoils_is_held_no_more() -> None:
    sublist = Sublist()
    sublist.match(b"a")
    held = sublist.held_bytes
    sublist.match(b"b")
    sublist.find_below(b"a.b")

    sublist.insert(subscription(b"b"))
    assert sublist.cached == 1
    sublist.insert(subscription(b"c.*"))

    assert held > 0 == sublist.held_bytes == sublist.cached


def test_a_subject_is_looked_up_once_and_known_from_the_second_time_on() -> None:
    sublist = Sublist()
    subjects = [b"s.%d" % number for number in range(200)]

    first = [sublist.look_once(subject) for subject in subjects]
    second = [sublist.look_once(subject) for subject in subjects]

    # One mark of a byte for many subjects: a few may be taken for another.
    assert first.count(None) < 20
    assert second.count(None) > 180


def test_what_is_known_takes_no_more_room_however_many_subjects_there_are() -> None:
    sublist = Sublist()

    for number in range(2 * SEEN_SUBJECTS + 1):
        sublist.look_once(b"s.%d" % number)

    assert len(sublist._seen) == SEEN_SUBJECTS


def test_iterating_gives_every_subscription_once() -> None:
    sublist = Sublist()
    subs = [subscription(s, q) for s in (b"a", b"a.*", b"b.>", b"*") for q in (b"", b"q")]
    for sub in subs:
        sublist.insert(sub)

    assert sorted(map(id, sublist)) == sorted(map(id, subs))


@given(st.lists(PATTERNS, max_size=8), SUBJECTS, st.integers(1, 3), PATTERNS)
def test_what_lies_below_a_subject_matches_as_each_of_it_does(
    patterns: list[bytes], parent: bytes, depth: int, late: bytes
) -> None:
    sublist = Sublist()
    for pattern in patterns:
        sublist.insert(subscription(pattern))
    child = parent + b".unheard_of" * depth
    sublist.find_below(parent, depth)
    sublist.insert(subscription(late))

    match = sublist.find_below(parent, depth)

    if match is not None and not sublist.has_literal(child):
        assert sorted(map(id, match.plain)) == sorted(map(id, sublist.find(child).plain))


def test_long_inboxes_that_come_once_leave_the_other_results_alone() -> None:
    payer = Outbox(lambda: None)
    sublist = Sublist(payer)
    match = sublist.match(b"a")

    for number in range(3 * BELOW_CACHE_MAX):
        sublist.find_below(b"%d." % number + b"x" * 4000)

    assert sublist.match(b"a") is match
    assert BELOW_BYTES_MAX // 2 < payer.matches.held_bytes - sublist.held_bytes <= BELOW_BYTES_MAX
    assert payer.matches.evicted == 0


def test_what_is_known_of_subjects_below_others_is_bounded() -> None:
    sublist = Sublist()
    for number in range(BELOW_CACHE_MAX + 1):
        sublist.find_below(b"a.%d" % number)
        assert len(sublist._below.known) <= BELOW_CACHE_MAX

    assert len(sublist._below.known) == 1


@given(
    st.lists(
        st.sampled_from(
            [
                *(b"$JS.ACK.S.C.*.*.*.*.*", b"$JS.ACK.S.C.1.1.1.1.1", b"$JS.ACK.>", b">"),
                *(b"$JS.ACK.S.*.1.*.*.*.*", b"$JS.ACK.*.C.*.*.*.*.*", b"$JS.ACK.D.H.S.C.*.*.*.*.>"),
                *(b"*.*.*", b"*.*.*.*", b"*.*.*.*.*", b"$JS.*.*.*.*.*", b"$JS.>"),
            ]
        ),
        max_size=4,
    ),
    st.sampled_from(
        [
            *(b"$JS.ACK.S.C.1.1.1.1.1", b"$JS.ACK.S.C.2.1.1.1.1", b"$JS.ACK.S.C.1.1.1..1"),
            *(b"$JS.ACK.S.C.1.1.1.1", b"$JS.ACK.D.H.S.C.1.1.1.1.1", b"$JS.ACK.1", b"$JS.ACK."),
            *(b"$JS.ACK.1.2", b"$JS.ACK.1.2.3", b"$JS.ACK.1.2.3.4"),
        ]
    ),
)
@example([b"$JS.*.*.*.*.*"], b"$JS.ACK.1")
@example([b"*.*.*"], b"$JS.ACK.1")
def test_an_ack_finds_what_any_subject_would(patterns: list[bytes], subject: bytes) -> None:
    sublist = Sublist()
    for pattern in patterns:
        sublist.insert(subscription(pattern))

    once = sublist.look_once(subject)

    assert once is not None
    assert sorted(map(id, once[0])) == sorted(map(id, sublist.find(subject).plain))


@given(st.lists(PATTERNS, max_size=8), SUBJECTS)
def test_a_match_is_what_brute_force_finds(patterns: list[bytes], subject: bytes) -> None:
    sublist = Sublist()
    subs = [subscription(pattern) for pattern in patterns]
    for sub in subs:
        sublist.insert(sub)

    found = sublist.match(subject).plain

    wanted = [sub for sub in subs if matcher.matches(sub.subject, subject)]
    assert sorted(map(id, found)) == sorted(map(id, wanted))


class SublistMachine(RuleBasedStateMachine):
    """Inserts, removes and matches in any order; every result must be current and right."""

    def __init__(self) -> None:
        super().__init__()
        self.sublist = Sublist()
        self.subs: list[Subscription] = []

    @rule(subject=PATTERNS, queue=QUEUES)
    def insert(self, subject: bytes, queue: bytes) -> None:
        sub = subscription(subject, queue)
        self.subs.append(sub)
        self.sublist.insert(sub)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.subs:
            sub = self.subs.pop(data.draw(st.integers(0, len(self.subs) - 1)))
            assert self.sublist.remove(sub)

    @rule(subject=SUBJECTS)
    def match(self, subject: bytes) -> None:
        match = self.sublist.match(subject)
        wanted = [sub for sub in self.subs if matcher.matches(sub.subject, subject)]
        assert {id(sub) for sub in match.plain} == {id(sub) for sub in wanted if not sub.queue}
        members = {(group.queue, id(sub)) for group in match.groups for sub in group.members}
        assert members == {(sub.queue, id(sub)) for sub in wanted if sub.queue}
        assert match.generation == self.sublist.generation

    @invariant()
    def counts_agree(self) -> None:
        assert self.sublist.count == len(self.subs)

    def teardown(self) -> None:
        for sub in self.subs:
            assert self.sublist.remove(sub)
        assert self.sublist._root.is_empty(), "nothing is left behind"
        assert not self.sublist._literals, "nothing is left behind"


TestSublist = SublistMachine.TestCase


def test_a_walk_meets_every_subscription_once() -> None:
    sublist = Sublist()
    subjects = [b"a.*", b"a.>", b"a", b">", *(b"s.%d.t" % number for number in range(2500))]
    subs = [subscription(subject) for subject in subjects] + [subscription(b"q.x", queue=b"q")]
    for sub in subs:
        sublist.insert(sub)

    assert sorted(map(id, sublist)) == sorted(map(id, subs))


def test_a_walk_survives_what_comes_and_goes_meanwhile() -> None:
    sublist = Sublist()
    subs = [subscription(b"s.%d" % number) for number in range(3000)]
    for sub in subs:
        sublist.insert(sub)

    walk = iter(sublist)
    for _ in range(1500):
        next(walk)
    for sub in subs[1000:]:
        sublist.remove(sub)
    sublist.insert(subscription(b"new.one"))

    assert len(list(walk)) <= 1500


@pytest.mark.parametrize("subject", [b"s.%d", b"s.%d.*", b"s.*.%d"])
@given(gone=st.lists(st.tuples(st.integers(1, 1500), st.integers(0, 2999)), max_size=5))
@settings(max_examples=20, deadline=None)
@example(gone=[(1200, 0), (1, 600)])
def test_a_walk_finds_all_that_stays(subject: bytes, gone: list[tuple[int, int]]) -> None:
    sublist = Sublist()
    subs = dict.fromkeys(subscription(subject % number) for number in range(3000))
    for sub in subs:
        sublist.insert(sub)
    walk, found = iter(sublist), []

    for steps, first in gone:
        found += islice(walk, steps)
        for sub in list(subs)[first : first + 50]:
            sublist.remove(sub)
            del subs[sub]
        sublist.insert(subscription(subject % (5000 + first)))
    found += walk

    assert subs.keys() <= set(found)
    assert len(set(found)) == len(found)


def test_two_groups_on_subjects_that_come_once_use_all_their_members() -> None:
    sublist = Sublist()
    members = [subscription(b"req.*", queue) for queue in (b"a", b"a", b"b", b"b")]
    for sub in members:
        sublist.insert(sub)
    taken = dict.fromkeys(members, 0)

    for number in range(100):
        for group in sublist.look(b"req.%d" % number)[1]:
            group.turn += 1
            taken[group.members[group.turn % len(group.members)]] += 1

    assert list(taken.values()) == [50, 50, 50, 50]


def test_a_group_is_fair_when_other_lookups_come_between_its_messages() -> None:
    sublist = Sublist()
    members = [subscription(b"in.*", b"g") for _ in range(3)]
    for sub in [*members, subscription(b"ack.*")]:
        sublist.insert(sub)
    taken = dict.fromkeys(members, 0)

    for number in range(99):
        [group] = sublist.look(b"in.%d" % number)[1]
        group.turn += 1
        taken[group.members[group.turn % 3]] += 1
        for _ in range(2):
            sublist.look(b"ack.%d" % number)

    assert list(taken.values()) == [33, 33, 33]


def test_many_subscriptions_to_one_subject_come_and_go_in_order() -> None:
    sublist = Sublist()
    for subject in (b"a.b", b"a.*"):
        for sub in (subs := [subscription(subject) for _ in range(100)]):
            sublist.insert(sub)
        for sub in subs[50:]:
            assert sublist.remove(sub)
        assert not sublist.remove(subs[99])
        assert sublist.look(b"a.b")[0] == subs[:50]
        for sub in subs[:50]:
            assert sublist.remove(sub)

    assert sublist.count == 0
    assert sublist.look(b"a.b") == ([], [])


def test_a_walk_with_many_branches_is_work_of_the_turn() -> None:
    payer = Outbox(lambda: None)
    sublist = Sublist(payer)
    depth = 8
    for tokens in product([b"*", b"a"], repeat=depth):
        sublist.insert(subscription(b".".join([*tokens, b"z"])))
    before = payer.work_left

    assert sublist.look(b"a." * depth + b"q") == ([], [])
    branching = before - payer.work_left
    assert sublist.look(b"b." * depth + b"q") == ([], [])

    nodes = 2 ** (depth + 1) - 2
    assert WALK_WORK * nodes <= branching <= 2 * WALK_WORK * nodes
    assert before - payer.work_left == branching, "one path is no work beside its message"


@pytest.mark.parametrize(
    ("prefix", "look"),
    [
        (b"_INBOX.", lambda sublist, subject: sublist.find_inbox(subject)),
        (b"_INBOX.", lambda sublist, subject: sublist.find_below(subject.rpartition(b".")[0])),
        (b"$JS.ACK.", lambda sublist, subject: sublist.look_once(subject + b".1.1.1.1")),
    ],
)
def test_a_walk_to_what_is_below_is_work_of_the_turn_too(
    prefix: bytes, look: Callable[[Sublist, bytes], object]
) -> None:
    payer = Outbox(lambda: None)
    sublist = Sublist(payer)
    depth = 8
    for tokens in product([b"*", b"a"], repeat=depth):
        sublist.insert(subscription(prefix + b".".join([*tokens, b"z", b"z"])))
    before = payer.work_left

    look(sublist, prefix + b"a." * depth + b"q")
    branching = before - payer.work_left
    look(sublist, prefix + b"b." * depth + b"q")

    nodes = 2 ** (depth + 1) - 4 * depth  # one a token is free
    assert WALK_WORK * nodes <= branching <= 4 * WALK_WORK * nodes
    assert before - payer.work_left == branching, "one path is no work beside its message"


def recount(sublist: Sublist) -> int:
    """What the results that are cached take, with each long list once."""
    cached = sublist._cache.items()
    lists = {id(one.plain): one.plain for _, one in cached if len(one.plain) >= WIDE}
    sizes = sum(size_of_match(match) + len(subject) for subject, match in cached)
    return sizes + 8 * sum(map(len, lists.values()))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("sub"), st.sampled_from([b"a", b"b", b"c.d"]), st.integers(1, 40)),
            st.tuples(st.just("unsub"), st.sampled_from([b"a", b"b", b"c.d"]), st.integers(1, 40)),
            st.tuples(st.just("match"), st.sampled_from([b"a", b"b", b"c.d", b"e"]), st.just(0)),
            st.tuples(st.just("wide"), st.sampled_from([b">", b"*"]), st.integers(1, 20)),
        ),
        max_size=30,
    )
)
def test_long_lists_are_held_while_a_result_has_them(steps: list[tuple[str, bytes, int]]) -> None:
    sublist = Sublist()
    there: dict[bytes, list[Subscription]] = {}
    for what, subject, count in steps:
        if what == "match":
            sublist.match(subject)
        elif what == "unsub":
            for sub in there.pop(subject, [])[:count]:
                sublist.remove(sub)
        else:
            subs = [subscription(subject) for _ in range(count)]
            for sub in subs:
                sublist.insert(sub)
            there.setdefault(subject, []).extend(subs)
        assert sublist.held_bytes == recount(sublist)
        used = {id(match.plain) for match in sublist._cache.values()}
        assert all(key in used for key in sublist._wide._used)


def test_a_result_that_is_spoiled_keeps_no_subscription() -> None:
    sublist = Sublist()
    for _ in range(3):
        subs = [subscription(b"a") for _ in range(WIDE)]
        for sub in subs:
            sublist.insert(sub)
        sublist.match(b"a")
        assert len(sublist._wide._used) == 1
        for sub in subs:
            sublist.remove(sub)

        assert (sublist.held_bytes, sublist._wide._used, sublist._wide._alike) == (0, {}, {})


@pytest.mark.parametrize("count", [RECEIVERS_MAX - 1, RECEIVERS_MAX + 1])
def test_what_is_found_below_is_work_of_the_turn(count: int) -> None:
    payer = Outbox(lambda: None)
    sublist = Sublist(payer)
    for _ in range(count):
        sublist.insert(subscription(b"_INBOX.a.*"))
    before = payer.work_left

    match = sublist.find_below(b"_INBOX.a")

    assert (match is None) is (count > RECEIVERS_MAX)
    assert before - payer.work_left == FOUND_WORK * count
