"""leafnode.routing.permissions: delivered if and only if allowed."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import WALK_WORK
from leafnode.protocol import subject as subjects
from leafnode.routing.peer import Kind, Outbox
from leafnode.routing.permissions import (
    Permissions,
    ResponseRule,
    Rules,
    is_listed,
    may_deliver,
    may_publish,
    may_subscribe,
)
from leafnode.routing.responses import OpenReplies
from leafnode.routing.subject_set import SubjectSet
from leafnode.routing.subscription import Subscription
from tests.sim.making import counted
from tests.sim.peers import FakePeer, account, outbox

LITERALS = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(b".".join)
PATTERNS = (
    st.lists(st.sampled_from([b"a", b"b", b"*", b">"]), min_size=1, max_size=3)
    .map(b".".join)
    .filter(subjects.is_valid)
)
ENTRIES = PATTERNS | PATTERNS.map(lambda pattern: pattern + b" q")
RULES = st.builds(Rules, st.none() | st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=2))
WITH_QUEUES = st.builds(
    Rules, st.none() | st.lists(ENTRIES, max_size=3), st.lists(ENTRIES, max_size=2)
)


def test_no_allow_list_allows_everything_but_what_is_denied() -> None:
    rules = Rules(deny=[b"secret.>"])

    assert rules.allows(b"a")
    assert not rules.allows(b"secret.x")


def test_an_empty_allow_list_allows_nothing() -> None:
    assert not Rules([]).allows(b"a")


def test_deny_wins_over_allow() -> None:
    assert not Rules([b"a.>"], [b"a.no"]).allows(b"a.no")


def test_exempt_prefixes_are_not_judged() -> None:
    rules = Rules([], exempt=(b"$JS.ACK.",))

    assert rules.allows(b"$JS.ACK.S.C.1")
    assert rules.allows_pattern(b"$JS.ACK.S.C.*")


def test_a_pattern_that_only_overlaps_a_deny_entry_may_be_subscribed() -> None:
    rules = Rules([b"a.>"], [b"a.no"])

    assert rules.allows_pattern(b"a.*")
    assert not rules.allows_pattern(b"a.no")


def test_a_leaf_may_announce_a_pattern_that_overlaps_an_allow_entry() -> None:
    rules = Rules([b"in.>"])

    assert not rules.allows_pattern(b">")
    assert rules.allows_partly(b">", outbox())
    assert not rules.allows_partly(b"out.a", outbox())


def test_an_allow_list_is_not_walked_for_a_wildcard() -> None:
    rules = Rules([b"plant.line%d.sensor.*" % number for number in range(4000)])

    def work_of(judge: Callable[[bytes, Outbox], bool], pattern: bytes) -> int:
        payer = outbox()
        before = payer.work_left
        assert judge(pattern, payer) is pattern.endswith(b".sensor.>")
        return before - payer.work_left

    for judge in (rules.allows_partly, rules.may_let):
        assert work_of(judge, b"plant.line7.other.x") == 0
        assert work_of(judge, b"plant.line7.other.>") == 0
        assert work_of(judge, b"plant.*.other.>") == 0
        assert work_of(judge, b"plant.*.sensor.>") == 0


def test_what_a_pattern_takes_of_a_very_long_allow_list_is_work_of_the_turn() -> None:
    rules = Rules([b"plant.line%d.sensor" % number for number in range(40_000)])
    payer = outbox()
    before = payer.work_left

    assert not rules.allows_partly(b"plant.*.other", payer)
    assert before - payer.work_left == 3 * (1 + 40_000 // 4096) * WALK_WORK


@given(
    WITH_QUEUES,
    st.lists(PATTERNS, max_size=2),
    st.lists(PATTERNS, max_size=2),
    PATTERNS,
    st.sampled_from([b"", b"q", b"r"]),
)
def test_rules_over_others_are_those_with_more_denied(
    rules: Rules, deny: list[bytes], more: list[bytes], pattern: bytes, queue: bytes
) -> None:
    whole = Rules(rules.allowed, [*rules.denied, *deny, *more])

    shared = Rules.over(Rules.over(rules, deny=SubjectSet(deny)), deny=SubjectSet(more))

    assert (shared.allowed, shared.denied) == (whole.allowed, whole.denied)
    assert shared.allows(pattern, queue) is whole.allows(pattern, queue)
    assert shared.allows_pattern(pattern, queue) is whole.allows_pattern(pattern, queue)
    assert shared.allows_partly(pattern, outbox()) is whole.allows_partly(pattern, outbox())
    assert shared.may_let(pattern, outbox()) is whole.may_let(pattern, outbox())


def test_rules_over_others_may_leave_out_what_those_say_of_queue_groups() -> None:
    rules = Rules([b"a", b"b v1"], [b"c", b"d no"], exempt=(b"x.",))

    plain = Rules.over(rules, is_plain=True)

    assert (plain.allowed, plain.denied, plain.exempt) == ([b"a"], [b"c"], ())
    assert rules.allowed == [b"a", b"b v1"]


def test_rules_over_others_may_have_another_allow_list() -> None:
    rules = Rules([b"a", b"b v1"], [b"c.no", b"d no"])

    other = Rules.over(rules, allow=SubjectSet([b"c.>"]))

    assert (other.allowed, other.denied) == ([b"c.>"], [b"c.no", b"d no"])
    assert other.allows_pattern(b"c.x")
    assert not other.allows_pattern(b"b", b"v1")


def test_rules_over_a_long_list_make_nothing_of_its_entries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = Rules([b"a.%d.*" % number for number in range(1000)], [b"a.7.x"])
    more = SubjectSet([b"$SYS.>"])
    made: list[object] = []
    monkeypatch.setattr(SubjectSet, "_fill", lambda _, patterns: made.extend(patterns) or ())

    shared = Rules.over(rules, deny=more)

    assert made == []
    assert shared.allows(b"a.8.x")
    assert not shared.allows(b"a.7.x")
    assert not shared.allows(b"$SYS.x")


def test_who_may_answer_may_not_answer_with_a_request_to_decide_on_a_login() -> None:
    """Anybody may ask himself something, and name that as the reply."""
    peer = FakePeer(account(), 1)
    peer.permissions = Permissions(Rules([]), Rules(), ResponseRule(0, 0))
    peer.open_replies = OpenReplies(ResponseRule(0, 0), lambda: 0)
    for reply in (b"$SYS.REQ.USER.AUTH", b"_INBOX.1"):
        peer.open_replies.add(reply)

    assert not may_publish(peer, b"$SYS.REQ.USER.AUTH")
    assert may_publish(peer, b"_INBOX.1")


def test_rules_are_made_in_steps() -> None:
    allow, deny = [b"a.%d.*" % number for number in range(100)], [b"b.*", b"c q"]

    rules, steps = counted(Rules.made(allow, deny))

    assert (rules.allowed, rules.denied) == (allow, deny)
    assert steps >= 100


def test_a_pattern_may_let_something_by_unless_all_of_it_is_forbidden() -> None:
    rules = Rules([b"in.>"], [b"in.*"], exempt=(b"x.",))

    assert rules.may_let(b">", outbox())
    assert rules.may_let(b"in.>", outbox())  # in.a.b
    assert rules.may_let(b"x.y", outbox())
    assert not rules.may_let(b"in.a", outbox())
    assert not rules.may_let(b"out.>", outbox())


def test_where_an_entry_names_a_queue_only_that_queue_may_subscribe() -> None:
    rules = Rules([b"a v1", b"b.> v.*", b"c", b"c v1"], [b"d no"])

    assert rules.allows_pattern(b"a", b"v1")
    assert not rules.allows_pattern(b"a")
    assert not rules.allows_pattern(b"a", b"v2")
    assert rules.allows_pattern(b"b.x", b"v.2")
    assert not rules.allows_pattern(b"b.x", b"v.>")
    assert rules.allows_pattern(b"c")
    assert not rules.allows_pattern(b"c", b"v2")


def test_a_queue_that_a_narrower_entry_names_may_have_what_everybody_may() -> None:
    rules = Rules([b"a.>", b"a.* q"])

    assert rules.allows_pattern(b"a.>", b"q")
    assert not rules.allows_pattern(b"a.>", b"other")
    assert not Rules([b"a.b.>", b"a.* q"]).allows_pattern(b"a.>", b"q")


def test_a_denied_queue_may_not_subscribe_and_gets_nothing_through_a_wildcard() -> None:
    rules = Rules(None, [b"a.no dev"])

    assert rules.allows_pattern(b"a.no")
    assert not rules.allows_pattern(b"a.no", b"dev")
    assert rules.allows_pattern(b"a.*", b"dev")
    assert not rules.allows(b"a.no", b"dev")
    assert rules.allows(b"a.no", b"other")


def test_a_pattern_beyond_an_allowed_star_is_refused_unlike_on_nats_server() -> None:
    assert not Rules([b"a.*"]).allows_pattern(b"a.>")
    assert not Rules([b"a.* q"]).allows_pattern(b"a.>", b"q")


def test_a_pattern_beyond_a_denied_star_is_refused_as_on_nats_server() -> None:
    rules = Rules(deny=[b"a.*", b"b.* q.*"])

    assert not rules.allows_pattern(b"a.>")
    assert rules.allows_pattern(b">")
    assert rules.allows_pattern(b"a.*.c")
    assert rules.allows_pattern(b"b.>")
    assert not rules.allows_pattern(b"b.>", b"q.x")
    assert rules.allows_pattern(b"b.>", b"z")


@pytest.mark.parametrize("subject", [b"_GR_.x", b"$GR.x", b"$NRG.x"])
def test_no_client_publishes_where_only_servers_do(subject: bytes) -> None:
    client = FakePeer(account())

    client.says(b"PUB %b 0\r\n\r\n" % subject)

    assert client.got() == b"-ERR 'Permissions Violation for Publish to \"%b\"'\r\n" % subject


@pytest.mark.parametrize("reply", [b"_R_.x", b"_R_.", b"_GR_.x", b"$GR.x", b"$JS.ACK.S.C.1"])
@pytest.mark.parametrize("before", [b"", b"PUB a _INBOX.1 0\r\n\r\n"])
def test_no_client_asks_for_answers_where_only_servers_do(reply: bytes, before: bytes) -> None:
    world = account()
    client, reader = FakePeer(world), FakePeer(world, 2)
    client.says(before)
    reader.subscribe(b"a", b"1")

    client.says(b"PUB a %b 0\r\n\r\nHPUB a %b 12 12\r\nNATS/1.0\r\n\r\n\r\n" % (reply, reply))

    text = b"-ERR 'Permissions Violation for Publish with Reply of \"%b\"'\r\n" % reply
    assert client.got() == text * 2
    assert reader.got() == b""


def test_a_hub_may_do_both() -> None:
    world = account()
    leaf, reader = FakePeer(world, 1, Kind.LEAF), FakePeer(world, 2)
    reader.subscribe(b">", b"1")

    leaf.says(b"LMSG a _R_.x 0\r\n\r\nLMSG _GR_.x 0\r\n\r\n")

    assert reader.got() == b"MSG a 1 _R_.x 0\r\n\r\nMSG _GR_.x 1 0\r\n\r\n"


def test_a_client_without_echo_does_not_get_its_own_messages() -> None:
    client = FakePeer(account())
    sub = Subscription(client, b"a", sid=b"1")

    assert may_deliver(sub, b"a", client)
    client.echo = False
    assert not may_deliver(sub, b"a", client)


def test_what_is_private_hears_no_leaf() -> None:
    """Whatever a leaf may publish, and though it was told of no such interest."""
    world = account()
    private = world.subscribe(b"a", lambda _: None, is_private=True)

    assert may_deliver(private, b"a", FakePeer(world, 1))
    assert may_deliver(private, b"a", world.to_itself)
    assert not may_deliver(private, b"a", FakePeer(world, 2, Kind.LEAF))


def test_a_message_of_one_hub_goes_to_no_other_hub() -> None:
    world = account()
    one, other = FakePeer(world, 1, Kind.LEAF), FakePeer(world, 2, Kind.LEAF)

    assert not may_deliver(Subscription(one, b"a"), b"a", one)
    assert not may_deliver(Subscription(other, b"a"), b"a", one)
    assert may_deliver(Subscription(other, b"a"), b"a", FakePeer(world, 3))


@given(st.lists(PATTERNS, max_size=4), LITERALS, PATTERNS)
def test_an_arranged_set_of_patterns_judges_as_one_by_one(
    patterns: list[bytes], literal: bytes, pattern: bytes
) -> None:
    arranged = SubjectSet(patterns)

    assert arranged.matches(literal) == any(subjects.matches(p, literal) for p in patterns)
    assert arranged.covers(pattern) == any(subjects.is_subset(pattern, p) for p in patterns)


@given(RULES, PATTERNS, LITERALS)
def test_whatever_the_path_a_message_arrives_if_and_only_if_it_is_allowed(
    rules: Rules, pattern: bytes, literal: bytes
) -> None:
    allowed = rules.allows(literal)
    expected = 1 if subjects.matches(pattern, literal) and allowed else 0
    for queue, send in ((b"", "publish"), (b"q", "publish"), (b"", "deliver"), (b"", "lane")):
        world = account()
        reader = FakePeer(world, 1)
        reader.permissions = Permissions(Rules(), rules)
        reader.subscribe(pattern, b"9", queue)

        if send == "publish":
            world.publish(literal, b"x")
        elif send == "deliver":
            world.deliver(literal, [(literal, b"", 0, b"x")])
        else:
            FakePeer(world, 2).says(b"PUB %b 1\r\nx\r\n" % literal)

        assert reader.got().count(b"MSG ") == expected, (queue, send)


def test_a_greater_than_sign_inside_a_token_is_no_wildcard() -> None:
    rules = Rules([b"foo>", b"a.b>", b"c.*>"], [b"x>"])

    assert rules.allows(b"foo>")
    assert not any(rules.allows(s) for s in (b"foobar", b"foo.x", b"foo", b"a.bcd", b"c.d"))
    assert Rules(deny=[b"x>"]).allows(b"xyz")


MANY_QUEUES = Rules([b"a", *(b"a q.%d" % number for number in range(100))])
BRANCHING_QUEUES = Rules([b".".join(tokens) + b" q" for tokens in product([b"*", b"a"], repeat=6)])
BRANCHING = Rules([b".".join(tokens) + b".*" for tokens in product([b"*", b"a"], repeat=6)])
PLAIN = Rules([b"a.*", b"b.>", *(b"t.*.d%d" % number for number in range(300))], [b"c.*"])


@pytest.mark.parametrize(
    ("rules", "least"),
    [
        (MANY_QUEUES, 0),
        (BRANCHING_QUEUES, 100 * WALK_WORK),
        (BRANCHING, 100 * WALK_WORK),
        (PLAIN, 0),
    ],
)
@pytest.mark.parametrize(
    "judge",
    [
        lambda peer, _: is_listed(peer, b"a.b"),
        lambda peer, _: may_publish(peer, b"a.b"),
        lambda peer, _: may_subscribe(peer, b"a.b", b""),
        lambda peer, sub: may_deliver(sub, b"a.b", peer),
    ],
)
def test_judging_by_many_entries_is_work_of_who_causes_it(
    rules: Rules, least: int, judge: Callable[[FakePeer, Subscription], bool]
) -> None:
    peer = FakePeer(account())
    peer.permissions = Permissions(rules, rules)
    sub = peer.subscribe(b"a.b", b"1")
    before = peer.outbox.work_left

    judge(peer, sub)

    done = before - peer.outbox.work_left
    assert least <= done <= 2 * least


def branching(*, denied: bytes = b"no") -> Rules:
    """A deny list that takes many steps for a subject of `a` and `b`."""
    patterns = [b".".join(tokens) for tokens in product((b"*", b"a", b"b"), repeat=4)]
    return Rules(deny=[b"%b.%b" % (pattern, denied) for pattern in patterns])


def test_a_verdict_that_takes_many_steps_is_found_once_for_all_subscriptions_of_a_peer() -> None:
    world = account()
    publisher, reader = FakePeer(world, 1), FakePeer(world, 2)
    rules = branching()
    reader.permissions = Permissions(Rules(), rules)
    for number in range(200):
        reader.subscribe(b">", b"%d" % number)
    for subject, received in ((b"a.b.a.b.yes", 200), (b"a.b.a.b.no", 0), (b"a.b.a.b.yes", 200)):
        world.system.outbox.renew_work()
        before = world.system.outbox.work_left
        publisher.lane.feed(b"PUB %b 0\r\n\r\n" % subject)
        publisher.lane.next_line()
        assert before - world.system.outbox.work_left < 2 * rules.work + 200 * 40
        assert reader.got().count(b"MSG ") == received
    assert rules.work > 200


@given(st.lists(st.tuples(st.sampled_from([b"a.b.a.b", b"b.b.b.b"]), st.booleans(), st.booleans())))
def test_a_verdict_that_is_remembered_is_the_one_of_its_subject_and_its_queue(
    asked: list[tuple[bytes, bool, bool]],
) -> None:
    plain = branching()
    rules = Rules(deny=[*plain.denied, b"*.*.*.*.yes q"])
    payer = outbox()

    for start, is_denied, is_queued in asked:
        subject, queue = start + (b".no" if is_denied else b".yes"), b"q" if is_queued else b""
        assert rules.judge(subject, queue, payer) is not (is_denied or is_queued)
        assert rules.judge(subject, queue, payer) is rules.allows(subject, queue)
