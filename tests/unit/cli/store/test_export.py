"""leafnode.cli.store.export: the same messages as CSV, JSON lines and Parquet."""

import csv
import io
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from leafnode.cli.store.export import (
    ROW_GROUP,
    CsvWriter,
    JsonlWriter,
    ParquetWriter,
    encoded,
    write_table,
)
from leafnode.errors import StoreError
from leafnode.store.api import StoredMsg
from tests.sim.stored import HEADER, PAYLOADS, START_NS

MESSAGES = [
    StoredMsg(n, b"s.1", START_NS, len(HEADER) if n == 1 else 0, (HEADER if n == 1 else b"") + body)
    for n, body in enumerate(PAYLOADS, start=1)
]


def lines(encoding: str = "auto") -> list[dict[str, Any]]:
    file = io.StringIO()
    JsonlWriter(file, encoding).write("S", MESSAGES)
    return [json.loads(line) for line in file.getvalue().splitlines()]


def rows(encoding: str = "auto", *, guard: bool = True) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    CsvWriter(file, encoding, guard=guard).write("S", MESSAGES)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


def test_a_json_line_has_everything() -> None:
    assert lines()[0] == {
        "stream": "S",
        "seq": 1,
        "time": "2025-11-27T06:00:00Z",
        "subject": "s.1",
        "headers": {"Nats-Msg-Id": ["7"], "Tag": ["a", "b"]},
        "encoding": "json",
        "payload": {"temp": 21.5},
    }


def test_json_lines_are_ascii_and_one_line_each_whatever_the_payload() -> None:
    file = io.StringIO()
    payloads = ['{"a":\r\n"ü\U0001f600\x7f"}'.encode(), b'"\\n"', "a\u2028\x1b".encode(), b"1\n2"]
    JsonlWriter(file, "auto").write("S", [StoredMsg(1, b"s", 1, 0, body) for body in payloads])

    text = file.getvalue()
    assert text.isascii()
    assert not set(text) & {"\x1b", "\x7f", "\r"}
    found = [json.loads(line)["payload"] for line in text.split("\n")[:-1]]
    assert found == [{"a": "ü\U0001f600\x7f"}, "\n", "a\u2028\x1b", "1\n2"]


def test_a_number_keeps_its_digits() -> None:
    file = io.StringIO()
    JsonlWriter(file, "auto").write("S", [StoredMsg(1, b"s", 1, 0, b"12345678901234567890.10")])

    assert '"payload": 12345678901234567890.10}' in file.getvalue()


@pytest.mark.parametrize(
    ("encoding", "kinds"),
    [
        ("auto", ["json", "json", "base64", "text", "text", "text"]),
        ("text", ["text", "text", "base64", "text", "text", "text"]),
        ("base64", ["base64"] * 6),
    ],
)
def test_payloads_are_encoded_as_asked_where_they_can_be(encoding: str, kinds: list[str]) -> None:
    assert [encoded(payload, encoding)[0] for payload in PAYLOADS] == kinds
    assert [line["encoding"] for line in lines(encoding)] == kinds


def test_csv_cells_are_no_formulas_and_numbers_stay_numbers() -> None:
    assert [row["payload"] for row in rows()[:4]] == ['{"temp": 21.50}', "-3.5", "//4=", "'=cmd()"]
    assert rows(guard=False)[3]["payload"] == "=cmd()"


@pytest.mark.parametrize("text", ["=1", "+a", "-a", "@a", "\t=1", " =1", "\r=1", "-1+cmd()", "=\n"])
def test_what_a_spreadsheet_takes_for_a_formula_is_guarded(text: str) -> None:
    file = io.StringIO(newline="")
    write_table(file, ("a",), [(text,)])

    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert row["a"].startswith(("'", "\\"))


@pytest.mark.parametrize("text", ["-1", "+1.5", "-.5e-3", "text", "", "1-2"])
def test_other_text_is_left_alone(text: str) -> None:
    file = io.StringIO(newline="")
    write_table(file, ("a", "b"), [(text, 1)])

    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert row["a"] == text


def test_rows_of_any_kind_keep_their_control_characters_but_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file, terminal = io.StringIO(newline=""), Terminal(newline="")
    for one in (file, terminal):
        write_table(one, ("a", "b", "c"), [("two\nlines\x1b", b"\xff", None)])

    assert list(csv.reader(io.StringIO(file.getvalue())))[1] == ["two\nlines\x1b", "/w==", ""]
    assert terminal.getvalue().splitlines()[1] == "two\\nlines\\x1b,/w==,"


def test_a_csv_cell_on_a_terminal_has_no_escapes() -> None:
    file = io.StringIO(newline="")
    CsvWriter(file, "auto", guard=True, plain=repr).write("S", MESSAGES)

    assert "\x1b" not in file.getvalue()


def test_without_pyarrow_parquet_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(StoreError, match=r"pip install pyarrow$"):
        ParquetWriter(tmp_path / "x")


class FakeParquet:
    """What of pyarrow is used, remembering what it was given."""

    def __init__(self) -> None:
        self.groups: list[list[dict[str, Any]]] = []
        self.closed = False
        self.pyarrow = ModuleType("pyarrow")
        self.parquet = ModuleType("pyarrow.parquet")
        for name in ("string", "int64", "binary", "schema"):
            setattr(self.pyarrow, name, lambda *_: None)
        vars(self.pyarrow).update(timestamp=lambda *_, tz: tz, Table=self, parquet=self.parquet)
        vars(self.parquet).update(ParquetWriter=lambda *_, **__: self)

    def from_pylist(self, rows: list[dict[str, Any]], schema: None) -> list[dict[str, Any]]:
        return rows

    def write_table(self, rows: list[dict[str, Any]]) -> None:
        self.groups.append(rows)

    def close(self) -> None:
        self.closed = True


def test_parquet_gets_typed_rows_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeParquet()
    monkeypatch.setitem(sys.modules, "pyarrow", fake.pyarrow)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", fake.parquet)
    writer = ParquetWriter(tmp_path / "x")

    for _ in range(ROW_GROUP // len(MESSAGES) + 2):
        writer.write("S", MESSAGES)
    writer.close()

    assert fake.closed
    assert [len(group) >= ROW_GROUP for group in fake.groups] == [True, False]
    assert fake.groups[0][2] == {
        "stream": "S",
        "seq": 3,
        "time": START_NS,
        "subject": "s.1",
        "headers": None,
        "payload": b"\xff\xfe",
    }
