"""`leafnode port monitor`: what goes over a port, live, in hexadecimal and as what it becomes.

A port of the running server is looked at through it; a device that is free is opened here. Truth:
docs/serial/tools.md.
"""

from __future__ import annotations

import base64
import contextlib
import select
from dataclasses import replace
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

import click

from leafnode.bridge.transports.opener import Opener
from leafnode.cli import shown
from leafnode.cli.amounts import Time
from leafnode.cli.nats import place
from leafnode.cli.nats.client import Client, decoded
from leafnode.cli.ports import hexdump, lease, line, listing, reading
from leafnode.cli.ports.errors import PortError
from leafnode.clock import NS_PER_MS, NS_PER_S, SystemClock
from leafnode.config.serial_options import SerialPort
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.port import OpenPort

_ASK_AGAIN_NS: Final = 10 * NS_PER_S
_COLOURS: Final = {"rx": "green", "tx": "yellow", "->": "cyan"}


@click.command(
    epilog="""\b
Examples:
  leafnode port monitor scale
  leafnode port monitor by-id:usb-FTDI_A1-if00-port0 --baud 9600 --parity even
  leafnode port monitor /dev/ttyUSB0 --as "preset: nmea"
"""
)
@place.options
@line.options
@click.option("--for", "for_", metavar="TIME", type=Time(), help="End after this time.")
@click.option("--as", "as_", metavar="ENTRY", help="Decode a device, too, as a port's entry says.")
@click.argument("port")
def monitor(port: str, for_: float | None, as_: str | None, **options: Any) -> None:
    """Show what goes over PORT: one of the running server by its name, or a device.

    It ends at Ctrl-C. A device (by-id:…, a path, …) is opened here, so nobody else may have it; it
    is decoded as --as says, or as the port that has it in --config.
    """
    where = {key: options.pop(key) for key in ("config", "server", "creds", "tlsca")}
    clock = SystemClock()
    until_ns = None if for_ is None else clock.monotonic_ns() + int(for_ * NS_PER_S)
    with contextlib.suppress(KeyboardInterrupt):
        if line.is_device(port):
            entry = _entry(port, as_, where["config"])
            given = replace(
                entry or SerialPort(port, "monitor", "x"), modbus=None, **line.given(options)
            )
            decoder = None if entry is None else reading.Decoder(entry)
            _watch_device(_opened(given, where, clock), decoder, clock, until_ns)
        elif as_ is not None:
            raise PortError("--as is for a device: the server decodes its ports itself")
        else:
            with Client(place.find(**where), SystemRandom()) as client:
                _watch_port(client, port, clock, until_ns)


def _entry(device: str, as_: str | None, config: str | None) -> SerialPort | None:
    """Return how the device is to be read; None: nobody says it."""
    if as_ is not None:
        return reading.of_entry(as_, device)
    return None if config is None else reading.of_config(config, device)


def _opened(options: SerialPort, where: dict[str, str | None], clock: SystemClock) -> OpenPort:
    """Open a device; of one that the server has say its port. Raises OSError and PortError."""
    opener = Opener(clock)
    try:
        return opener(options)
    except FileNotFoundError:
        raise
    except OSError as err:
        held: dict[str, str] = {}
        # Where the server says nothing, what the system said is all that is known.
        with contextlib.suppress(LeafnodeError, OSError):
            held = listing.of_server(where)
        name = held.get(opener.find(options))
        if name is None:
            raise
        raise PortError(
            f"{err}; the server has {options.device} as port {name}: leafnode port monitor {name}"
        ) from err


def _watch_device(
    port: OpenPort, decoder: reading.Decoder | None, clock: SystemClock, until_ns: int | None
) -> None:
    shown.say(f"{port.path} ({port.describe()})", error=True)
    try:
        while (left_s := _left_s(clock, until_ns)) > 0:
            now_ms = clock.monotonic_ns() // NS_PER_MS
            wait_s = left_s if decoder is None else min(left_s, decoder.wait_s(now_ms))
            is_ready = select.select([port.fileno()], [], [], wait_s)[0]
            data = port.read() if is_ready else b""
            if data:
                print_bytes("rx", data, clock.wall_ns())
            if decoder is not None:
                for found in decoder.receive(data, clock.monotonic_ns() // NS_PER_MS):
                    shown.say(_head("->", clock.wall_ns()) + shown.printable(found))
    finally:
        port.stop()
        port.close()


def _watch_port(client: Client, port: str, clock: SystemClock, until_ns: int | None) -> None:
    subject = f"$LEAFNODE.REQ.{client.server}.PORT.{lease.port_token(port)}"
    inbox = client.listen()
    asked_ns = clock.monotonic_ns()
    client.publish(f"{subject}.MONITOR", reply=inbox)
    is_new = True
    try:
        while (left_s := _left_s(clock, until_ns)) > 0:
            answer = client.next(min(left_s, 1.0))
            if answer is not None:
                found = decoded(answer)
                if "at" in found:
                    show(found)
                elif is_new:
                    is_new = False
                    how = "open" if found["open"] else "not open"
                    shown.say(f"{port} of {client.server}, {how} ({found['path']})", error=True)
            if clock.monotonic_ns() - asked_ns >= _ASK_AGAIN_NS:
                asked_ns = clock.monotonic_ns()
                client.publish(f"{subject}.MONITOR", reply=inbox)
    finally:
        client.publish(f"{subject}.UNMONITOR", inbox.encode())


def _left_s(clock: SystemClock, until_ns: int | None) -> float:
    if until_ns is None:
        return 3600.0
    return max(0, until_ns - clock.monotonic_ns()) / NS_PER_S


def show(event: dict[str, Any], say: Callable[[str], None] = shown.say) -> None:
    """Print one piece of what a server tells."""
    at_ns = int(event["at"])
    if event.get("dropped"):
        say(shown.bad(f"{event['dropped']} bytes were too fast to be shown"))
    for way in ("rx", "tx"):
        if way in event:
            print_bytes(way, _bytes(event[way]), at_ns, say)
    if "subject" in event:
        payload = shown.printable(_bytes(event["payload"]))
        say(_head("->", at_ns) + f"{shown.printable(event['subject'])} {payload}")


def print_bytes(way: str, data: bytes, at_ns: int, say: Callable[[str], None] = shown.say) -> None:
    for row in hexdump.lines(data):
        say(_head(way, at_ns) + row)


def _head(way: str, at_ns: int) -> str:
    return f"{hexdump.moment(at_ns)} {click.style(way, fg=_COLOURS[way])}  "


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except ValueError:
        return b""
