"""From a reading to the queue: what is published, what is not, and in which order receipts go."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.bridge.mapping.mapper import Mapper
from leafnode.bridge.publication import Publication
from leafnode.bridge.publisher import Publisher
from leafnode.bridge.reading import Reading, Receipt
from leafnode.bridge.status import PortCounters
from leafnode.bridge.turns import PortTurns
from leafnode.clock import NS_PER_S
from leafnode.config import serial_bounds
from leafnode.config.serial_options import SerialPort
from leafnode.config.serial_stage_options import (
    CodecOptions,
    FieldOptions,
    FramingOptions,
    MappingOptions,
)
from leafnode.protocol import header
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import FakeStream, new_account

if TYPE_CHECKING:
    from collections.abc import Callable


class Turns(PortTurns):
    """A turn allows as many steps as the test says."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.steps = 0
        self.go_on: Callable[[], None] | None = None

    def is_full(self, began_ns: int) -> bool:
        self.steps -= 1
        return self.steps < 0

    def wait(self, go_on: Callable[[], None]) -> None:
        self.go_on = go_on

    def forget(self, go_on: Callable[[], None]) -> None:
        self.go_on = None

    def turn(self, steps: int = 1) -> None:
        self.steps = steps
        go_on, self.go_on = self.go_on, None
        if go_on is not None:
            go_on()
        self.steps = 0


class Desk:
    """A mapper with a publisher and a stream behind it. `in_turns`: its windows wait for them."""

    def __init__(
        self,
        *,
        subject: str = "s.{port}",
        codec: str = "json",
        in_turns: bool = False,
        **mapping: Any,
    ) -> None:
        self.account = new_account()
        self.clock = FakeClock()
        self.stream = FakeStream(self.account, b"s.>")
        self.stream.commits_at_once = True
        self.counters = PortCounters()
        self.receipts: list[Receipt | None] = []
        self.shown: list[tuple[bytes, bytes]] = []
        self.turns = Turns(self.clock)
        port = SerialPort(
            "/dev/x",
            "scale",
            subject,
            framing=FramingOptions("link"),
            codec=CodecOptions(codec),
            mapping=MappingOptions(**mapping),
        )
        self.publisher = Publisher(
            self.account,
            self.clock,
            Random(1),
            port="scale",
            inbox=b"_INBOX.x",
            counters=self.counters,
            resolved=self.receipts.append,
            progressed=self.progressed,
        )
        self.mapper = Mapper(
            port,
            self.publisher,
            self.clock,
            self.counters,
            max_payload=lambda: 2000,
            show=lambda subject, payload: self.shown.append((subject, payload)),
            turns=self.turns if in_turns else None,
        )
        self.publisher.start()
        self.count = 0

    def progressed(self) -> None:
        self.mapper.progressed()
        self.publisher.pump()

    def say(
        self, payload: object, *, name: bytes = b"n", receipt: bool = True, boot: int = 7
    ) -> None:
        self.count += 1
        text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        given = Receipt((b"dev", boot), self.count) if receipt else None
        self.mapper.offer(Reading(b"id.%d" % self.count, text, b"dev", name, given))
        self.publisher.pump()
        self.clock.advance(0)

    @property
    def payloads(self) -> list[Any]:
        return [json.loads(payload) for payload in self.stream.payloads]

    @property
    def told(self) -> list[bytes | None]:
        return [header.get(block, b"Leafnode-Through") for block in self.stream.headers]

    @property
    def seqs(self) -> list[int]:
        return [receipt.seq for receipt in self.receipts if receipt is not None]


def test_json_that_nobody_looks_into_is_published_byte_for_byte() -> None:
    desk = Desk()

    desk.say(b'{ "t" : 1.50 }')

    assert desk.stream.payloads == [b'{ "t" : 1.50 }']
    assert desk.shown == [(b"s.scale", b'{ "t" : 1.50 }')]
    assert desk.seqs == [1]


def test_fields_are_mapped_and_fill_the_subject() -> None:
    desk = Desk(
        subject="s.{place}.{name}",
        select=("t",),
        fields=(FieldOptions("t", rename="temp", scale=0.1),),
    )

    desk.say({"t": 215, "place": "north", "x": 1}, name=b"a.b")

    assert desk.stream.subjects == [b"s.north.a.b"]
    assert desk.payloads == [{"temp": 21.5}]


