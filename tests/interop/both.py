"""This server and a real nats-server beside each other, and a client of nats-py."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Final

import nats

from tests.hub.process import Hub
from tests.interop.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from nats.aio.client import Client

JETSTREAM: Final = 'jetstream { store_dir: "{dir}/store" }\n'
# An account for each program: now and then nats-server finds the messages of a stream that was just
# deleted in a new one of its name.
_LOGINS: Final = itertools.count()
_ACCOUNTS: Final = "".join(
    f"  A{number} {{ jetstream: enabled, users: [{{ user: A{number}, password: x }}] }}\n"
    for number in range(200)
)
MANY_ACCOUNTS: Final = f"accounts {{\n{_ACCOUNTS}}}\n{JETSTREAM}"
WAIT_S: Final = 15.0
LEAFNODE: Final = "leafnode"
BOTH: Final = [LEAFNODE, "nats-server"]


@contextlib.contextmanager
def two_servers(directory: Path, config: str) -> Iterator[tuple[Gateway, Hub]]:
    """Ours and the real one while the block runs."""
    ours, theirs = Gateway(directory / "ours", config), Hub(directory / "theirs", config)
    with contextlib.ExitStack() as stack:
        for server in (ours, theirs):
            server.start()
            stack.callback(server.stop)
        yield ours, theirs


@contextlib.contextmanager
def running_both(directory: Path) -> Iterator[dict[str, Gateway | Hub]]:
    """Both with JetStream in many accounts, by name, while the block runs."""
    with two_servers(directory, MANY_ACCOUNTS) as servers:
        yield dict(zip(BOTH, servers, strict=True))


def new_login() -> dict[str, str]:
    """Return the login of an account that nobody has used yet."""
    return {"user": f"A{next(_LOGINS)}", "password": "x"}


@contextlib.asynccontextmanager
async def client(server: Gateway | Hub, **login: str) -> AsyncIterator[Client]:
    """A connection for the length of a with block, its streams removed at the end."""
    connection = await nats.connect(server.client_url, allow_reconnect=False, **login)  # type: ignore[arg-type]
    try:
        yield connection
        js = connection.jetstream()
        for info in await js.streams_info():
            await js.delete_stream(info.config.name or "")
    finally:
        await connection.close()
