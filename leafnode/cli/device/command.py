"""`leafnode device <command>`: the list of commands, errors as one line.

Exit status: 0 when it did what was asked, 1 when not. Knows click; what a command does is in
`inspecting` and `filling`. Truth: docs/device-command.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from leafnode.cli.device import filling, inspecting
from leafnode.cli.running import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG: Final = """\b
Examples:
  leafnode device ls
  leafnode device deploy pico --port /dev/ttyACM0 --name press-4 --sensors "bme280 contact"
  leafnode device monitor press-4 -c leafnode.conf

deploy and time need mpremote: pip install 'mpremote>=1.24'."""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Boards that run this project's firmware."""


for _one in (*inspecting.COMMANDS, *filling.COMMANDS):
    commands.add_command(_one)


def run(argv: Sequence[str], program: str) -> int:
    """Run one command and return its exit status."""
    return run_command(commands, argv, f"{program} device")