@pytest.mark.parametrize(
    "mapping",
    [
        {"fields": (FieldOptions("a", scale=0.1),)},
        {"fields": (FieldOptions("a", scale=10),)},
        {"fields": (FieldOptions("a", deadband=0.5),)},
        {"fields": (FieldOptions("a", digits=1),)},
    ],
)
@pytest.mark.parametrize("sign", [b"", b"-"])
def test_a_number_beyond_floats_is_poison(mapping: dict[str, Any], sign: bytes) -> None:
    desk = Desk(**mapping)
    desk.say(b'{"a":1.5}')
    desk.say(b'{"a":' + sign + b"9" * 400 + b"}")
    desk.say(b'{"a":' + sign + b"9" * 308 + b"}")
    desk.say(b'{"a":3.5}')

    assert len(desk.payloads) == 3
    assert desk.counters.poison == 1
    assert desk.seqs == [1, 2, 3, 4]


def test_what_can_be_no_reading_is_poison_and_acknowledged_behind_those_before_it() -> None:
    desk = Desk(codec="text")
    desk.stream.commits_at_once = False

    desk.say(b"1")
    desk.mapper.offer(
        Reading(b"id.2", b"", b"dev", b"", Receipt((b"dev", 7), 2), wrong="is too long")
    )
    assert (desk.counters.poison, desk.seqs) == (1, [])
    desk.stream.commit()

    assert desk.seqs == [1, 2]
    assert desk.stream.payloads == [b"1"]


def test_a_reading_that_says_nothing_new_is_acknowledged_behind_those_before_it() -> None:
    desk = Desk(fields=(FieldOptions("t", deadband=1),))
    desk.stream.commits_at_once = False

    for value in (1, 1.5, 2, 2.1):
        desk.say({"t": value})
    assert desk.seqs == []
    desk.stream.commits_at_once = True
    desk.stream.commit()
    desk.clock.advance(0)

    assert desk.payloads == [{"t": 1}, {"t": 2}]
    assert desk.seqs == [1, 2, 3, 4]
    assert desk.counters.filtered == 2


def test_one_message_for_each_field_and_the_receipt_with_the_last() -> None:
    desk = Desk(subject="s.{field}", fields=(FieldOptions("b", unit="kg"),))

    desk.say({"a": 1, "b": 2})

    assert desk.stream.subjects == [b"s.a", b"s.b"]
    assert desk.payloads == [{"value": 1}, {"value": 2, "unit": "kg"}]
    assert desk.stream.ids == [b"id.1.a", b"id.1.b"]
    assert [header.get(block, b"Leafnode-Through") for block in desk.stream.headers] == [
        None,
        b"id.1",
    ]
    assert desk.seqs == [1]


def test_a_repeat_after_a_restart_has_the_ids_of_before_whatever_a_filter_forgot() -> None:
    mapping = {"fields": (FieldOptions("a", deadband=1), FieldOptions("b", deadband=1))}
    before = Desk(subject="s.{field}", **mapping)
    before.say({"a": 1, "b": 1})
    before.say({"a": 5, "b": 1})  # of which a alone is news
    after = Desk(subject="s.{field}", **mapping)
    after.count = 1

    after.say({"a": 5, "b": 1})

    assert before.stream.ids[2:] == [b"id.2.a"]
    assert after.stream.ids == [b"id.2.a", b"id.2.b"]


def test_the_one_field_of_a_reading_tells_that_all_of_it_is_stored() -> None:
    desk = Desk(subject="s.{field}")

    desk.say({"a": 1})
    desk.say({"a": 2}, receipt=False)

    assert desk.stream.ids == [b"id.1.a", b"id.2.a"]
    assert header.get(desk.stream.headers[0], b"Leafnode-Through") == b"id.1"


