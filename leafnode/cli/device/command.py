"""`leafnode device <command>`: the list of commands, errors as one line.

Exit status: 0 when it did what was asked, 1 when not. Knows click; what a command does is in
`inspecting` and `filling`. Truth: docs/device-command.md.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import click

from leafnode.cli.device import filling, inspecting
from leafnode.cli.store import shown
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG: Final = """\b
Examples:
  leafnode device ls
  leafnode device deploy pico --port /dev/ttyACM0 --name press-4 --sensors "bme280 contact"
  leafnode device monitor press-4 -c leafnode.conf

deploy and time need mpremote: pip install 'leafnode[firmware]'."""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Boards that run this project's firmware."""


for _one in (*inspecting.COMMANDS, *filling.COMMANDS):
    commands.add_command(_one)


def run(argv: Sequence[str], program: str) -> int:
    """Run one command and return its exit status."""
    name = f"{program} device"
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
    except (LeafnodeError, OSError) as err:
        shown.say(f"{name}: {shown.printable(_reason(err))}", error=True)
        return 1
    return int(status or 0)


def _reason(err: Exception) -> str:
    if isinstance(err, OSError) and err.filename is not None:
        return f"{err.filename}: {err.strerror}"
    return str(err)
