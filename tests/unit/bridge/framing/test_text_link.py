"""The text dialect in the bridge's words. Truth: docs/device-link.md, "The text dialect"."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.framing.text_lines import sealed
from leafnode.bridge.framing.text_link import TextLinkFraming
from leafnode.bridge.framing.text_wrong import Wrong
from leafnode.bridge.reading import (
    MORE,
    DeviceHello,
    DeviceLog,
    Presence,
    Reading,
    Receipt,
    WrongLine,
)
from leafnode.link import events, verbs
from leafnode.link.pattern import is_pattern

if TYPE_CHECKING:
    from leafnode.bridge.reading import Event


def new(max_frame_bytes: int = 64) -> TextLinkFraming:
    framing = TextLinkFraming(name="uno", msg_id_prefix=b"p.boot", max_frame_bytes=max_frame_bytes)
    framing.allows = lambda device, kind, subject: subject != "secret"
    framing.opened(0)
    hears(framing)  # who is there
    says(framing, b"")  # the end of a line that began before
    return framing


def says(framing: TextLinkFraming, *lines: bytes) -> list[Event]:
    framing.receive(b"".join([line + b"\r\n" for line in lines]), 0)
    return drained(framing)


def says_in_pieces(framing: TextLinkFraming, line: bytes, size: int) -> list[Event]:
    whole = line + b"\r\n"
    found: list[Event] = []
    for at in range(0, len(whole), size):
        framing.receive(whole[at : at + size], 0)
        found += drained(framing)
    return found


def drained(framing: TextLinkFraming) -> list[Event]:
    """Return what happened, but for what is told of lines that are not taken."""
    return [event for event in events_of(framing) if not isinstance(event, WrongLine)]


def events_of(framing: TextLinkFraming) -> list[Event]:
    return [event for event in iter(framing.next_event, None) if event is not MORE]


def hears(framing: TextLinkFraming) -> list[bytes]:
    return framing.data_to_send(0).splitlines()


def greeted(*words: bytes) -> TextLinkFraming:
    framing = new()
    says(framing, b" ".join((b"hello node1", *words)))
    hears(framing)
    return framing


# Readings


def test_a_person_at_a_terminal_needs_no_hello() -> None:
    framing = new()

    assert says(framing, b"pt temp 21.5", b"pub door open now") == [
        Reading(b"p.boot.1", b'{"v":21.5}', b"uno", b"temp"),
        Reading(b"p.boot.2", b"open now", b"uno", b"door"),
    ]
    assert hears(framing) == []


def test_hello_gives_a_name_and_is_answered() -> None:
    framing = new()

    assert says(framing, b"hello node1") == [DeviceHello("node1", 0, resumed=True)]
    assert hears(framing) == [b"ok hello"]
    assert says(framing, b"pt t 1")[0] == Reading(b"p.boot.2", b'{"v":1}', b"node1", b"t")


def test_a_numbered_line_is_acknowledged_after_the_commit() -> None:
    framing = greeted(b"77")

    (reading,) = says(framing, b"#1 pt temp 21.5")
    assert reading == Reading(
        b"node1.77.1", b'{"v":21.5}', b"node1", b"temp", Receipt((b"node1", 77), 1)
    )
    assert hears(framing) == []

    framing.committed(Receipt((b"node1", 77), 1))
    assert hears(framing) == [b"ok 1"]


def test_where_readings_are_gathered_a_board_goes_on_before_they_are_stored() -> None:
    framing = TextLinkFraming(
        name="uno", msg_id_prefix=b"p.boot", max_frame_bytes=64, keep_first=True, gathers=True
    )
    framing.opened(0)
    says(framing, sealed(b"hello node1 77"))
    hears(framing)

    for number in (1, 2, 3):
        assert len(says(framing, sealed(b"#%d pt temp 21.5" % number))) == 1
        assert hears(framing) == [sealed(b"got %d" % number)]
    framing.opened(0)
    assert says(framing, sealed(b"#3 pt temp 21.5")) == []
    assert hears(framing) == [sealed(b"hello?")]
    says(framing, sealed(b"hello node1 77"), sealed(b"#1 pt temp 21.5"))  # what it keeps
    assert hears(framing) == [sealed(b"got 3"), sealed(b"ok hello")]
    framing.committed(Receipt((b"node1", 77), 3))
    assert hears(framing) == [sealed(b"ok 3")]


NEVER_A_READING = (
    b"#2 pt temp nan",
    b"#2 pt temp -.5",
    b"#2 pt temp 12345678901234567890",
    b"#2 pt temp 21.6 \xc2\xb0C",
    b"#2 pt temp 1\t",
    b"#2 pt  temp 1",
    b"#2 pt a..b 1",
    b"#2 pub a.> {}",
    b"#2 pub " + b"s" * 129 + b" {}",
    b"#2 pub a {}\x01",
    b"#2 pub a " + b"y" * 300,
)


@pytest.mark.parametrize("line", NEVER_A_READING)
@pytest.mark.parametrize("piece", [1000, 100, 1])
def test_a_numbered_line_that_can_be_no_reading_is_given_up_when_its_checksum_comes_twice(
    line: bytes, piece: int
) -> None:
    """A board says a line until it hears ok, and nothing behind it meanwhile."""
    framing = new(256)
    says(framing, sealed(b"hello node1 77"), sealed(b"#1 pt temp 21.5"))
    hears(framing)

    assert says_in_pieces(framing, sealed(line), piece) == []
    (given_up,) = says_in_pieces(framing, sealed(line), piece)
    assert isinstance(given_up, Reading)
    assert (given_up.wrong != "", given_up.receipt) == (True, Receipt((b"node1", 77), 2))
    assert says(framing, sealed(line)) == []  # said again before it heard
    framing.committed(Receipt((b"node1", 77), 2))
    assert hears(framing) == [sealed(b"ok 2")]
    (reading,) = says(framing, sealed(b"#3 pt temp 22"))
    assert isinstance(reading, Reading)
    assert reading.payload == b'{"v":22}'


@pytest.mark.parametrize(("boot", "count"), [(76, 1), (77, 0)])
def test_a_line_that_a_board_says_again_elsewhere_is_not_given_up_here(
    boot: int, count: int
) -> None:
    framing = new()
    says(framing, sealed(b"hello node1 77"), sealed(b"#2 pt temp nan"))
    framing.receive(sealed(b"#2 pt temp nan") + b"\n", 0)
    assert isinstance(framing.next_event(), WrongLine)

    framing.said_elsewhere((b"node1", boot))

    assert len(drained(framing)) == count


def test_what_waits_already_of_a_board_is_taken_of_that_board_alone() -> None:
    framing = greeted(b"77")

    framing.taken(Receipt((b"node1", 76), 30))
    assert len(says(framing, b"#1 pt temp 21.5")) == 1
    framing.taken(Receipt((b"node1", 77), 30))
    assert says(framing, b"#2 pt temp 21.5", b"#30 pt temp 21.5") == []
    assert len(says(framing, b"#31 pt temp 21.5")) == 1
    assert framing.counts().missing == 0


def test_a_line_whose_torn_head_stands_before_it_is_taken_when_it_comes_again() -> None:
    """The sum of `#12 ` is zero: what is lost behind it leaves the line's own sum right."""
    framing = new()
    says(framing, sealed(b"hello node1 77"), sealed(b"#7 pt temp 21.5"))
    line = sealed(b"#12 pt temp 21.5")

    assert says(framing, b"#12 " + line) == []
    (reading,) = says(framing, line)

    assert isinstance(reading, Reading)
    assert (reading.payload, reading.wrong) == (b'{"v":21.5}', "")