def test_each_field_passes_by_itself() -> None:
    desk = Desk(
        subject="s.{field}", fields=(FieldOptions("a", deadband=1), FieldOptions("b", deadband=1))
    )

    desk.say({"a": 1, "b": 1})
    desk.say({"a": 1, "b": 3})
    desk.say({"a": 1, "b": 3})

    assert desk.stream.subjects == [b"s.a", b"s.b", b"s.b"]
    assert desk.stream.ids[-1] == b"id.2.b"
    assert desk.seqs == [1, 2, 3]


def test_a_message_that_no_board_keeps_tells_which_reading_is_stored_before_it() -> None:
    desk = Desk(fields=(FieldOptions("t", deadband=1),))

    desk.say({"t": 0}, receipt=False)
    desk.say({"t": 1})
    desk.say({"t": 2}, receipt=False)
    desk.say({"t": 2})  # says nothing new
    desk.say({"t": 3}, receipt=False)
    desk.say(b"nonsense")
    desk.say({"t": 4}, receipt=False)

    assert desk.told == [None, None, b"id.2", b"id.4", b"id.6"]


def test_so_does_each_field_of_one() -> None:
    desk = Desk(subject="s.{field}")

    desk.say({"t": 1})
    desk.say({"t": 2, "u": 2}, receipt=False)

    assert desk.told == [b"id.1", b"id.1", b"id.1"]


def test_a_message_tells_what_was_known_to_be_stored_when_the_board_came() -> None:
    desk = Desk()
    desk.mapper.resumed(b"dev.7.41")

    desk.say({"t": 1}, receipt=False)

    assert desk.told == [b"dev.7.41"]


def test_of_a_board_without_a_boot_nothing_is_told() -> None:
    desk = Desk(codec="text")
    desk.mapper.offer(Reading(b"scale.x.h1.1", b"1", b"dev", b"", Receipt((b"dev", -1), 1)))

    desk.say(b"2", receipt=False)

    assert desk.told == [None, None]


@pytest.mark.parametrize("subject", ["s.{port}", "s.{field}"])
def test_what_could_not_be_published_keeps_nothing_back_that_can(subject: str) -> None:
    desk = Desk(subject=subject, fields=(FieldOptions("t", deadband=5),))

    desk.say({"t": 1, "text": "x" * 3000})
    desk.say({"t": 2})

    assert desk.counters.poison == 1
    assert desk.counters.filtered == 0
    assert len(desk.payloads) == 1


def test_two_fields_under_one_subject_are_published_both() -> None:
    desk = Desk(subject="s.{field}", min_interval_ns=NS_PER_S)

    desk.say({"a b": 1, "a_b": 2})
    desk.say({"a b": 1, "a_b": 2})

    assert desk.stream.subjects == [b"s.a_b", b"s.a_b"]


def test_a_deadband_holds_for_a_field_that_shares_its_subject() -> None:
    desk = Desk(subject="s.{field}", fields=(FieldOptions("a.b", deadband=5),))

    for value in (1, 1, 7):
        desk.say({"a.b": value, "a_b": 3})

    assert [one["value"] for one in desk.payloads] == [1, 3, 3, 7, 3]


def test_a_reading_that_is_bad_is_acknowledged_and_counted() -> None:
    desk = Desk(subject="s.{place}")

    desk.say(b"nonsense")
    desk.say({"place": "a.b"})
    desk.say({"place": "a"})

    assert desk.counters.poison == 2
    assert desk.seqs == [1, 2, 3]


@pytest.mark.parametrize("mapping", [{"timestamp": "field"}, {"every_ns": NS_PER_S}])
def test_a_reading_has_no_more_fields_than_the_bound(mapping: dict[str, Any]) -> None:
    desk = Desk(**mapping)
    fields = {f"f{number}": number for number in range(serial_bounds.READING_FIELDS_MAX + 1)}

    desk.say(fields)
    assert desk.counters.poison == 1
    del fields["f0"]
    desk.say(fields)
    desk.clock.advance(NS_PER_S)

    assert desk.counters.poison == 1
    assert len(desk.payloads) == 1


# --- gathering

GATHER = {"every_ns": 60 * NS_PER_S, "functions": ("mean", "count")}


