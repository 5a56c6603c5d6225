"""leafnode.routing.mapping, and how a client's messages are routed by it."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from leafnode.limits import TURN_WORK, WALK_WORK
from leafnode.routing.mapping import MappedSubject, Mappings, Weighted
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules
from tests.sim.making import counted
from tests.sim.peers import FakePeer, account, outbox


def mappings(*entries: MappedSubject) -> Mappings:
    return Mappings(entries, random.Random(1))


def one(source: bytes, *destinations: tuple[bytes, int]) -> MappedSubject:
    return MappedSubject(source, [Weighted(*entry) for entry in destinations])


def drawn(entry: MappedSubject, subject: bytes) -> Counter[bytes]:
    chosen = mappings(entry)
    return Counter(chosen.choose(subject) for _ in range(1000))


def test_what_is_not_mapped_stays() -> None:
    chosen = mappings(one(b"a", (b"b", 100)))

    assert chosen.always(b"c") == b"c"
    assert chosen.choose(b"c") == b"c"


def test_one_destination_for_all_is_known_before() -> None:
    assert mappings(one(b"a.*", (b"b.$1", 100))).always(b"a.x") == b"b.x"
    assert mappings(one(b"a", (b"b", 50))).always(b"a") is None
    assert mappings(one(b"a", (b"b.{{random(2)}}", 100))).always(b"a") is None


def test_the_first_source_that_matches_holds() -> None:
    chosen = mappings(
        one(b"a.>", (b"first.>", 100)), one(b"a.x", (b"second", 100)), one(b"b", (b"c", 100))
    )

    assert chosen.choose(b"a.x") == b"first.x"
    assert chosen.choose(b"b") == b"c"


def test_weights_that_leave_something_open_leave_it_on_the_source() -> None:
    counts = drawn(one(b"a.*", (b"b.$1", 20), (b"c.$1", 30)), b"a.x")

    assert counts.keys() == {b"a.x", b"b.x", b"c.x"}
    assert 150 < counts[b"b.x"] < 250
    assert 250 < counts[b"c.x"] < 350


def test_a_source_among_its_own_destinations_means_that_the_rest_is_lost() -> None:
    counts = drawn(one(b"a", (b"a", 30), (b"b", 30)), b"a")

    assert counts.keys() == {b"a", b"b", b""}
    assert 300 < counts[b""] < 500


def test_a_client_s_message_goes_where_the_mapping_says_fast_and_slow() -> None:
    world = account()
    world.map_subjects(mappings(one(b"a.*", (b"b.$1", 100)), one(b"w", (b"w.1", 50), (b"w.2", 50))))
    client = FakePeer(world)
    client.subscribe(b">", b"1")

    client.says(b"PUB a.x 2\r\nhi\r\nPUB a.x r 2\r\nho\r\npub a.x 2\r\nhe\r\n")

    assert client.got() == (b"MSG b.x 1 2\r\nhi\r\nMSG b.x 1 r 2\r\nho\r\nMSG b.x 1 2\r\nhe\r\n")
    client.says(b"PUB w 0\r\n\r\n" * 20)
    assert {line for line in client.got().split(b"\r\n") if line} == {
        b"MSG w.1 1 0",
        b"MSG w.2 1 0",
    }


def test_a_new_mapping_holds_for_connected_clients_at_once() -> None:
    world = account()
    client = FakePeer(world)
    client.subscribe(b">", b"1")
    client.says(b"PUB a 0\r\n\r\nPUB a 0\r\n\r\n")
    client.got()

    world.map_subjects(mappings(one(b"a", (b"b", 100))))
    client.says(b"PUB a 0\r\n\r\n")
    assert client.got() == b"MSG b 1 0\r\n\r\n"

    world.map_subjects(None)
    client.says(b"PUB a 0\r\n\r\n")
    assert client.got() == b"MSG a 1 0\r\n\r\n"


def test_permissions_judge_where_a_client_s_message_leads() -> None:
    world = account()
    world.map_subjects(mappings(one(b"a", (b"b", 100))))
    client = FakePeer(world)
    client.permissions = Permissions(Rules([b"a"]), Rules(None))

    client.says(b"PUB a 0\r\n\r\n")

    assert client.got() == b"-ERR 'Permissions Violation for Publish to \"b\"'\r\n"


def test_sources_are_interest_that_leaf_links_bring() -> None:
    world = account()
    world.map_subjects(mappings(one(b"a.*", (b"b.$1", 100))))
    assert world.local_interest == {(b"a.*", b""): 1}

    world.map_subjects(None)
    assert world.local_interest == {}


def test_many_mappings_are_made_in_steps() -> None:
    many = [one(b"a.%d.*" % number, (b"b.$1", 100)) for number in range(500)]

    made, steps = counted(Mappings.made(many, random.Random(1)))

    assert made.choose(b"a.7.x") == b"b.x"
    assert steps >= 500 // 32


@pytest.mark.parametrize("line", [b"LMSG a 2\r\nhi\r\n", b"LMSG a r 2\r\nhi\r\n"])
def test_a_mapped_message_of_a_leaf_reaches_groups_that_its_hub_does_not_know(
    line: bytes,
) -> None:
    world = account()
    world.map_subjects(mappings(one(b"a", (b"b", 100))))
    client, leaf = FakePeer(world, 1), FakePeer(world, 2, Kind.LEAF)
    client.subscribe(b"b", b"1", b"q")

    leaf.says(line)

    assert client.got() == line.replace(b"LMSG a", b"MSG b 1")


def test_of_very_many_mappings_few_are_looked_at_and_those_are_work() -> None:
    payer = outbox()
    entries = [one(b"t.*.d%d" % number, (b"z.$1", 100)) for number in range(1000)]
    several = Mappings(entries, random.Random(1), payer)
    before = payer.work_left

    assert several.choose(b"t.x.d999") == b"z.x"
    assert several.choose(b"q.x") == b"q.x"

    assert 0 < before - payer.work_left <= 2 * 4 * WALK_WORK


def test_what_goes_through_each_byte_of_a_subject_is_work_of_the_turn() -> None:
    payer = outbox()
    entries = [
        one(b"p.*", (b"q.{{partition(10,1,1)}}.$1", 100)),
        one(b"s.*", (b"t.{{split(1,-)}}", 50)),
        one(b"w.*", (b"x.$1", 100)),
    ]
    chosen = Mappings(entries, random.Random(1), payer)

    def work(subject: bytes) -> int:
        payer.renew_work()
        chosen.choose(subject)
        return TURN_WORK - payer.work_left

    assert work(b"p." + b"a" * 1000) >= 2000 + work(b"w." + b"a" * 1000)
    assert work(b"w." + b"a" * 1000) == work(b"w.a")
    payer.renew_work()
    chosen.always(b"p." + b"a" * 1000)
    assert TURN_WORK - payer.work_left >= 2000
