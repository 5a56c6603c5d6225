"""Which boards are plugged in: USB serial ports whose ids the firmware knows.

Knows pyserial's list of ports; opens none of them. Boards with the same id cannot be told apart: a
Pico and a Pico W are both. Truth: firmware/boards.toml, `usb`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from leafnode.cli.device.boards import Board


class Port(Protocol):
    """What pyserial says of one port."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    product: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """One serial port on USB. `boards`: which it may be; none for something else."""

    device: str
    usb: str
    serial: str
    product: str
    boards: tuple[str, ...]
    held_by: str = ""  # the port of the running server that has it


def found_boards(
    ports: Iterable[Port], boards: Mapping[str, Board], held: Mapping[str, str]
) -> list[Found]:
    """Return the USB serial ports by name. `held`: what a server has open, path to port name."""
    found = []
    for port in sorted(ports, key=lambda one: one.device):
        if port.vid is None or port.pid is None:
            continue
        usb = f"{port.vid:04x}:{port.pid:04x}"
        found.append(
            Found(
                device=port.device,
                usb=usb,
                serial=port.serial_number or "",
                product=port.product or "",
                boards=tuple(sorted(b.name for b in boards.values() if usb in b.usb)),
                held_by=held.get(os.path.realpath(port.device), ""),
            )
        )
    return found


def held_ports(serialz: Mapping[str, Any]) -> dict[str, str]:
    """Return which devices a server has open, by real path, and under which name.

    `path` is what a device's name such as `by-id:…` led to.
    """
    return {
        os.path.realpath(str(port.get("path") or port.get("device", ""))): str(port.get("name", ""))
        for port in serialz.get("ports", ())
        if port.get("open")
    }
