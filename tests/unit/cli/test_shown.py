"""leafnode.cli.shown: nothing that is printed moves a cursor."""

import pytest

from leafnode.cli import shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (7, "7"),
        ("grün", "grün"),
        ("a\x1b[2Jb\r\n", "a\\x1b[2Jb\\r\\n"),
        ("\x9b1m", "\\x9b1m"),
        ("abc\u202edef", "abc\\u202edef"),  # would be shown from right to left
        (b"text", "text"),
        (b"\xff", "/w=="),
    ],
)
def test_what_a_terminal_would_obey_is_an_escape(value: object, text: str) -> None:
    assert shown.printable(value) == text


def test_a_table_has_its_numbers_to_the_right() -> None:
    lines = shown.table(("name", "count"), [("a", 5), ("bc", 1234)], ["count"]).splitlines()

    assert [line.rstrip() for line in lines[1:]] == ["a             5", "bc         1234"]


def test_an_empty_table_is_its_heads() -> None:
    assert "name" in shown.table(("name", "count"), [])


def test_a_cell_is_one_line() -> None:
    assert len(shown.table(("a",), [("1\n2",), ("3",)]).splitlines()) == 3


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 50, "3072.0 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert shown.size(count) == text


def test_no_colour_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    shown.say(shown.bad("x"))

    assert capsys.readouterr().out == "x\n"


def test_json_is_ascii() -> None:
    assert shown.as_json({"a": "\x9b", "b": b"\xff"}) == '{\n  "a": "\\u009b",\n  "b": "/w=="\n}'


def test_a_bar_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with shown.progress("copying") as step:
        step(2)
        step(2)

    assert capsys.readouterr() == ("", "")
