"""leafnode.server.log_file: rotation by size, purging, opening anew; nats-server logger/log.go."""

from __future__ import annotations

import errno
import itertools
import logging
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from leafnode.server import log_file
from leafnode.server.log_file import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., LogFile]

SECOND = 1_000_000_000


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Returns a function that opens tmp_path/x.log with a clock that moves by a second."""
    made: list[LogFile] = []
    seconds = itertools.count(1_700_000_000)

    def open_file(size_limit_bytes: int = 0, max_files: int = 0) -> LogFile:
        made.append(
            LogFile(
                str(tmp_path / "x.log"),
                size_limit_bytes=size_limit_bytes,
                max_files=max_files,
                wall_ns=lambda: next(seconds) * SECOND + 7,
            )
        )
        return made[-1]

    yield open_file
    for one in made:
        one.close()


def say(handler: LogFile, text: str) -> None:
    handler.handle(logging.LogRecord("x", logging.INFO, "x.py", 1, text, (), None))


def test_lines_are_appended_to_what_is_there(make: Make, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("before\n")

    say(make(), "hello")

    assert (tmp_path / "x.log").read_text() == "before\nhello\n"


def test_not_everybody_may_read_it(make: Make, tmp_path: Path) -> None:
    make()

    assert (tmp_path / "x.log").stat().st_mode & 0o137 == 0


def test_a_file_beyond_the_limit_is_set_aside(make: Make, tmp_path: Path) -> None:
    handler = make(size_limit_bytes=1000)

    say(handler, "x" * 1000)
    say(handler, "next")

    (aside,) = tmp_path.glob("x.log.*")
    assert aside.read_text() == "x" * 1000 + "\n"
    assert aside.name.endswith(".000000007")
    assert (tmp_path / "x.log").read_text() == f'Rotated log, backup saved as "{aside}"\nnext\n'


def test_a_file_just_at_the_limit_stays(make: Make, tmp_path: Path) -> None:
    say(make(size_limit_bytes=11), "0123456789")

    assert list(tmp_path.glob("x.log.*")) == []


def test_the_oldest_files_are_purged_and_others_are_left_alone(make: Make, tmp_path: Path) -> None:
    (tmp_path / "x.log.mine").write_text("")
    handler = make(size_limit_bytes=1, max_files=3)

    for number in range(5):
        say(handler, f"line {number}")

    kept = sorted(path for path in tmp_path.glob("x.log.*") if path.suffix != ".mine")
    assert len(kept) == 2  # with the one that is written: 3
    assert "line 4" in kept[-1].read_text()
    assert "Purged log file" in (tmp_path / "x.log").read_text()
    assert (tmp_path / "x.log.mine").exists()


def test_after_reopen_lines_go_to_a_new_file(make: Make, tmp_path: Path) -> None:
    handler = make()
    say(handler, "one")
    (tmp_path / "x.log").rename(tmp_path / "moved")

    handler.reopen()
    say(handler, "two")

    assert (tmp_path / "moved").read_text() == "one\n"
    assert (tmp_path / "x.log").read_text() == "two\n"


def test_a_rotation_that_fails_loses_no_line_and_is_said(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = make(size_limit_bytes=1)
    monkeypatch.setattr(Path, "rename", refuse)

    say(handler, "one")

    assert "Too many open files: one" in capsys.readouterr().err
    assert (tmp_path / "x.log").read_text() == "one\n"


def test_a_rotation_without_a_descriptor_leaves_the_log_its_name(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = make(size_limit_bytes=200, max_files=2)
    with monkeypatch.context() as without:
        without.setattr(log_file, "_private", refuse)
        say(handler, "x" * 250)
    assert "Too many open files" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "x.log"]

    say(handler, "y" * 250)
    say(handler, "last")

    (aside,) = tmp_path.glob("x.log.*")
    assert aside.read_text() == "x" * 250 + "\n" + "y" * 250 + "\n"
    assert (tmp_path / "x.log").read_text().endswith("last\n")


def test_a_log_whose_name_was_taken_away_has_it_again_with_the_next_rotation(
    make: Make, tmp_path: Path
) -> None:
    handler = make(size_limit_bytes=5, max_files=1)
    (tmp_path / "x.log").rename(tmp_path / "moved")

    say(handler, "while it is elsewhere")
    say(handler, "back")

    assert (tmp_path / "moved").read_text() == "while it is elsewhere\n"
    assert "back\n" in "".join(path.read_text() for path in tmp_path.glob("x.log*"))


class Full:
    """A file on a disk without room."""

    def write(self, line: bytes) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_lines_that_cannot_be_written_are_said_once_and_counted(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = make()
    say(handler, "before")
    with monkeypatch.context() as patch:
        patch.setattr(handler, "_file", Full())
        for number in range(1000):
            say(handler, f"lost {number}")
    say(handler, "after")
    say(handler, "and on")

    said = f"{tmp_path / 'x.log'}: [Errno 28] No space left on device: lost 0\n"
    assert capsys.readouterr().err == said
    lines = (tmp_path / "x.log").read_text().splitlines()
    counted = "Lines that could not be written here: 1000"
    assert [line.strip() for line in lines] == ["before", counted, "after", "and on"]


def refuse(*_: object) -> NoReturn:
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_file_that_cannot_be_opened_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        LogFile(str(tmp_path / "no" / "x"), size_limit_bytes=0, max_files=0, wall_ns=lambda: 0)
