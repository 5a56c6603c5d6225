"""`leafnode sim <sensor>`: the list of sensors, where they speak, and what they said at the end.

Exit status: 0 when its time was over or it was interrupted, 1 when it could not begin. Knows click;
what a sensor says is in a module of its own. Truth: docs/serial/sim.md.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import PurePath
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeVar
from zlib import crc32

import click

from leafnode.cli import shown
from leafnode.cli.amounts import COUNT, NODE_INTERVAL, Number, Time
from leafnode.cli.device.plan import checked_name
from leafnode.cli.running import run_command
from leafnode.cli.sim import node
from leafnode.cli.sim.errors import SimError
from leafnode.cli.sim.modbus import Modbus
from leafnode.cli.sim.nmea import Nmea
from leafnode.cli.sim.play import Player
from leafnode.cli.sim.pms5003 import Pms5003
from leafnode.cli.sim.scale import Sics, Toledo
from leafnode.cli.sim.terminal import Pty, Tty
from leafnode.cli.sim.wire import Wire
from leafnode.clock import NS_PER_S, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from leafnode.cli.sim.sensor import Sensor
    from leafnode.cli.sim.terminal import Terminal

_TERMINAL_NAME_MAX: Final = 28  # a board's name has 32 characters

EPILOG: Final = """\b
Examples:
  leafnode sim nmea --link /tmp/gps
  leafnode sim scale --sics
  leafnode sim link --name press-4 --bad 0.1
  leafnode sim modbus --port /dev/ttyUSB1      another adapter, wired to the gateway's

Each prints the pseudo-terminal that a port's entry names as its device."""
Command = TypeVar("Command", bound="Callable[..., Any]")


def options(command: Command) -> Command:
    """Add what every sensor has."""
    for one in (
        click.option("--count", type=COUNT, help="End after so many readings."),
        click.option("--for", "for_", metavar="TIME", type=Time(), help="End after this."),
        click.option("--every", metavar="TIME", type=NODE_INTERVAL, help="Speak this often."),
        click.option(
            "--bad",
            type=Number(0, 100),
            default=0.0,
            metavar="PERCENT",
            help="So many bytes of a hundred come with a wrong bit (0).",
        ),
        click.option("--seed", type=int, default=1, help="The same seed, the same values (1)."),
        click.option("--baud", type=click.IntRange(50, 12_000_000), help="Another speed."),
        click.option("--link", metavar="PATH", help="A symbolic link to the pseudo-terminal."),
        click.option("--port", metavar="DEVICE", help="Speak on this port instead."),
    ):
        command = one(command)
    return command


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Be a sensor on a serial line, to try the gateway without hardware."""


@commands.command()
@options
def nmea(**given: Any) -> None:
    """Be a GPS receiver: NMEA 0183, once a second."""
    _play(Nmea(_random(given)), given)


@commands.command()
@click.option("--sics", is_flag=True, help="Answer to MT-SICS commands (Toledo continuous).")
@options
def scale(*, sics: bool, **given: Any) -> None:
    """Be a scale: Toledo continuous output ten times a second, or MT-SICS."""
    _play(Sics(_random(given)) if sics else Toledo(_random(given)), given)


@commands.command()
@options
def pms5003(**given: Any) -> None:
    """Be a particle sensor PMS5003, once a second."""
    _play(Pms5003(_random(given)), given)


@commands.command()
@click.option("--slave", type=click.IntRange(1, 247), default=1, help="Its address (1).")
@options
def modbus(*, slave: int, **given: Any) -> None:
    """Be a Modbus RTU slave: an energy meter that is polled."""
    _play(Modbus(_random(given), slave), given)


@commands.command()
@click.option("--name", help="The board's name (sim- and the name of its terminal).")
@click.option("--text", is_flag=True, help="Speak the text dialect.")
@options
def link(*, name: str | None, text: bool, **given: Any) -> None:
    """Be a board with this project's firmware: its node, on the device link."""
    if name is not None:
        checked_name(name)
    every_ms = max(1, round((given["every"] or 1.0) * 1000))
    random = _random(given)
    entry = node.TEXT_ENTRY if text else node.ENTRY
    with _Stop() as stop, _line(given, node.BAUD, entry, node.SUBJECT) as (terminal, wire):
        clock = SystemClock()
        hal = node.WireHal(
            wire,
            terminal,
            clock,
            until_ns=_until_ns(given, clock),
            stopped=lambda: stop.is_asked,
        )
        board = node.new_node(
            hal,
            random,
            name or _board_name(given["link"] or terminal.path),
            interval_ms=every_ms,
            count=given["count"] or 0,
            text=text,
        )
        board.run()
        shown.say(
            f"measured {board.n}, sent {hal.sent_bytes} bytes, "
            f"{wire.damaged} with a wrong bit, heard {hal.heard_bytes}",
            error=True,
        )


