"""leafnode.routing.imports: which shadows a subscription gets, and what comes through them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leafnode.limits import SHADOW_WORK, TOKEN_WORK, TURN_WORK
from leafnode.protocol.transform import Transform
from leafnode.routing import imports
from leafnode.routing.account import Account
from leafnode.routing.imports import StreamImport, StreamImports
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.subscription import Subscription
from tests.sim.imports import Slices, replace_imports, stream_import
from tests.sim.peers import FakePeer, outbox

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery


class World:
    """An exporting account and one that imports from it."""

    def __init__(self, *imports: tuple[bytes, bytes]) -> None:
        shared = outbox()
        self.exporter = Account("E", shared)
        self.importer = Account("I", shared)
        self.imports = StreamImports(
            self.importer, [stream_import(self.exporter, *one) for one in imports]
        )
        self.imports.start()
        self.publisher = FakePeer(self.exporter, 1)
        self.subscriber = FakePeer(self.importer, 2)


@pytest.mark.parametrize(
    ("source", "local", "subject", "shadow"),
    [
        (b"a.*", b"a.*", b"a.*", b"a.*"),
        (b"a.*", b"a.*", b"a.x", b"a.x"),
        (b"a.*", b"a.*", b">", b"a.*"),
        (b"a.*", b"a.*", b"b.x", None),
        (b"a.*.*", b"in.$2.$1", b"in.*.x", b"a.x.*"),
        (b"a.*.*", b"in.$2.$1", b"in.>", b"a.*.*"),
        (b"a.*.*", b"in.$2.$1", b"*.y.*", b"a.*.y"),
        (b"a.>", b"in.a.>", b"in.a.x.>", b"a.x.>"),
        (b"a.>", b"in.a.>", b"*.a.*", b"a.*"),
        (b"a", b"b", b"*", b"a"),
        (b"a.>", b"in.a.>", b"in.a", None),
    ],
)
def test_a_subscription_gets_what_it_and_the_import_have_in_common(
    source: bytes, local: bytes, subject: bytes, shadow: bytes | None
) -> None:
    tokens = subject.split(b".")

    assert stream_import(Account("E", outbox()), source, local).shadow_of(tokens) == shadow


def test_a_message_arrives_under_the_importer_s_subject_and_only_there() -> None:
    world = World((b"a.*.*", b"in.$2.$1"))
    world.subscriber.subscribe(b"in.>", b"7")

    world.publisher.says(b"PUB a.x.y 2\r\nhi\r\nPUB a.x.y r 2\r\nho\r\nPUB in.x.y 2\r\nno\r\n")

    assert world.subscriber.got() == b"MSG in.y.x 7 2\r\nhi\r\nMSG in.y.x 7 r 2\r\nho\r\n"


def test_no_stream_import_brings_requests_to_the_server_s_own_services() -> None:
    """Else clients of the exporter could ask JetStream to purge what the importer keeps."""
    asked: list[bytes] = []
    heard: list[bytes] = []
    world = World((b">", b">"))
    account = world.importer
    account.subscribe(b"$JS.API.>", lambda run: asked.append(run.subject), is_service=True)
    account.subscribe(b"$JS.API.>", lambda run: heard.append(run.subject))

    world.publisher.says(b"PUB $JS.API.STREAM.PURGE.S 0\r\n\r\n")
    assert (asked, heard) == ([], [b"$JS.API.STREAM.PURGE.S"])

    world.subscriber.says(b"PUB $JS.API.STREAM.PURGE.S 0\r\n\r\n")
    assert asked == [b"$JS.API.STREAM.PURGE.S"]


def test_no_stream_import_brings_anything_to_what_is_private() -> None:
    heard: list[bytes] = []
    world = World((b">", b">"))
    account = world.importer
    account.subscribe(b"a", lambda run: heard.append(run.subject), is_private=True)

    world.publisher.says(b"PUB a 0\r\n\r\n")
    assert heard == []

    world.subscriber.says(b"PUB a 0\r\n\r\n")
    assert heard == [b"a"]


def test_nothing_goes_the_other_way() -> None:
    world = World((b"a", b"a"))
    world.publisher.subscribe(b"a", b"1")

    world.subscriber.says(b"PUB a 2\r\nhi\r\n")

    assert world.publisher.got() == b""


def test_overlapping_imports_deliver_once_each() -> None:
    world = World((b"a.*", b"a.*"), (b"a.>", b"in.a.>"))
    world.subscriber.subscribe(b">", b"1")

    world.publisher.says(b"PUB a.x 2\r\nhi\r\n")

    got = world.subscriber.got()
    assert sorted(got.split(b"MSG ")[1:]) == [b"a.x 1 2\r\nhi\r\n", b"in.a.x 1 2\r\nhi\r\n"]


def test_queue_groups_are_one_group_over_both_accounts() -> None:
    world = World((b"a", b"a"))
    world.subscriber.subscribe(b"a", b"1", b"q")
    world.publisher.subscribe(b"a", b"1", b"q")

    world.publisher.says(b"PUB a 2\r\nhi\r\n" * 10)

    assert world.subscriber.got().count(b"hi") == 5
    assert world.publisher.got().count(b"hi") == 5


def test_an_unsub_limit_counts_both_accounts_and_ends_the_shadow() -> None:
    world = World((b"a", b"a"))
    sub = world.subscriber.subscribe(b"a", b"1")
    sub.max_msgs = 2

    world.subscriber.says(b"PUB a 1\r\n1\r\n")
    world.publisher.says(b"PUB a 1\r\n2\r\nPUB a 1\r\n3\r\n")

    assert world.subscriber.got() == b"MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n"
    assert world.exporter.sublist.count == world.importer.sublist.count == 0
    assert world.subscriber.subs == {}


def test_permissions_of_the_subscriber_speak_of_what_it_sees() -> None:
    world = World((b"a.*", b"in.$1"))
    world.subscriber.permissions = Permissions(Rules(None), Rules(None, [b"in.no"]))
    world.subscriber.subscribe(b"in.*", b"1")

    world.publisher.says(b"PUB a.no 0\r\n\r\nPUB a.yes 0\r\n\r\n")

    assert world.subscriber.got() == b"MSG in.yes 1 0\r\n\r\n"


def test_a_part_of_the_server_and_a_leaf_link_get_it_too() -> None:
    world = World((b"a.*", b"in.$1"))
    runs: list[Delivery] = []
    world.importer.subscribe(b"in.*", runs.append)
    leaf = FakePeer(world.importer, 3, Kind.LEAF)
    leaf.subscribe(b"in.>", b"in.>")

    world.publisher.says(b"PUB a.x r 2\r\nhi\r\n")
    world.exporter.publish(b"a.y", b"ho")

    assert [(run.subject, run.messages) for run in runs] == [
        (b"in.x", [(b"r", 0, b"hi")]),
        (b"in.y", [(b"", 0, b"ho")]),
    ]
    assert leaf.got() == b"LMSG in.x r 2\r\nhi\r\nLMSG in.y 2\r\nho\r\n"


def test_imports_come_and_go_for_connected_clients() -> None:
    world = World()
    world.subscriber.subscribe(b"in.>", b"1")
    later = StreamImports(world.importer, [stream_import(world.exporter, b"a", b"in.a")])

    later.start()
    world.publisher.says(b"PUB a 1\r\n1\r\n")
    later.stop()
    world.publisher.says(b"PUB a 1\r\n2\r\n")

    assert world.subscriber.got() == b"MSG in.a 1 1\r\n1\r\n"
    assert world.exporter.sublist.count == 0
    assert world.exporter.local_interest == {}


MANY = 1000


def test_an_import_that_stays_keeps_its_shadows() -> None:
    world = World((b"a", b"in.a"), (b"b", b"in.b"))
    world.subscriber.subscribe(b"in.*", b"1")
    before = world.exporter.sublist.changes

    replace_imports(
        world.imports,
        [
            stream_import(world.exporter, b"b", b"in.b"),
            stream_import(world.exporter, b"a", b"in.a"),
        ],
    )
    assert world.exporter.sublist.changes == before
    replace_imports(world.imports, [stream_import(world.exporter, b"a", b"in.a")])
    world.publisher.says(b"PUB a 0\r\n\r\nPUB b 0\r\n\r\n")

    assert world.exporter.sublist.changes == before + 1
    assert world.subscriber.got() == b"MSG in.a 1 0\r\n\r\n"


def test_shadows_of_many_subscriptions_come_in_slices_and_go_in_slices() -> None:
    world = World()
    slices = Slices(world.importer.system.outbox)
    for number in range(MANY):
        world.subscriber.subscribe(b"in.%d.*" % number, b"%d" % number)
    counts = []

    replace_imports(world.imports, [stream_import(world.exporter, b"a.>", b"in.>")])
    counts.append(world.exporter.sublist.count)
    world.subscriber.subscribe(b"in.new", b"new")
    world.importer.remove(world.subscriber.subs.pop(b"999"))
    while slices.next():
        counts.append(world.exporter.sublist.count)
    assert max(after - before for before, after in pairwise(counts)) * SHADOW_WORK <= 2 * TURN_WORK
    assert world.exporter.sublist.count == MANY

    world.publisher.says(b"PUB a.7.x 0\r\n\r\nPUB a.new 0\r\n\r\n")
    assert world.subscriber.got() == b"MSG in.7.x 7 0\r\n\r\nMSG in.new new 0\r\n\r\n"
    world.imports.stop()
    assert 0 < world.exporter.sublist.count < MANY
    world.publisher.says(b"PUB a.7.x 0\r\n\r\nPUB a.new 0\r\n\r\n")
    assert world.subscriber.got() == b""
    while slices.next():
        pass
    assert world.exporter.sublist.count == 0
    assert world.exporter.local_interest == {}


def test_one_subscription_is_held_against_many_imports_in_slices() -> None:
    world = World()
    slices = Slices(world.importer.system.outbox)
    world.subscriber.subscribe(b"in.>", b"1")
    many = [
        stream_import(world.exporter, b"a.%d" % number, b"in.%d" % number) for number in range(MANY)
    ]

    replace_imports(world.imports, many)
    assert 0 < world.exporter.sublist.count < MANY // 2
    while slices.next():
        pass
    assert world.exporter.sublist.count == MANY


def many_imports(world: World) -> None:
    replace_imports(
        world.imports,
        [
            stream_import(world.exporter, b"a.%d" % number, b"in.%d" % number)
            for number in range(MANY)
        ],
    )


def test_who_subscribes_to_many_imports_is_read_on_once_all_are_in_place() -> None:
    world = World()
    many_imports(world)
    subscriber, last = world.subscriber, b"PUB a.%d 0\r\n\r\n" % (MANY - 1)
    subscriber.lane.feed(b"PING\r\n")
    counts = [0]

    subscriber.subscribe(b"in.>", b"1")
    line = None
    while line is None:
        counts.append(world.exporter.sublist.count)
        subscriber.outbox.work_left = TURN_WORK
        line = subscriber.lane.next_line()

    assert (line, world.exporter.sublist.count) == (b"PING", MANY)
    assert max(after - before for before, after in pairwise(counts)) * SHADOW_WORK <= 2 * TURN_WORK
    world.publisher.says(last)
    assert subscriber.got() == b"MSG in.%d 1 0\r\n\r\n" % (MANY - 1)


def test_a_part_of_the_server_waits_for_no_import_and_nobody_for_it() -> None:
    world = World()
    many_imports(world)
    slices = Slices(world.importer.system.outbox)
    board = Peer(0, Kind.SYSTEM, world.importer.system.outbox)
    board.account = world.importer
    counts = [0]

    world.importer.insert(Subscription(board, b"in.>", sid=b"1", handler=lambda _: None))
    while counts[-1] < MANY:
        counts.append(world.exporter.sublist.count)
        assert board.parked is None
        slices.next()

    assert max(after - before for before, after in pairwise(counts)) * SHADOW_WORK <= 2 * TURN_WORK


@pytest.mark.parametrize("count", [100, 4000])
def test_imports_that_a_subscription_does_not_overlap_are_no_work(count: int) -> None:
    others = [(b"a.%d.>" % number, b"in.%d.>" % number) for number in range(count)]
    world = World(*others, (b"b.>", b"x.>"))
    outbox = world.importer.system.outbox
    outbox.work_left = TURN_WORK

    subs = [world.subscriber.subscribe(b"x.%d.*" % number, b"%d" % number) for number in range(50)]
    for sub in subs:
        world.importer.remove(sub)

    assert TURN_WORK - outbox.work_left <= 50 * 2 * (2 * SHADOW_WORK)


@pytest.mark.parametrize("queue", [b"", b"q"])
def test_what_ends_together_gets_nothing_more_though_its_shadows_are_still_there(
    queue: bytes,
) -> None:
    world = World((b"a.>", b"in.>"))
    slices = Slices(world.importer.system.outbox)
    heard: list[bytes] = []
    subjects = [b"in.%d" % number for number in range(1000)] + [b"in.x"] * 20
    subs = [
        world.importer.subscribe(subject, lambda run: heard.append(run.subject), queue=queue)
        for subject in subjects
    ]
    kept = world.importer.subscribe(b"in.x", lambda _: heard.append(b"kept"), queue=queue)
    for _ in range(3):
        world.publisher.says(b"PUB a.x 0\r\n\r\n")
    assert heard
    heard.clear()

    world.importer.remove_all(subs)
    assert world.exporter.sublist.count > 21
    for _ in range(3):
        world.publisher.says(b"PUB a.x 0\r\n\r\n")

    assert heard == [b"kept"] * 3
    slices.all()
    assert [sub.shadow.source for sub in world.exporter.sublist if sub.shadow] == [kept]


@pytest.mark.parametrize("at_once", [False, True])
def test_who_unsubscribes_from_many_imports_gets_nothing_more(*, at_once: bool) -> None:
    world = World()
    slices = Slices(world.importer.system.outbox)
    many_imports(world)
    world.subscriber.subscribe(b"in.>", b"1")
    if not at_once:
        world.subscriber.says(b"")
    before = world.exporter.sublist.count

    world.importer.remove(world.subscriber.subs.pop(b"1"))
    assert world.exporter.sublist.count > before - 2 * TURN_WORK // SHADOW_WORK
    world.publisher.says(b"PUB a.0 0\r\n\r\nPUB a.%d 0\r\n\r\n" % (MANY - 1))
    world.subscriber.says(b"")
    while slices.next():
        pass

    assert world.subscriber.got() == b""
    assert world.exporter.sublist.count == 0
    assert world.exporter.local_interest == {}


@pytest.mark.parametrize("subject", [b"in.%d", b"in.%d.*", b"in.*.%d"])
@given(gone=st.lists(st.integers(0, 3 * MANY), min_size=1, max_size=8))
@settings(max_examples=10, deadline=None)
@example(gone=[0] * 8)
@example(gone=[MANY // 2] * 8)
def test_who_unsubscribes_between_two_slices_takes_no_shadow_from_others(
    subject: bytes, gone: list[int]
) -> None:
    world = World()
    slices = Slices(world.importer.system.outbox)
    for number in range(3 * MANY):
        world.subscriber.subscribe(subject % number, b"%d" % number)
    fresh = stream_import(world.exporter, b"a.>", b"in.>")

    replace_imports(world.imports, [fresh])
    for turn, first in enumerate(gone * 3):
        slices.next()
        for sid in list(world.subscriber.subs)[first : first + 20]:
            world.importer.remove(world.subscriber.subs.pop(sid))
        world.subscriber.subscribe(subject % (5 * MANY + turn), b"new%d" % turn)
    while slices.next():
        pass

    assert fresh.shadows.keys() == set(world.subscriber.subs.values())
    assert world.exporter.sublist.count == len(world.subscriber.subs)


def test_an_import_that_goes_before_its_shadows_are_there_leaves_none() -> None:
    world = World()
    slices = Slices(world.importer.system.outbox)
    for number in range(MANY):
        world.subscriber.subscribe(b"in.%d.*" % number, b"%d" % number)

    replace_imports(world.imports, [stream_import(world.exporter, b"a.>", b"in.>")])
    replace_imports(world.imports, [stream_import(world.exporter, b"b.>", b"in.>")])
    while slices.next():
        pass

    assert world.exporter.sublist.count == MANY
    assert {sub.subject.split(b".")[0] for sub in world.exporter.sublist} == {b"b"}


def test_each_shadow_is_work_of_who_subscribes_and_unsubscribes() -> None:
    count = 200
    world = World(*((b"a.%d.>" % number, b"in.%d.>" % number) for number in range(count)))
    outbox = world.importer.system.outbox

    before = outbox.work_left
    sub = world.subscriber.subscribe(b"in.>", b"1")
    between = outbox.work_left
    world.importer.remove(sub)

    assert before - between >= count * SHADOW_WORK
    assert between - outbox.work_left >= count * SHADOW_WORK


class _Counted(bytes):
    """A subject that counts how often it is taken apart."""

    splits = 0

    def split(self, *args: object) -> list[bytes]:
        _Counted.splits += 1
        return super().split(*args)  # type: ignore[arg-type]


def test_a_long_subject_is_taken_apart_once_and_its_shadow_is_work_by_its_tokens() -> None:
    count, tokens = 50, 1000
    world = World((b"a.>", b"a.>"), *((b"e%d.*" % n, b"e%d.*" % n) for n in range(count)))
    outbox = world.importer.system.outbox
    _Counted.splits = 0

    before = outbox.work_left
    sub = world.subscriber.subscribe(_Counted(b"a" + b".a" * tokens), b"1")
    between = outbox.work_left
    world.importer.remove(sub)

    assert _Counted.splits <= 4, "not for each import"
    assert before - between >= TOKEN_WORK * tokens
    assert between - outbox.work_left >= TOKEN_WORK * tokens


def test_a_shadow_is_interest_of_the_exporter_s_account() -> None:
    world = World((b"a.*", b"in.$1"))

    world.subscriber.subscribe(b"in.x", b"1")

    assert world.exporter.local_interest == {(b"a.x", b""): 1}


def test_a_delivery_of_a_stream_keeps_the_message_s_own_subject() -> None:
    world = World((b"deliver", b"to"))
    world.subscriber.subscribe(b"to", b"1")

    received = world.exporter.deliver(b"deliver", [(b"stored", b"ack", 0, b"hi")])

    assert received == 1
    assert world.subscriber.got() == b"MSG stored 1 ack 2\r\nhi\r\n"


def test_a_peer_of_many_ends_is_given_nothing_by_way_of_imports_either() -> None:
    exporter, importer = Account("E", outbox()), Account("I", outbox())
    StreamImports(importer, [stream_import(exporter, b"a.>", b"a.>")]).start()
    exporter.sublist.match(b"a.b")
    before = exporter.sublist.generation

    importer.spoil()

    assert exporter.sublist.generation != before


def test_a_subject_is_renamed_once_for_all_who_receive_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World((b"a.*", b"b.$1"))
    readers = [FakePeer(world.importer, number) for number in range(3, 13)]
    for reader in readers:
        reader.subscribe(b"b.*", b"1")
    renamed: list[bytes] = []
    apply = Transform.apply

    def noted(transform: Transform, subject: bytes) -> bytes:
        renamed.append(subject)
        return apply(transform, subject)

    monkeypatch.setattr(Transform, "apply", noted)

    world.publisher.says(b"PUB a.x 0\r\n\r\nPUB a.y 0\r\n\r\n")

    assert renamed == [b"a.x", b"a.y"]
    assert {reader.got() for reader in readers} == {b"MSG b.x 1 0\r\n\r\nMSG b.y 1 0\r\n\r\n"}


@pytest.mark.parametrize("when", ["before", "after", "replaced"])
def test_of_many_imports_a_subscription_is_held_against_few(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SUB took 9 ms with 9,000 imports."""
    count = 2000
    pairs = [(b"a.%d.*" % number, b"in.%d.*" % number) for number in range(count)]
    world = World(*(pairs if when != "replaced" else pairs[:3]))
    if when == "replaced":
        more = [stream_import(world.exporter, *one) for one in pairs]
        replace_imports(world.imports, more)
    looked: list[bytes] = []
    shadow_of = StreamImport.shadow_of

    def counting(one: StreamImport, tokens: list[bytes]) -> bytes | None:
        looked.append(one.local)
        return shadow_of(one, tokens)

    monkeypatch.setattr(StreamImport, "shadow_of", counting)
    world.subscriber.subscribe(b"in.7.x", b"1")
    world.subscriber.subscribe(b"in.*.y", b"2")
    if when == "before":
        looked.clear()
        replace_imports(world.imports, [stream_import(world.exporter, b"b.*", b"in.8.*")])
        replace_imports(world.imports, [stream_import(world.exporter, *one) for one in pairs])
    world.publisher.says(b"PUB a.7.x 1\r\nx\r\nPUB a.9.y 1\r\ny\r\nPUB a.7.z 1\r\nz\r\n")

    assert len(looked) <= count + 3
    assert looked.count(b"in.8.*") <= 3
    got = world.subscriber.got()
    assert got.count(b"MSG in.7.x 1 1\r\nx\r\n") == 1
    assert got.count(b"MSG in.9.y 2 1\r\ny\r\n") == 1
    assert got.count(b"MSG") == 2


@given(
    st.lists(st.sampled_from([b"a.*", b"a.b", b"*.b", b"a.>", b"b.*.*", b">"]), max_size=6),
    st.lists(st.sampled_from([b"a.x", b"*.b", b"a.>", b"b.*.c", b">", b"*.*"]), max_size=6),
    st.booleans(),
)
def test_many_imports_have_the_shadows_that_few_have(
    locals_: list[bytes], subjects: list[bytes], first: bool
) -> None:
    def shadows(few: int) -> list[set[bytes]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(imports, "_FEW", few)
            world = World(*([] if first else [(one, one) for one in locals_]))
            for number, subject in enumerate(subjects):
                world.subscriber.subscribe(subject, b"%d" % number)
            if first:
                replace_imports(
                    world.imports, [stream_import(world.exporter, one, one) for one in locals_]
                )
            return [
                {shadow.subject for shadow in one.shadows.values()}
                for one in world.imports._imports
            ]

    assert shadows(0) == shadows(64)
