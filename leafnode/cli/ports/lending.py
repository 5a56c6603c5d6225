"""`leafnode port lend`: the running server closes a port for a while, and takes it back.

Truth: docs/serial/tools.md.
"""

from __future__ import annotations

import contextlib
from random import SystemRandom
from typing import Final

import click

from leafnode.bridge.transports.opener import Opener
from leafnode.bridge.transports.tty import TtyPort
from leafnode.cli import shown
from leafnode.cli.amounts import Time
from leafnode.cli.nats import place
from leafnode.cli.nats.client import Client
from leafnode.cli.ports import line
from leafnode.cli.ports.errors import PortError
from leafnode.cli.ports.lease import ask, lent
from leafnode.cli.programs import Ended, Program, ended_by_signals
from leafnode.clock import NS_PER_S, SystemClock
from leafnode.config.serial_options import SerialPort

_LEND_S: Final = 60.0


class _WithCommand(click.Command):
    """Options stand before PORT or right behind it; what is behind that is the COMMAND's own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at_port = self._options_of(ctx, args)
        rest = args[at_port + 1 :]
        size = self._options_of(ctx, rest)
        command = rest[size:]
        if command[:1] == ["--"]:
            del command[0]
        port = args[at_port : at_port + 1]
        return super().parse_args(ctx, [*args[:at_port], *rest[:size], "--", *port, *command])

    def _options_of(self, ctx: click.Context, words: list[str]) -> int:
        """Return how many of the first words are options, with their values."""
        takes_value = {
            name: not one.is_flag
            for one in self.get_params(ctx)
            if isinstance(one, click.Option)
            for name in one.opts
        }
        at = 0
        while at < len(words) and words[at].startswith("-") and words[at] != "--":
            at += 2 if takes_value.get(words[at], False) else 1
        return min(at, len(words))


@click.command(
    cls=_WithCommand,
    epilog="""\b
Examples:
  leafnode port lend scale --for 5m
  leafnode port lend scale --back
  leafnode port lend scale --for 1h minicom -D {}
  leafnode port lend scale --rfc2217 4444
  leafnode port lend by-id:usb-FTDI_A1-if00-port0 --rfc2217 10.0.0.5:4444
""",
)
@place.options
@click.option(
    "--for",
    "for_",
    metavar="TIME",
    type=Time(),
    help="How long at most (60s; with a COMMAND or --rfc2217 until that ends).",
)
@click.option("--back", is_flag=True, help="Give it back now.")
@click.option("--rfc2217", metavar="[HOST:]PORT", help="Serve it there; on loopback without HOST.")
@click.argument("port")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def lend(
    port: str,
    command: tuple[str, ...],
    for_: float | None,
    rfc2217: str | None,
    *,
    back: bool,
    **where: str | None,
) -> int | None:
    """Have the running server close PORT for a while, so that another program can open it.

    With a COMMAND the port is given back when that ends; {} stands for the device's path. With
    --rfc2217 others open it over the network; PORT may be a device that is free, then, too.
    """
    if rfc2217 is not None:
        if command or back:
            raise PortError("--rfc2217 serves the port itself: no command and no --back beside it")
        _serve(port, rfc2217, for_, where)
        return None
    with Client(place.find(**where), SystemRandom()) as client:
        if back:
            answer = ask(client, port, "RETURN")
            shown.say(f"{port} is back" if answer["was_lent"] else f"{port} was not lent")
            return None
        if not command:
            duration_s = for_ or _LEND_S
            answer = ask(client, port, "LEND", {"seconds": duration_s})
            path = answer["path"] or "its device is not there"
            shown.say(f"{port} is lent for {answer['seconds']:g} s: {path}")
            return None
        with lent(client, port, command[0], most_s=for_) as path:
            words = [word.replace("{}", path) for word in command]
            try:
                with Program(words) as program:
                    return program.wait()
            except OSError as err:
                raise PortError(f"{words[0]}: {err.strerror}") from err


def _serve(port: str, at: str, for_: float | None, where: dict[str, str | None]) -> None:
    """Serve a port of the server, or a device of this machine, over the network."""
    from leafnode.cli.ports import serving

    clock = SystemClock()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(serving.listening(at))
        if line.is_device(port):
            stack.enter_context(ended_by_signals())
            device = port
        else:
            client = stack.enter_context(Client(place.find(**where), SystemRandom()))
            device = stack.enter_context(
                lent(client, port, f"rfc2217 at {at}", most_s=for_, opens_it=True)
            )
        if device.startswith(("socket:", "rfc2217:")):
            raise PortError(f"{port}: expected a tty of this machine, not {device}")
        opened = Opener(clock)(SerialPort(device, "lend", "x"))
        stack.callback(opened.close)
        assert isinstance(opened, TtyPort), "no other has a line"
        if not serving.is_loopback(serving.address(at)[0]):
            shown.say("whoever reaches this address has the port: there is no login", error=True)
        shown.say(serving.bound_to(listener))
        until_ns = None if for_ is None else clock.monotonic_ns() + int(for_ * NS_PER_S)
        with contextlib.suppress(KeyboardInterrupt, Ended):
            serving.PortServer(
                opened, listener, clock, lambda text: shown.say(text, error=True)
            ).run(until_ns)
