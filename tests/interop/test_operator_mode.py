"""Operator mode with nats.py, on this server and on the real one: the same must happen on both."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import nkeys
import pytest

from tests.hub.jwt import Key
from tests.hub.process import end_process, free_ports
from tests.interop.barrier import settled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from nats.aio.client import Client
    from nats.aio.msg import Msg

NO_LIMITS = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
NATS_SERVER = Path(sys.executable).parent / "nats-server"
SERVERS = {
    "leafnode": [sys.executable, "-m", "leafnode"],
    "nats-server": [str(NATS_SERVER)],
}


def login_timeout_s(command: list[str]) -> int:
    """Long enough for a slow machine. The real server, which is fast, serves nobody meanwhile:
    requests of others wait while it waits for a callout that nobody answers.
    """
    return 3 if "leafnode" in command else 1


class Operated:
    """A server with an operator, a full resolver, a system account and one for users."""

    def __init__(
        self,
        directory: Path,
        command: list[str],
        resolver: str = "type: full, allow_delete: true",
        *,
        is_preloaded: bool = True,
    ) -> None:
        self.directory = directory
        self.operator = Key(nkeys.PREFIX_BYTE_OPERATOR)
        self.system = Key(nkeys.PREFIX_BYTE_ACCOUNT)
        self.account = Key(nkeys.PREFIX_BYTE_ACCOUNT)
        self.signer = Key(nkeys.PREFIX_BYTE_ACCOUNT)
        self.now_s = int(time.time())
        (self.port,) = free_ports(1)
        body = {"type": "operator", "version": 2, "system_account": self.system.public}
        operator = self.operator.sign(self.operator.public, "OP", body, issued_s=self.now_s)
        conf = directory / "server.conf"
        preload = f"{self.system.public}: {self.account_jwt(self.system)}" if is_preloaded else ""
        conf.write_text(
            f"listen: 127.0.0.1:{self.port}\noperator: {operator}\n"
            f"authorization {{timeout: {login_timeout_s(command)}}}\n"
            f"resolver: {{dir: '{directory}/jwt', {resolver}}}\n"
            f"resolver_preload: {{{preload}}}\n"
        )
        with (directory / "server.log").open("wb") as log:
            self.process = subprocess.Popen([*command, "-c", str(conf)], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while b"Server is ready" not in (directory / "server.log").read_bytes():
            assert time.monotonic() < deadline, (directory / "server.log").read_text()
            time.sleep(0.02)

    def account_jwt(self, key: Key, **nats_claims: Any) -> str:
        body = {"type": "account", "version": 2, "limits": NO_LIMITS | {"wildcards": True}}
        return self.operator.sign(key.public, "ACC", body | nats_claims, issued_s=self.now_s)

    def creds(
        self,
        account: Key,
        *,
        by: Key | None = None,
        exp: int = 0,
        user: Key | None = None,
        **body: Any,
    ) -> str:
        """The path of a user's .creds file, of a new one if none is given."""
        user = user or Key(nkeys.PREFIX_BYTE_USER)
        claims = {"type": "user", "version": 2} | body
        if by is None:
            claims = {"subs": -1, "data": -1, "payload": -1} | claims
        else:
            claims |= {"issuer_account": account.public}
        more = {"exp": exp} if exp else {}
        token = (by or account).sign(user.public, "ann", claims, issued_s=self.now_s, **more)
        path = self.directory / f"{user.public}.creds"
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        return str(path)

    async def connect(self, creds: str) -> tuple[Client, list[str]]:
        """A client that does not come back, and the errors that it is told."""
        told: list[str] = []

        async def error(err: Exception) -> None:
            told.append(str(err))

        client = await nats.connect(
            f"nats://127.0.0.1:{self.port}",
            user_credentials=creds,
            allow_reconnect=False,
            error_cb=error,
            connect_timeout=10,
        )
        return client, told

    async def refused(self, creds: str) -> str:
        """What a client is told that may not log in."""
        client = nats.NATS()
        url = f"nats://127.0.0.1:{self.port}"
        with pytest.raises(Exception) as caught:  # noqa: PT011 -- nats.py raises several kinds
            await client.connect(
                url, user_credentials=creds, allow_reconnect=False, connect_timeout=10
            )
        if client._transport is not None:  # nats.py leaves it to the collector
            client._transport.close()
            await asyncio.sleep(0.01)
        return str(caught.value)

    async def ask(self, subject: str, body: str = "") -> dict[str, Any]:
        """One request of an administrator of the system account."""
        client, _ = await self.connect(self.creds(self.system))
        try:
            answer = await client.request(subject, body.encode(), timeout=10)
            found: dict[str, Any] = json.loads(answer.data)
            return found
        finally:
            await client.close()

    async def update(self, **claims: Any) -> dict[str, Any]:
        token = self.account_jwt(self.account, **claims)
        return await self.ask(f"$SYS.REQ.ACCOUNT.{self.account.public}.CLAIMS.UPDATE", token)


