"""The commands that change a board, or make what is put on one: `deploy`, `time`, `bundle`.

Truth: docs/device-command.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from leafnode.cli import shown
from leafnode.cli.amounts import NODE_INTERVAL
from leafnode.cli.device import board_clock, drive, remote
from leafnode.cli.device.boards import (
    CIRCUITPYTHON,
    MICROPYTHON,
    board_named,
    firmware_directory,
    load_boards,
    sensor_names,
)
from leafnode.cli.device.borrowing import borrowed
from leafnode.cli.device.bundle import build
from leafnode.cli.device.compiled import CannotCompile, compiler
from leafnode.cli.device.plan import Copy, checked_name, checked_sensors, plan
from leafnode.cli.nats import place
from leafnode.clock import NS_PER_MS, SystemClock
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.cli.device.boards import Board

_SEEN: Final = "`leafnode device ls` names it once it has said hello to the server"
_ENOUGH_MS: Final = 100  # a clock that is off by less is not set a second time


class Deploying(LeafnodeError):  # noqa: N818 -- a condition of what was asked for
    """What was asked for cannot be done so."""


@click.command("deploy")
@click.argument("board")
@click.option("-p", "--port", metavar="DEVICE", help="Its serial port (MicroPython).")
@click.option("--drive", "drive_", metavar="DIR", help="Its drive [the one that is mounted].")
@click.option("-n", "--name", metavar="NAME", help="The node's name, a token of its subjects.")
@click.option(
    "--interval",
    metavar="TIME",
    type=NODE_INTERVAL,
    help="Between measurements: 500ms, 10s, 1m.",
)
@click.option("--line", type=click.Choice(["usb", "uart"]), help="Where the link is.")
@click.option("--sensors", metavar="NAMES", help='What is wired to it: "bme280 contact".')
@click.option("--compiled", is_flag=True, help="Copy bytecode: less memory, less time to start.")
@click.option("--mpy-cross", metavar="FILE", help="The compiler of the board's Python.")
@click.option("--dry-run", is_flag=True, help="List what would be copied, and copy nothing.")
@click.option("--no-reset", is_flag=True, help="Leave the board in its REPL.")
@place.options
def deploy_command(  # noqa: PLR0913 -- one parameter for each option
    board: str,
    port: str | None,
    drive_: str | None,
    name: str | None,
    interval: float | None,
    line: str | None,
    sensors: str | None,
    *,
    compiled: bool,
    mpy_cross: str | None,
    dry_run: bool,
    no_reset: bool,
    **where: str | None,
) -> None:
    """Copy the firmware to a BOARD: esp32_s3, pico, pico_w or samd21.

    What is on the board under other names stays. main.py (code.py) is copied last.
    """
    chosen = board_named(load_boards(firmware_directory()), board)
    if chosen.language == MICROPYTHON and drive_ is not None:
        raise Deploying(f"--drive: a board with MicroPython ({board}) has none: name its --port")
    settings = _settings(name, interval, line, sensors)
    compiles = compiled or chosen.compiled or mpy_cross is not None
    cross = _compiler(mpy_cross, chosen.language, dry_run=dry_run) if compiles else None
    copies = _planned(chosen, settings, cross)
    if dry_run:
        _list(copies)
        return
    if chosen.language == CIRCUITPYTHON:
        disk = drive.find_drive(drive_)
        shown.say(f"{disk}: {shown.printable(drive.about(disk))}")
        _with_bar(copies, lambda step: drive.copy_to_drive(disk, copies, step))
        shown.say("copied; press reset: boot.py is read at power-up only")
        return
    remote.command()  # before a server closes its port for it
    with borrowed(port, where, shown.say) as device:
        reset = not no_reset
        _with_bar(copies, lambda step: remote.copy_to_board(device, copies, reset=reset, step=step))
    shown.say("copied" if no_reset else f"copied, and the board was reset; {_SEEN}")


@click.command("time")
@click.option("-p", "--port", metavar="DEVICE", required=True, help="The board's serial port.")
@click.option("--set", "set_", is_flag=True, help="Set it to this computer's time, in UTC.")
@place.options
def time_command(port: str, *, set_: bool, **where: str | None) -> None:
    """Show by how much a board's own clock is off, or set it. It ends the board's program.

    A node on the link needs none: it hears the time from the gateway.
    """
    clock = SystemClock()
    remote.command()  # before a server closes its port for it
    with borrowed(port, where, shown.say) as device:
        if set_:
            remote.run_code(device, board_clock.setting(clock.wall_ns()), _ignored)
        off_ms = _offset_ms(device, clock)
        if set_ and abs(off_ms) > _ENOUGH_MS:
            # It was late by the way to the board: now that is known.
            aim_ns = clock.wall_ns() - off_ms * NS_PER_MS
            remote.run_code(device, board_clock.setting(aim_ns), _ignored)
            off_ms = _offset_ms(device, clock)
    direction = "ahead" if off_ms >= 0 else "behind"
    shown.say(f"{port}: {abs(off_ms) / 1000:.3f} s {direction}")
    shown.say("the board's program was ended: it starts again with a reset", error=True)


@click.command("bundle")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--circuitpython-mpy-cross", metavar="FILE", help="CircuitPython's own compiler.")
def bundle_command(directory: Path, circuitpython_mpy_cross: str | None) -> None:
    """Write zip files of the firmware to DIRECTORY: for MicroPython, and for circup.

    Bytecode is among them where its compiler is there.
    """
    boards = load_boards(firmware_directory()).values()
    compilers = {}
    for language, given in ((MICROPYTHON, None), (CIRCUITPYTHON, circuitpython_mpy_cross)):
        try:
            compilers[language] = compiler(given, language)
        except CannotCompile as err:
            shown.say(f"{language}: sources only: {shown.printable(err)}", error=True)
    for path in build(boards, directory, compilers):
        shown.say(f"{path}  {shown.size(path.stat().st_size)}")


def _compiler(given: str | None, language: str, *, dry_run: bool) -> str | None:
    """Return the compiler; None where a list of the sources has to do. Raises CannotCompile."""
    try:
        return compiler(given, language)
    except CannotCompile as err:
        if not dry_run:
            raise
        shown.say(f"listed as sources: {shown.printable(err)}", error=True)
        return None


def _settings(
    name: str | None, interval_s: float | None, line: str | None, sensors: str | None
) -> dict[str, str | int]:
    """Return what differs from the board's settings.toml. Raises LeafnodeError."""
    found: dict[str, str | int] = {}
    if name is not None:
        found["NODE_NAME"] = checked_name(name)
    if interval_s is not None:
        found["NODE_INTERVAL_MS"] = round(interval_s * 1000)
    if line is not None:
        found["NODE_LINE"] = line
    if sensors is not None:
        found["NODE_SENSORS"] = checked_sensors(sensors, sensor_names(firmware_directory()))
    return found


