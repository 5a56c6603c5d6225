"""`leafnode port lend`: the running server closes a port for a while, and takes it back.

Truth: docs/serial/tools.md.
"""

from __future__ import annotations

import contextlib
import subprocess
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import click

from leafnode.cli import shown
from leafnode.cli.ports import place
from leafnode.cli.ports.client import Client
from leafnode.cli.ports.errors import PortError
from leafnode.clock import NS_PER_S
from leafnode.config.convert import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator


def seconds(_: object, option: click.Parameter, value: str | None) -> float | None:
    """Take a duration such as 60s; the callback of an option."""
    if value is None:
        return None
    duration_ns = parse_duration(value)
    if duration_ns is None or duration_ns <= 0:
        raise click.BadParameter("expected a duration like 60s or 5m", param=option)
    return duration_ns / NS_PER_S


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="""\b
Examples:
  leafnode port lend scale --for 5m
  leafnode port lend scale --back
  leafnode port lend scale --for 1h minicom -D {}
""",
)
@place.options
@click.option(
    "--for", "for_", metavar="TIME", callback=seconds, default="60s", help="How long (60s)."
)
@click.option("--back", is_flag=True, help="Give it back now.")
@click.argument("port")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def lend(
    port: str, command: tuple[str, ...], for_: float, *, back: bool, **where: str | None
) -> int | None:
    """Have the running server close PORT for a while, so that another program can open it.

    With a COMMAND the port is given back when that ends; {} stands for the device's path.
    """
    with Client(place.find(**where), SystemRandom()) as client:
        if back:
            answer = _ask(client, port, "RETURN")
            shown.say(f"{port} is back" if answer["was_lent"] else f"{port} was not lent")
            return None
        if not command:
            answer = _ask(client, port, "LEND", {"seconds": for_})
            shown.say(f"{port} is lent for {for_:g} s: {answer['path']}")
            return None
        with lent(client, port, for_) as path:
            words = [word.replace("{}", path) for word in command]
            try:
                return subprocess.run(words, check=False).returncode  # noqa: S603 -- the user's own
            except OSError as err:
                raise PortError(f"{words[0]}: {err.strerror}") from err


@contextlib.contextmanager
def lent(client: Client, port: str, duration_s: float) -> Iterator[str]:
    """Have a port lent for as long as it takes, and give its path. Raises PortError."""
    answer = _ask(client, port, "LEND", {"seconds": duration_s})
    try:
        yield str(answer["path"])
    finally:
        _ask(client, port, "RETURN")


def _ask(client: Client, port: str, verb: str, request: object = None) -> dict[str, Any]:
    subject = f"$LEAFNODE.REQ.{client.server}.PORT.{port_token(port)}.{verb}"
    return client.ask_json(subject, request, timeout_s=10)


def port_token(port: str) -> str:
    """Return a port's name as a token of a subject. Raises PortError."""
    if not port or any(char in ".*>" or not char.isprintable() or char == " " for char in port):
        raise PortError(f"{port}: expected the name of a port of the server")
    return port
