"""The process of a user's function: limits first, then the function, then one frame at a time.

Run as a file by an interpreter that knows nothing of leafnode, so it imports none of it; `pipe` has
the other end. The limits are for functions that are broken; what one that is hostile may reach is
Landlock's matter, and that of the filter in `calls`; without both it has the rights of the
service's user. Truth: setrlimit(2), prctl(2), landlock(7); docs/serial/exec.md.
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
    from types import ModuleType

_SIZE = struct.Struct(">I")
_HEAD = struct.Struct(">cI")
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
# Landlock, see landlock(7). These numbers are those of every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FS_OF_VERSION_1 = 0x1FF3  # execute, write, remove, make
_FS_SINCE = ((2, 1 << 13), (3, 1 << 14), (5, 1 << 15))  # refer, truncate, ioctl of devices
_TCP = 0b11  # bind and connect
_SIGNALS_AND_SOCKETS = 0b11  # abstract sockets and signals of others
_SYSTEM = ("/usr", "/lib", "/lib64", "/sys/devices/system/cpu")
_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom", "/proc/cpuinfo")
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
    # systemd tells every process of a service to stop: this one decides first what was read.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # the one way to prctl; where it is missing the pipe's end and RLIMIT_CPU do

        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def shut_in(function_file: str | None) -> int:
    """Let it read Python and its own file, and nothing else: no file, no program, no TCP, no signal
    to anybody. As far as the kernel has Landlock, which needs no rights; else it stays as it is.
    Returns the version of Landlock, 0 where there is none.
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        call = ctypes.CDLL(None, use_errno=True).syscall
        version = call(_CREATE_RULESET, None, 0, 1)
        if version < 1:
            return 0
        handled = _READ_FILE | _READ_DIR | _FS_OF_VERSION_1
        for since, right in _FS_SINCE:
            handled |= right if version >= since else 0
        words = [handled]
        if version >= 4:
            words.append(_TCP)
        if version >= 6:
            words.append(_SIGNALS_AND_SOCKETS)
        attributes = struct.pack(f"={len(words)}Q", *words)
        rules = call(_CREATE_RULESET, attributes, len(attributes), 0)
        if rules < 0:
            return 0
        directories = {sys.prefix, sys.base_prefix, *filter(os.path.isdir, sys.path), *_SYSTEM}
        for path in directories:
            _allow(call, rules, path, _READ_FILE | _READ_DIR)
        for path in (*_FILES, *([function_file] if function_file else [])):
            _allow(call, rules, path, _READ_FILE)
        is_shut_in = call(_RESTRICT_SELF, rules, 0) == 0
        os.close(rules)
        return version if is_shut_in else 0
    return 0


def _allow(call: Callable[..., int], rules: int, path: str, rights: int) -> None:
    with contextlib.suppress(OSError):  # not on this machine
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        call(_ADD_RULE, rules, _BENEATH, struct.pack("=Qi", rights, fd), 0)
        os.close(fd)


def call_filter() -> Callable[[], bool]:
    """Return what refuses the calls that `calls` lists, whatever the kernel has of Landlock.

    That module is beside this file, which can be read until then; leafnode is not imported for it.
    """
    with contextlib.suppress(ImportError, OSError):
        module = _module("leafnode_exec_calls", __file__.removesuffix("child.py") + "calls.py")
        found: Callable[[], bool] = module.filter_calls
        return found
    return bool


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
        module = _module("leafnode_exec", where)
    else:
        module = importlib.import_module(where)
    function = getattr(module, name, None)
    if not callable(function):
        raise ImportError(f"there is no function {name} in {where}")  # noqa: TRY004 -- of a module
    found: Callable[[bytes], Any] = function
    return found


def _module(name: str, where: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, where)
    if spec is None or spec.loader is None:
        raise ImportError(f"{where} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its annotations up there.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


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


def serve(source: int, sink: int, target: str, most: int, cpu_s: int, shut_in_by: bytes) -> int:
    """Answer frames until there are no more. Returns the exit status."""
    reader = os.fdopen(source, "rb")
    try:
        function = load(target)
    except Exception as err:  # noqa: BLE001 -- boundary: whatever a user's module raises
        _write(sink, b"L", f"{type(err).__name__}: {err}"[:500].encode("utf-8", "replace"))
        return 1
    _write(sink, b"R", shut_in_by)
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
    where = target.rpartition(":")[0]
    filter_calls = call_filter()
    landlock = shut_in(where if where.endswith(".py") else None)
    shut_in_by = b"%d %d" % (landlock, filter_calls())
    return serve(source, sink, target, most, cpu_s, shut_in_by)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # nothing of the function's runs at the end