def _planned(board: Board, settings: dict[str, str | int], cross: str | None) -> list[Copy]:
    if cross is None:
        return plan(board, settings)
    with shown.progress("compiling", len(board.modules)) as step:
        return plan(board, settings, mpy_cross=cross, step=step)


def _list(copies: list[Copy]) -> None:
    rows = [(copy.target, len(copy.data)) for copy in copies]
    rows.append(("", sum(len(copy.data) for copy in copies)))
    shown.say(shown.table(("file", "bytes"), rows, right=("bytes",)))


def _with_bar(copies: list[Copy], copy_all: Callable[[Callable[[str], None]], None]) -> None:
    with shown.progress("copying", len(copies)) as step:
        copy_all(lambda _: step(len(copies)))


def _offset_ms(device: str, clock: SystemClock) -> int:
    printed: list[str] = []
    answered_ns = 0

    def take(line: str) -> None:
        nonlocal answered_ns
        if line.startswith(board_clock.MARK):
            answered_ns = clock.wall_ns()
            printed.append(line)

    remote.run_code(device, board_clock.READ, take)
    return board_clock.offset_ms("".join(printed), answered_ns)


def _ignored(_line: str) -> None:
    """Nothing is expected."""


COMMANDS: Final = (deploy_command, time_command, bundle_command)
