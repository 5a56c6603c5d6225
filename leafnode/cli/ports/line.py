"""How the line of a device is set by options of a command. Knows click and the words of a port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from leafnode.cli.amounts import BAUD
from leafnode.cli.ports.errors import PortError
from leafnode.config import device_name

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


def options(command: Command) -> Command:
    """Add --baud, --data-bits, --parity, --stop-bits and --flow."""
    parities = click.Choice(["none", "even", "odd", "mark", "space"])
    for one in (
        click.option("--flow", type=click.Choice(["none", "rtscts", "xonxoff"]), help="Flow."),
        click.option("--stop-bits", type=click.IntRange(1, 2), help="Stop bits (1)."),
        click.option("--parity", type=parities, help="Parity (none)."),
        click.option("--data-bits", type=click.IntRange(5, 8), help="Data bits (8)."),
        click.option("--baud", type=BAUD, help="Speed (115200)."),
    ):
        command = one(command)
    return command


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the line that were given, as a port's entry has them."""
    keys = ("baud", "data_bits", "parity", "stop_bits", "flow")
    return {key: values[key] for key in keys if values.get(key) is not None}


def is_device(text: str) -> bool:
    """Say whether it names a device, and not a port of the server. Raises PortError."""
    if ":" not in text and "/" not in text:
        return False
    try:
        device_name.parse(text)
    except ValueError as err:
        raise PortError(f"{text}: {err}") from None
    return True
