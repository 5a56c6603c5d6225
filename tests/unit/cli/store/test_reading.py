"""leafnode.cli.store.reading: ls, info, query and export as they are typed."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from leafnode.cli.store import ask
from leafnode.cli.store.command import run
from tests.sim.stored import fill


class Typed:
    """Types commands at one store."""

    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = store
        self._capsys = capsys

    def __call__(self, command: str, *words: str) -> str:
        assert run([command, "-s", str(self.store), *words], "leafnode") == 0
        shown = self._capsys.readouterr()
        self.err = shown.err
        return shown.out


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    fill(tmp_path)
    return Typed(tmp_path, capsys)


def exported(typed: Typed, *words: str) -> list[int]:
    return [json.loads(line)["seq"] for line in typed("export", "S", *words).splitlines()]


def test_ls_is_a_table_or_json(typed: Typed) -> None:
    heads, row = typed("ls").splitlines()
    assert heads.split()[:3] == ["account", "stream", "messages"]
    assert row.split()[:3] == ["A", "S", "20"]

    (found,) = json.loads(typed("ls", "--json"))
    assert (found["stream"], found["messages"]) == ("S", 20)


def test_info_tells_of_the_file_or_of_a_stream(typed: Typed) -> None:
    assert "messages: 20" in typed("info")
    assert "most frequent subjects" in typed("info", "S")
    found: dict[str, Any] = json.loads(typed("info", "S", "--json", "--subjects", "1"))
    assert found["most_frequent_subjects"] == {"s.1": 7}


def test_query_is_a_table_json_or_csv_and_says_when_there_is_more(typed: Typed) -> None:
    sql = "SELECT seq, payload FROM messages WHERE seq < 4"

    table = typed("query", sql).splitlines()
    assert [line.split() for line in table] == [
        *(["seq", "payload"], ["1", "-3.5"], ["2", "//4="], ["3", "=cmd()"])
    ]
    assert json.loads(typed("query", "--json", sql))[1] == {"seq": 2, "payload": "//4="}
    assert list(csv.reader(io.StringIO(typed("query", "--csv", sql))))[3] == ["3", "'=cmd()"]

    assert json.loads(typed("query", "--json", "SELECT 1e999 AS a, -1e999 AS b, 0.5 AS c")) == [
        {"a": None, "b": None, "c": 0.5}
    ]

    typed("query", "--limit", "2", sql)
    assert typed.err == "only the first 2 rows are shown: see --limit\n"


def test_a_limit_below_zero_is_refused(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", "-s", str(typed.store), "--limit", "-1", "SELECT 1"], "leafnode") != 0

    assert "-1 is not in the range 0<=x<=" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["soon", "-1s", ""])
def test_a_timeout_that_is_none_is_refused(
    value: str, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["query", "-s", str(typed.store), "--timeout", value, "SELECT 1"], "leafnode") != 0

    assert "1ms to 8784h, or 0" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "seconds"), [((), 600), (("0",), 0), (("1.5s",), 1.5)])
def test_a_statement_has_ten_minutes_or_what_it_is_given(
    value: tuple[str, ...], seconds: float, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    real = ask.ask

    def note(*args: Any, timeout_s: float, **more: Any) -> ask.Answer:
        given.append(timeout_s)
        return real(*args, timeout_s=timeout_s, **more)

    monkeypatch.setattr(ask, "ask", note)
    typed("query", *(("--timeout", *value) if value else ()), "SELECT 1")

    assert given == [seconds]


def test_a_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    assert run(["ls", "-s", str(pipe)], "leafnode") == 1

    assert f"{pipe}: is not a SQLite database" in capsys.readouterr().err


def test_export_is_bounded_by_sequence_time_and_subject(typed: Typed) -> None:
    assert exported(typed) == list(range(1, 21))
    assert exported(typed, "--first", "19") == [19, 20]
    assert exported(typed, "--last", "2") == [1, 2]
    assert exported(typed, "--since", "2025-11-27T06:00:18Z") == [18, 19, 20]
    assert exported(typed, "--until", "2025-11-27T06:00:03Z") == [1, 2]
    assert exported(typed, "--since", "2030-01-01") == []
    assert exported(typed, "--subject", "s.0", "--subject", "s.1", "--last", "4") == [1, 3, 4]


def test_export_writes_a_file_by_its_name(typed: Typed, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"

    assert typed("export", "S", "-o", str(target)) == ""

    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["seq"]) for row in rows] == list(range(1, 21))
    assert rows[2]["payload"] == "'=cmd()"


def test_export_keeps_formulas_when_told(typed: Typed) -> None:
    text = typed("export", "S", "-t", "csv", "--keep-formulas", "--first", "3", "--last", "3")

    assert text.splitlines()[1].endswith(",text,=cmd()")


def damaged(store: Path, *bodies: bytes) -> None:
    """Flip a bit in some messages."""
    path = store / "leafnode.db"
    data = bytearray(path.read_bytes())
    for body in bodies:
        data[data.index(body)] ^= 0x01
    path.write_bytes(data)


@pytest.mark.parametrize("words", [["query", "--csv"], ["query", "--json"], ["export"]])
def test_what_fails_its_checksum_is_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    fill(tmp_path)
    damaged(tmp_path, b"=cmd()", b"-3.5")
    what = "S" if words == ["export"] else "SELECT seq, payload_text FROM messages"

    assert run([*words, "-s", str(tmp_path), what], "leafnode") == 1

    shown = capsys.readouterr()
    assert (shown.out.count("cmd()"), shown.out.count("3.5")) == (2, 3)
    told = shown.err.splitlines()
    assert len(told) == 2
    assert all(line.startswith("left out, it is damaged: stream S: ") for line in told)
    assert ["message 3" in told[0], "message 7" in told[1]] == [True, True]


def test_an_export_has_every_message_that_is_intact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path)
    damaged(tmp_path, b"=cmd()")
    target = tmp_path / "out.jsonl"

    assert run(["export", "-s", str(tmp_path), "S", "-o", str(target)], "leafnode") == 1

    assert [json.loads(line)["seq"] for line in target.read_text().splitlines()] == [
        seq for seq in range(1, 21) if seq != 3
    ]
    assert "message 3" in capsys.readouterr().err


def test_counting_messages_reads_none_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path)
    damaged(tmp_path, b"=cmd()")

    assert run(["query", "-s", str(tmp_path), "SELECT count(*) FROM messages"], "leafnode") == 0
    assert capsys.readouterr().out.split() == ["count(*)", "20"]