@pytest.mark.parametrize("line", [*NEVER_A_READING, b'#2 pub a {"x":"*41"}*41'])
@pytest.mark.parametrize("piece", [1000, 1])
def test_without_checksums_it_is_given_up_when_it_comes_for_the_third_time(
    line: bytes, piece: int
) -> None:
    framing = new(256)
    says(framing, b"hello node1 77", b"#1 pt temp 21.5")

    found: list[Event] = []
    for _ in range(3):
        assert found == []
        found = says_in_pieces(framing, line, piece)

    (given_up,) = found
    assert isinstance(given_up, Reading)
    assert (given_up.wrong != "", given_up.receipt) == (True, Receipt((b"node1", 77), 2))


def test_a_line_that_was_damaged_is_not_given_up() -> None:
    framing = new()
    says(framing, sealed(b"hello node1 77"), sealed(b"#1 pt temp 21.5"))

    long = b"#2 pub a " + b"y" * 300
    for damaged in (
        b"#2 pt temp nan",
        sealed(b"#2 pt temp 21")[:-1] + b"x",
        b"#2 pt temp 21*00",
        long,
        long + b"*00",
        sealed(long).replace(b"y", b"z", 1),
    ):
        for _ in range(5):
            assert says(framing, damaged) == says_in_pieces(framing, damaged, 50) == []

    plain = greeted(b"77")
    assert says(plain, b"#2 pt temp x1", b"#2 pt temp x1", b"#2 pt temp x2", b"#2 pt temp x1") == []
    assert len(says(plain, b"#2 pt temp 21")) == 1


