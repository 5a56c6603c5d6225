"""`leafnode device deploy` and `time` with the real mpremote, on a real MicroPython behind a pty.

The unix port has no raw REPL of its own; tests/firmware/paper_board.py speaks it, and `machine` is
of paper. Files, imports, the program and the link are real. Real time: each wait is for an event.
"""

import os
import pty
import re
import subprocess
import time
import tty
from pathlib import Path

import pytest

from leafnode.cli.device.command import run
from tests.firmware.gateway_on_a_pty import Gateway
from tests.firmware.interpreter import ROOT, micropython

BOARD = ROOT / "tests/firmware/paper_board.py"
WAIT_S = 60


class Board:
    """A board on a terminal, with a file system in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.port = os.ttyname(self.slave)
        self.process = subprocess.Popen(
            [micropython(), "-X", "heapsize=1m", str(BOARD), str(root)],
            stdin=master,
            stdout=master,
            stderr=subprocess.PIPE,
        )
        os.close(master)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.slave)


@pytest.fixture
def board(tmp_path):
    one = Board(tmp_path / "board")
    yield one
    one.end()


def deploy(board, *words, kind="pico"):
    return run(["deploy", kind, "--port", board.port, *words], "leafnode")


def serve_until(board, count, name):
    """Serve the board's link until `count` readings are there; return the gateway."""
    gateway = Gateway(board.slave, board.slave)
    assert gateway.serve(WAIT_S, lambda: len(gateway.stored) >= count)
    assert gateway.session.peer.device == name
    return gateway


def test_a_board_that_was_filled_measures_and_can_be_filled_again(board, capsys):
    assert deploy(board, "--name", "press-4", "--interval", "20ms") == 0

    assert "the board was reset" in capsys.readouterr().out
    gateway = serve_until(board, 5, "press-4")
    assert gateway.payloads()[0] == b'{"n":1,"v":26.9}'

    # The node has the port to itself, and Ctrl-C is a byte of its frames: it is ended all the same,
    # also where somebody else wrote what is no frame, as ModemManager does.
    os.write(board.slave, b"AT\r")
    time.sleep(1)
    assert deploy(board, "--name", "press-5", "--interval", "20ms", "--compiled") == 0

    serve_until(board, 5, "press-5")
    files = board.files()
    assert "lib/link/device.mpy" in files
    assert "lib/link/device.py" not in files  # it would be taken instead of the new one
    assert {"main.py", "settings.toml"} <= files


def test_what_is_on_a_board_under_other_names_stays(board):
    (board.root / "lib").mkdir()
    (board.root / "lib/mine.py").write_text("x = 1\n")
    (board.root / "data.csv").write_text("1,2\n")

    assert deploy(board, "--no-reset") == 0

    assert (board.root / "lib/mine.py").read_text() == "x = 1\n"
    assert (board.root / "data.csv").read_text() == "1,2\n"
    # It was left in its REPL: nothing measures.
    gateway = Gateway(board.slave, board.slave)
    gateway.serve(0.3)
    assert (gateway.hellos, gateway.stored) == (0, {})


def test_a_board_that_does_not_answer_is_one_line(capsys, tmp_path):
    assert run(["deploy", "pico", "--port", str(tmp_path / "none")], "leafnode") == 1

    error = capsys.readouterr().err
    assert re.fullmatch(r"leafnode device: .*failed to access .*\n", error), error


def test_a_clock_that_is_behind_is_told_and_set(board, capsys):
    assert run(["time", "--port", board.port], "leafnode") == 0
    before = float(re.search(r"(\S+) s behind", capsys.readouterr().out)[1])

    assert run(["time", "--port", board.port, "--set"], "leafnode") == 0
    after = float(re.search(r"(\S+) s (?:behind|ahead)", capsys.readouterr().out)[1])

    assert 85 < before < 95
    # How exactly depends on how busy the machine is: two processes start in between.
    assert after < 30
