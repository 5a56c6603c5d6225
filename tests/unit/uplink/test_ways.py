"""Under which subjects messages may be at the hub."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from leafnode import limits
from leafnode.config.options import UplinkStream
from leafnode.nuid import hash8
from leafnode.uplink.answers import MADE_KEY, HubMessage, StreamInfo, stream_info
from leafnode.uplink.onward import InFlight, Origin, Place
from leafnode.uplink.position import NOT_ACKED, Acked, Latest
from leafnode.uplink.ways import (
    Identity,
    Reached,
    Record,
    Renaming,
    Way,
    Ways,
    decode,
    encode,
    renaming_of,
)

ORIGIN = Origin("edge", "EV", "x")
OPTIONS = UplinkStream(stream="EV", hub_stream="AGG", domain="hub")


def record(*prefixes: str, renamings: tuple[Renaming, ...] = ()) -> Record:
    return Record("AGG", "hub", [Way(prefix) for prefix in prefixes], list(renamings), since=0)


def local_stream(last_seq: int, made: str = "then", created: str = "") -> StreamInfo:
    metadata = f'"config":{{"metadata":{{"{MADE_KEY}":"{made}"}}}}'
    body = f'{{"created":"{created or made}",{metadata},"state":{{"last_seq":{last_seq}}}}}'
    stream = stream_info(body.encode())
    assert isinstance(stream, StreamInfo)
    return stream


def test_a_stream_is_asked_for_under_each_prefix_that_it_had_the_one_of_now_first() -> None:
    ways = Ways(OPTIONS, "new.")
    assert ways.take(record("old.", "older."))

    asked = ["new.ev.>", "old.ev.>", "older.ev.>"]
    assert ways.questions(["ev.>"], []) == asked
    assert ways.record().ways == [Way("old."), Way("older.")]  # nothing went under it yet
    assert not ways.is_used
    ways.use()
    assert ways.is_used
    assert ways.record().ways == [Way("old."), Way("older."), Way("new.")]


def test_so_many_prefixes_are_kept_the_newest_and_all_of_them_are_asked_for() -> None:
    ways = Ways(OPTIONS, "new.")
    ways.take(record("1.", "2.", "3.", "4.", "5."))

    asked = ways.questions(["ev.>"], [])
    assert asked == ["new.ev.>", "2.ev.>", "3.ev.>", "4.ev.>", "5.ev.>"]
    ways.use()
    assert ways.record().ways == [Way("3."), Way("4."), Way("5."), Way("new.")]


def test_what_is_kept_already_is_not_kept_again() -> None:
    assert not Ways(OPTIONS, "new.").take(record("old.", "new."))
    assert Ways(OPTIONS, "new.").take(record("new.", "old."))  # it was changed back
    assert Ways(OPTIONS, "new.").take(Record("OTHER", "hub", [Way("new.")]))


def test_what_is_kept_of_another_hub_says_nothing() -> None:
    ways = Ways(OPTIONS, "new.")
    ways.take(Record("OTHER", "hub", [Way("old.")], [Renaming("", "x.")]))

    assert ways.questions(["ev.>"], []) == ["new.ev.>"]


def test_messages_that_no_pattern_stands_for_are_asked_for_by_their_subject() -> None:
    ways = Ways(OPTIONS, "e.")

    assert ways.questions(["ev.>"], [b"ev.a", b"gone.a"]) == ["e.ev.>", "e.gone.a"]
    # Everything may be everybody's: of a mirror what is here is asked for by itself, too.
    assert ways.questions([">"], [b"ev.a"]) == ["e.>", "e.ev.a"]


def test_more_subjects_than_the_limit_are_not_asked_for() -> None:
    most = [f"s{number}" for number in range(limits.UPLINK_QUESTIONS_MAX)]
    ways = Ways(OPTIONS, "e.")

    assert ways.questions(most, []) is not None
    assert ways.questions(most, [b"one.more"]) is None


@pytest.mark.parametrize(
    ("sent", "seen", "renaming"),
    [
        ("e.ev.a", "plant.e.ev.a", Renaming("", "plant.")),
        ("e.ev.a", "plant.ev.a", Renaming("e.", "plant.")),
        ("e.ev.a", "ev.a", Renaming("e.", "")),
        ("e.ev.a", "a.ev.e", None),
        ("e.ev.a", "x", None),
    ],
)
def test_what_the_hub_makes_of_the_front_of_a_subject_is_learned(
    sent: str, seen: str, renaming: Renaming | None
) -> None:
    ways = Ways(OPTIONS, "e.")

    assert renaming_of(sent, seen) == renaming
    assert ways.learn(sent, seen) is (renaming is not None)
    assert ways.names(sent) == ([sent, seen] if renaming else [sent])


def test_so_many_renamings_are_kept_the_newest() -> None:
    ways = Ways(OPTIONS, "e.")
    for number in range(limits.UPLINK_RENAMINGS_MAX + 1):
        ways.learn("e.a", f"x{number}.e.a")

    assert ways.names("e.b") == ["e.b", "x1.e.b", "x2.e.b"]
    assert len(ways.record().renamings) == limits.UPLINK_RENAMINGS_MAX


def test_a_record_comes_back_as_it_was() -> None:
    kept = record("old.", "new.", renamings=(Renaming("e.", "p."),))

    assert decode(encode(kept)) == kept


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b'{"ways":3}', b'{"ways":[{}]}', b"[" * 100_000, b"null"]
)
def test_what_somebody_else_wrote_says_nothing(body: bytes) -> None:
    assert decode(body) == Record()


def test_prefixes_that_are_none_are_left_out() -> None:
    bad = Way("ok.", (("a.*", "b.{{nothing(1)}}"),))
    kept = Record("AGG", "hub", [Way("a b."), Way("*."), bad, Way("old.")])
    kept.renamings = [Renaming("", "a b"), Renaming("e.", ""), Renaming("", ">.")]
    ways = Ways(OPTIONS, "e.")
    ways.take(kept)

    assert ways.questions(["ev"], []) == ["e.ev", "ev", "old.ev"]


def test_how_far_a_run_was_is_what_its_messages_say_but_for_a_mark_of_an_older_version() -> None:
    said = InFlight(5, 90, b"1-5,8-9", "abcde")
    reached = Reached.of(ORIGIN, said, Latest(8, 91, b"e.ev", "fghij"))

    assert (reached.said, reached.place) == (said, Place(9, "abcde"))
    assert replace(reached, seq=7).said == said._replace(mark="")


def test_the_newest_pub_ack_is_kept_for_the_stream_of_the_hub_that_gave_it() -> None:
    latest = Latest(8, 91, b"e.ev", "fghij")
    reached = Reached.of(ORIGIN, InFlight(8, 91), latest)
    read = decode(encode(Record("AGG", "hub", reached=reached))).reached

    assert read == reached
    assert reached.acked_as("edge") == Acked(91, Place(8, "fghij"))
    assert reached.acked_as("other") == NOT_ACKED  # its id at the hub is another
    assert reached.elsewhere == replace(reached, hub_seq=0, acked=NOT_ACKED)
    gone = Reached.of(ORIGIN, InFlight(8, 91), latest._replace(is_there=False))
    assert gone.acked == NOT_ACKED


@pytest.mark.parametrize(
    "bad",
    [
        {"floor": -1},
        {"hub_seq": 1 << 64},
        {"seq": -5},
        {"acked": Acked(-1, Place(8))},
        {"acked": Acked(8, Place(1 << 64))},
    ],
)
def test_what_nobody_can_have_reached_says_nothing(bad: dict[str, Any]) -> None:
    kept = replace(Reached("x", 5, 90), **bad)
    ways = Ways(OPTIONS, "e.")
    ways.take(Record("AGG", "hub", [Way("e.")], reached=kept, refuted=kept))

    assert (ways.reached, ways.refuted) == (None, None)


def test_what_was_kept_before_the_stream_came_back_says_only_that_the_hub_has_answered() -> None:
    name = hash8("then")
    kept = Reached(name, 5, 90)
    for created, reached, left in (("a", kept, kept), ("b", kept, Reached()), ("b", None, None)):
        ways = Ways(OPTIONS, "e.")
        ways.take(Record("AGG", "hub", [Way("e.")], reached=reached, identity=Identity("a", name)))

        assert ways.identify(local_stream(0, created=created)) == (name, created == "b")
        assert ways.reached == left


def test_what_may_have_gone_another_way_than_now_is_no_sample_now_and_after_a_start() -> None:
    seen = [HubMessage(1, 5, None, "new.ev"), HubMessage(2, 6, None, "new.ev")]
    seen += [HubMessage(3, 7, None, "old.ev"), HubMessage(4, None, None, "new.ev")]
    ways = Ways(OPTIONS, "new.")
    ways.take(record("old."))
    ways.identify(local_stream(5))
    assert ways.of_now(seen) == []  # nothing went the way of now

    ways.use()
    assert ways.of_now(seen) == seen[1:2]

    again = Ways(OPTIONS, "new.")
    again.take(decode(encode(ways.record())))
    again.identify(local_stream(9))
    assert again.of_now(seen) == seen[1:2]
    again.learn("new.ev", "plant.new.ev")
    assert again.of_now(seen) == []


def test_where_nothing_went_another_way_before_all_of_it_is_a_sample() -> None:
    ways = Ways(OPTIONS, "new.")
    ways.take(Record())
    ways.identify(local_stream(9))
    ways.use()
    seen = [HubMessage(1, 2, None, "new.ev")]

    assert ways.of_now(seen) == seen


def test_of_a_stream_made_anew_all_went_the_way_of_now_but_not_of_one_that_is_restored() -> None:
    ways = Ways(OPTIONS, "new.")
    ways.take(replace(record("old."), identity=Identity("then", hash8("then"))))
    ways.identify(local_stream(3))
    ways.use()
    seen = [HubMessage(1, 2, None, "new.ev")]
    assert ways.of_now(seen) == []

    ways.identify(local_stream(3, "now"))
    assert ways.of_now(seen) == seen

    ways.identify(local_stream(3, "then", "later"))
    assert ways.of_now(seen) == []


def test_of_a_record_that_does_not_say_since_when_nothing_is_a_sample_before_it_is_known() -> None:
    ways = Ways(OPTIONS, "new.")
    kept = Identity("then", hash8("then"))
    assert ways.take(replace(record("old.", "new."), since=None, identity=kept))
    ways.identify(local_stream(3))
    seen = [HubMessage(1, 3, None, "new.ev"), HubMessage(2, 4, None, "new.ev")]
    assert ways.of_now(seen) == []
    assert ways.record().since is None  # what else is kept meanwhile does not make it known

    ways.use()
    assert ways.of_now(seen) == seen[1:]