@pytest.mark.parametrize("piece", [1000, 1])
def test_a_line_into_which_the_wire_put_a_nul_is_not_given_up(piece: int) -> None:
    """A glitch, which no sum of the other bytes shows; a board that means it says it again."""
    framing = new()
    says(framing, sealed(b"hello node1 77"), sealed(b"#1 pt temp 21.5"))
    glitch = sealed(b"#2 pt\0 temp 21")

    assert says_in_pieces(framing, glitch, piece) == []
    (reading,) = says(framing, sealed(b"#2 pt temp 21"))
    assert isinstance(reading, Reading)
    assert reading.wrong == ""

    meant = sealed(b"#3 pub a \0")
    found = [says_in_pieces(framing, meant, piece) for _ in range(3)]
    assert list(map(len, found)) == [0, 0, 1]


def test_one_ok_stands_for_all_before_it() -> None:
    framing = greeted(b"77")
    says(framing, b"#1 pt t 1", b"#2 pt t 2", b"#3 pt t 3")

    for seq in (1, 2, 3):
        framing.committed(Receipt((b"node1", 77), seq))

    assert hears(framing) == [b"ok 3"]


def test_a_reading_that_nobody_took_is_taken_again() -> None:
    framing = greeted(b"77")
    says(framing, b"#1 pt t 1")
    framing.receive(b"#2 pt t 2\n#3 pt t 3\n", 0)
    assert framing.next_event() is not None

    framing.untaken(Receipt((b"node1", 77), 2))
    assert framing.next_event() is None
    framing.opened(0)

    says(framing, b"", b"hello node1 77")
    assert says(framing, b"#1 pt t 1") == []
    assert [
        event.receipt for event in says(framing, b"#2 pt t 2") if isinstance(event, Reading)
    ] == [Receipt((b"node1", 77), 2)]


def test_a_line_that_is_said_again_is_no_second_reading() -> None:
    framing = greeted(b"77")
    says(framing, b"#1 pt t 1")
    assert says(framing, b"#1 pt t 1") == []
    assert hears(framing) == []

    framing.committed(Receipt((b"node1", 77), 1))
    hears(framing)
    assert says(framing, b"#1 pt t 1") == []
    assert hears(framing) == [b"ok 1"]


def test_numbers_that_were_left_out_are_counted() -> None:
    framing = greeted(b"77")

    says(framing, b"#5 pt t 1", b"#9 pt t 2")

    assert framing.counts().missing == 3


def test_a_number_without_a_hello_is_not_taken() -> None:
    framing = new()

    assert says(framing, b"#1 pt t 1", b"#2 pt t 1") == []
    assert hears(framing) == [b"hello?"]


def test_whoever_is_there_when_the_port_is_opened_is_asked_with_and_without_a_checksum() -> None:
    framing = new()
    framing.opened(0)

    assert framing.next_timeout_ms(0) == 0
    assert hears(framing) == [b"hello?", sealed(b"hello?")]
    assert framing.next_timeout_ms(0) == 5000
    assert framing.data_to_send(5000).splitlines() == [b"hello?", sealed(b"hello?")]
    says(framing, b"", sealed(b"hello node1 7"))
    assert hears(framing) == [sealed(b"ok hello")]
    assert framing.next_timeout_ms(5000) is None


@pytest.mark.parametrize("line", [b"pt t 1", b"pub t x", b"log x", b"serve led", b"req 1 9 zone"])
def test_a_board_that_nobody_knows_is_asked_behind_a_line_without_a_number(line: bytes) -> None:
    framing = new()
    for now_ms in (5000, 15_000, 35_000):
        assert framing.data_to_send(now_ms)

    framing.receive(b"READY\npt t\nlog y\n", 36_000)
    drained(framing)
    assert b"hello?" not in framing.data_to_send(36_000).splitlines()
    framing.receive(b"READY\npt t\n", 100_000)
    drained(framing)
    assert framing.data_to_send(100_000) == b""
    framing.receive(sealed(line) + b"\n", 100_000)
    drained(framing)

    assert framing.data_to_send(100_000).splitlines()[-1] == sealed(b"hello?")


def test_a_hello_that_came_meanwhile_is_not_asked_for() -> None:
    framing = new()
    hears(framing)

    says(framing, b"#4 pt t 1", b"hello node1 7")

    assert hears(framing) == [b"ok hello"]


def test_a_board_whose_name_another_has_is_asked_behind_its_next_line() -> None:
    framing = greeted(b"7")
    framing.forget("node1")
    assert framing.next_timeout_ms(0) is None
    assert hears(framing) == []

    says(framing, b"pt t 1")

    assert hears(framing) == [b"hello?"]


