"""Runs a command that is no server: its status, and errors as one line.

Exit status: 0 when it did what was asked, 1 when not, or what the command says: `store verify` that
found something, the program of `port lend`. Knows click; not what a command does.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from leafnode.cli import shown
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    expected: tuple[type[Exception], ...] = (LeafnodeError, OSError, *errors)
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
        shown.say("interrupted", error=True)
        return 1
    except click.ClickException as err:
        shown.say(f"{name}: {shown.printable(err.format_message())}", error=True)
        return 1
    except expected as err:
        shown.say(f"{name}: {shown.printable(_reason(err))}", error=True)
        return 1
    return int(status or 0)


def _reason(err: Exception) -> str:
    if isinstance(err, OSError) and err.strerror is not None:
        where = f"{err.filename}: " if err.filename is not None else ""
        return f"{where}{err.strerror}"
    return str(err)
