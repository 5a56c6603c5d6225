"""`leafnode port <command>`: the list of commands.

Knows click; what a command does is in a module of its own. Truth: docs/serial/tools.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from leafnode.cli.ports.detect import detect
from leafnode.cli.ports.lending import lend
from leafnode.cli.ports.monitor import monitor
from leafnode.cli.running import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Run one command and return its exit status."""
    return run_command(commands, argv, f"{program} port", errors=(ValueError,))