def _play(sensor: Sensor, given: dict[str, Any]) -> None:
    if given["every"] is not None:
        if sensor.every_s is None:
            raise SimError("this sensor answers only: --every has no place here")
        sensor.every_s = given["every"]
    with (
        _Stop() as stop,
        _line(given, sensor.baud, sensor.entry, sensor.subject) as (terminal, wire),
    ):
        clock = SystemClock()
        player = Player(
            sensor,
            wire,
            terminal,
            clock,
            count=given["count"] or 0,
            until_ns=_until_ns(given, clock),
            stopped=lambda: stop.is_asked,
        )
        player.run()
        played = player.played
        shown.say(
            f"spoke {played.said} times, answered {played.answered} times, "
            f"sent {played.sent_bytes} bytes, {wire.damaged} with a wrong bit, "
            f"{played.lost_bytes} not taken",
            error=True,
        )


@contextlib.contextmanager
def _line(
    given: dict[str, Any], baud: int, entry: str, subject: str
) -> Iterator[tuple[Terminal, Wire]]:
    """Open where it speaks, and say what a port's entry would be."""
    if given["port"] is not None and given["link"] is not None:
        raise SimError("--link names a pseudo-terminal: it has no place beside --port")
    if given["link"] is not None and not _can_be_configured(given["link"]):
        raise SimError(
            f"{shown.printable(given['link'])}: no port's entry can say this: "
            'expected text without " and \\'
        )
    if given["link"] is not None:
        # As a port's entry has to say it; Path.resolve would follow the link of a former run.
        given["link"] = os.path.abspath(given["link"])  # noqa: PTH100
    speed = given["baud"] or baud
    terminal: Terminal
    terminal = Tty(given["port"], speed) if given["port"] else Pty(given["link"])
    try:
        if not given["port"]:
            shown.say(terminal.path)
            device = given["link"] or terminal.path
            shown.say(
                f'{{ name: sim, device: "{device}", subject: "{subject}", {entry} }}', error=True
            )
        yield terminal, Wire(speed, _random(given, "line"), given["bad"] / 100)
    finally:
        terminal.close()


def _can_be_configured(path: str) -> bool:
    return path.isprintable() and not {'"', "\\"} & set(path)


class _Stop:
    """Ctrl-C, a polite kill and the end of its terminal are how it ends: nothing is torn by them.
    The second one kills. Under nohup the end of a terminal is none of it.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Stop:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: object) -> None:
        self.is_asked = True
        signal.signal(number, signal.SIG_DFL)


def _random(given: dict[str, Any], what: str = "sensor") -> Random:
    return Random(f"{given['seed']} {what}")  # noqa: S311 -- values of sensors, the same for the same seed


def _board_name(path: str) -> str:
    """Return the name of the board at this end: no two in a directory have the same one.

    Where a name has not room for all of the end's, its CRC tells it from others.
    """
    name = PurePath(path).name
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)[-_TERMINAL_NAME_MAX:]
    if plain != name:
        crc = f"-{crc32(os.fsencode(name)):08x}"
        plain = plain[-(_TERMINAL_NAME_MAX - len(crc)) :] + crc
    return f"sim-{plain}"


def _until_ns(given: dict[str, Any], clock: SystemClock) -> int | None:
    return None if given["for_"] is None else clock.monotonic_ns() + int(given["for_"] * NS_PER_S)


def run(argv: Sequence[str], program: str) -> int:
    """Run one command and return its exit status."""
    return run_command(commands, argv, f"{program} sim")
