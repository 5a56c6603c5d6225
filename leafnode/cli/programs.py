"""Programs that a command runs, and the signals that end it: neither half of it stays behind.

Ctrl-C raises KeyboardInterrupt, as everywhere. Knows signals and processes; not what is cleaned up.
Truth: docs/serial/tools.md, "port lend".
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

_POLITE: Final = (signal.SIGTERM, signal.SIGHUP)  # a stopped unit, a closed terminal
_ENDS: Final = (signal.SIGINT, *_POLITE)


class Ended(SystemExit):
    """A signal ends this program, with a shell's status for that."""


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Have SIGTERM and SIGHUP raise Ended; not those that the caller has ignored, as nohup does."""

    def end(number: int, _: FrameType | None) -> None:
        raise Ended(128 + number)

    with _handled(_POLITE, end):
        yield


class Program:
    """A program that runs for this one. What would end this one meanwhile ends it.

    So nothing is raised until it has ended: not while it is half started, and not while it still
    has what it was given.
    """

    def __init__(self, words: Sequence[str], **how: Any) -> None:
        """Start it, as Popen does. Raises OSError."""
        self.ended_by = 0  # the signal that came
        self._process: subprocess.Popen[str] | None = None
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(_handled(_ENDS, self._end))
        try:
            self._process = subprocess.Popen(words, text=True, **how)  # noqa: S603 -- the caller's
        except BaseException:
            self._stack.close()
            raise
        if self.ended_by:  # before there was any to end
            self._process.send_signal(self.ended_by)

    def end_with_it(self) -> None:
        """Once it has ended: end as well, where a signal came that this one was meant by, too."""
        if self.ended_by:
            signal.raise_signal(self.ended_by)

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "it was started"
        return self._process

    def wait(self) -> int:
        """Return its status when it has ended, as a shell says it."""
        status = self.process.wait()
        return status if status >= 0 else 128 - status

    def __enter__(self) -> Program:
        return self

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        """Wait for it; end it first where what was done with it failed."""
        with self._stack:
            if raised is not None:
                self.process.terminate()
            with self.process:
                pass

    def _end(self, number: int, _: FrameType | None) -> None:
        self.ended_by = number
        if self._process is not None and not (number == signal.SIGINT and _is_in_front()):
            self._process.send_signal(number)


def _is_in_front() -> bool:
    """Say whether Ctrl-C of a terminal reaches all of us."""
    for fd in range(3):
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(fd) == os.getpgrp()
    return False


@contextlib.contextmanager
def _handled(numbers: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    """Have these signals call `handler`, but for those that the caller has ignored."""
    before = {one: signal.getsignal(one) for one in numbers}
    taken = [one for one in numbers if before[one] is not signal.SIG_IGN]
    try:
        for one in taken:
            signal.signal(one, handler)
        yield
    finally:
        for one in taken:
            signal.signal(one, before[one])
