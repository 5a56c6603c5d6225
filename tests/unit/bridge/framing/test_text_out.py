"""leafnode.bridge.framing.text_out: lines for a text board."""

from __future__ import annotations

import pytest

from leafnode.bridge.framing.text_lines import sealed
from leafnode.bridge.framing.text_out import Lines
from leafnode.link import verbs


def test_messages_end_and_answers_stay() -> None:
    lines = Lines()
    lines.append(b"ok hello")
    lines.message(b"msg led on")
    lines.append(b"ok sub led")

    lines.ask()
    lines.ask()
    assert [*lines][-2:] == [b"ok sub led", b"hello?"]

    lines.begin_anew()

    assert [*lines] == [b"ok hello", b"ok sub led"]
    lines.clear()
    assert [*lines] == []


def test_lines_are_sent_with_checksums_or_without_or_both_ways() -> None:
    lines = Lines()
    sent = []
    for seals in (False, True, None):
        lines.append(b"ok hello")
        sent.append(lines.taken([b"ok 1"], seals=seals))

    bare, checked = b"ok 1\nok hello\n", sealed(b"ok 1") + b"\n" + sealed(b"ok hello") + b"\n"
    assert sent == [bare, checked, bare + checked]
    assert lines.taken([], seals=None) == b""


def test_beyond_their_number_the_oldest_message_gives_way_and_no_answer() -> None:
    lines = Lines()
    lines.append(b"ok sub led")

    for number in range(verbs.MESSAGES_MAX + 1):
        lines.message(b"msg led %d" % number)

    assert [*lines][:2] == [b"ok sub led", b"msg led 1"]
    assert (len([*lines]), lines.dropped) == (verbs.MESSAGES_MAX + 1, 1)


@pytest.mark.parametrize(("size", "waits"), [(512, 16), (4096, 2), (4097, 1), (8192, 1)])
def test_beyond_their_bytes_too(size: int, waits: int) -> None:
    lines = Lines()

    for number in range(20):
        lines.message(b"msg led %d " % (number % 10) + bytes(size - len(b"msg led 1 ")))

    assert [len(line) for line in lines] == [size] * waits
    assert [*lines][-1].startswith(b"msg led 9 ")
    assert lines.dropped == 20 - waits
