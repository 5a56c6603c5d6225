"""Messages of the text dialect before which the head of a torn one stands."""

from __future__ import annotations

import pytest

from leafnode.bridge.framing.text_lines import sealed
from leafnode.bridge.reading import Reading
from tests.unit.bridge.framing.test_text_link import greeted, new, says


@pytest.mark.parametrize("seals", [True, False])
@pytest.mark.parametrize(("number", "cut"), [(10, 24), (11, 14), (22, 14), (107, 10)])
def test_a_message_whose_torn_head_stands_before_it_is_no_message(
    seals: bool, number: int, cut: int
) -> None:
    """The sum of one torn head in 86 is zero; the whole line was its payload, and acknowledged."""
    framing = new()
    lines = [b"hello node1 77", b"#%d pt t 1" % (number - 1), b'#%d pub room {"t":21.5}' % number]
    hello, before, line = map(sealed, lines) if seals else lines
    says(framing, hello, before, before)

    assert says(framing, line[:cut] + line) == []
    (reading,) = says(framing, line)

    assert isinstance(reading, Reading)
    assert (reading.payload, reading.wrong) == (b'{"t":21.5}', "")
    assert framing.wrong.counts()["torn"] == 1


@pytest.mark.parametrize("number", [10, 11, 22, 107])
@pytest.mark.parametrize(
    "behind", [b"hello node1 78", b"log info started", b"pt temp 21.5", b"#9 pub ev 1", b"sub a.b"]
)
def test_no_torn_message_before_any_line_with_a_checksum_is_a_message(
    number: int, behind: bytes
) -> None:
    """A board that is reset amid a line says hello next; of 129 torn heads one has no sum."""
    framing = new()
    before, line = b"#%d pt t 1" % (number - 1), sealed(b'#%d pub room {"t":21.5}' % number)
    says(framing, sealed(b"hello node1 77"), sealed(before), sealed(before))

    for cut in range(line.index(b"pub"), len(line)):
        assert says(framing, line[:cut] + sealed(behind)) == []
    assert framing.wrong.counts()["torn"] >= 1
    (reading,) = says(framing, line)
    assert isinstance(reading, Reading)
    assert reading.payload == b'{"t":21.5}'


def test_what_looks_like_another_line_is_payload_where_the_checksum_tells_so() -> None:
    framing = new()
    says(framing, sealed(b"hello node1 77"))

    for number, text in enumerate((b"hello you", b"#1 pub a 5", b"pt x 1", b"log on"), 1):
        (reading,) = says(framing, sealed(b"#%d pub a the %b" % (number, text)))
        assert isinstance(reading, Reading)
        assert reading.payload == b"the " + text


@pytest.mark.parametrize("hello", [b"hello node1", b"hello node1 78"])
def test_no_torn_message_without_a_checksum_before_a_hello_is_a_message(hello: bytes) -> None:
    framing = greeted(b"77")
    line = b'#1 pub room {"t":21.5}'

    for cut in range(line.index(b"{"), len(line)):
        assert says(framing, line[:cut] + hello) == []
    (reading,) = says(framing, line)
    assert isinstance(reading, Reading)
    assert reading.payload == b'{"t":21.5}'
    assert len(says(framing, b"#2 pub a hello my friend")) == 1


def test_a_board_that_means_such_a_message_says_it_twice() -> None:
    framing = greeted(b"77")
    line = b"#2 pub a the line #1 pub a 5 was here"

    assert says(framing, line) == []
    (reading,) = says(framing, line)
    assert isinstance(reading, Reading)
    assert reading.payload == b"the line #1 pub a 5 was here"
    assert says(framing, b"pub a the line #1 pub a 5 was here") != []  # it is said once
