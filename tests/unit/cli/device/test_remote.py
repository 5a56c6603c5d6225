"""leafnode.cli.device.remote: mpremote's command line, its progress and its last words.

tests/firmware/test_deploy.py has the real one; here a program of our own takes its place.
"""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from leafnode.cli.device import remote
from leafnode.cli.device.plan import Copy
from leafnode.cli.device.remote import RemoteError, copy_to_board, run_code

COPIES = [Copy("lib/a/b.py", b"x = 1\n"), Copy("settings.toml", b""), Copy("main.py", b"y\n")]
RECORD = """
import json, sys
from pathlib import Path
words = sys.argv[1:]
files = {w: Path(w).read_text() for w in words if w.startswith("/") and Path(w).is_file()}
Path(RECORD).write_text(json.dumps([words, files]))
for at, word in enumerate(words):
    if word == "cp":
        print("cp", words[at + 1], words[at + 2])
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a program in mpremote's place; return a function that sets its code."""
    path = tmp_path / "mpremote.py"
    monkeypatch.setattr(remote, "command", lambda: [sys.executable, "-u", str(path)])

    def set_code(code: str) -> Path:
        record = tmp_path / "record.json"
        path.write_text(code.replace("RECORD", repr(str(record)), 1))
        return record

    return set_code


def test_files_are_copied_in_their_order_and_each_is_told(program) -> None:
    record = program(RECORD)
    steps: list[str] = []

    copy_to_board("/dev/ttyACM0", COPIES, reset=True, step=steps.append)

    words, files = json.loads(record.read_text())
    assert steps == ["lib/a/b.py", "settings.toml", "main.py"]
    assert list(files.values()) == ["x = 1\n", "", "y\n"]
    assert words[:3] == ["connect", "/dev/ttyACM0", "exec"]
    assert [words[at + 2] for at, word in enumerate(words) if word == "cp"] == [
        ":/lib/a/b.py",
        ":/settings.toml",
        ":/main.py",
    ]
    assert words[-2:] == ["+", "reset"]
    assert not any(Path(name).exists() for name in files)


def test_what_starts_the_board_goes_away_before_the_first_copy(program) -> None:
    record = program(RECORD)

    copy_to_board("p", COPIES, reset=False, step=lambda _: None)

    words, _ = json.loads(record.read_text())
    assert "['main.py', 'lib/a/b.mpy']" in words[3]
    assert "['lib', 'lib/a']" in words[3]
    assert "reset" not in words


def test_a_failure_is_mpremotes_last_line(program) -> None:
    program("print('cp a :b')\nprint('mpremote: no device found\\n')\nraise SystemExit(1)\n")

    with pytest.raises(RemoteError, match=r"^mpremote: no device found$"):
        copy_to_board("p", COPIES, reset=True, step=lambda _: None)


def test_a_failure_without_a_word_says_so(program) -> None:
    program("raise SystemExit(3)")

    with pytest.raises(RemoteError, match="said nothing"):
        run_code("p", "1", lambda _: None)


def test_lines_of_another_shape_are_no_progress(program) -> None:
    program("print('cp 99 :x'); print('cp'); print('cp name :x'); print('Up to date: x')")
    steps: list[str] = []

    copy_to_board("p", COPIES, reset=True, step=steps.append)

    assert steps == []


def test_lines_come_while_the_program_runs(program) -> None:
    program("print('one'); print('two')")
    lines: list[str] = []

    run_code("p", "code", lines.append)

    assert lines == ["one\n", "two\n"]


def test_an_interrupt_ends_mpremote_too(program) -> None:
    program("print('one')\nimport signal\nsignal.pause()\n")

    def interrupted(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_code("p", "code", interrupted)


def test_a_missing_mpremote_is_told_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(RemoteError, match=r"pip install 'mpremote>=1.24'"):
        remote.command()