def test_what_was_gathered_goes_when_its_time_is_over_with_the_last_receipt() -> None:
    desk = Desk(**GATHER)
    for value in (1, 2, 6):
        desk.say({"t": value})

    desk.clock.advance(60 * NS_PER_S - 1)
    assert desk.stream.payloads == []
    desk.clock.advance(1)

    assert desk.payloads == [{"t": 3.0, "count": 3}]
    assert desk.shown == [(b"s.scale", b'{"t":3.0,"count":3}')]
    assert desk.stream.ids == [b"id.3"]
    assert desk.seqs == [3]
    assert desk.counters.windows == 1


def test_a_window_begins_with_its_first_reading() -> None:
    desk = Desk(**GATHER)
    desk.say({"t": 1})
    desk.clock.advance(60 * NS_PER_S)
    desk.clock.advance(600 * NS_PER_S)
    desk.say({"t": 2})
    desk.clock.advance(60 * NS_PER_S)

    assert desk.payloads == [{"t": 1.0, "count": 1}, {"t": 2.0, "count": 1}]


def test_all_windows_end_together_and_the_last_message_has_the_receipt() -> None:
    desk = Desk(subject="s.{name}", **GATHER)
    for name in (b"a", b"b", b"a"):
        desk.say({"t": 1}, name=name)
    desk.stream.commits_at_once = False
    desk.clock.advance(60 * NS_PER_S)

    assert desk.seqs == []
    desk.stream.commit()
    assert desk.stream.subjects == [b"s.b", b"s.a"]
    # A board that comes back is told what is stored by the last id: both are, or none.
    assert desk.stream.ids == [b"id.2.gathered", b"id.3"]
    assert desk.seqs == [3]


def test_a_reading_without_a_receipt_does_not_take_another_ones() -> None:
    desk = Desk(subject="s.{name}", **GATHER)
    desk.say({"t": 1}, name=b"a")
    desk.say({"t": 2}, name=b"b", receipt=False)
    desk.clock.advance(60 * NS_PER_S)

    # What a board keeps comes last: by the last message it is found again.
    assert desk.stream.subjects == [b"s.b", b"s.a"]
    assert desk.seqs == [1]


def test_what_was_gathered_tells_of_what_was_gathered_before_it_and_not_with_it() -> None:
    desk = Desk(subject="s.{name}", **GATHER)
    for _ in range(2):
        desk.say({"t": 1}, name=b"a")
        desk.say({"t": 2}, name=b"b", receipt=False)
        desk.clock.advance(60 * NS_PER_S)

    assert desk.stream.ids == [b"id.2", b"id.1", b"id.4", b"id.3"]
    assert desk.told == [None, None, b"id.1", None]


def test_at_the_end_nothing_is_told_of_what_a_device_says_again() -> None:
    desk = Desk(subject="s.{name}", **GATHER)
    desk.stream.commits_at_once = False
    desk.say({"t": 0}, name=b"a")
    desk.clock.advance(60 * NS_PER_S)
    desk.say({"t": 1}, name=b"a")
    desk.say({"t": 2}, name=b"b", receipt=False)

    desk.mapper.end()
    desk.publisher.pump()
    desk.stream.commits_at_once = True
    desk.stream.commit()
    desk.clock.advance(0)

    assert desk.stream.ids == [b"id.1", b"id.3"]
    assert desk.told == [None, None]


def test_at_the_end_what_no_device_keeps_is_published_and_the_rest_said_again() -> None:
    desk = Desk(subject="s.{name}", **GATHER)
    desk.say({"t": 1}, name=b"a")
    desk.say({"t": 2}, name=b"b", receipt=False)
    desk.say({"t": 3}, name=b"c", receipt=False)

    desk.mapper.stop()
    desk.publisher.pump()

    assert desk.stream.subjects == [b"s.b", b"s.c"]
    assert desk.seqs == []


def test_what_no_device_keeps_is_stored_at_the_end_though_others_of_its_subject_are_kept() -> None:
    desk = Desk(**GATHER)
    for value, receipt in ((1, False), (9, True), (3, False)):
        desk.say({"t": value}, receipt=receipt)

    desk.mapper.end()
    desk.publisher.pump()

    assert desk.payloads == [{"t": 2.0, "count": 2}]
    assert desk.seqs == []


