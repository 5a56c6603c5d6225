"""Which lines of a text board are believed, and which it means so."""

from __future__ import annotations

from leafnode.bridge.framing.text_board import Checks, Meant
from leafnode.bridge.framing.text_lines import Line, Passed, parse, sealed


def is_believed(checks: Checks, raw: bytes, *, says_name: bool = False) -> bool:
    line = parse(raw)
    assert isinstance(line, Line)
    return checks.believes(line, raw, says_name=says_name)


def passed(raw: bytes) -> Passed:
    line = Passed()
    line.take(raw)
    return line


def test_the_third_line_without_a_checksum_is_of_another_board_that_says_no_name() -> None:
    checks = Checks()
    assert is_believed(checks, b"pt t 1")
    checks.is_on = True

    assert [is_believed(checks, b"pt t 1") for _ in range(3)] == [False, False, True]
    assert not checks.is_on


def test_a_board_that_said_its_name_says_no_line_without_a_checksum() -> None:
    checks = Checks()
    checks.is_on = True

    assert not any(is_believed(checks, b"pt t 1", says_name=True) for _ in range(9))
    assert is_believed(checks, sealed(b"pt t 1"), says_name=True)


def test_the_third_hello_without_a_checksum_is_of_another_board_if_none_with_one_came() -> None:
    checks = Checks()
    checks.is_on = True
    hello = b"hello uno 7"

    assert [is_believed(checks, hello) for _ in range(2)] == [False, False]
    assert is_believed(checks, sealed(b"pt t 1"))
    assert [is_believed(checks, hello) for _ in range(3)] == [False, False, True]


def test_a_line_is_meant_when_it_came_twice_with_a_checksum_and_thrice_without() -> None:
    meant = Meant()

    assert [meant.is_sure(passed(sealed(b"#1 pt t nan"))) for _ in range(2)] == [False, True]
    bare = b"#1 pt t nan"
    assert [meant.is_sure(passed(bare)) for _ in range(3)] == [False, False, True]
    assert meant.has(bare)


def test_what_another_board_meant_counts_not_and_is_known_when_that_one_is_back() -> None:
    meant = Meant()
    meant.begin("uno")
    line = sealed(b"#1 pt t nan")
    meant.is_sure(passed(line))

    meant.begin("due")
    assert not meant.has(line)
    assert not meant.is_sure(passed(line))

    meant.begin("uno")
    assert meant.has(line)
    assert meant.is_sure(passed(line))