def test_a_board_that_was_elsewhere_since_the_port_was_opened_is_no_board_that_stayed() -> None:
    framing = greeted(b"77")
    says(framing, b"#1 pt t 1")
    framing.opened(0)
    framing.forget("node1")

    assert says(framing, b"", b"hello node1 77") == [DeviceHello("node1", 77, resumed=False)]
    assert [event.msg_id for event in says(framing, b"#1 pt t 1")] == [b"node1.77.1"]


def test_a_board_that_starts_anew_without_a_hello_is_asked_for_it() -> None:
    framing = greeted(b"77")
    says(framing, *[b"#20 pt t 1"] * 2)

    assert says(framing, b"#1 pt t 1") == []
    assert hears(framing) == [b"hello?"]


def test_a_hello_of_the_same_boot_keeps_the_numbers() -> None:
    framing = greeted(b"77")
    says(framing, b"#1 pt t 1")

    assert says(framing, b"hello node1 77") == [DeviceHello("node1", 77, resumed=True)]
    assert says(framing, b"#1 pt t 1") == []


def test_another_boot_begins_anew_and_a_commit_of_the_former_one_says_nothing() -> None:
    framing = greeted(b"77")
    says(framing, b"#1 pt t 1")

    assert says(framing, b"hello node1 78") == [DeviceHello("node1", 78, resumed=False)]
    hears(framing)
    framing.committed(Receipt((b"node1", 77), 1))
    assert hears(framing) == []
    assert len(says(framing, b"#1 pt t 1")) == 1


def test_without_a_boot_number_each_hello_is_a_life_of_its_own() -> None:
    framing = greeted()
    (first,) = says(framing, b"#1 pt t 1")
    says(framing, b"hello node1")

    (second,) = says(framing, b"#1 pt t 1")

    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert (first.msg_id, second.msg_id) == (b"p.boot.h1.1", b"p.boot.h2.1")
    assert first.receipt is not None
    framing.committed(first.receipt)
    assert hears(framing) == [b"ok hello"]


def test_what_the_store_holds_already_is_not_taken_again() -> None:
    framing = greeted(b"77")

    framing.committed(Receipt((b"node1", 77), 5))

    assert hears(framing) == [b"ok 5"]
    assert says(framing, b"#5 pt t 1") == []
    assert len(says(framing, b"#6 pt t 1")) == 1


# Checksums


def test_a_checked_hello_makes_every_line_checked_both_ways() -> None:
    framing = new()
    says(framing, sealed(b"hello node1 77"))
    assert hears(framing) == [sealed(b"ok hello")]

    assert len(says(framing, sealed(b"#1 pt t 1"))) == 1
    assert says(framing, b"pt t 1") == []
    assert framing.counts().bad == 1


