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
class Said:
    """A board that said hello to the running server, on its port `port`."""

    name: str
    port: str
    framing: str
    boot: int
    up: bool
    last_seen: str
    capabilities: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One serial port on USB. `boards`: which it may be; none for something else."""

    device: str
    usb: str
    serial: str
    product: str
    boards: tuple[str, ...]
    held_by: str = ""  # the port of the running server that has it
    said: tuple[Said, ...] = ()  # who said hello there, the one that is there first


def found_boards(
    ports: Iterable[Port],
    boards: Mapping[str, Board],
    held: Mapping[str, str],
    said: Mapping[str, tuple[Said, ...]] | None = None,
) -> list[Found]:
    """Return the USB serial ports by name, then where else boards said hello.

    `held`: what a server has open, path to port name; `said`: its boards by the same paths.
    """
    found = []
    others = dict(said or {})
    for port in sorted(ports, key=lambda one: one.device):
        if port.vid is None or port.pid is None:
            continue
        usb = f"{port.vid:04x}:{port.pid:04x}"
        path = os.path.realpath(port.device)
        found.append(
            Found(
                device=port.device,
                usb=usb,
                serial=port.serial_number or "",
                product=port.product or "",
                boards=tuple(sorted(b.name for b in boards.values() if usb in b.usb)),
                held_by=held.get(path, ""),
                said=others.pop(path, ()),
            )
        )
    elsewhere = [
        Found(path, "", "", "", (), held.get(path, ""), said) for path, said in others.items()
    ]
    return found + sorted(elsewhere, key=lambda one: one.device)


def held_ports(serialz: Mapping[str, Any]) -> dict[str, str]:
    """Return which devices a server has open, by real path, and under which name.

    `path` is what a device's name such as `by-id:…` led to.
    """
    return {
        _path_of(port): str(port.get("name", ""))
        for port in serialz.get("ports", ())
        if port.get("open")
    }


def said_hello(serialz: Mapping[str, Any]) -> dict[str, tuple[Said, ...]]:
    """Return the boards that said hello to a server, by what its port's device led to."""
    paths = {str(port.get("name", "")): _path_of(port) for port in serialz.get("ports", ())}
    found: dict[str, list[Said]] = {}
    for row in serialz.get("devices", ()):
        port = str(row.get("port", ""))
        found.setdefault(paths.get(port, port), []).append(
            Said(
                name=str(row.get("name", "")),
                port=port,
                framing=str(row.get("framing", "")),
                boot=int(row.get("boot", 0)),
                up=row.get("up") is True,
                last_seen=str(row.get("last_seen", "")),
                capabilities=tuple(map(str, row.get("capabilities", ()))),
                about=str(row.get("about", "")),
            )
        )
    return {path: tuple(sorted(said, key=lambda one: not one.up)) for path, said in found.items()}


def _path_of(port: Mapping[str, Any]) -> str:
    """Return what a port's device led to; what is no path, such as socket://, as it is."""
    path = str(port.get("path") or port.get("device", ""))
    return os.path.realpath(path) if path.startswith("/") else path
