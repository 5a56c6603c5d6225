"""The process of a user's function: limits first, then the function, then one frame at a time.

Run as a file by an interpreter that knows nothing of leafnode, so it imports none of it; `pipe` has
the other end. The limits are for functions that are broken; one that is hostile has the rights of
the service's user. Truth: setrlimit(2), prctl(2); docs/serial/exec.md.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import resource
import signal
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE = struct.Struct(">I")
_HEAD = struct.Struct(">cI")
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_FILES_MAX = 32
_NICENESS = 10
# Of what it may use: then it ends by itself, between two frames. The kernel counts in ticks, which
# is not what the process counts.
_CPU_SHARE = 0.5


def confine(memory_bytes: int, cpu_s: int, parent: int) -> None:
    """Take the limits, none of which can be raised again. Ends where the parent is gone."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _FILES_MAX),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))
    os.nice(_NICENESS)
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # the one way to prctl; where it is missing the pipe's end and RLIMIT_CPU do

        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def pipes() -> tuple[int, int]:
    """Return descriptors of the two pipes; what a function reads and prints is nobody's."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)
    return source, sink


def load(target: str) -> Callable[[bytes], Any]:
    """Return the function that `path.py:name` or `module:name` means. Raises whatever it raises."""
    where, _, name = target.rpartition(":")
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location("leafnode_exec", where)
        if spec is None or spec.loader is None:
            raise ImportError(f"{where} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    function = getattr(module, name, None)
    if not callable(function):
        raise ImportError(f"there is no function {name} in {where}")  # noqa: TRY004 -- of a module
    found: Callable[[bytes], Any] = function
    return found


def answer(function: Callable[[bytes], Any], frame: bytes, most: int) -> tuple[bytes, bytes]:
    """Return what the function makes of a frame: a kind and a body."""
    try:
        value = function(frame)
    except Exception as err:  # noqa: BLE001 -- boundary: whatever a user's function raises
        return b"E", _raised(err, function).encode("utf-8", "replace")
    try:
        kind, body = _encoded(value)
    except Exception as err:  # noqa: BLE001 -- boundary: whatever a user's object does
        # Of these two the text is about types, and does not hold what the frame said.
        text = f": {err}" if type(err) in {TypeError, ValueError} else ""
        return b"E", f"{type(err).__name__}{text}".encode("utf-8", "replace")
    if len(body) > most:
        return b"E", f"ValueError: it returned {len(body)} bytes, and {most} is the most".encode()
    return kind, body


def _encoded(value: object) -> tuple[bytes, bytes]:
    if value is None:
        return b"N", b""
    if isinstance(value, dict):
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return b"F", text.encode()
    if isinstance(value, str):
        return b"B", value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return b"B", bytes(value)
    raise TypeError(f"expected dict, str, bytes or None, got {type(value).__name__}")


def _raised(err: BaseException, function: Callable[[bytes], Any]) -> str:
    """Return what was raised and where; not its text, which may hold the frame."""
    kind = type(err).__name__
    source = getattr(getattr(function, "__code__", None), "co_filename", None)
    line, traceback = 0, err.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == source:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    if line:
        return f"{kind} at line {line}"
    # Nothing of it has run: it takes something else than one argument.
    return f"{kind}: {err}" if type(err) is TypeError else kind


def serve(source: int, sink: int, target: str, most: int, cpu_s: int) -> int:
    """Answer frames until there are no more. Returns the exit status."""
    reader = os.fdopen(source, "rb")
    try:
        function = load(target)
    except Exception as err:  # noqa: BLE001 -- boundary: whatever a user's module raises
        _write(sink, b"L", f"{type(err).__name__}: {err}"[:500].encode("utf-8", "replace"))
        return 1
    _write(sink, b"R", b"")
    while len(head := reader.read(_SIZE.size)) == _SIZE.size:
        frame = reader.read(_SIZE.unpack(head)[0])
        found = answer(function, frame, most)
        if time.process_time() > _CPU_SHARE * cpu_s:
            _write(sink, b"X", b"")
            _write(sink, *found)
            break
        _write(sink, *found)
    return 0


def _write(sink: int, kind: bytes, body: bytes) -> None:
    data = memoryview(_HEAD.pack(kind, len(body)) + body)
    while data:
        data = data[os.write(sink, data) :]


def main(words: list[str]) -> int:
    target = words[0]
    memory_bytes, cpu_s, parent, most = map(int, words[1:])
    source, sink = pipes()
    confine(memory_bytes, cpu_s, parent)
    return serve(source, sink, target, most, cpu_s)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # nothing of the function's runs at the end
