"""leafnode.cli.store.output: a file has its name when it is complete."""

import os
from pathlib import Path

import pytest

from leafnode.cli.store.output import PARTIAL, format_of, new_file, opened
from leafnode.errors import StoreError


def test_the_name_tells_the_format() -> None:
    assert format_of(None) == "jsonl"
    assert [format_of(Path(name)) for name in ("a.csv", "a.JSONL", "a.ndjson", "a.parquet")] == [
        *("csv", "jsonl", "jsonl", "parquet")
    ]
    assert format_of(Path("/dev/null")) == format_of(Path("readings")) == "jsonl"
    for name in ("readings.txt", "readings.csv.gz"):
        with pytest.raises(StoreError, match="which format"):
            format_of(Path(name))


def test_a_device_or_a_pipe_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with opened(pipe, "csv", "auto", guard=True, force=True) as writer:
        writer.write("S", [])

    assert os.read(end, 1000).startswith(b"stream,")
    os.close(end)
    for attempt in (
        opened(pipe, "parquet", "auto", guard=True, force=True),
        new_file(pipe, force=True),
    ):
        with pytest.raises(StoreError, match="is no file"), attempt:
            pass
    assert pipe.is_fifo()


def test_a_file_that_is_not_complete_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"

    with pytest.raises(KeyboardInterrupt), opened(path, "csv", "auto", guard=True, force=False):
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("old")
    with (
        pytest.raises(StoreError, match="exists; --force replaces it"),
        new_file(path, force=False),
    ):
        pass
    assert path.read_text() == "old"

    with new_file(path, force=True) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"

    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    path = tmp_path / "a"
    path.symlink_to(tmp_path / "other")
    with pytest.raises(StoreError, match="exists"), new_file(path, force=False):
        pass

    with new_file(path, force=True) as partial:
        partial.write_text("new")

    assert (path.read_text(), (tmp_path / "other").read_text()) == ("new", "other")


def test_a_link_where_the_file_is_made_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / ("a.jsonl" + PARTIAL)).symlink_to(tmp_path / "other")

    with opened(tmp_path / "a.jsonl", "jsonl", "auto", guard=True, force=False) as writer:
        writer.close()

    assert (tmp_path / "other").read_text() == "other"


def test_parquet_needs_a_file() -> None:
    with (
        pytest.raises(StoreError, match="give --output"),
        opened(None, "parquet", "auto", guard=True, force=False),
    ):
        pass