@pytest.mark.parametrize("boot", [b"", b" 77"])
@pytest.mark.parametrize("bit", range(24))
def test_no_flipped_bit_of_a_checked_hello_ends_the_checks(bit: int, boot: bytes) -> None:
    framing = new()
    framing.admits = lambda name: name == "node1"
    says(framing, sealed(b"hello node1 77"))
    hears(framing)
    damaged = bytearray(sealed(b"hello node1" + boot))
    damaged[-3 + bit // 8] ^= 1 << bit % 8

    says(framing, bytes(damaged))

    assert says(framing, b"pt t 1") == []
    (reading,) = says(framing, sealed(b"#1 pt t 1"))
    assert reading == Reading(b"node1.77.1", b'{"v":1}', b"node1", b"t", Receipt((b"node1", 77), 1))


def test_another_board_without_checksums_is_believed_at_its_third_hello() -> None:
    framing = new()
    says(framing, sealed(b"hello node1 77"))
    hears(framing)

    says(framing, b"hello uno", b"hello uno", sealed(b"log x"), b"hello uno", b"hello due")
    assert hears(framing) == []
    assert framing.counts().bad == 4

    says(framing, b"hello uno", b"hello uno", b"hello uno")
    assert hears(framing) == [b"ok hello"]
    assert len(says(framing, b"pt t 1")) == 1


def reopened() -> TextLinkFraming:
    """A board with checksums was there; the port was opened anew, and nobody said hello since."""
    framing = new()
    says(framing, sealed(b"hello node1 77"), sealed(b"sub led"))
    framing.closed()
    framing.opened(0)
    says(framing, b"")
    hears(framing)
    return framing


def test_who_says_no_hello_where_a_board_with_checksums_was_is_believed_at_the_third_line() -> None:
    framing = reopened()

    assert says(framing, b"pt t 1", b"log x") == []
    (reading,) = says(framing, b"pt t 3")

    assert isinstance(reading, Reading)
    assert (reading.device, reading.payload, reading.receipt) == (b"uno", b'{"v":3}', None)
    assert framing.is_nameless(0)
    assert len(says(framing, b"pt t 4")) == 1
    assert says(framing, sealed(b"hello node1 77")) == [DeviceHello("node1", 77, resumed=False)]
    assert says(framing, *[b"pt t 5"] * 5) == []


def test_a_board_with_checksums_is_believed_to_have_them_when_its_port_is_opened_anew() -> None:
    framing = reopened()

    assert says(framing, b"pt t 1", b"pt t 2") == []
    assert len(says(framing, sealed(b"pt t 2"))) == 1
    assert says(framing, b"pt t 3", b"pt t 4", b"hello node1 7") == []
    assert says(framing, sealed(b"hello node1 77")) == [DeviceHello("node1", 77, resumed=True)]
    assert says(framing, *[b"pt t 5"] * 5) == []
    framing.opened(0)
    assert says(framing, b"", b"pt t 6", b"pt t 7") == []


def test_a_line_that_is_not_taken_is_told_of_by_the_ports_name_until_somebody_says_one() -> None:
    framing = reopened()
    framing.receive(b"pt t 1\n", 0)

    assert events_of(framing) == [WrongLine("uno", Wrong.UNCHECKED.value)]


def test_a_checked_name_that_is_refused_leaves_the_checks_on() -> None:
    framing = new()
    framing.admits = lambda name: False
    says(framing, sealed(b"hello node1 77"))

    assert says(framing, b"pt t 1") == []
    assert len(says(framing, sealed(b"pt t 1"))) == 1


def test_who_says_checked_lines_without_a_hello_is_asked_for_it_in_one() -> None:
    framing = new()

    says(framing, sealed(b"#1 pt t 1"))

    assert hears(framing) == [sealed(b"hello?")]


def test_a_wrong_checksum_is_bad_and_nothing_is_said() -> None:
    framing = greeted(b"77")

    assert says(framing, b"#1 pt t 1*00") == []

    assert framing.counts().bad == 1
    assert hears(framing) == []


# Noise and bounds


def test_banners_and_a_repl_are_counted_and_are_no_errors() -> None:
    framing = new()
    banner = [b"ets Jun  8 2016", b"", b">>> ", b"Traceback (most recent call last):"]

    assert says(framing, *banner, b"pt t 1")[0] == Reading(b"p.boot.1", b'{"v":1}', b"uno", b"t")

    counts = framing.counts()
    assert (counts.frames, counts.bad) == (1, 0)
    assert counts.noise_bytes == sum(map(len, banner))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"pt a..b 1", Wrong.SUBJECT),
        (b"pt a.* 1", Wrong.SUBJECT),
        (b"pt t hot", Wrong.VALUE),
        (b"pt t 1 a b", Wrong.UNIT),
        (b"pt t", Wrong.VALUE),
        (b"pub", Wrong.WORDS),
        (b"pub t \x01", Wrong.CONTROL),
        (b"#1 log x", Wrong.NUMBER),
        (b"pt t 1*00", Wrong.CHECKSUM),
        (b"hello a.b", Wrong.HELLO),
        (b"hello a -1", Wrong.HELLO),
        (b"hello a 1073741824", Wrong.HELLO),
        (b"sub a..b", Wrong.SUBJECT),
        (b"sub a b", Wrong.SUBJECT),
        (b"req x 5 z", Wrong.REQUEST),
        (b"req 0 5 z", Wrong.REQUEST),
        (b"req 1 5 a..b", Wrong.SUBJECT),
        (b"rep x", Wrong.REQUEST),
        (b"pub t " + b"x" * 64, Wrong.LONG),
    ],
)
def test_what_cannot_be_is_counted_and_told_with_its_cause(line: bytes, wrong: Wrong) -> None:
    framing = new()
    framing.receive(line + b"\n", 0)

    assert events_of(framing) == [WrongLine("uno", wrong.value)]
    is_long = wrong is Wrong.LONG
    counts, causes = framing.counts(), framing.wrong.counts()
    assert (counts.bad, counts.overlong) == (not is_long, is_long)
    assert (counts.frames, counts.noise_bytes) == (0, len(line))
    assert {name for name, count in causes.items() if count} == {wrong.name.lower()}
    assert sum(causes.values()) == 1


def test_noise_is_not_told_of_and_a_refused_name_is_told_of_by_who_refuses_it() -> None:
    framing = new()
    framing.admits = lambda name: name != "other"
    framing.receive(b"boot\nhello other\n", 0)

    assert events_of(framing) == []
    assert (framing.counts().bad, framing.wrong.counts()["name"]) == (1, 1)


