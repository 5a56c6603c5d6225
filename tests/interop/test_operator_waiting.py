"""Blocks of a configuration whose account comes later, in operator mode: what is there serves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import nkeys
import pytest

from tests.hub.jwt import Key
from tests.hub.process import free_ports
from tests.interop.barrier import settled
from tests.interop.test_operator_memory import Preloaded, preloads
from tests.interop.test_operator_mode import SERVERS, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.interop


@pytest.fixture(params=SERVERS)
def preloaded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Preloaded]:
    yield from preloads(request.param, tmp_path)


async def is_let_in(port: int) -> bool:
    """Say whether a leaf with the login of the port's block gets a link."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        assert (await reader.readline()).startswith(b"INFO ")
        said = {"name": "below", "server_id": "NBELOW", "user": "u", "pass": "p", "headers": True}
        writer.write(b"CONNECT %b\r\nPING\r\n" % json.dumps(said).encode())
        line = await reader.readline()
        assert line.startswith(b"INFO ") or b"Authorization Violation" in line
        return line.startswith(b"INFO ")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize("what", ["missing", "expired"])
def test_a_port_for_leafs_lets_them_in_when_its_account_is_there(
    preloaded: Preloaded, what: str
) -> None:
    new = Key(nkeys.PREFIX_BYTE_ACCOUNT)
    (port,) = free_ports(1)
    login = f"user: u, password: p, account: {new.public}"
    lines = (f"leafnodes {{ listen: 127.0.0.1:{port}, authorization {{ {login} }} }}",)
    if what == "expired":
        body = {"type": "account", "version": 2}
        past_s = preloaded.now_s - 100
        token = preloaded.operator.sign(
            new.public, "ACC", body, issued_s=past_s, exp=preloaded.now_s - 50
        )
        preloaded.preload[new] = token

    async def run() -> None:
        preloaded.start(*lines)
        assert await preloaded.lets_in(preloaded.a)
        assert not await is_let_in(port)

        preloaded.preload[new] = preloaded.account_jwt(new)
        assert await preloaded.reload(*lines) == ""
        assert await is_let_in(port)

        del preloaded.preload[new]
        assert await preloaded.reload(*lines) == ""
        assert not await is_let_in(port)

    asyncio.run(run())


def health(port: int) -> dict[str, Any]:
    try:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz?leafnode=1", timeout=30)
    except urllib.error.HTTPError as err:
        answer = err
    with answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def test_serial_ports_open_when_their_account_is_pushed(tmp_path: Path) -> None:
    preloaded = Preloaded(tmp_path, SERVERS["leafnode"])
    new = Key(nkeys.PREFIX_BYTE_ACCOUNT)
    (http,) = free_ports(1)
    device, kept = os.openpty()
    (tmp_path / "port").symlink_to(os.ttyname(kept))
    preloaded.resolver = f"{{type: full, dir: '{tmp_path}/jwt'}}"
    port = f"{{ device: '{tmp_path}/port', name: p1, subject: p1.line }}"
    lines = (f"http: 127.0.0.1:{http}", f"serial {{ account: {new.public}, ports [ {port} ] }}")

    async def push() -> None:
        client = await preloaded.connect(preloaded.system)
        subject = f"$SYS.REQ.ACCOUNT.{new.public}.CLAIMS.UPDATE"
        token = preloaded.account_jwt(new).encode()
        answer = json.loads((await client.request(subject, token, timeout=30)).data)
        assert answer["data"]["code"] == 200
        await client.close()

    async def run() -> None:
        preloaded.start(*lines)
        missing = f"serial ports without account {new.public}: "
        assert missing in health(http)["error"]
        assert await preloaded.lets_in(preloaded.a)

        await push()
        await until(lambda: health(http) == {"status": "ok"})
        client = await preloaded.connect(new)
        heard = await client.subscribe("p1.line")
        await settled(client)
        os.write(device, b"rest of a line\n21.5\n")
        assert b"21.5" in (await heard.next_msg(timeout=30)).data
        await client.close()

    try:
        asyncio.run(run())
    finally:
        preloaded.end()
        os.close(device)
        os.close(kept)