def test_texts_of_a_hostile_device_end_the_windows_early() -> None:
    desk = Desk(every_ns=60 * NS_PER_S, functions=("last",))

    for number in range(18):
        desk.say({f"f{number}": "x" * 60_000})

    assert desk.counters.windows_early == 0
    desk.say({"f": 1})
    assert desk.counters.windows_early == 1


def test_a_bad_reading_does_not_acknowledge_those_that_are_gathered_yet() -> None:
    desk = Desk(**GATHER)
    desk.say({"t": 1})
    desk.say(b"nonsense")
    assert desk.seqs == []

    desk.clock.advance(60 * NS_PER_S)

    assert desk.counters.poison == 1
    assert desk.seqs == [2]


def test_a_bad_reading_alone_is_acknowledged_at_once() -> None:
    desk = Desk(**GATHER)

    desk.say(b"nonsense")

    assert desk.seqs == [1]


def test_beyond_the_bound_of_subjects_the_windows_end_early_and_nothing_is_lost() -> None:
    desk = Desk(subject="s.{name}", **GATHER)
    for number in range(serial_bounds.WINDOW_SUBJECTS_MAX + 1):
        desk.say({"t": number}, name=b"%d" % number)

    assert len(desk.payloads) == serial_bounds.WINDOW_SUBJECTS_MAX
    assert desk.counters.windows_early == 1
    desk.clock.advance(60 * NS_PER_S)
    assert len(desk.payloads) == serial_bounds.WINDOW_SUBJECTS_MAX + 1
    assert desk.seqs == [serial_bounds.WINDOW_SUBJECTS_MAX, serial_bounds.WINDOW_SUBJECTS_MAX + 1]


def test_a_full_queue_lets_windows_wait_and_they_go_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "READINGS_UNCOMMITTED_MAX", 1)
    desk = Desk(subject="s.{name}", **GATHER)
    desk.stream.commits_at_once = False
    for name in (b"a", b"b", b"c"):
        desk.say({"t": 1}, name=name)

    desk.clock.advance(60 * NS_PER_S)
    assert desk.publisher.queued == 1
    for _ in range(3):
        desk.stream.commit()
        desk.clock.advance(0)

    assert desk.stream.subjects == [b"s.a", b"s.b", b"s.c"]
    assert desk.seqs == [3]


def test_at_the_end_what_plain_sensors_said_is_published() -> None:
    desk = Desk(**GATHER)
    desk.say({"t": 1}, receipt=False)

    desk.mapper.stop()
    desk.publisher.pump()

    assert desk.payloads == [{"t": 1.0, "count": 1}]


def test_at_the_end_what_a_board_keeps_is_not_published() -> None:
    desk = Desk(**GATHER)
    desk.say({"t": 1})

    desk.mapper.stop()
    desk.publisher.pump()
    desk.clock.advance(60 * NS_PER_S)

    assert desk.stream.payloads == []
    assert desk.seqs == []


# --- windows that wait for turns of the loop


def test_windows_become_messages_in_turns_and_go_together() -> None:
    desk = Desk(subject="s.{name}", in_turns=True, **GATHER)
    for name in (b"a", b"b", b"c"):
        desk.say({"t": 1}, name=name)

    desk.clock.advance(60 * NS_PER_S)
    assert desk.counters.windows == 0
    desk.turns.turn(1)
    desk.turns.turn(1)
    assert (desk.counters.windows, desk.stream.received) == (2, 0)
    desk.turns.turn(1)

    assert desk.stream.subjects == [b"s.a", b"s.b", b"s.c"]
    assert desk.stream.ids == [b"id.1.gathered", b"id.2.gathered", b"id.3"]
    assert desk.seqs == [3]
    assert desk.turns.go_on is None


def test_what_comes_meanwhile_is_gathered_anew_and_goes_behind() -> None:
    desk = Desk(subject="s.{name}", in_turns=True, **GATHER)
    for name in (b"a", b"b"):
        desk.say({"t": 1}, name=name)
    desk.clock.advance(60 * NS_PER_S)
    desk.turns.turn(1)

    desk.say({"t": 9}, name=b"a")
    desk.turns.turn(1)
    assert desk.seqs == [2]
    desk.clock.advance(60 * NS_PER_S)
    desk.turns.turn(1)

    assert [one["t"] for one in desk.payloads] == [1.0, 1.0, 9.0]
    assert desk.seqs == [2, 3]


