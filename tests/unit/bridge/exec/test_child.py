"""The process of a function, as it is run, with functions that are broken or worse."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from leafnode.bridge import port_bounds
from leafnode.bridge.exec import child, pipe
from leafnode.bridge.exec.pipe import Answer, Answers
from leafnode.bridge.exec.process import ENVIRONMENT

MIB = 1024 * 1024
PYTHON = (sys.executable, "-I", "-B")


def function_file(directory: Path, text: str) -> str:
    path = directory / "convert.py"
    path.write_text(dedent(text))
    return f"{path}:decode"


def landlock() -> int:
    """Return the version that the kernel has, 0 for none."""
    return max(0, int(ctypes.CDLL(None).syscall(444, None, 0, 1)))


class Child:
    """A real one. `ask` gives it a frame."""

    def __init__(self, target: str, *, memory: int = 128 * MIB, cpu_s: int = 60) -> None:
        most = str(port_bounds.EXEC_ANSWER_BYTES)
        self.process = subprocess.Popen(
            [*PYTHON, child.__file__, target, str(memory), str(cpu_s), str(os.getpid()), most],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
        )
        self._answers = Answers()
        self.first = self.next()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for end in (self.process.stdin, self.process.stdout):
            assert end is not None
            end.close()

    def next(self) -> Answer | None:
        assert self.process.stdout is not None
        head = self.process.stdout.read(5)
        if len(head) < 5:
            return None
        size = struct.unpack(">cI", head)[1]
        return self._answers.receive(head + self.process.stdout.read(size))[0]

    def ask(self, frame: bytes) -> Answer | None:
        assert self.process.stdin is not None
        self.process.stdin.write(pipe.request(frame))
        self.process.stdin.flush()
        return self.next()


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ('return {"t": int(frame) / 10}', Answer(pipe.FIELDS, b'{"t":21.5}')),
        ('return {"name": "Küche"}', Answer(pipe.FIELDS, '{"name":"Küche"}'.encode())),
        ("return {1: 2, None: 3}", Answer(pipe.FIELDS, b'{"1":2,"null":3}')),
        ("return frame[::-1]", Answer(pipe.BYTES, b"512")),
        ("return bytearray(frame)", Answer(pipe.BYTES, b"215")),
        ("return frame.decode()", Answer(pipe.BYTES, b"215")),
        ("return None", Answer(pipe.NOTHING, b"")),
        ("return 1", Answer(pipe.BAD, b"TypeError: expected dict, str, bytes or None, got int")),
        (
            'return {"t": {1}}',
            Answer(pipe.BAD, b"TypeError: Object of type set is not JSON serializable"),
        ),
        ('raise ValueError("secret " + str(frame))', Answer(pipe.BAD, b"ValueError at line 2")),
        ('return "\\ud800"', Answer(pipe.BAD, b"UnicodeEncodeError")),
        (
            f'return "x" * {port_bounds.EXEC_ANSWER_BYTES + 1}',
            Answer(pipe.BAD, b"ValueError: it returned 65537 bytes, and 65536 is the most"),
        ),
    ],
)
def test_what_a_function_returns_or_raises_is_the_answer(
    tmp_path: Path, body: str, answer: Answer
) -> None:
    with Child(function_file(tmp_path, f"def decode(frame):\n    {body}\n")) as one:
        assert one.first == Answer(pipe.READY, b"%d 1" % landlock())
        assert one.ask(b"215") == answer


def test_a_function_that_takes_something_else_is_told_so(tmp_path: Path) -> None:
    with Child(function_file(tmp_path, "def decode(): pass\n")) as one:
        answer = one.ask(b"x")

    assert answer == Answer(
        pipe.BAD, b"TypeError: decode() takes 0 positional arguments but 1 was given"
    )


def test_the_function_of_the_example_makes_fields_of_frames() -> None:
    example = Path(__file__).parents[4] / "configs" / "examples" / "meter.py"

    with Child(f"{example}:decode") as one:
        answers = [
            one.ask(frame) for frame in (bytes.fromhex("81 d2040000 d700 01"), bytes(8), b"x")
        ]

    assert answers == [
        Answer(pipe.FIELDS, b'{"litres":123.4,"temperature":21.5,"leak":true}'),
        Answer(pipe.NOTHING, b""),
        Answer(pipe.BAD, b"error at line 12"),
    ]


def test_a_function_of_a_module_is_found(tmp_path: Path) -> None:
    with Child("json:loads") as one:
        assert one.ask(b'{"a":1}') == Answer(pipe.FIELDS, b'{"a":1}')


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import nothing_of_this_name\n", b"ModuleNotFoundError: No module named 'nothing_of_this"),
        ("def other(frame): pass\n", b"ImportError: there is no function decode in"),
        ("def decode(frame)\n", b"SyntaxError: "),
        ("decode = 5\n", b"ImportError: there is no function decode in"),
    ],
)
def test_a_function_that_cannot_be_loaded_says_why(tmp_path: Path, text: str, why: bytes) -> None:
    with Child(function_file(tmp_path, text)) as one:
        assert one.first is not None
        assert one.first.kind == pipe.NOT_LOADED
        assert one.first.body.startswith(why)
        assert one.process.wait() == 1


def test_what_it_prints_and_reads_is_nobodys(tmp_path: Path) -> None:
    source = """
        import os, sys
        def decode(frame):
            print("noise", flush=True)
            os.write(1, b"more noise")
            sys.stderr.write("and more")
            return {"stdin": sys.stdin.read()}
    """
    with Child(function_file(tmp_path, source)) as one:
        assert one.ask(b"x") == Answer(pipe.FIELDS, b'{"stdin":""}')


def test_it_has_no_environment_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_PASSWORD", "s3cret")
    source = """
        import os
        def decode(frame):
            return " ".join(sorted(os.environ))
    """
    with Child(function_file(tmp_path, source)) as one:
        answer = one.ask(b"x")

    assert answer is not None
    assert answer.kind == pipe.BYTES
    assert b"NATS" not in answer.body
    assert set(answer.body.decode().split()) <= {*ENVIRONMENT, "LC_CTYPE", "PWD"}


def test_memory_beyond_its_limit_is_an_error_of_its_own(tmp_path: Path) -> None:
    source = """
        def decode(frame):
            return {"size": len(bytearray(int(frame)))}
    """
    with Child(function_file(tmp_path, source)) as one:
        assert one.ask(b"%d" % (256 * MIB)) == Answer(pipe.BAD, b"MemoryError at line 3")
        assert one.ask(b"10") == Answer(pipe.FIELDS, b'{"size":10}')


def test_it_writes_no_file(tmp_path: Path) -> None:
    target = tmp_path / "out"
    source = f"""
        def decode(frame):
            with open({str(target)!r}, "wb") as file:
                file.write(frame)
    """
    with Child(function_file(tmp_path, source)) as one:
        answer = one.ask(b"data")

    assert answer is not None
    assert answer.body.startswith((b"OSError", b"PermissionError"))
    assert not target.exists() or target.read_bytes() == b""


@pytest.mark.skipif(landlock() < 6, reason="the kernel has no Landlock, or an older one")
def test_it_reaches_nothing_but_python_and_its_own_file(tmp_path: Path) -> None:
    secret = tmp_path / "hub.creds"
    secret.write_text("s3cret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        source = f"""
            import os, resource, socket
            def attempt(what):
                try:
                    what()
                except OSError as err:
                    return type(err).__name__
                return "done"
            def decode(frame):
                return {{
                    "own": attempt(lambda: open(__file__).read()),
                    "secret": attempt(lambda: open({str(secret)!r}).read()),
                    "passwd": attempt(lambda: open("/etc/passwd").read()),
                    "list": attempt(lambda: os.listdir({str(tmp_path)!r})),
                    "run": attempt(lambda: os.execv("/bin/sh", ["sh"])),
                    "kill": attempt(lambda: os.kill(os.getppid(), 0)),
                    "tcp": attempt(lambda: socket.create_connection(("127.0.0.1", {port}))),
                    "remove": attempt(lambda: os.unlink({str(secret)!r})),
                    "mode": attempt(lambda: os.chmod({str(secret)!r}, 0o666)),
                    "fast open": attempt(
                        lambda: socket.socket().sendto(b"x", 1 << 29, ("127.0.0.1", {port}))
                    ),
                    "mptcp": attempt(lambda: socket.socket(2, 1, 262)),
                    "udp": attempt(lambda: socket.socket(2, 2)),
                    "path": attempt(lambda: socket.socket(1, 1)),
                    "limits": attempt(lambda: resource.prlimit(os.getppid(), 7, (8, 8))),
                    "niceness": attempt(lambda: os.setpriority(0, os.getppid(), 19)),
                }}
        """
        with Child(function_file(tmp_path, source)) as one:
            answer = one.ask(b"x")

    assert answer is not None
    assert answer.kind == pipe.FIELDS
    found = json.loads(answer.body)
    assert found.pop("own") == "done"
    assert set(found.values()) == {"PermissionError"}
    assert secret.read_text() == "s3cret"


def test_libraries_and_modules_are_loaded_all_the_same(tmp_path: Path) -> None:
    source = """
        import asyncio, datetime, decimal, hashlib, random, ssl, zoneinfo, ctypes, msgspec
        def decode(frame):
            asyncio.run(asyncio.sleep(0))
            assert random.SystemRandom().random() < 1
            return {"sum": hashlib.sha256(frame).hexdigest()[:8], "m": msgspec.json.decode(b"[1]")}
    """
    with Child(function_file(tmp_path, source)) as one:
        assert one.ask(b"x") == Answer(pipe.FIELDS, b'{"sum":"2d711642","m":[1]}')


def test_it_cannot_raise_its_limits(tmp_path: Path) -> None:
    source = """
        import resource as r
        def decode(frame):
            kinds = (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_FSIZE, r.RLIMIT_NPROC, r.RLIMIT_CORE)
            return {"hard": [r.getrlimit(kind)[1] for kind in kinds]}
    """
    with Child(function_file(tmp_path, source)) as one:
        assert one.ask(b"x") == Answer(pipe.FIELDS, b'{"hard":[134217728,60,0,0,0]}')


def test_the_limits_alone_keep_a_user_from_processes_and_threads(tmp_path: Path) -> None:
    program = f"""
