"""The commands that look: `ls` and `monitor`.

Truth: docs/device-command.md.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

import click

from leafnode.cli import shown
from leafnode.cli.amounts import COUNT
from leafnode.cli.device import asked, watch
from leafnode.cli.device.boards import firmware_directory, load_boards
from leafnode.cli.device.found import found_boards, held_ports, said_hello
from leafnode.cli.device.plan import checked_name
from leafnode.cli.nats import place
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from leafnode.cli.device.found import Said
    from leafnode.config.options import Options


@click.command("ls")
@click.option(
    "--monitor-url",
    metavar="URL",
    help=f"The server's monitoring, which says what it has open [{asked.DEFAULT}, if it answers].",
)
@click.option("--all", "all_", is_flag=True, help="Also USB ports of other things.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def ls_command(monitor_url: str | None, all_: bool, json_: bool) -> None:  # noqa: FBT001 -- click
    """List boards on USB by their ids, and those that said hello to the server."""
    from serial.tools.list_ports import comports

    page = _serialz(monitor_url)
    boards = load_boards(firmware_directory())
    rows = found_boards(comports(), boards, held_ports(page), said_hello(page))
    if not all_:
        rows = [row for row in rows if row.boards or row.said]
    if json_:
        shown.say(shown.as_json([asdict(row) for row in rows]))
        return
    if not rows:
        shown.say(_nobody(page, monitor_url or asked.DEFAULT, all_=all_), error=True)
        return
    heads = ("port", "board", "usb", "serial", "product", "held by", "name", "firmware")
    cells = [
        (
            *(row.device, " or ".join(row.boards), row.usb, row.serial, row.product, row.held_by),
            ", ".join(map(_who, row.said)),
            ", ".join(said.about for said in row.said if said.about),
        )
        for row in rows
    ]
    shown.say(shown.table(heads, cells))


@click.command("monitor")
@click.argument("name")
@place.options
@click.option(
    "--subject",
    metavar="SUBJECT",
    multiple=True,
    help="Where its readings come [by the configuration, else everywhere].",
)
@click.option("--log", metavar="FILE", help="The server's log file, for the device's log lines.")
@click.option("--count", type=COUNT, help="End after so many lines.")
def monitor_command(
    name: str, subject: tuple[str, ...], log: str | None, count: int | None, **where: str | None
) -> None:
    """Show the readings and log lines of device NAME as they come, until Ctrl-C.

    Log lines are those of the server's log file, at most 20 a minute.
    """
    checked_name(name)
    options = _load(where["config"])
    server = place.find(**where)
    path = log or (options.log_file if options is not None else "")
    tail = watch.LogTail(Path(path), name) if path else None
    ports = options.serial.ports if options is not None and options.serial is not None else ()
    whose = watch.Whose(name, ports)
    subjects = list(subject) or _subjects(options, whose)
    # Ctrl-C is how it ends, unless lines were counted on.
    expected = () if count is not None else (KeyboardInterrupt,)
    with contextlib.suppress(*expected):
        for seen in islice(watch.watch(server, SystemRandom(), subjects, whose, tail), count):
            if seen.subject:
                shown.say(f"{shown.printable(seen.subject)}  {shown.printable(seen.text)}")
            else:
                shown.say(f"log  {shown.printable(seen.text)}")


def _load(config: str | None) -> Options | None:
    if config is None:
        return None
    from leafnode.config.bind import load

    return load(config, os.environ)


def _subjects(options: Options | None, whose: watch.Whose) -> list[str]:
    """Return where the device's readings can come: without a configuration, everywhere."""
    if options is None:
        return [">"]
    if not whose.subjects:
        raise LeafnodeError("the configuration has no serial port with framing: link")
    return whose.subjects


def _who(said: Said) -> str:
    return said.name if said.up else f"{said.name} (away since {said.last_seen})"


def _nobody(page: dict[str, Any], url: str, *, all_: bool) -> str:
    """Return what an empty list means, and what would make it longer."""
    usb = "no USB serial port is there" if all_ else "no board is known on USB (--all: other ports)"
    if page:
        return f"{usb}, and none has said hello to the server at {url}"
    return f"{usb}, and no server answers at {url}: name its monitoring with --monitor-url"


def _serialz(monitor_url: str | None) -> dict[str, Any]:
    """Return what a server says of its ports. One that was not asked for need not be there."""
    try:
        return asked.ask(monitor_url or asked.DEFAULT, "/serialz")
    except asked.NoAnswer:
        if monitor_url is not None:
            raise
        return {}


COMMANDS: Final = (ls_command, monitor_command)