@pytest.fixture(params=SERVERS)
def operated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Operated]:
    if request.param == "nats-server" and not NATS_SERVER.exists():
        pytest.skip("nats-server is not installed")
    server = Operated(tmp_path, SERVERS[request.param])
    yield server
    end_process(server.process, signal.SIGTERM)


def test_users_come_and_go_with_what_their_account_says(operated: Operated) -> None:
    async def run() -> None:
        assert "Authorization Violation" in await operated.refused(operated.creds(operated.account))
        answer = await operated.update()
        assert answer["data"]["message"] == "jwt updated"
        assert answer["data"]["code"] == 200

        client, told = await operated.connect(operated.creds(operated.account))
        sub = await client.subscribe("a")
        await client.publish("a", b"hi")
        assert (await sub.next_msg(10)).data == b"hi"

        past = int(time.time()) - 5
        expired = operated.creds(operated.account, exp=past)
        assert "Authorization Violation" in await operated.refused(expired)
        stranger = operated.creds(operated.account, by=Key(nkeys.PREFIX_BYTE_ACCOUNT))
        assert "Authorization Violation" in await operated.refused(stranger)

        await operated.update(revocations={"*": operated.now_s})
        await ended(client, told, "User Authentication Revoked")
        revoked = operated.creds(operated.account)
        assert "Authorization Violation" in await operated.refused(revoked)

    asyncio.run(run())


@pytest.mark.parametrize("name", SERVERS)
def test_an_empty_directory_begins_with_the_system_accounts_key(name: str, tmp_path: Path) -> None:
    if name == "nats-server" and not NATS_SERVER.exists():
        pytest.skip("nats-server is not installed")
    server = Operated(tmp_path, SERVERS[name], is_preloaded=False)
    log = tmp_path / "server.log"

    async def run() -> None:
        stranger = server.creds(server.system, by=Key(nkeys.PREFIX_BYTE_ACCOUNT))
        assert "Authorization Violation" in await server.refused(stranger)
        assert "Authorization Violation" in await server.refused(server.creds(server.account))

        token = server.account_jwt(server.system)
        answer = await server.ask(f"$SYS.REQ.ACCOUNT.{server.system.public}.CLAIMS.UPDATE", token)
        assert answer["data"]["message"] == "jwt updated"
        await until(lambda: b"System account fetched and updated" in log.read_bytes())

        assert (await server.update())["data"]["message"] == "jwt updated"
        client, _ = await server.connect(server.creds(server.account))
        await client.close()

    try:
        assert b"Using bootstrapping system account" in log.read_bytes()
        asyncio.run(run())
    finally:
        end_process(server.process, signal.SIGTERM)