def test_a_reading_that_is_passed_over_meanwhile_is_acknowledged_behind_them() -> None:
    desk = Desk(in_turns=True, **GATHER)
    desk.say({"t": 1})
    desk.clock.advance(60 * NS_PER_S)

    desk.say(b"nonsense")
    assert desk.seqs == []
    desk.turns.turn(1)

    assert desk.stream.ids == [b"id.1"]
    assert desk.seqs == [2]


def test_behind_windows_of_a_full_queue_it_is_acknowledged_in_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "READINGS_UNCOMMITTED_MAX", 1)
    desk = Desk(subject="s.{name}", **GATHER)
    desk.stream.commits_at_once = False
    for name in (b"a", b"b"):
        desk.say({"t": 1}, name=name)
    desk.clock.advance(60 * NS_PER_S)

    desk.say(b"nonsense")
    for _ in range(2):
        desk.stream.commit()
        desk.clock.advance(0)

    assert desk.stream.ids == [b"id.1.gathered", b"id.2"]
    assert desk.seqs == [2, 3]


def test_whoever_ends_windows_faster_than_turns_come_reads_no_more() -> None:
    desk = Desk(in_turns=True, **GATHER)
    for _ in range(2):
        assert not desk.mapper.is_behind
        desk.say({"t": 1})
        desk.clock.advance(60 * NS_PER_S)
    assert desk.mapper.is_behind

    desk.turns.turn(1)

    assert not desk.mapper.is_behind
    assert desk.seqs == [1]


def test_a_window_of_which_nothing_can_be_made_holds_nobody_up() -> None:
    desk = Desk(subject="s.{name}", in_turns=True, **GATHER)
    desk.say({"t": 1}, name=b"a")
    desk.say({"text": "x" * 3000}, name=b"b")
    desk.clock.advance(60 * NS_PER_S)
    desk.turns.turn(2)

    assert desk.counters.poison == 1
    assert desk.stream.subjects == [b"s.a"]
    assert desk.seqs == [2]


def test_at_the_end_windows_go_on_in_turns_and_what_a_board_keeps_is_left_to_it() -> None:
    desk = Desk(subject="s.{name}", in_turns=True, **GATHER)
    for name, receipt in ((b"a", False), (b"b", True)):
        desk.say({"t": 1}, name=name, receipt=receipt)
    desk.clock.advance(60 * NS_PER_S)
    desk.say({"t": 2}, name=b"c", receipt=False)

    desk.mapper.take_all()
    desk.mapper.end()
    assert not desk.mapper.is_done
    desk.turns.turn(1)
    assert not desk.mapper.is_done
    desk.turns.turn(2)

    assert desk.mapper.is_done
    assert desk.stream.subjects == [b"s.a", b"s.c"]
    assert desk.seqs == []


def test_who_stops_waits_for_no_turn() -> None:
    desk = Desk(subject="s.{name}", in_turns=True, **GATHER)
    for name in (b"a", b"b"):
        desk.say({"t": 1}, name=name, receipt=False)
    desk.clock.advance(60 * NS_PER_S)
    desk.turns.turn(1)
    desk.say({"t": 1}, name=b"c", receipt=False)

    desk.mapper.stop()
    desk.publisher.pump()

    assert desk.stream.subjects == [b"s.a", b"s.b", b"s.c"]
    assert desk.turns.go_on is None


SAID = st.tuples(st.sampled_from(["a", "b", "c", "bad", "time"]), st.booleans(), st.integers(0, 2))


