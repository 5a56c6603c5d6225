"""A board's port for as long as a command needs it: a running server that has it lends it.

Knows the requests of `leafnode port lend`; not what is done with the port. Truth:
docs/serial/tools.md, "port lend".
"""

from __future__ import annotations

import contextlib
import os
from random import SystemRandom
from typing import TYPE_CHECKING

from leafnode.cli.device.found import held_ports
from leafnode.cli.nats import place
from leafnode.cli.nats.client import Client
from leafnode.cli.nats.errors import NatsError
from leafnode.cli.ports.lease import lent
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class NoPort(LeafnodeError):  # noqa: N818 -- a condition of what was asked for
    """No port was named."""


@contextlib.contextmanager
def borrowed(
    port: str | None, where: dict[str, str | None], tell: Callable[[str], None]
) -> Iterator[str]:
    """Give the port. One that a server has open is lent meanwhile; `tell` says so.

    `where`: how the server is found; without a word of it, a server need not be there. Raises
    LeafnodeError.
    """
    if port is None:
        raise NoPort("which port? Name it with --port; `leafnode device ls` lists them")
    with contextlib.ExitStack() as stack:
        client = _server(where)
        if client is not None:
            stack.enter_context(client)
            name = _holder(client, port, named=any(where.values()))
            if name is not None:
                stack.enter_context(lent(client, name, "leafnode device"))
                tell(f"the server lends port {name}")
        yield port


def _server(where: dict[str, str | None]) -> Client | None:
    """Return a connection to the server, None where none is and none was named."""
    try:
        return Client(place.find(**where), SystemRandom())
    except NatsError:
        if any(where.values()):
            raise
        return None  # whoever else has the port open, the lock tells


def _holder(client: Client, port: str, *, named: bool) -> str | None:
    try:
        answer = client.ask_json(f"$LEAFNODE.REQ.{client.server}.PORTS")
    except NatsError:
        if named:
            raise
        return None  # a server without serial ports, or another account's
    return held_ports(answer).get(os.path.realpath(port))
