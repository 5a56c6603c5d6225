"""`leafnode ports`: every serial port of this machine, the name that stays, and who has it.

Opens no port. Truth: docs/serial/tools.md.
"""

from __future__ import annotations

from dataclasses import asdict
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import click

from leafnode.bridge.sysfs import Machine
from leafnode.cli import shown
from leafnode.cli.nats import place
from leafnode.cli.nats.client import Client
from leafnode.cli.ports import radios
from leafnode.cli.ports.holders import Holders
from leafnode.cli.running import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.bridge.sysfs import Tty
    from leafnode.cli.ports.holders import Holder


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@place.options
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def ports(*, json_: bool, **where: str | None) -> None:
    """List the serial ports of this machine, the names that stay, and who has them.

    With --server or --config the ports of that server are named, too.
    """
    known = of_server(where) if where["server"] or where["config"] else {}
    holders = Holders()
    rows = [_row(tty, holders.of(tty.path), known.get(tty.path, "")) for tty in Machine().ttys()]
    if json_:
        shown.say(shown.as_json(rows))
    elif rows:
        shown.say(as_table(rows))
    else:
        shown.say("no serial port has a device behind it")


def run(argv: Sequence[str], program: str) -> int:
    """List the ports and return the exit status."""
    return run_command(ports, argv, f"{program} ports", errors=(ValueError,))


def as_table(rows: list[dict[str, Any]]) -> str:
    heads = ["device", "path", "driver", "usb id", "what it is", "held by"]
    if any(row["port"] for row in rows):
        heads.append("port")
    cells = [
        [
            row["device"],
            row["path"],
            row["driver"],
            row["usb_id"],
            f"{row['maker']} {row['model']}".strip() + (" (radio)" if row["radio"] else ""),
            ", ".join(f"{one['name']} ({one['pid']})" for one in row["holders"]),
            row["port"],
        ][: len(heads)]
        for row in rows
    ]
    return shown.table(heads, cells)


def _row(tty: Tty, holders: list[Holder], port: str) -> dict[str, Any]:
    return {
        "device": tty.stable_name,
        "path": tty.path,
        "driver": tty.driver,
        "usb_id": tty.usb_id,
        "serial": tty.serial,
        "interface": tty.interface,
        "maker": tty.maker,
        "model": tty.model,
        "by_id": tty.by_id,
        "by_path": tty.by_path,
        "radio": radios.is_radio(tty),
        "holders": [asdict(holder) for holder in holders],
        "port": port,
    }


def of_server(where: dict[str, str | None]) -> dict[str, str]:
    """Return the names of the server's ports by the path that each has now."""
    with Client(place.find(**where), SystemRandom()) as client:
        answer = client.ask_json(f"$LEAFNODE.REQ.{client.server}.PORTS")
    return {row["path"]: row["name"] for row in answer["ports"] if row["open"]}
