"""`leafnode store <command>`: the list of commands, their common options, errors as one line.

Exit status: 0 when it did what was asked, 1 when not, or when `verify` found something. Knows
click; what a command does is in `reading` and `keeping`. Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

import click

from leafnode.cli.running import run_command
from leafnode.cli.store import keeping, reading

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
    return run_command(commands, argv, f"{program} store", errors=(sqlite3.Error,))
