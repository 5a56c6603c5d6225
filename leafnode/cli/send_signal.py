"""`--signal`: tell a running server what to do, found by its pid, its pid file or its name.

Knows the words and the signals they stand for; not what the server does then.
Truth: nats-server 2.15.1 server/signal.go ProcessSignal, server/opts.go maybeReadPidFile.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode.cli.flags import FlagError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNALS: Final = {
    "stop": signal.SIGKILL,
    "quit": signal.SIGINT,
    "term": signal.SIGTERM,
    "reopen": signal.SIGUSR1,
    "reload": signal.SIGHUP,
    "ldm": signal.SIGUSR2,
}
_PROC: Final = Path("/proc")
_PID_DIGITS: Final = 9  # the kernel's own have seven


def send_signal(
    parameter: str, program: str, *, kill: Callable[[int, int], None] = os.kill, proc: Path = _PROC
) -> None:
    """Do what `<word>[=<pid or file>]` asks for. Raises FlagError.

    Without a pid the one running process of that name is meant; a pid that ends in `*` means each
    one of that name whose pid begins so.
    """
    words = parameter.split("=")
    if len(words) > 2:
        raise FlagError(f"invalid signal parameters: {words[2:]}")
    expression = _pid_of(words[1]) if len(words) == 2 else ""
    pids = _meant(expression, program, proc)
    number = _SIGNALS.get(words[0])
    if number is None:
        raise FlagError(f'unknown signal "{words[0]}"')
    problems = []
    for pid in pids:
        try:
            kill(pid, number)
        except (OSError, OverflowError) as err:
            reason = getattr(err, "strerror", None) or str(err)
            problems.append(f'\nsignal "{words[0]}" {pid}: {reason.lower()}')
    if problems:
        raise FlagError("".join(problems))


def _pid_of(word: str) -> str:
    """Return what a pid file says, or the word itself."""
    try:
        return Path(word).read_text()
    except (OSError, ValueError):
        return word


def _meant(expression: str, program: str, proc: Path) -> list[int]:
    prefix = expression.removesuffix("*")
    is_glob = expression.endswith("*")
    is_number = prefix.isascii() and prefix.isdigit() and len(prefix) <= _PID_DIGITS
    if prefix and not (is_number and int(prefix)):  # 0 and less would be whole groups of processes
        raise FlagError(f"invalid pid: {prefix}")
    if prefix and not is_glob:
        return [int(prefix)]
    pids = [pid for pid in _running(program, proc) if str(pid).startswith(prefix)]
    if not pids:
        raise FlagError(f"no {program} processes running")
    if len(pids) > 1 and not is_glob:
        listed = "".join(f"\n{pid}" for pid in pids)
        raise FlagError(f"multiple {program} processes running:{listed}")
    return pids


def _running(program: str, proc: Path) -> Iterator[int]:
    """Find this program's other processes: a script is named by the interpreter's arguments."""
    for entry in sorted(proc.iterdir()):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it is gone, or somebody else's
        first = [Path(os.fsdecode(word)).name for word in arguments[:2]]
        by_module = arguments[1:3] == [b"-m", program.encode()]
        if program in first or by_module:
            yield int(entry.name)
