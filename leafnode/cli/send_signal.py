"""`--signal`: tell a running server what to do, found by its pid, its pid file or its name.

Knows the words and the signals they stand for; not what the server does then.
Truth: nats-server 2.15.1 server/signal.go ProcessSignal, server/opts.go maybeReadPidFile.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode.cli.flags import FlagError
from leafnode.cli.words import WORDS

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
_COMM_CHARS: Final = 15  # of a program's name that the kernel keeps
_PYTHON: Final = re.compile(r"(python|pypy)[\d.]*", re.ASCII)
_WITH_VALUE: Final = frozenset({"-X", "-W", "--check-hash-based-pycs"})
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
    """Find this program's other processes; who only has its name among its arguments is none."""
    for entry in sorted(proc.iterdir()):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = os.fsdecode((entry / "cmdline").read_bytes()).split("\0")
            runs = os.fsdecode((entry / "comm").read_bytes()).removesuffix("\n")
        except OSError:
            continue  # it is gone, or somebody else's
        if _is_server(words, runs, program):
            yield int(entry.name)


def _is_server(words: list[str], runs: str, program: str) -> bool:
    """Say whether a process is one by its arguments and by the name of what it runs."""
    is_named = runs == program[:_COMM_CHARS]
    if Path(words[0]).name == program:
        return is_named and _serves(words[1:2])
    # The kernel says the script's name where its first line named the interpreter.
    if not (_PYTHON.fullmatch(Path(words[0]).name) and (is_named or _PYTHON.fullmatch(runs))):
        return False
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] not in {"-m", "-c", "-"}:
        at += 2 if words[at] in _WITH_VALUE else 1
    if words[at : at + 2] == ["-m", program]:
        at += 1
    elif at == len(words) or Path(words[at]).name != program:
        return False
    return _serves(words[at + 1 : at + 2])


def _serves(first_word: list[str]) -> bool:
    """Say whether a program with that first argument, if any, is a server."""
    return not first_word or first_word[0] not in WORDS
