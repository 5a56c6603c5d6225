"""`leafnode port detect`: at which speed and in which form does a device talk?

It listens at one speed after the other and judges what it hears. It writes nothing unless it is
told to, and leaves radios alone. Truth: docs/serial/tools.md.
"""

from __future__ import annotations

import contextlib
import errno
import select
from collections.abc import Callable
from dataclasses import asdict
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from leafnode.bridge import uucp_lock
from leafnode.bridge.names import resolve
from leafnode.bridge.sysfs import Machine
from leafnode.bridge.transports.tty import TtyPort
from leafnode.cli import amounts, shown
from leafnode.cli.nats import place
from leafnode.cli.nats.client import Client
from leafnode.cli.ports import line, radios, sniff
from leafnode.cli.ports.errors import PortError
from leafnode.cli.ports.lease import lent
from leafnode.clock import NS_PER_S, SystemClock
from leafnode.config import device_name
from leafnode.config.serial_options import SerialPort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.cli.ports.sniff import Guess

SPEEDS: Final = (9600, 115_200, 19_200, 38_400, 57_600, 4800, 2400, 1200, 230_400, 460_800, 921_600)
_BYTES_ENOUGH: Final = 2048


class Question(NamedTuple):
    """What is written, and the parity with which, and with which an answer is awaited."""

    data: bytes
    parity: str = "none"


# What makes devices talk that do not by themselves: an empty line, this project's text dialect,
# SICS, SCPI, MH-Z19, Modbus.
QUESTIONS: Final = (
    Question(b"\r\n"),
    Question(b"hello?\r\n"),
    Question(b"S\r\n"),
    Question(b"*IDN?\n"),
    Question(bytes([0xFF, 1, 0x86, 0, 0, 0, 0, 0, 0x79])),
    Question(sniff.MODBUS_QUESTION),
    Question(sniff.MODBUS_QUESTION, "even"),  # Modbus' own default; many have none
)
_SILENCE: Final = Question(b"")

# Returns None where the driver cannot have such a line: a pseudo-terminal knows no parity.
Listen = Callable[[int, Question], bytes | None]


@click.command(
    epilog="""\b
Examples:
  leafnode port detect usb:1a86:7523
  leafnode port detect scale             a port of the running server, which lends it meanwhile
"""
)
@place.options
@click.option(
    "--seconds",
    type=amounts.Number(0.001, 3600),
    default=3.0,
    show_default=True,
    help="How long to listen at each speed.",
)
@click.option(
    *("--speed", "speeds"),
    multiple=True,
    type=amounts.BAUD,
    help="Try this speed; may be repeated.",
)
@click.option("--active", is_flag=True, help="Also ask: write some harmless questions.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
@click.argument("port")
def detect(
    port: str,
    seconds: float,
    speeds: tuple[int, ...],
    *,
    active: bool,
    json_: bool,
    **where: str | None,
) -> int:
    """Find out at which speed and in which form PORT talks: a device, or a port of the server."""
    wanted = speeds or SPEEDS
    with contextlib.ExitStack() as stack:
        if line.is_device(port):
            path = resolve(_tty_name(port), Machine())
        else:
            client = stack.enter_context(Client(place.find(**where), SystemRandom()))
            path = stack.enter_context(lent(client, port, "leafnode port detect", opens_it=True))
            if not path.startswith("/"):
                raise PortError(f"{port}: expected a tty of this machine, not {path}")
        _spare_radios(path, Machine())
        listen = stack.enter_context(_listener(path, seconds))
        found, heard = search(wanted, listen, active=active, tell=_tell)
    if json_:
        shown.say(shown.as_json([_row(guess) for guess in found]))
    else:
        shown.say(as_words(found, heard, active=active))
    return 0 if found else 1


def search(
    speeds: tuple[int, ...], listen: Listen, *, active: bool, tell: Callable[[int, int], None]
) -> tuple[list[Guess], int]:
    """Return the explanations, the best first, and how many bytes were heard at all.

    The first that is sure ends the search. Who talks without a question is asked none; one that
    answers may have said only that it did not understand, so the others follow.
    """
    found: list[Guess] = []
    heard = 0
    for baud in speeds:
        guesses = []
        was_silent = True
        for question in (_SILENCE, *(QUESTIONS if active else ())):
            data = listen(baud, question)
            if data is None:
                continue
            heard += len(data)
            tell(baud, len(data))
            asked = question.data if was_silent else b""
            guess = sniff.judge(baud, data, asked=asked, parity=question.parity)
            was_silent = was_silent and not (data and question is _SILENCE)
            if guess is not None:
                guesses.append(guess)
                if guess.is_sure or question is _SILENCE:
                    break
        found += sorted(guesses, key=lambda guess: -guess.score)[:1]
        if found and found[-1].is_sure:
            break
    return sorted(found, key=lambda guess: -guess.score), heard


def as_words(found: list[Guess], heard: int, *, active: bool) -> str:
    if found:
        heads = ("baud", "line", "what it looks like", "in a port's entry", "score", "seen")
        rows = [
            (guess.baud, guess.line, guess.what, _entry(guess), guess.score, guess.count)
            for guess in found
        ]
        return shown.table(heads, rows, ("baud", "score", "seen"))
    if heard:
        return f"{heard} bytes were heard, and they make sense at none of these speeds"
    advice = "" if active else "; a device that must be asked needs --active"
    return f"nothing was heard{advice}"


def _entry(guess: Guess) -> str:
    line_ = {
        "8N1": "",
        "8E1": ", parity: even",
        "7E1": ", data_bits: 7, parity: even",
        "7O1": ", data_bits: 7, parity: odd",
    }
    return f"baud: {guess.baud}{line_[guess.line]}, {guess.options}"


def _row(guess: Guess) -> dict[str, Any]:
    return asdict(guess) | {"sample": guess.sample.hex(), "entry": _entry(guess)}


def _tty_name(text: str) -> device_name.DeviceName:
    name = device_name.parse(text)
    if name.is_network:
        raise PortError(f"{text}: expected a tty of this machine")
    return name


def _spare_radios(path: str, machine: Machine) -> None:
    for tty in machine.ttys():
        if tty.path == path and radios.is_radio(tty):
            what = f"{tty.maker} {tty.model}".strip() or tty.usb_id
            raise PortError(f"{path} looks like a radio ({what}): it is left alone")


def _tell(baud: int, count: int) -> None:
    shown.say(f"{baud:>7} baud: {count} bytes", error=True)


@contextlib.contextmanager
def _listener(path: str, seconds: float) -> Iterator[Listen]:
    """Open the tty once, and give what listens at a speed, after a question if there is one."""
    clock = SystemClock()
    lock = uucp_lock.take(path)
    try:
        port = TtyPort(SerialPort(path, "detect", "x", low_latency=False), path, lock)
    except BaseException:
        if lock is not None:
            lock.release()
        raise

    def listen(baud: int, question: Question) -> bytes | None:
        try:
            port.set_line(baud, question.parity)
        except OSError as err:
            if err.errno == errno.EINVAL:
                return None
            raise
        port.drop_input()
        if question.data:
            port.write(question.data)
        wait_s = min(seconds, 1.0) if question.data else seconds
        until_ns = clock.monotonic_ns() + int(wait_s * NS_PER_S)
        data = b""
        while len(data) < _BYTES_ENOUGH and (left_ns := until_ns - clock.monotonic_ns()) > 0:
            if select.select([port.fileno()], [], [], left_ns / NS_PER_S)[0]:
                data += port.read()
        return data

    try:
        yield listen
    finally:
        port.close()
