"""`leafnode store <command>`: the list of commands, their common options, errors as one line.

Exit status: 0 when it did what was asked, 1 when not, or when `verify` found something. Knows
click; what a command does is in `reading` and `keeping`. Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import os
import sqlite3
import sys
from typing import TYPE_CHECKING, Final

import click

from leafnode.cli.store import keeping, reading, shown
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG: Final = """\b
Examples:
  leafnode store ls -s /var/lib/leafnode
  leafnode store query -c leafnode.conf "SELECT subject, count(*) FROM messages GROUP BY 1"
  leafnode store backup -s /var/lib/leafnode /mnt/usb/leafnode.db

All of them but restore and compact may be used while the server runs."""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Look into a store of messages, check it, copy it."""


for _one in (*reading.COMMANDS, *keeping.COMMANDS):
    commands.add_command(_one)


def run(argv: Sequence[str], program: str) -> int:
    """Run one command and return its exit status."""
    name = f"{program} store"
    try:
        # A command returns the status that it wants, None for 0.
        status = commands.main(list(argv), prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except click.exceptions.NoArgsIsHelpError as err:
        shown.say(err.format_message(), error=True)
        return 1
    except click.Abort:
        shown.say("interrupted", error=True)
        return 1
    except click.ClickException as err:
        shown.say(f"{name}: {shown.printable(err.format_message())}", error=True)
        return 1
    except (LeafnodeError, OSError, sqlite3.Error) as err:
        shown.say(f"{name}: {shown.printable(_reason(err))}", error=True)
        return 1
    return int(status or 0)


def _reason(err: Exception) -> str:
    if isinstance(err, OSError) and err.filename is not None:
        return f"{err.filename}: {err.strerror}"
    return str(err)
