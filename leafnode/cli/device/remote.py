"""What mpremote does for us on a MicroPython board: copy files, run a line, reset.

mpremote is run as the command that it is: of its modules it says that they will change. Knows its
command line and what it prints. Truth: mpremote 1.29; docs.micropython.org, mpremote.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode.cli.device.plan import directories, stale
from leafnode.cli.programs import Program
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leafnode.cli.device.plan import Copy

_LINES_MAX: Final = 20  # of what mpremote says, kept for the reason of a failure


class RemoteError(LeafnodeError):
    """mpremote is missing, or did not do it; its last words say why."""


def command() -> list[str]:
    """Return how mpremote is started. Raises RemoteError."""
    if importlib.util.find_spec("mpremote") is None:
        raise RemoteError("mpremote is not installed: pip install 'mpremote>=1.24'")
    return [sys.executable, "-u", "-m", "mpremote"]  # -u: its lines come as they are printed


def copy_to_board(
    port: str, copies: Sequence[Copy], *, reset: bool, step: Callable[[str], None]
) -> None:
    """Copy files to the board at `port`; call `step` before each with its path.

    What would start an unfinished copy (`main.py`) goes away first and comes last. Raises
    RemoteError.
    """
    with tempfile.TemporaryDirectory(prefix="leafnode-device-") as directory:
        words = ["connect", port, "exec", _prepare(list(copies))]
        for index, copy in enumerate(copies):
            path = Path(directory) / str(index)
            path.write_bytes(copy.data)
            words += ["+", "fs", "cp", str(path), f":/{copy.target}"]
        if reset:
            words += ["+", "reset"]
        _follow([*command(), *words], lambda line: _on_line(line, copies, step))


def run_code(port: str, code: str, on_line: Callable[[str], None]) -> None:
    """Run Python on the board; call `on_line` with each line when it comes. Raises RemoteError."""
    _follow([*command(), "connect", port, "exec", code], on_line)


def _prepare(copies: list[Copy]) -> str:
    """Return Python that makes directories and takes away what would be in the way."""
    start = [copy.target for copy in copies if "/" not in copy.target]
    return (
        "import os\n"
        f"for p in {start[-1:] + stale(copies)!r}:\n"
        " try: os.remove('/' + p)\n"
        " except OSError: pass\n"
        f"for p in {directories(copies)!r}:\n"
        " try: os.mkdir('/' + p)\n"
        " except OSError: pass\n"
    )


def _on_line(line: str, copies: Sequence[Copy], step: Callable[[str], None]) -> None:
    words = line.split()
    if words[:1] == ["cp"] and len(words) > 1:
        name = Path(words[1]).name
        if name.isdecimal() and int(name) < len(copies):
            step(copies[int(name)].target)


def _follow(words: list[str], on_line: Callable[[str], None]) -> None:
    """Run a command and pass each line on as it comes. Raises RemoteError."""
    last: list[str] = []
    with Program(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    ) as program:
        assert program.process.stdout is not None
        for line in program.process.stdout:
            on_line(line)
            last = [*last[1 - _LINES_MAX :], line]
    program.end_with_it()  # an interrupt: no half of it goes on
    if program.process.returncode:
        raise RemoteError(_last_words(last))


def _last_words(lines: Sequence[str]) -> str:
    said = [line.strip() for line in lines if line.strip()]
    return said[-1] if said else "mpremote failed and said nothing"
