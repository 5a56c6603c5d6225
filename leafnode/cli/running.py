"""Runs a command that is no server: its status, and errors as one line.

Exit status: 0 when it did what was asked, 1 when not, 130 when it was interrupted, or what the
command says: `store verify` that found something, the program of `port lend`. Knows click; not what
a command does.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import click

from leafnode.cli import shown
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_INTERRUPTED: Final = 128 + signal.SIGINT  # as a shell says it


def run_command(
    command: click.Command,
    argv: Sequence[str],
    name: str,
    *,
    errors: tuple[type[Exception], ...] = (),
) -> int:
    """Run it and return its exit status. `name` is what errors begin with.

    What is refused, what the system refuses and `errors` are one line; anything else is a bug.
    """
    refusals = (LeafnodeError, OSError, click.ClickException)
    expected: tuple[type[Exception], ...] = (*refusals, *errors)
    before, interrupts = signal.getsignal(signal.SIGINT), _Interrupts()
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupts)
    try:
        # A command returns the status that it wants, None for 0.
        status = command.main(list(argv), prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except click.exceptions.NoArgsIsHelpError as err:
        shown.say(err.format_message(), error=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except expected as err:
        if interrupts.came:  # SQLite makes an error of its own of what its functions raise
            return _interrupted()
        shown.say(f"{name}: {shown.printable(_reason(err))}", error=True)
        return 1
    finally:
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)
    return int(status or 0)


def hold_off_interrupts() -> None:
    """From here to its end nothing interrupts the command: what it was asked for is all but done,
    and then told.
    """
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _Interrupts):
        handler.are_held_off = True


class _Interrupts:
    """Handles the SIGINT of one command."""

    def __init__(self) -> None:
        self.came = False
        self.are_held_off = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.are_held_off:
            self.came = True
            signal.default_int_handler(number, frame)


def _interrupted() -> int:
    shown.say("interrupted", error=True)
    return _INTERRUPTED


def _reason(err: Exception) -> str:
    if isinstance(err, click.ClickException):
        return err.format_message()
    if isinstance(err, OSError) and err.strerror is not None:
        where = f"{err.filename}: " if err.filename is not None else ""
        return f"{where}{err.strerror}"
    return str(err)