def test_a_line_without_a_checksum_of_a_board_with_them_says_so() -> None:
    framing = new()
    says(framing, sealed(b"hello node1 77"))
    framing.receive(b"pt t 1\n", 0)

    assert events_of(framing) == [WrongLine("node1", Wrong.UNCHECKED.value)]


def test_a_line_without_an_end_is_told_of_at_once_and_once() -> None:
    framing = new(max_frame_bytes=10)
    for _ in range(5):
        framing.receive(b"x" * 8, 0)

    assert events_of(framing) == [WrongLine("uno", Wrong.LONG.value)]
    framing.receive(b"x" * 8, 0)
    assert events_of(framing) == []
    assert framing.counts().overlong == 1


def test_a_line_may_have_the_bound_and_no_byte_more() -> None:
    framing = new(max_frame_bytes=10)

    assert len(says(framing, b"pub t 1234", b"pub t 12345", b"pub t 1")) == 2
    assert framing.counts().overlong == 1


def test_a_line_without_an_end_costs_no_more_than_the_bound() -> None:
    framing = new(max_frame_bytes=10)
    for _ in range(100):
        framing.receive(b"x" * 100, 0)
        assert drained(framing) == []
        assert len(framing._lines._buffer) <= 10

    assert len(says(framing, b"", b"pub t 1")) == 1


def test_opening_the_port_forgets_the_half_of_a_line() -> None:
    framing = new()
    framing.receive(b"pub t 1", 0)
    drained(framing)

    framing.opened(0)

    assert says(framing, b"2", b"pub t 3")[0].payload == b"3"


@pytest.mark.parametrize("line", [b"#12 pt temp 21.5", sealed(b"#12 pt temp 21.5")])
def test_a_port_that_is_opened_amid_a_line_takes_no_tail_for_a_reading(line: bytes) -> None:
    framing = new()
    framing.opened(0)

    tail = line[len(b"#12 ") :]  # a checksum goes well with it: that of `#12 ` is zero
    found = says(framing, tail, b"hello node1 7", line, line)

    assert [event.msg_id for event in found if isinstance(event, Reading)] == [b"node1.7.12"]
    assert framing.counts().noise_bytes == len(tail)


def test_an_answer_to_the_first_question_is_passed_over_and_asked_for_again() -> None:
    framing = new()
    framing.opened(0)
    assert hears(framing) == [b"hello?", sealed(b"hello?")]

    assert says(framing, b"hello node1 7") == []
    assert hears(framing) == [b"hello?", sealed(b"hello?")]
    assert len(says(framing, b"hello node1 7")) == 1


def test_what_was_dropped_amid_a_line_leaves_a_tail_that_is_passed_over() -> None:
    framing = greeted(b"77")
    framing.receive(b"#1 pt t 1\n#2 ", 0)
    assert framing.next_event() is not None

    framing.untaken(Receipt((b"node1", 77), 1))

    assert says(framing, b"pt t 2") == []


def test_answers_to_a_board_that_does_not_read_are_bounded() -> None:
    framing = new()

    says(framing, *[b"sub secret"] * 1000)

    assert len(hears(framing)) == 64 + verbs.MESSAGES_MAX


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_garbage_raises_nothing(chunks: list[bytes]) -> None:
    framing = new()
    for chunk in chunks:
        framing.receive(chunk, 0)
        drained(framing)
        framing.data_to_send(0)


@given(st.lists(st.integers(1, 40), max_size=30))
def test_any_chunking_gives_the_same_events(sizes: list[int]) -> None:
    wire = b"hello n 7\r\n#1 pt t 1\nnoise\n#2 pub a b c\r\nlog warning x\n#2 pub a b c\n"
    framing, whole = new(), new()
    whole.receive(wire, 0)
    seen, at = [], 0
    for size in [*sizes, len(wire)]:
        framing.receive(wire[at : at + size], 0)
        seen += drained(framing)
        at += size

    assert seen == drained(whole)
    assert framing.counts()._replace(bytes_in=0) == whole.counts()._replace(bytes_in=0)


# Log, messages, requests


def test_a_log_line_says_as_much_as_one_of_the_device_link() -> None:
    framing = new(max_frame_bytes=10_000)
    (event,) = says(framing, b"log " + b"x" * 5000)
    assert isinstance(event, DeviceLog)
    assert event.text == "x" * 1024


def test_a_pattern_beyond_the_bound_is_refused_unlooked_at() -> None:
    class Unlooked(bytes):
        def split(self, *_: object) -> NoReturn:
            raise AssertionError("each token costs")

    assert not is_pattern(Unlooked(b"a." * 64 + b"a"))