import importlib.util, os, threading
spec = importlib.util.spec_from_file_location("child", {child.__file__!r})
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
child.confine(1 << 27, 60, os.getppid())
if os.geteuid() == 0:
    os.setuid(65534)  # no such limit is root's
for begin in (os.fork, threading.Thread(target=print).start):
    try:
        begin()
        print("it did")
    except (OSError, RuntimeError):
        print("no")
"""
    run = subprocess.run([*PYTHON, "-c", program], capture_output=True, check=True)

    assert run.stdout.split() == [b"no", b"no"]


def test_it_starts_neither_processes_nor_threads(tmp_path: Path) -> None:
    source = """
        import os, threading
        def decode(frame):
            for begin in (os.fork, threading.Thread(target=print).start):
                try:
                    begin()
                except (OSError, RuntimeError):
                    continue
                return "it did"
            return "it could not"
    """
    with Child(function_file(tmp_path, source)) as one:
        assert one.ask(b"x") == Answer(pipe.BYTES, b"it could not")


def test_a_loop_without_end_is_ended_by_its_cpu_time(tmp_path: Path) -> None:
    source = """
        import signal
        def decode(frame):
            signal.signal(signal.SIGXCPU, signal.SIG_IGN)
            while True: pass
    """
    with Child(function_file(tmp_path, source), cpu_s=1) as one:
        assert one.ask(b"x") is None
        assert one.process.wait() == -signal.SIGKILL


def test_it_ends_by_itself_before_its_cpu_time_does(tmp_path: Path) -> None:
    source = """
        import time
        def decode(frame):
            while time.process_time() < 1.02: pass
            return frame
    """
    with Child(function_file(tmp_path, source), cpu_s=2) as one:
        assert one.ask(b"x") == Answer(pipe.LEAVING, b"")
        assert one.next() == Answer(pipe.BYTES, b"x")
        assert one.process.wait() == 0


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    target = function_file(tmp_path, "def decode(frame):\n    while True: pass\n")
    program = f"""
import os, subprocess, sys
from leafnode.bridge.exec import child, pipe
words = [sys.executable, "-I", "-B", child.__file__, {target!r}, str(1 << 27), "60"]
one = subprocess.Popen(words + [str(os.getpid()), "100"], stdin=-1, stdout=-1)
one.stdout.read(5)
one.stdin.write(pipe.request(b"x"))
one.stdin.flush()
print(one.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pidfd = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        ended = select.select([pidfd], [], [], 10)[0]
        os.close(pidfd)

    assert ended == [pidfd]