def test_a_user_is_cut_as_its_jwt_expires(operated: Operated) -> None:
    async def run() -> None:
        await operated.update()
        client, told = await operated.connect(
            operated.creds(operated.account, exp=int(time.time()) + 5)
        )

        await ended(client, told, "User Authentication Expired")

    asyncio.run(run())


def test_an_account_may_let_a_service_decide_on_its_users(operated: Operated) -> None:
    service_user = Key(nkeys.PREFIX_BYTE_USER)
    other = Key(nkeys.PREFIX_BYTE_ACCOUNT)

    async def run() -> list[str]:
        token = operated.account_jwt(other)
        await operated.ask(f"$SYS.REQ.ACCOUNT.{other.public}.CLAIMS.UPDATE", token)
        delegated = {"auth_users": [service_user.public], "allowed_accounts": [other.public]}
        await operated.update(authorization=delegated)
        service, _ = await operated.connect(operated.creds(operated.account, user=service_user))
        found = []
        for account in (operated.account, other):
            sub = await service.subscribe("$SYS.REQ.USER.AUTH", cb=deciding(operated, account))
            await settled(service)
            client, _ = await operated.connect(operated.creds(operated.account))
            answer = await client.request("$SYS.REQ.USER.INFO", timeout=10)
            found.append(json.loads(answer.data)["data"]["account"])
            await client.close()
            await sub.unsubscribe()
        await service.subscribe("$SYS.REQ.USER.AUTH", cb=deciding(operated, operated.system))
        await settled(service)
        found.append(await operated.refused(operated.creds(operated.account)))
        await service.close()
        return found

    own, allowed, refused = asyncio.run(run())

    assert (own, allowed) == (operated.account.public, other.public)
    assert "Authorization Violation" in refused


def deciding(operated: Operated, account: Key) -> Callable[[Msg], Awaitable[None]]:
    """A service that puts everybody into this account."""

    async def decide(msg: Msg) -> None:
        part = msg.data.split(b".")[1]
        request = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
        user = request["nats"]["user_nkey"]
        body = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        token = account.sign(user, "bob", body, issued_s=operated.now_s)
        body = {"type": "authorization_response", "version": 2, "jwt": token}
        server = request["nats"]["server_id"]["id"]
        answer = operated.account.sign(user, "x", body, issued_s=operated.now_s, aud=server)
        await msg.respond(answer.encode())

    return decide


def test_a_scoped_signing_key_gives_its_template(operated: Operated) -> None:
    async def run() -> None:
        template = {
            "subs": -1,
            "data": -1,
            "payload": -1,
            "pub": {"allow": ["{{name()}}.>", "{{tag(dep)}}.in"]},
        }
        scope = {"kind": "user_scope", "key": operated.signer.public, "template": template}
        await operated.update(signing_keys=[scope])
        creds = operated.creds(operated.account, by=operated.signer, tags=["dep:it"])
        client, told = await operated.connect(creds)

        for subject in ("ann.x", "it.in", "it.out"):
            await client.publish(subject, b"")
        await settled(client)
        await asyncio.sleep(0.1)
        assert len(told) == 1
        assert 'permissions violation for publish to "it.out"' in told[0].lower()

        await operated.update()
        await until(lambda: client.is_closed)
        assert "Authorization Violation" in await operated.refused(creds)

    asyncio.run(run())


def test_claims_are_listed_checked_and_deleted(operated: Operated) -> None:
    async def run() -> None:
        await operated.update()
        listed = await operated.ask("$SYS.REQ.CLAIMS.LIST")
        assert set(listed["data"]) == {operated.account.public, operated.system.public}
        other = f"$SYS.REQ.ACCOUNT.{operated.account.public}.CLAIMS.UPDATE"
        wrong = await operated.ask(other, operated.account_jwt(operated.system))
        assert wrong["error"]["description"] == (
            "jwt update resulted in error - subject does not match jwt content"
        )
        client, told = await operated.connect(operated.creds(operated.account))
        body = {"type": "generic", "version": 2, "accounts": [operated.account.public]}
        key = operated.operator
        request = key.sign(key.public, "delete", body, issued_s=operated.now_s)

        deleted = await operated.ask("$SYS.REQ.CLAIMS.DELETE", request)

        assert deleted["data"]["message"] == "deleted 1 accounts"
        await ended(client, told, "Account Authentication Expired")
        files = {path.name for path in (operated.directory / "jwt").iterdir()}
        assert f"{operated.account.public}.jwt.deleted" in files

    asyncio.run(run())