def test_a_log_line_has_a_level_or_is_information() -> None:
    framing = new()

    assert says(framing, b"log error no sensor", b"log no sensor") == [
        DeviceLog("uno", 3, "no sensor"),
        DeviceLog("uno", 6, "no sensor"),
    ]


def test_a_board_subscribes_and_gets_lines() -> None:
    framing = new()

    (event,) = says(framing, b"sub led.*")

    assert isinstance(event, events.Subscribe)
    assert (event.subject, event.answers) == ("led.*", False)
    assert hears(framing) == [b"ok sub led.*"]
    assert framing.message(event.sub, "led.red", b"on")
    assert hears(framing) == [b"msg led.red on"]


def test_what_is_not_allowed_is_refused() -> None:
    framing = new()

    assert says(framing, b"sub secret", b"req 1 500 secret") == []

    assert hears(framing) == [b"no sub secret", b"rep 1 refused"]


def test_an_ended_subscription_gets_nothing() -> None:
    framing = new()
    (event,) = says(framing, b"sub led")
    assert isinstance(event, events.Subscribe)

    assert [type(e) for e in says(framing, b"unsub led")] == [events.Unsubscribe]

    assert not framing.message(event.sub, "led", b"on")
    assert says(framing, b"unsub led") == []


def test_the_bound_of_subscriptions_holds_at_max_and_one_past_it() -> None:
    framing = new()
    taken = says(framing, *[b"sub s%d" % number for number in range(verbs.SUBS_MAX)])
    assert len(taken) == verbs.SUBS_MAX
    hears(framing)

    assert says(framing, b"sub more") == []
    assert hears(framing) == [b"no sub more"]


def test_a_payload_that_no_line_holds_is_not_sent() -> None:
    framing = new()
    (event,) = says(framing, b"serve led")
    assert isinstance(event, events.Subscribe)

    for payload in (b"a\nmsg led forged", b"\x00", b"x" * 64):
        assert not framing.message(event.sub, "led", payload)
        assert framing.request(event.sub, "led", payload) == 0
    assert hears(framing) == [b"ok sub led"]


def test_a_line_to_a_board_has_8_kib_at_most_however_long_its_own_may_be() -> None:
    framing = new(max_frame_bytes=1_000_000)
    (event,) = says(framing, b"serve led")
    assert isinstance(event, events.Subscribe)
    says(framing, b"req 7 500 zone", b"req 8 500 zone")
    hears(framing)
    most = b"x" * (verbs.MESSAGES_BYTES_MAX - len(b"msg led "))

    assert framing.message(event.sub, "led", most)
    assert not framing.message(event.sub, "led", most + b"x")
    assert framing.request(event.sub, "led", most[:-2])
    assert not framing.request(event.sub, "led", most[:-1])
    framing.reply(7, verbs.STATUS_OK, most[:-1])
    framing.reply(8, verbs.STATUS_OK, most + b"x")
    assert [len(line) for line in hears(framing)[:-1]] == [verbs.MESSAGES_BYTES_MAX] * 3


def test_messages_that_wait_are_bounded_and_the_oldest_gives_way() -> None:
    framing = new()
    (event,) = says(framing, b"sub n")
    assert isinstance(event, events.Subscribe)
    hears(framing)
    for number in range(verbs.MESSAGES_MAX):
        framing.message(event.sub, "n", b"%d" % number)
    assert framing.dropped == 0

    framing.message(event.sub, "n", b"last")

    assert framing.dropped == 1
    assert hears(framing)[0] == b"msg n 1"


def test_a_board_asks_and_is_replied_to_once() -> None:
    framing = new()

    (event,) = says(framing, b"req 7 500 zone where")

    assert repr(event) == "Request(uno 7 'zone' 5 bytes 500 ms)"
    assert framing.reply(7, verbs.STATUS_OK, b"CET")
    assert not framing.reply(7, verbs.STATUS_OK, b"again")
    assert hears(framing) == [b"rep 7 ok CET"]


def test_a_status_is_a_word() -> None:
    framing = new()
    says(framing, b"req 1 500 a", b"req 2 500 a", b"req 3 500 a")

    framing.reply(1, verbs.STATUS_NO_RESPONDERS)
    framing.reply(2, verbs.STATUS_TIMEOUT)
    framing.reply(3, verbs.STATUS_OK, b"two\nlines")

    assert hears(framing) == [b"rep 1 no-responders", b"rep 2 timeout", b"rep 3 too-large"]