@given(st.lists(SAID, max_size=40))
def test_in_however_many_turns_the_same_is_stored_and_nothing_acknowledged_before_it_is(
    said: list[tuple[str, bool, int]],
) -> None:
    at_once = Desk(subject="s.{name}", **GATHER)
    in_turns = Desk(subject="s.{name}", in_turns=True, **GATHER)
    for what, receipt, steps in said:
        for desk in (at_once, in_turns):
            if what == "time":
                desk.clock.advance(60 * NS_PER_S)
            else:
                payload = b"nonsense" if what == "bad" else {"t": desk.count}
                desk.say(payload, name=what.encode(), receipt=receipt)
        in_turns.turns.turn(steps)
        assert in_turns.seqs[-1:] <= at_once.seqs[-1:]
    for desk in (at_once, in_turns):
        desk.clock.advance(60 * NS_PER_S)
    for _ in range(200):
        in_turns.turns.turn()
        in_turns.clock.advance(0)

    assert in_turns.stream.payloads == at_once.stream.payloads
    assert (in_turns.stream.ids, in_turns.told) == (at_once.stream.ids, at_once.told)
    assert in_turns.seqs[-1:] == at_once.seqs[-1:]
    assert in_turns.seqs == sorted(in_turns.seqs)


def test_windows_end_when_another_board_says_what_it_keeps() -> None:
    """Each is found by its own last id, whoever comes back."""
    desk = Desk(**GATHER)
    for boot in (7, 7, 8):
        desk.say({"t": 1}, boot=boot)

    assert (desk.stream.ids, desk.counters.windows_early) == ([b"id.2"], 1)
    assert desk.receipts == [Receipt((b"dev", 7), 2)]
    desk.clock.advance(60 * NS_PER_S)

    assert [one["count"] for one in desk.payloads] == [2, 1]
    assert desk.stream.ids == [b"id.2", b"id.3"]


def test_what_a_board_says_again_elsewhere_is_not_counted_here_too() -> None:
    desk = Desk(subject="s.{name}", **GATHER)
    desk.say({"t": 1}, name=b"a")
    desk.say({"t": 1}, name=b"b", receipt=False)

    desk.mapper.says_again((b"dev", 8))
    desk.mapper.says_again((b"dev", 7))
    desk.clock.advance(60 * NS_PER_S)

    assert desk.stream.subjects == [b"s.b"]
    assert desk.receipts == [None] * len(desk.receipts)
    desk.say({"t": 1}, name=b"a")
    desk.mapper.says_again((b"dev", 7))
    assert desk.clock.pending() == 0


def test_nor_is_what_waits_for_a_turn_for_room_and_for_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "READINGS_UNCOMMITTED_MAX", 1)
    desk = Desk(subject="s.{name}", in_turns=True, **GATHER)
    desk.stream.commits_at_once = False
    for steps in (3, 1):
        for name, receipt in ((b"a", True), (b"b", True), (b"c", False)):
            desk.say({"t": 1}, name=name, receipt=receipt)
        desk.clock.advance(60 * NS_PER_S)
        desk.turns.turn(steps)
    desk.say(b"nonsense")
    assert desk.publisher.queued == 1

    desk.mapper.says_again((b"dev", 7))
    for _ in range(6):
        desk.turns.turn(3)
        desk.stream.commit()
        desk.clock.advance(0)

    assert desk.stream.subjects == [b"s.c", b"s.c"]
    assert desk.told == [None, None]
    assert desk.seqs == []


def test_a_board_goes_on_behind_what_its_function_has_not_decided_else_behind_what_waits() -> None:
    desk = Desk(codec="exec")
    assert desk.mapper.goes_on((b"dev", 7)) is None
    desk.publisher.offer(Publication(b"nowhere", 0, b"1", Receipt((b"dev", 7), 1), is_kept=True))
    assert desk.mapper.goes_on((b"dev", 7)) == Receipt((b"dev", 7), 1)

    desk.count = 1
    for boot in (7, 7, 8):
        desk.say({"t": 1}, boot=boot)

    assert desk.mapper.goes_on((b"dev", 7)) == Receipt((b"dev", 7), 3)
    assert desk.mapper.goes_on((b"dev", 8)) == Receipt((b"dev", 8), 4)
    assert desk.mapper.goes_on((b"dev", 9)) is None


def test_behind_what_is_said_again_another_board_is_acknowledged() -> None:
    desk = Desk(in_turns=True, **GATHER)
    desk.say({"t": 1})
    desk.say(b"nonsense", boot=8)
    desk.mapper.says_again((b"dev", 7))

    assert desk.receipts == [Receipt((b"dev", 8), 2)]
