"""`leafnode ports` and `leafnode port <command>`: the list of commands, errors as one line.

Exit status: 0 when it did what was asked, 1 when not; `port lend` with a command has that one's.
Knows click; what a command does is in a module of its own. Truth: docs/serial/tools.md.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import click

from leafnode.cli.ports.detect import detect
from leafnode.cli.ports.lending import lend
from leafnode.cli.ports.listing import ports
from leafnode.cli.ports.monitor import monitor
from leafnode.cli.store import shown
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS: Final = ("ports", "port")  # of the command line that are ours
EPILOG: Final = """\b
Examples:
  leafnode ports
  leafnode port monitor scale
  leafnode port lend scale --for 5m
  leafnode port detect usb:1a86:7523

See `leafnode ports` for the ports of this machine."""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Look at one serial port, lend it, find out what talks there."""


for _one in (monitor, lend, detect):
    commands.add_command(_one)


def run(argv: Sequence[str], program: str) -> int:
    """Run one command and return its exit status. `argv` begins with one of WORDS."""
    word, *rest = argv
    name = f"{program} {word}"
    command: click.Command = ports if word == "ports" else commands
    try:
        # A command returns the status that it wants, None for 0.
        status = command.main(rest, prog_name=name, standalone_mode=False)
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
    except (LeafnodeError, OSError, ValueError) as err:
        shown.say(f"{name}: {shown.printable(_reason(err))}", error=True)
        return 1
    return int(status or 0)


def _reason(err: Exception) -> str:
    if isinstance(err, OSError) and err.strerror is not None:
        where = f"{err.filename}: " if err.filename is not None else ""
        return f"{where}{err.strerror}"
    return str(err)
