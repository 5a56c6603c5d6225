"""leafnode.routing.deliver: messages for more than a turn, cut anywhere, reach whom they should."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import (
    BACKLOG_MAX,
    DELIVERY_WORK,
    GROUP_WORK,
    RECEIVERS_MAX,
    TURN_WORK,
    WALK_NODES_MAX,
    WALK_WORK,
)
from leafnode.routing import parked
from leafnode.routing import peer as peer_module
from leafnode.routing import sublist as sublist_module
from leafnode.routing.account import Account
from leafnode.routing.deliver import deliver, spread
from leafnode.routing.imports import StreamImport, StreamImports
from leafnode.routing.match import Group
from leafnode.routing.peer import Kind, Outbox
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.route import Message
from leafnode.routing.subscription import Subscription
from tests.oracle.matcher import matches
from tests.sim.peers import FakePeer, account
from tests.unit.routing.test_lane import STEPS, check_against_the_oracle, connects

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.routing.peer import Peer

DEPTH = 13
MANY = 20
CROSSING = b"a." * DEPTH  # a subject that 2^13 patterns match, where a `z` follows


def crossing(end: bytes = b"z") -> list[bytes]:
    return [b".".join([*tokens, end]) for tokens in product((b"*", b"a"), repeat=DEPTH)]


def one_turn(publisher: FakePeer, data: bytes = b"") -> bytes | None:
    if data:
        publisher.lane.feed(data)
    publisher.outbox.work_left = TURN_WORK
    return publisher.lane.next_line()


def shrunk(patch: pytest.MonkeyPatch, *, nodes: int = 0, receivers: int = 0, work: int = 1) -> None:
    """Make nearly everything wide, and turns short."""
    patch.setattr(sublist_module, "WALK_NODES_MAX", nodes)
    patch.setattr(sublist_module, "RECEIVERS_MAX", receivers)
    patch.setattr(peer_module, "TURN_WORK", work)


@pytest.mark.parametrize(("end", "received"), [(b"z", 2**DEPTH), (b"y", 0)])
def test_no_turn_walks_more_nodes_than_it_has_work_for(end: bytes, received: int) -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    for number, pattern in enumerate(crossing()):
        reader.subscribe(pattern, b"%d" % number)

    for line in (
        b"PUB %b%b 1\r\nx\r\n" % (CROSSING, end),
        b"PUB %b%b 1\r\ny\r\n" % (CROSSING, end),
    ):
        assert one_turn(publisher, line + b"PING\r\n") is None
        least, turns = publisher.outbox.work_left, 1
        while (said := one_turn(publisher)) is None:
            least, turns = min(least, publisher.outbox.work_left), turns + 1

        assert said == b"PING"
        assert turns > 2**DEPTH * WALK_WORK / TURN_WORK
        assert least > -2 * WALK_NODES_MAX * WALK_WORK
        assert reader.got().count(b"MSG") == received


@pytest.mark.parametrize("count", [RECEIVERS_MAX, RECEIVERS_MAX + 1])
def test_a_message_to_very_many_has_several_turns_in_order(count: int) -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    for number in range(count):
        reader.subscribe(b"fan", b"%d" % number)

    assert one_turn(publisher, b"PUB fan 1\r\nx\r\nPUB fan 1\r\ny\r\nPING\r\n") is None
    first = reader.traffic.out_msgs
    rest = publisher.says(b"")

    assert 0 < first <= RECEIVERS_MAX
    assert rest == [b"PING"]
    got = reader.got()
    for sid in (0, count // 2, count - 1):
        lines = [b"MSG fan %d 1\r\n%b\r\n" % (sid, body) for body in (b"x", b"y")]
        assert got.count(lines[0]) == got.count(lines[1]) == 1
        assert got.index(lines[0]) < got.index(lines[1])


def test_a_large_group_is_one_receiver_and_keeps_its_result() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    for number in range(RECEIVERS_MAX + 1):
        reader.subscribe(b"fan", b"%d" % number, b"q")

    publisher.says(b"PUB fan 1\r\nx\r\n" * 3)

    assert reader.got().count(b"MSG") == 3
    assert not world.sublist.match(b"fan").is_wide


def test_of_very_many_groups_no_more_are_made_in_a_turn_than_it_has_work_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    count = 4 * RECEIVERS_MAX
    for number in range(count):
        reader.subscribe(b"fan", b"%d" % number, b"q%d" % number)
    made = []

    class Counted(Group):
        def __init__(self, *fields: Any) -> None:
            super().__init__(*fields)
            made.append(self)

    monkeypatch.setattr(sublist_module, "Group", Counted)

    assert world.sublist.match(b"fan").is_wide
    assert len(made) == RECEIVERS_MAX + 1
    line = one_turn(publisher, b"PUB fan 1\r\nx\r\nPING\r\n")
    turns = []
    while line is None:
        before = reader.traffic.out_msgs
        line = one_turn(publisher)
        turns.append(reader.traffic.out_msgs - before)
    assert reader.got().count(b"MSG") == count
    assert max(turns) <= TURN_WORK // (DELIVERY_WORK + GROUP_WORK) + 1


@given(st.tuples(connects(), connects()), STEPS)
def test_any_traffic_in_the_shortest_turns_gives_what_the_oracle_says(
    greetings: tuple[bytes, bytes], steps: list[tuple[int, bytes, list[int]]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        shrunk(patch)
        check_against_the_oracle(greetings, steps)


PATTERNS = st.sampled_from([b"a.b", b"a.*", b"*.b", b"*.*", b"a.>", b">", b"a.c", b"*.*.*"])
CHANGES = st.lists(st.tuples(st.booleans(), PATTERNS), max_size=4)


@given(st.lists(PATTERNS, max_size=12), st.lists(CHANGES, max_size=30))
def test_whoever_is_there_all_the_time_gets_a_message_once_and_who_is_gone_gets_none(
    there: list[bytes], changes: list[list[tuple[bool, bytes]]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        shrunk(patch)
        world = account()
        reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
        subs = [reader.subscribe(pattern, b"%d" % sid) for sid, pattern in enumerate(there)]
        staying, late = subs[::2], subs[1::2]
        stays, counts = {sub.sid for sub in staying}, Counter[bytes]()
        publisher.lane.feed(b"PUB a.b 1\r\nx\r\nPING\r\n")

        line, turns, gone = None, iter(changes), set[bytes]()
        while line is None:
            publisher.outbox.work_left = 1
            line = publisher.lane.next_line()
            got = Counter(part.split(b" ")[2] for part in reader.got().split(b"MSG")[1:])
            assert not gone & set(got)
            counts += got
            for comes, pattern in next(turns, []):
                if comes:
                    late.append(reader.subscribe(pattern, b"%d" % len(subs)))
                    subs.append(late[-1])
                elif late:
                    world.remove(late[-1])
                    gone.add(late.pop().sid)

    wanted = {sub.sid for sub in staying if matches(sub.subject, b"a.b")}
    assert set(counts) & stays == wanted
    assert set(counts.values()) <= {1}


def wide_world(patch: pytest.MonkeyPatch) -> tuple[Account, FakePeer, FakePeer]:
    """A reader of `a.b` who is served in several turns, and a publisher."""
    shrunk(patch, receivers=1)
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    for number in range(MANY):
        reader.subscribe(b"a.*", b"%d" % number)
    return world, reader, publisher


def short_turn(publisher: FakePeer, data: bytes = b"") -> None:
    publisher.lane.feed(data)
    publisher.outbox.work_left = 180
    publisher.lane.next_line()


def test_what_is_forbidden_meanwhile_is_not_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    _, reader, publisher = wide_world(monkeypatch)
    short_turn(publisher, b"PUB a.b 1\r\nx\r\n")
    assert 0 < reader.got().count(b"MSG") < MANY

    reader.permissions = Permissions(Rules(), Rules(deny=(b"a.b",)))
    publisher.says(b"")

    assert reader.got() == b""


def test_a_publisher_that_is_lost_leaves_no_message_half_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, reader, publisher = wide_world(monkeypatch)
    later: list[object] = []
    monkeypatch.setattr(publisher, "outbox", Outbox(lambda: None, end_later=later.append))
    reader.outbox = publisher.outbox
    short_turn(publisher, b"PUB a.b 1\r\nx\r\n")
    first = reader.got().count(b"MSG")

    publisher.lane.end()
    while later:
        later.pop()()  # type: ignore[operator]

    assert 0 < first < MANY
    assert first + reader.got().count(b"MSG") == MANY


def test_who_asks_nobody_where_looking_takes_several_turns_is_told_so() -> None:
    with pytest.MonkeyPatch.context() as patch:
        _, reader, publisher = wide_world(patch)
        patch.setattr(sublist_module, "WALK_NODES_MAX", 0)
        reader.subscribe(b"a.c.d", b"x")
        reader.subscribe(b"*.c.*", b"y")
        publisher.no_responders = True
        publisher.subscribe(b"a.r", b"inbox")

        for _ in range(2):
            publisher.says(b"PUB a.q.d a.r 1\r\nx\r\n")
            assert publisher.got().startswith(b"HMSG a.r inbox ")


@pytest.mark.parametrize("kind", [Kind.CLIENT, Kind.LEAF])
def test_a_link_and_a_group_get_it_once(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    world, reader, _ = wide_world(monkeypatch)
    publisher, link = FakePeer(world, 8, kind), FakePeer(world, 9, Kind.LEAF)
    link.leaf = link.leaf._replace(is_hub=False)
    for number in range(3):
        link.subscribe(b"a.b" if number else b"a.>", b"%d" % number)
        reader.subscribe(b"a.b", b"g%d" % number, b"q")
    verb = b"LMSG a.b | q 1\r\nx\r\n" if kind is Kind.LEAF else b"PUB a.b 1\r\nx\r\n"

    short_turn(publisher, verb)
    publisher.says(b"")

    assert link.got() == b"LMSG a.b 1\r\nx\r\n"
    got = reader.got()
    assert (got.count(b"MSG"), got.count(b" g")) == (MANY + 1, 1)


def test_through_an_import_that_ends_meanwhile_nothing_more_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exporter, _, publisher = wide_world(monkeypatch)
    importer = Account("B", exporter.system.outbox)
    reader = FakePeer(importer, 5)
    for number in range(MANY):
        reader.subscribe(b"a.b", b"%d" % number)
    imports = StreamImports(importer, [StreamImport(exporter, b"a.b", b"a.b", None)])
    imports.start()
    short_turn(publisher, b"PUB a.b 1\r\nx\r\n" * 2)
    while not reader.pending_bytes:
        short_turn(publisher)
    assert reader.got().count(b"MSG") < MANY

    imports.stop()
    publisher.says(b"")

    assert reader.got() == b""


def test_what_the_server_sends_to_very_many_waits_for_its_turn_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, reader, _ = wide_world(monkeypatch)
    monkeypatch.setattr(parked, "TURN_WORK", 50)
    later: list[object] = []
    monkeypatch.setattr(world, "backlog", parked.Backlog(outbox := world.system.outbox))
    monkeypatch.setattr(outbox, "end_later", later.append)

    assert world.publish(b"a.b", b"1") == 1
    assert world.deliver(b"a.b", [(b"shown", b"r", 0, b"2"), (b"shown", b"r", 0, b"3")]) == 1
    assert world.has_interest(b"a.b")
    turns = 0
    while later:
        later.pop(0)()  # type: ignore[operator]
        turns += 1

    got = reader.got()
    assert turns > 3
    assert got.count(b"MSG a.b ") == MANY
    assert got.count(b"MSG shown ") == 2 * MANY
    assert got.index(b"\r\n1\r\n") < got.index(b"\r\n2\r\n") < got.index(b"\r\n3\r\n")
    assert (len(world.backlog), world.backlog.held_bytes) == (0, 0)


class Held:
    """A trace that notes who holds it."""

    only = False

    def __init__(self) -> None:
        self.held = 1
        self.noted = 0
        self.sent = 0

    def hold(self) -> None:
        assert self.held, "it is not sent yet"
        self.held += 1

    def release(self) -> None:
        self.held -= 1
        self.sent += not self.held

    def goes_to(self, _: object) -> None:
        self.noted += 1


@pytest.mark.parametrize("waiting", [0, BACKLOG_MAX])
def test_a_trace_waits_for_what_is_delivered_later(
    monkeypatch: pytest.MonkeyPatch, waiting: int
) -> None:
    world, _, _ = wide_world(monkeypatch)
    later: list[object] = []
    monkeypatch.setattr(world.system.outbox, "end_later", later.append)
    for _ in range(waiting):
        world.publish(b"a.b", b"before")
    trace = Held()

    deliver(world, world.system, Message(b"a.b", b"", 0, b"x", trace=trace))  # type: ignore[arg-type]
    assert (trace.held, trace.noted) == (2, 0)
    trace.release()
    while later:
        later.pop(0)()  # type: ignore[operator]

    assert (trace.held, trace.sent) == (0, 1)
    assert trace.noted == MANY


class Forward:
    """An import, as far as routing goes: everything is sent on in another account."""

    def __init__(self, to: Account) -> None:
        self.to = to

    def forward(self, origin: Peer, message: Message) -> int:
        return deliver(self.to, origin, message)


def importing(exporter: Account, *subjects: bytes, times: int = 1) -> Account:
    importer = Account("importer", exporter.system.outbox)
    for subject in subjects * times:
        sub = Subscription(importer.system, subject)
        sub.relay = Forward(exporter)
        importer.insert(sub)
    return importer


def test_who_sends_to_very_many_through_an_import_waits_for_it_and_nothing_is_overtaken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, reader, _ = wide_world(monkeypatch)
    reader.subscribe(b"few", b"few")
    publisher = FakePeer(importing(world, b"a.b", b"few", times=2), 9)
    wide = [b"%03d" % number for number in range(BACKLOG_MAX + 2)]
    publisher.lane.feed(
        b"".join(b"PUB a.b 3\r\n%b\r\n" % body for body in wide) + b"PUB few 4\r\nlast\r\nPING\r\n"
    )

    line, turns = None, 0
    while line is None:
        publisher.outbox.work_left = 180
        line = publisher.lane.next_line()
        assert publisher.outbox.work_left > -1000, "no turn takes more than a message's start"
        turns += 1

    got = reader.got()
    assert (line, len(world.backlog), turns > 2 * len(wide)) == (b"PING", 0, True)
    assert [got.count(b" 3\r\n%b\r\n" % body) for body in wide] == [2 * MANY] * len(wide)
    assert [got.rindex(wide[at]) < got.index(wide[at + 1]) for at in range(len(wide) - 1)] == [
        True
    ] * (len(wide) - 1)
    assert got.endswith(b"MSG few few 4\r\nlast\r\n" * 2)


def test_what_a_peer_sends_through_an_import_is_delivered_though_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, reader, _ = wide_world(monkeypatch)
    publisher = FakePeer(importing(world, b"a.b", times=3), 9)
    later: list[Callable[[], None]] = []
    monkeypatch.setattr(outbox := world.system.outbox, "end_later", later.append)
    short_turn(publisher, b"PUB a.b 1\r\nx\r\n")

    publisher.closing = True
    publisher.lane.end()
    while later:
        outbox.work_left = 180
        later.pop(0)()

    assert reader.got().count(b"MSG") == 3 * MANY
    assert (len(outbox.left), publisher.parked) == (0, None)


def test_what_another_accounts_server_sends_overtakes_nothing_and_its_own_only_where_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, reader, _ = wide_world(monkeypatch)
    reader.subscribe(b"few", b"few")
    importer = importing(world, b"a.b", b"few")
    later: list[Callable[[], None]] = []
    monkeypatch.setattr(outbox := world.system.outbox, "end_later", later.append)

    assert importer.publish(b"few", b"0") == 1
    assert importer.publish(b"a.b", b"wide") == 1
    assert importer.publish(b"few", b"1") == 1
    assert world.publish(b"few", b"2") == 1
    assert world.publish(b"few", b"3", in_order=True) == 1
    assert len(world.backlog) == 3
    while later:
        outbox.work_left = 180
        later.pop(0)()

    got = reader.got()
    few = [got.index(b"MSG few few 1\r\n%d" % number) for number in (0, 2, 1, 3)]
    assert few == sorted(few)
    assert few[1] < got.index(b"wide") < got.rindex(b"wide") < few[2]


def test_while_enough_waits_the_accounts_connections_wait_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, reader, publisher = wide_world(monkeypatch)
    importer = importing(world, b"few")
    through, apart = FakePeer(importer, 8), FakePeer(Account("C", world.system.outbox), 9)
    later: list[Callable[[], None]] = []
    monkeypatch.setattr(world.system.outbox, "end_later", later.append)
    for _ in range(BACKLOG_MAX):
        world.publish(b"a.b", b"wide")

    assert one_turn(publisher, b"PUB x 1\r\nx\r\nPING\r\n") is None
    assert one_turn(through, b"PING\r\nPUB few 1\r\nx\r\nPING\r\n") == b"PING"
    assert one_turn(through) is None, "what it sends there may have the server send more"
    assert one_turn(apart, b"PING\r\n") == b"PING"
    assert [one.lane.starved for one in (publisher, through)] == [True, True]
    assert publisher.traffic.in_msgs == 0
    assert not world.takes_news(b"a.b")
    assert world.takes_news(b"few")
    assert (world.backlog.held, world.backlog.dropped) == (2, 1)
    while later:
        world.system.outbox.work_left = TURN_WORK
        later.pop(0)()

    assert (one_turn(publisher), one_turn(through)) == (b"PING", b"PING")
    assert world.takes_news(b"a.b")
    assert reader.got().count(b"MSG") == BACKLOG_MAX * MANY


def test_a_message_that_is_traced_and_has_several_turns_is_sent_once_with_all_its_notes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, _, publisher = wide_world(monkeypatch)
    trace = Held()
    publisher.outbox.work_left = 60

    parked.begin(
        publisher,
        spread(world, publisher, Message(b"a.b", b"", 0, b"x", trace=trace)),  # type: ignore[arg-type]
    )
    trace.release()
    assert (trace.sent, publisher.parked is None) == (0, False)
    parked.leave(publisher)

    assert (trace.sent, trace.noted) == (1, MANY)