def test_what_is_wrong_with_an_account_is_said_and_nothing_changes(operated: Operated) -> None:
    async def run() -> None:
        await operated.update()
        client, _ = await operated.connect(operated.creds(operated.account))

        told = await operated.update(mappings={"a..b": [{"subject": "c"}]})
        assert told["error"]["description"] == (
            "jwt validation failed - validation errors: "
            '[subject "a..b" cannot contain consecutive `.`]'
        )
        other = operated.creds(operated.account)
        await (await operated.connect(other))[0].close()

        # A JWT that does not hold now is kept, and what held goes on to hold.
        past = {"exp": operated.now_s - 10}
        body = {"type": "account", "version": 2, "limits": NO_LIMITS | {"wildcards": True}}
        key = operated.account.public
        token = operated.operator.sign(key, "ACC", body, issued_s=operated.now_s, **past)
        kept = await operated.ask(f"$SYS.REQ.ACCOUNT.{key}.CLAIMS.UPDATE", token)
        assert kept["data"]["message"] == "jwt updated"
        assert not client.is_closed
        await settled(client)
        await client.close()

    asyncio.run(run())


def test_a_jwt_that_was_made_earlier_may_come_back(operated: Operated) -> None:
    async def run() -> None:
        await operated.update(revocations={"*": operated.now_s + 100})
        assert "Authorization Violation" in await operated.refused(operated.creds(operated.account))
        operated.now_s -= 1000

        answer = await operated.update()

        assert answer["data"]["message"] == "jwt updated"
        await (await operated.connect(operated.creds(operated.account)))[0].close()

    asyncio.run(run())


def test_a_pack_is_all_accounts_and_an_empty_message(operated: Operated) -> None:
    async def run() -> dict[str, str]:
        await operated.update()
        client, _ = await operated.connect(operated.creds(operated.system))
        inbox = client.new_inbox()
        sub = await client.subscribe(inbox)
        await client.publish("$SYS.REQ.CLAIMS.PACK", b"another hash", reply=inbox)
        found = {}
        while (message := await sub.next_msg(10)).data:
            name, _, token = message.data.decode().partition("|")
            found[name] = token
        await client.close()
        return found

    assert asyncio.run(run()) == {
        operated.account.public: operated.account_jwt(operated.account),
        operated.system.public: operated.account_jwt(operated.system),
    }


@pytest.mark.parametrize("name", SERVERS)
def test_a_cache_lets_its_files_go_in_time_though_nobody_asks(name: str, tmp_path: Path) -> None:
    if name == "nats-server" and not NATS_SERVER.exists():
        pytest.skip("nats-server is not installed")
    operated = Operated(tmp_path, SERVERS[name], "type: cache, ttl: '1s'")
    try:
        deadline = time.monotonic() + 30
        while list((tmp_path / "jwt").iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.05)

        # What was loaded goes on to hold.
        listed = asyncio.run(operated.ask("$SYS.REQ.CLAIMS.LIST"))
        assert listed["data"] == []
    finally:
        end_process(operated.process, signal.SIGTERM)


async def ended(client: Client, told: list[str], why: str) -> None:
    """Wait until the client was cut and told why, in whichever order it says so."""
    await until(lambda: client.is_closed and why.lower() in f"{told} {client.last_error}".lower())


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 -- another process does it
            await asyncio.sleep(0.02)
