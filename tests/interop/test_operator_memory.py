"""Accounts in the configuration of an operator, changed by a reload: the same on this server and on
the real one.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import nats
import nkeys
import pytest

from tests.hub.jwt import Key
from tests.hub.process import end_process, free_ports
from tests.interop.barrier import settled
from tests.interop.test_operator_mode import NATS_SERVER, NO_LIMITS, SERVERS, login_timeout_s, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nats.aio.client import Client


class Preloaded:
    """A server with all its accounts in the configuration."""

    def __init__(self, directory: Path, command: list[str]) -> None:
        self.directory = directory
        self.timeout_s = login_timeout_s(command)
        self.operator = Key(nkeys.PREFIX_BYTE_OPERATOR)
        self.system, self.a, self.b = (Key(nkeys.PREFIX_BYTE_ACCOUNT) for _ in range(3))
        self.now_s = int(time.time())
        (self.port,) = free_ports(1)
        self.preload = {key: self.account_jwt(key) for key in (self.system, self.a, self.b)}
        self.log = directory / "server.log"
        self.conf = directory / "server.conf"
        self.resolver = "MEMORY"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.write()
        self.start()

    def start(self, *lines: str) -> None:
        """Start the server with these lines besides, anew if it runs."""
        if lines:
            self.write(*lines)
        self.end()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command, "-c", str(self.conf)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while b"Server is ready" not in self.log.read_bytes():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def end(self) -> None:
        if self._process is not None:
            end_process(self._process, signal.SIGTERM)
            self._process = None

    def account_jwt(self, key: Key, **nats_claims: Any) -> str:
        body = {"type": "account", "version": 2, "limits": NO_LIMITS | {"wildcards": True}}
        return self.operator.sign(key.public, "ACC", body | nats_claims, issued_s=self.now_s)

    def write(self, *lines: str) -> None:
        body = {"type": "operator", "version": 2, "system_account": self.system.public}
        operator = self.operator.sign(self.operator.public, "OP", body, issued_s=self.now_s)
        preload = "\n".join(f"{key.public}: {token}" for key, token in self.preload.items())
        self.conf.write_text(
            f"listen: 127.0.0.1:{self.port}\noperator: {operator}\n"
            f"resolver: {self.resolver}\n"
            f"authorization {{timeout: {self.timeout_s}}}\nresolver_preload {{\n{preload}\n}}\n"
            + "\n".join(lines)
        )

    async def reload(self, *lines: str) -> str:
        """Reload with these lines besides; return what was in the way."""
        self.write(*lines)
        before = self._told()
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        await until(lambda: len(self._told()) > len(before))
        last = self._told()[-1]
        return "" if "Reloaded server configuration" in last else last

    def _told(self) -> list[str]:
        ends = ("Reloaded server configuration", "Failed to reload server configuration")
        lines = self.log.read_text().splitlines()
        return [line for line in lines if any(end in line for end in ends)]

    def creds(self, account: Key) -> str:
        user = Key(nkeys.PREFIX_BYTE_USER)
        body = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        token = account.sign(user.public, "ann", body, issued_s=self.now_s)
        path = self.directory / f"{user.public}.creds"
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        return str(path)

    async def connect(self, account: Key) -> Client:
        return await nats.connect(
            f"nats://127.0.0.1:{self.port}",
            user_credentials=self.creds(account),
            allow_reconnect=False,
            connect_timeout=10,
        )

    async def lets_in(self, account: Key) -> bool:
        client = nats.NATS()
        try:
            await client.connect(
                f"nats://127.0.0.1:{self.port}",
                user_credentials=self.creds(account),
                allow_reconnect=False,
                connect_timeout=10,
            )
        except nats.errors.Error as err:
            if "Authorization Violation" not in str(err):
                raise
            if client._transport is not None:  # nats.py leaves it to the collector
                client._transport.close()
                await asyncio.sleep(0.01)
            return False
        await client.close()
        return True


def preloads(name: str, directory: Path) -> Iterator[Preloaded]:
    """Yield that server, and end it."""
    if name == "nats-server" and not NATS_SERVER.exists():
        pytest.skip("nats-server is not installed")
    server = Preloaded(directory, SERVERS[name])
    yield server
    server.end()


@pytest.fixture(params=SERVERS)
def preloaded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Preloaded]:
    yield from preloads(request.param, tmp_path)


@pytest.mark.interop
def test_accounts_come_change_and_go(preloaded: Preloaded) -> None:
    a, b = preloaded.a, preloaded.b

    async def run() -> None:
        in_a, in_b = await preloaded.connect(a), await preloaded.connect(b)
        assert await preloaded.reload() == ""
        for client in (in_a, in_b):
            await settled(client)

        preloaded.preload[a] = preloaded.account_jwt(a, revocations={"*": preloaded.now_s})
        assert await preloaded.reload() == ""
        await until(lambda: in_a.is_closed)
        await settled(in_b)
        assert not await preloaded.lets_in(a)

        del preloaded.preload[b]
        assert await preloaded.reload() == ""
        await until(lambda: in_b.is_closed)
        assert not await preloaded.lets_in(b)

        for key in (a, b):
            preloaded.preload[key] = preloaded.account_jwt(key)
        assert await preloaded.reload() == ""
        assert await preloaded.lets_in(a)
        in_b = await preloaded.connect(b)

        preloaded.preload[b] = preloaded.account_jwt(b, mappings={"..": []})
        assert await preloaded.reload() == ""
        await until(lambda: in_b.is_closed)
        assert not await preloaded.lets_in(b)
        assert await preloaded.lets_in(a)

    asyncio.run(run())


@pytest.mark.interop
def test_accounts_are_pinned_and_not_any_more(preloaded: Preloaded) -> None:
    a, b = preloaded.a, preloaded.b

    async def run() -> None:
        in_a, in_b = await preloaded.connect(a), await preloaded.connect(b)

        assert await preloaded.reload(f"resolver_pinned_accounts: [{a.public}]") == ""
        await until(lambda: in_b.is_closed)
        await settled(in_a)
        assert not await preloaded.lets_in(b)
        assert await preloaded.lets_in(a)
        assert await preloaded.lets_in(preloaded.system)

        assert await preloaded.reload() == ""
        assert await preloaded.lets_in(b)
        await in_a.close()

    asyncio.run(run())


@pytest.mark.interop
def test_a_reload_may_take_accounts_from_elsewhere(preloaded: Preloaded, tmp_path: Path) -> None:
    a, b, system = preloaded.a, preloaded.b, preloaded.system
    tokens = preloaded.preload
    directory = tmp_path / "jwt"
    directory.mkdir()
    for key in (b, system):
        (directory / f"{key.public}.jwt").write_text(tokens[key])

    async def run() -> None:
        preloaded.preload = {key: tokens[key] for key in (a, system)}
        assert await preloaded.reload() == ""
        assert not await preloaded.lets_in(b)
        in_a = await preloaded.connect(a)

        preloaded.preload, preloaded.resolver = {}, f"{{type: full, dir: '{directory}'}}"
        assert await preloaded.reload() == ""
        await settled(in_a)  # whom somebody uses stays
        in_b = await preloaded.connect(b)

        preloaded.resolver = 'URL("http://127.0.0.1:1/")'  # nobody needs to be home
        assert await preloaded.reload() == ""
        await settled(in_a)
        await settled(in_b)

        preloaded.preload = {key: tokens[key] for key in (b, system)}
        preloaded.resolver = "MEMORY"  # and whoever is not in there is gone
        assert await preloaded.reload() == ""
        await until(lambda: in_a.is_closed)
        assert not await preloaded.lets_in(a)
        await settled(in_b)
        await in_b.close()

    asyncio.run(run())


@pytest.mark.interop
def test_an_account_may_come_with_what_lives_in_it_or_not_at_all(preloaded: Preloaded) -> None:
    new, exporter = (Key(nkeys.PREFIX_BYTE_ACCOUNT) for _ in range(2))
    shared = {"name": "s", "subject": "s.>", "type": "stream"}
    remote = (
        f'leafnodes {{ remotes [ {{ url: "nats-leaf://127.0.0.1:9", account: {new.public} }} ] }}'
    )

    async def run() -> None:
        preloaded.preload[exporter] = preloaded.account_jwt(exporter, exports=[shared])
        preloaded.preload[new] = preloaded.account_jwt(
            new, imports=[shared | {"account": exporter.public}]
        )
        assert await preloaded.reload(remote, "mappings { x: y }")
        assert not await preloaded.lets_in(new)

        assert await preloaded.reload(remote) == ""
        client, other = await preloaded.connect(new), await preloaded.connect(exporter)
        imported = await client.subscribe("s.*")
        await settled(client)
        await other.publish("s.x")
        assert (await imported.next_msg(10)).subject == "s.x"
        assert await preloaded.reload(remote) == ""
        await settled(client)
        await client.close()
        await other.close()

    asyncio.run(run())


@pytest.mark.interop
def test_a_remote_may_wait_for_its_account(preloaded: Preloaded) -> None:
    new = Key(nkeys.PREFIX_BYTE_ACCOUNT)
    remote = (
        f'leafnodes {{ remotes [ {{ url: "nats-leaf://127.0.0.1:9", account: {new.public} }} ] }}'
    )

    async def run() -> None:
        assert await preloaded.reload(remote) == ""
        assert await preloaded.lets_in(preloaded.a)
        assert not await preloaded.lets_in(new)

        preloaded.preload[new] = preloaded.account_jwt(new)
        assert await preloaded.reload(remote) == ""
        assert await preloaded.lets_in(new)
        await until(lambda: "onnection refused" in preloaded.log.read_text())

    asyncio.run(run())


@pytest.mark.interop
def test_an_uplink_waits_for_its_account_and_begins_when_it_comes(tmp_path: Path) -> None:
    preloaded = Preloaded(tmp_path, SERVERS["leafnode"])
    new = Key(nkeys.PREFIX_BYTE_ACCOUNT)
    lines = (
        f'leafnodes {{ remotes [ {{ url: "nats-leaf://127.0.0.1:9", account: {new.public} }} ] }}',
        f'server_name: edge, jetstream {{ store_dir: "{tmp_path}/js" }}',
        f"uplink {{ account: {new.public}, streams [ {{ stream: EV }} ] }}",
    )

    async def run() -> None:
        preloaded.start(*lines)
        told = preloaded.log.read_text()
        assert f"Uplink waits for its account: name=main account={new.public}" in told
        assert await preloaded.lets_in(preloaded.a)
        assert "Uplink is on" not in told

        preloaded.preload[new] = preloaded.account_jwt(new)
        assert await preloaded.reload(*lines) == ""
        await until(lambda: "Uplink is on: name=main streams=EV" in preloaded.log.read_text())
        assert await preloaded.lets_in(new)

    try:
        asyncio.run(run())
    finally:
        preloaded.end()


@pytest.mark.interop
def test_a_reload_that_is_refused_stores_no_account(preloaded: Preloaded, tmp_path: Path) -> None:
    a, directory = preloaded.a, tmp_path / "jwt"
    directory.mkdir()
    for key, token in preloaded.preload.items():
        (directory / f"{key.public}.jwt").write_text(token)
    before = preloaded.preload[a]
    preloaded.preload = {}
    preloaded.resolver = f"{{type: full, dir: '{directory}', limit: 100}}"
    preloaded.write()
    preloaded.start()

    async def run() -> None:
        preloaded.now_s += 10
        preloaded.preload = {a: preloaded.account_jwt(a, revocations={"*": preloaded.now_s})}
        preloaded.now_s -= 10  # when the operator's JWT was issued
        preloaded.resolver = preloaded.resolver.replace("100", "101")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert await preloaded.reload(f"http: 127.0.0.1:{port}")
        assert (directory / f"{a.public}.jwt").read_text() == before

        assert await preloaded.reload() == ""
        assert (directory / f"{a.public}.jwt").read_text() == preloaded.preload[a]

    asyncio.run(run())


@pytest.mark.interop
def test_mappings_beside_an_operator_are_refused(preloaded: Preloaded) -> None:
    async def run() -> None:
        client = await preloaded.connect(preloaded.a)
        problem = await preloaded.reload("mappings { x: y }")
        assert "operators do not allow Accounts to be configured directly" in problem
        await settled(client)
        await client.close()

    asyncio.run(run())


@pytest.mark.interop
def test_a_stream_gets_what_it_imports_before_anybody_of_its_account_is_there(
    preloaded: Preloaded,
) -> None:
    a, b = preloaded.a, preloaded.b
    limits = NO_LIMITS | dict.fromkeys(("disk_storage", "mem_storage", "streams", "consumer"), -1)
    shared = {"name": "s", "subject": "s.>", "type": "stream"}
    preloaded.preload[a] = preloaded.account_jwt(a, exports=[shared])
    preloaded.preload[b] = preloaded.account_jwt(
        b, imports=[shared | {"account": a.public}], limits=limits | {"wildcards": True}
    )
    store = f"jetstream {{ store_dir: '{preloaded.directory}/store' }}"

    async def publish(subject: str) -> None:
        client = await preloaded.connect(a)
        await client.publish(subject, b"x")
        await settled(client)
        await client.close()

    async def begin() -> None:
        client = await preloaded.connect(b)
        await client.jetstream().add_stream(name="S", subjects=["s.>"])
        await publish("s.1")
        await client.close()

    async def stored() -> int:
        await publish("s.2")
        client = await preloaded.connect(b)
        info = await client.jetstream().stream_info("S")
        await client.close()
        return info.state.messages

    preloaded.start(store)
    asyncio.run(begin())
    preloaded.start()
    assert asyncio.run(stored()) == 2


@pytest.mark.interop
def test_the_system_account_is_the_operator_s(preloaded: Preloaded) -> None:
    async def run() -> None:
        refused = await preloaded.reload(f"system_account: {preloaded.a.public}")
        assert "Failed to reload server configuration: " in refused
        assert await preloaded.reload(f"system_account: {preloaded.system.public}") == ""
        assert await preloaded.lets_in(preloaded.a)

    asyncio.run(run())
