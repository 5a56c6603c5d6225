"""Starts the process of a function, waits for its end and makes sure of it.

A thread starts it and waits: the kernel kills the process when that thread ends (`child` asks for
that), so it has to live as long. Knows processes; not frames. Truth: prctl(2) PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from leafnode.bridge import port_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.serial_stage_options import CodecOptions

_CHILD: Final = str(Path(__file__).with_name("child.py"))
# All that it has of our environment. Libraries that count would start threads, which it may not.
ENVIRONMENT: Final = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Pipes:
    """Our ends, which do not block."""

    to_it: int
    from_it: int

    def close(self) -> None:
        os.close(self.to_it)
        os.close(self.from_it)


class Running(Protocol):
    """A process that was asked for. It may not have begun."""

    def kill(self) -> None:
        """End it and all that it started, at once."""
        ...


if TYPE_CHECKING:
    # Told on the loop: our ends of the pipes, once, unless it could not be started; then how it
    # ended, once.
    Began = Callable[[Pipes], None]
    Ended = Callable[[str], None]
    Start = Callable[[CodecOptions, Began, Ended], Running]


class Process:
    """Implements Running."""

    def __init__(self, options: CodecOptions, began: Began, ended: Ended) -> None:
        self._options = options
        self._began = began
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._group: int | None = None  # while its id is surely its own
        self._unwanted = False
        threading.Thread(target=self._run, name="serial exec", daemon=True).start()

    def kill(self) -> None:
        with self._lock:
            self._unwanted = True
            self._end_group()

    def _end_group(self) -> None:
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)

    def _run(self) -> None:
        """Start it and wait for its end. In the thread."""
        try:
            popen = self._popen()
        except (OSError, ValueError) as err:
            self._tell(self._ended, f"cannot be started: {err}")
            return
        assert popen.stdin is not None
        assert popen.stdout is not None
        # Ours to close, on the loop; popen's file objects would close them when they are collected.
        pipes = Pipes(os.dup(popen.stdin.fileno()), os.dup(popen.stdout.fileno()))
        popen.stdin.close()
        popen.stdout.close()
        os.set_blocking(pipes.to_it, False)
        os.set_blocking(pipes.from_it, False)
        with self._lock:
            self._group = popen.pid
            if self._unwanted:
                self._end_group()
        if not self._tell(self._began, pipes):
            pipes.close()
            self.kill()
        os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:  # until it is reaped nobody else has its id
            self._end_group()
            self._group = None
        self._tell(self._ended, reason_of(popen.wait()))

    def _popen(self) -> subprocess.Popen[bytes]:
        options = self._options
        return subprocess.Popen(  # noqa: S603 -- our own interpreter and words
            [
                sys.executable,
                "-I",
                "-B",
                _CHILD,
                options.function,
                str(options.memory_bytes),
                str(options.cpu_s),
                str(os.getpid()),
                str(port_bounds.EXEC_ANSWER_BYTES),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )

    def _tell(self, whom: Callable[..., None], what: object) -> bool:
        """Say it on the loop; False where the loop is closed: nobody waits any more."""
        try:
            self._loop.call_soon_threadsafe(whom, what)
        except RuntimeError:
            return False
        return True


def reason_of(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f"it ended with status {status}"
    if -status == signal.SIGXCPU:
        return "it used all of its CPU time"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    return f"it was ended by {name}"