def test_as_many_requests_are_open_as_may_be() -> None:
    framing = new()
    lines = [b"req %d 500 a" % number for number in range(1, verbs.REQUESTS_MAX + 2)]

    assert len(says(framing, *lines)) == verbs.REQUESTS_MAX
    assert hears(framing) == [b"rep %d busy" % (verbs.REQUESTS_MAX + 1)]


def test_a_board_answers_once() -> None:
    framing = new()
    (event,) = says(framing, b"serve led")
    assert isinstance(event, events.Subscribe)
    hears(framing)
    first = framing.request(event.sub, "led", b"on")
    second = framing.request(event.sub, "led", b"off")
    assert hears(framing) == [b"req %d led on" % first, b"req %d led off" % second]

    answers = says(framing, b"rep %d done" % first, b"rep %d done" % first, b"err %d no" % second)

    assert [repr(answer) for answer in answers] == [
        "Answer(uno 1 status=0 4 bytes)",
        "Answer(uno 2 status=6 2 bytes)",
    ]


def test_a_request_that_is_given_up_is_not_answered() -> None:
    framing = new()
    (event,) = says(framing, b"serve led")
    assert isinstance(event, events.Subscribe)
    number = framing.request(event.sub, "led", b"on")

    framing.give_up(number)

    assert says(framing, b"rep %d late" % number) == []


def test_a_hello_or_a_closed_port_ends_what_the_board_wanted() -> None:
    framing = new()
    (event,) = says(framing, b"sub led")
    assert isinstance(event, events.Subscribe)

    assert [type(e) for e in says(framing, b"hello n")] == [events.Gone, DeviceHello]
    says(framing, b"sub led")
    framing.closed()

    assert framing.next_timeout_ms(0) == 0
    assert [type(e) for e in drained(framing)] == [events.Gone]
    assert not framing.message(event.sub, "led", b"on")


@given(st.data())
def test_what_is_said_is_the_same_in_whatever_pieces_it_comes(data: st.DataObject) -> None:
    body = st.sampled_from(
        [b"pt t 1", b"pub t " + b"x" * 20, b"pub t " + b"x" * 200, b"pt t nan", b"noise" * 20]
    )
    numbers = st.sampled_from([b"", b"#1 ", b"#2 ", b"#3 "])
    ends = st.sampled_from([b"", b"*00"])
    lines = [b"hello node1 7"] + [
        data.draw(numbers) + data.draw(body) + data.draw(ends)
        for _ in range(data.draw(st.integers(1, 8)))
    ]
    if data.draw(st.booleans()):
        lines = [sealed(line) for line in lines]
    stream = b"".join([line + b"\n" for line in lines])
    whole, pieces = new(), new()
    whole.receive(stream, 0)
    said, at = events_of(whole), 0

    heard: list[Event] = []
    while at < len(stream):
        size = data.draw(st.integers(1, 150))
        pieces.receive(stream[at : at + size], 0)
        heard += events_of(pieces)
        at += size

    assert heard == said
    assert pieces.counts() == whole.counts()
    assert hears(pieces) == hears(whole)


@pytest.mark.parametrize("silent_days", [0.001, 1, 3.2, 5, 6.3, 30])
def test_a_board_that_is_silent_for_a_minute_is_not_there_however_long_that_lasts(
    silent_days: float,
) -> None:
    framing = TextLinkFraming(name="p", msg_id_prefix=b"p.x", max_frame_bytes=1024, keep_first=True)
    framing.receive(b"hello uno 7\n", 10_000)
    assert framing.next_event() is not None
    assert framing.board(69_999) == Presence("uno", 10_000, is_there=True)

    later_ms = 10_000 + int(silent_days * 86_400_000)
    assert framing.board(later_ms) == Presence("uno", 10_000, is_there=False)


def test_a_board_that_says_no_name_speaks_under_the_ports_for_a_minute_behind_a_reading() -> None:
    framing = new()
    framing.receive(b"banner of a board\nlog info x\n#1 pub t 1\n", 1000)
    drained(framing)
    assert not framing.is_nameless(1000)  # it may say hello yet
    framing.receive(b"pub t 1\n", 2000)
    drained(framing)

    assert framing.is_nameless(61_999)
    assert not framing.is_nameless(62_000)


@pytest.mark.parametrize("admitted", [False, True])
def test_a_board_that_said_a_name_takes_the_ports_from_nobody(*, admitted: bool) -> None:
    framing = new()
    framing.admits = lambda _: admitted
    says(framing, b"pub t 1", b"hello due", b"pub t 2")
    assert not framing.is_nameless(1)

    framing.opened(2)
    says(framing, b"", b"pub t 3")

    assert framing.is_nameless(3)
