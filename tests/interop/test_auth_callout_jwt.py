"""Auth callout of an account's JWT, by this server and by the real one: the same outcome."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import nkeys
import pytest

from tests.hub.jwt import Key
from tests.hub.process import end_process
from tests.interop.barrier import settled
from tests.interop.test_auth_callout import decoded
from tests.interop.test_operator_mode import Operated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from nats.aio.msg import Msg

SERVERS = {
    "leafnode": [sys.executable, "-m", "leafnode"],
    "nats-server": [str(Path(sys.executable).parent / "nats-server")],
}
REFUSED = "nats: 'Authorization Violation'"


class Delegated(Operated):
    """An account that lets a service decide, and one more where that may place users."""

    def __init__(self, directory: Path, command: list[str]) -> None:
        super().__init__(directory, command)
        self.other = Key(nkeys.PREFIX_BYTE_ACCOUNT)
        self.stranger = Key(nkeys.PREFIX_BYTE_ACCOUNT)
        self.service_creds = self.creds(self.account)
        self.service_key = Path(self.service_creds).stem
        self.sentinel = self.creds(self.account, bearer_token=True)

    async def prepare(self) -> None:
        for key in (self.other, self.stranger):
            subject = f"$SYS.REQ.ACCOUNT.{key.public}.CLAIMS.UPDATE"
            assert (await self.ask(subject, self.account_jwt(key)))["data"]["code"] == 200
        outside = {"auth_users": [self.service_key], "allowed_accounts": [self.other.public]}
        signers = [self.signer.public]
        told = await self.update(authorization=outside, signing_keys=signers)
        assert told["data"]["code"] == 200

    def user_jwt(self, request: dict[str, Any], by: Key, **more: Any) -> str:
        body = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        subject = request["nats"]["user_nkey"]
        return by.sign(subject, "bob", body | more, issued_s=int(time.time()))

    def answer(
        self, request: dict[str, Any], by: Key, *, signed_by: Key | None = None, **more: Any
    ) -> bytes:
        """What lets the user in: its JWT by `by`, in an answer of the account or `signed_by`."""
        body = {"type": "authorization_response", "version": 2}
        body |= {"jwt": self.user_jwt(request, by, **more)}
        subject, server = request["nats"]["user_nkey"], request["nats"]["server_id"]["id"]
        signer = signed_by or self.account
        return signer.sign(subject, "", body, issued_s=int(time.time()), aud=server).encode()

    @asynccontextmanager
    async def service(self, answer: Callable[[dict[str, Any]], bytes]) -> AsyncIterator[None]:
        client, _ = await self.connect(self.service_creds)

        async def take(msg: Msg) -> None:
            await msg.respond(answer(decoded(msg.data)))

        await client.subscribe("$SYS.REQ.USER.AUTH", cb=take)
        await settled(client)
        yield
        await client.close()

    async def account_of(self, creds: str) -> str:
        """The account that somebody is let in to; what he is told where he is not."""
        client = nats.NATS()
        url = f"nats://127.0.0.1:{self.port}"
        try:
            await client.connect(
                url, user_credentials=creds, allow_reconnect=False, connect_timeout=10
            )
        except nats.errors.Error as err:
            if client._transport is not None:  # nats.py leaves it to the collector
                client._transport.close()
                await asyncio.sleep(0.01)
            return str(err)
        found = json.loads((await client.request("$SYS.REQ.USER.INFO", timeout=10)).data)["data"]
        await client.close()
        return str(found["account"])


@pytest.fixture(params=sorted(SERVERS))
def delegated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Delegated]:
    server = Delegated(tmp_path, SERVERS[request.param])
    yield server
    end_process(server.process, signal.SIGTERM)


@pytest.mark.interop
def test_the_service_places_users_where_the_account_allows_it(delegated: Delegated) -> None:
    d = delegated
    answers: dict[str, Callable[[dict[str, Any]], bytes]] = {
        "its own account": lambda r: d.answer(r, d.account),
        "by a signing key": lambda r: d.answer(
            r, d.signer, signed_by=d.signer, issuer_account=d.account.public
        ),
        "an allowed account": lambda r: d.answer(r, d.other),
        "an account not allowed": lambda r: d.answer(r, d.stranger),
        "an answer signed by nobody": lambda r: d.answer(
            r, d.account, signed_by=Key(nkeys.PREFIX_BYTE_ACCOUNT)
        ),
        "an answer by another account": lambda r: d.answer(r, d.account, signed_by=d.other),
        "a key of no account": lambda r: d.answer(
            r, Key(nkeys.PREFIX_BYTE_ACCOUNT), issuer_account=d.account.public
        ),
    }

    async def run() -> dict[str, str]:
        await d.prepare()
        found = {}
        for name, answer in answers.items():
            async with d.service(answer):
                found[name] = await d.account_of(d.sentinel)
        return found

    assert asyncio.run(run()) == {
        "its own account": d.account.public,
        "by a signing key": d.account.public,
        "an allowed account": d.other.public,
        "an account not allowed": REFUSED,
        "an answer signed by nobody": REFUSED,
        "an answer by another account": REFUSED,
        "a key of no account": REFUSED,
    }


@pytest.mark.interop
def test_a_user_jwt_alone_lets_nobody_in_but_the_service(delegated: Delegated) -> None:
    d = delegated

    async def run() -> list[str]:
        await d.prepare()
        creds = (d.sentinel, d.creds(d.account), d.service_creds)
        return [await d.account_of(each) for each in creds]

    assert asyncio.run(run()) == [REFUSED, REFUSED, d.account.public]


@pytest.mark.interop
def test_to_name_the_services_key_is_not_to_have_it(delegated: Delegated) -> None:
    d = delegated
    token = Path(d.sentinel).read_text().splitlines()[1]
    connect = json.dumps({"jwt": token, "nkey": d.service_key, "verbose": False})

    async def run() -> bytes:
        await d.prepare()
        reader, writer = await asyncio.open_connection("127.0.0.1", d.port)
        await reader.readline()
        writer.write(f"CONNECT {connect}\r\nPING\r\n".encode())
        line = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        await writer.wait_closed()
        return line

    assert asyncio.run(run()) == b"-ERR 'Authorization Violation'\r\n"
