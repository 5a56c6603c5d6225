"""Auth callout, asked by this server and by the real one: the same service, the same outcome."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import nkeys
import pytest
from nacl.public import Box, PrivateKey, PublicKey

from tests.hub.jwt import Key
from tests.hub.process import end_process, free_ports
from tests.interop.barrier import settled
from tests.interop.test_operator_mode import login_timeout_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from nats.aio.client import Client
    from nats.aio.msg import Msg

SERVERS = {
    "leafnode": [sys.executable, "-m", "leafnode"],
    "nats-server": [str(Path(sys.executable).parent / "nats-server")],
}
_X_PREFIX = 23 << 3


class Curve:
    """The service's key for sealed requests."""

    def __init__(self) -> None:
        self._key = PrivateKey(os.urandom(32))
        body = bytes([_X_PREFIX]) + bytes(self._key.public_key)
        crc = binascii.crc_hqx(body, 0).to_bytes(2, "little")
        self.public = base64.b32encode(body + crc).decode()

    def open(self, sealed: bytes, sender: str) -> bytes:
        assert sealed.startswith(b"xkv1")
        return self._box(sender).decrypt(sealed[28:], sealed[4:28])

    def seal(self, data: bytes, recipient: str) -> bytes:
        nonce = os.urandom(24)
        return b"xkv1" + nonce + self._box(recipient).encrypt(data, nonce).ciphertext

    def _box(self, public: str) -> Box:
        return Box(self._key, PublicKey(base64.b32decode(public)[1:33]))


class Asking:
    """A server that lets a service decide on logins."""

    def __init__(self, directory: Path, command: list[str], *, sealed: bool) -> None:
        self.issuer = Key(nkeys.PREFIX_BYTE_ACCOUNT)
        self.curve = Curve() if sealed else None
        self.requests: list[dict[str, Any]] = []
        (self.port,) = free_ports(1)
        xkey = f"xkey: {self.curve.public}" if self.curve else ""
        conf = directory / "server.conf"
        conf.write_text(
            f"listen: 127.0.0.1:{self.port}\nserver_name: edge\n"
            "accounts { AUTH { users [{user: service, password: pw}] }, APP {} }\n"
            f"authorization {{ timeout: {login_timeout_s(command)}\n"
            f"auth_callout {{ issuer: {self.issuer.public}, account: AUTH, auth_users: [service]\n"
            f"{xkey} }} }}\n"
        )
        self._log = directory / "server.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([*command, "-c", str(conf)], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while b"Server is ready" not in self._log.read_bytes():
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    @asynccontextmanager
    async def service(self, answer: Callable[[dict[str, Any]], bytes]) -> AsyncIterator[Client]:
        """Answer every request by `answer`; b"" stays silent."""
        client = await self.connect("service", "pw")

        async def take(msg: Msg) -> None:
            data = msg.data
            if self.curve is not None:
                assert msg.headers is not None
                data = self.curve.open(data, msg.headers["Nats-Server-Xkey"])
            request = decoded(data)
            self.requests.append(request)
            said = answer(request)
            if said:
                await msg.respond(said)

        await client.subscribe("$SYS.REQ.USER.AUTH", cb=take)
        await settled(client)
        yield client
        await client.close()

    def user_jwt(self, request: dict[str, Any], **more: Any) -> str:
        """The JWT of the user that the request is about, placed in APP."""
        nats_body = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        nats_body |= {"pub": {"allow": ["a", "$SYS.REQ.USER.INFO"]}, "sub": {}}
        claims = {"subject": request["nats"]["user_nkey"], "name": "bob", "aud": "APP"} | more
        key = claims.pop("key", self.issuer)
        subject, name = claims.pop("subject"), claims.pop("name")
        return key.sign(subject, name, nats_body, issued_s=int(time.time()), **claims)

    def response(self, request: dict[str, Any], **more: Any) -> bytes:
        """A whole answer with these claims or fields of `nats` changed."""
        server = request["nats"]["server_id"]
        body = {"type": "authorization_response", "version": 2}
        body |= more.pop("body", {"jwt": self.user_jwt(request)})
        claims = {"subject": request["nats"]["user_nkey"], "aud": server["id"]} | more
        text = self.issuer.sign(
            claims.pop("subject"), "answer", body, issued_s=int(time.time()), **claims
        )
        return text.encode()

    async def connect(self, user: str, password: str) -> Client:
        url = f"nats://{user}:{password}@127.0.0.1:{self.port}"
        return await nats.connect(url, allow_reconnect=False, connect_timeout=10)

    async def refused(self, user: str = "bob", password: str = "secret") -> str:
        client = nats.NATS()
        url = f"nats://{user}:{password}@127.0.0.1:{self.port}"
        with pytest.raises(Exception) as caught:  # noqa: PT011 -- nats.py raises several kinds
            await client.connect(url, allow_reconnect=False, connect_timeout=10)
        if client._transport is not None:  # nats.py leaves it to the collector
            client._transport.close()
            await asyncio.sleep(0.01)
        return str(caught.value)


def decoded(token: bytes) -> dict[str, Any]:
    body = token.split(b".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
    return claims


@pytest.fixture(params=sorted(SERVERS))
def asking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asking]:
    yield from running(tmp_path, SERVERS[request.param], sealed=False)


@pytest.fixture(params=sorted(SERVERS))
def sealing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asking]:
    yield from running(tmp_path, SERVERS[request.param], sealed=True)


def running(directory: Path, command: list[str], *, sealed: bool) -> Iterator[Asking]:
    server = Asking(directory, command, sealed=sealed)
    yield server
    end_process(server.process, signal.SIGTERM)


async def whoami(client: Client) -> dict[str, Any]:
    answer = await client.request("$SYS.REQ.USER.INFO", timeout=10)
    found: dict[str, Any] = json.loads(answer.data)["data"]
    return found


@pytest.mark.interop
def test_the_service_names_user_account_and_permissions(asking: Asking) -> None:
    async def run() -> tuple[dict[str, Any], list[str]]:
        told: list[str] = []

        async def error(err: Exception) -> None:
            told.append(str(err))

        async with asking.service(asking.response):
            bob = await nats.connect(
                f"nats://bob:secret@127.0.0.1:{asking.port}",
                name="till",
                allow_reconnect=False,
                error_cb=error,
            )
            who = await whoami(bob)
            await bob.publish("b", b"")
            await settled(bob)
            await bob.close()
        return who, told

    who, told = asyncio.run(run())

    assert (who["user"], who["account"]) == ("bob", "APP")
    assert told == ['nats: permissions violation for publish to "b"']
    (request,) = asking.requests
    assert (request["aud"], request["sub"]) == ("nats-authorization-request", asking.issuer.public)
    asked = request["nats"]
    assert set(asked) == {
        *("server_id", "user_nkey", "client_info", "connect_opts", "type", "version")
    }
    assert set(asked["server_id"]) == {"name", "host", "id", "version"}
    assert asked["server_id"]["id"] == request["iss"]
    info = {"host": "127.0.0.1", "user": "bob", "name": "till", "kind": "Client", "type": "nats"}
    assert asked["client_info"] == info | {"id": asked["client_info"]["id"]}
    opts = asked["connect_opts"]
    assert (opts["user"], opts["pass"], opts["name"], opts["protocol"]) == (
        *("bob", "secret", "till"),
        1,
    )


@pytest.mark.interop
def test_requests_and_answers_may_be_sealed(sealing: Asking) -> None:
    curve = sealing.curve
    assert curve is not None

    def sealed(request: dict[str, Any]) -> bytes:
        return curve.seal(sealing.response(request), request["nats"]["server_id"]["xkey"])

    async def run() -> list[str]:
        found = []
        for answer in (sealed, sealing.response):
            async with sealing.service(answer):
                bob = await sealing.connect("bob", "secret")
                found.append((await whoami(bob))["account"])
                await bob.close()
        return found

    assert asyncio.run(run()) == ["APP", "APP"]


WRONG: dict[str, Callable[[Asking, dict[str, Any]], bytes]] = {
    "an error": lambda s, r: s.response(r, body={"error": "no such user"}),
    "another user's": lambda s, r: s.response(r, subject=Key(nkeys.PREFIX_BYTE_USER).public),
    "for another server": lambda s, r: s.response(r, aud="NOBODY"),
    "a JWT of another user": lambda s, r: s.response(
        r, body={"jwt": s.user_jwt(r, subject=Key(nkeys.PREFIX_BYTE_USER).public)}
    ),
    "a JWT by somebody else": lambda s, r: s.response(
        r, body={"jwt": s.user_jwt(r, key=Key(nkeys.PREFIX_BYTE_ACCOUNT))}
    ),
    "an unknown account": lambda s, r: s.response(r, body={"jwt": s.user_jwt(r, aud="NOWHERE")}),
    "an expired JWT": lambda s, r: s.response(r, body={"jwt": s.user_jwt(r, exp=1)}),
    "an account's": lambda s, r: s.response(r, subject=Key(nkeys.PREFIX_BYTE_ACCOUNT).public),
    "over and not yet": lambda s, r: s.response(r, exp=1, nbf=2**40),
    "a JWT over and not yet": lambda s, r: s.response(
        r, body={"jwt": s.user_jwt(r, exp=1, nbf=2**40)}
    ),
    "by nobody": lambda s, r: s.response(r, iss=""),
    "no JWT at all": lambda _, __: b"nonsense",
    "silence": lambda _, __: b"",
}


@pytest.mark.interop
def test_what_the_service_does_not_answer_rightly_lets_nobody_in(asking: Asking) -> None:
    async def run() -> dict[str, str]:
        found = {}
        for name, wrong in WRONG.items():
            async with asking.service(lambda request, wrong=wrong: wrong(asking, request)):  # type: ignore[misc]
                found[name] = await asking.refused()
        found["nobody asked"] = await asking.refused()
        return found

    assert set(asyncio.run(run()).values()) == {"nats: 'Authorization Violation'"}


# What the account of the service is told, with keys as K. What is wrong with a JWT that is none is
# in the words of nats-server's library there, and not compared.
REASONS = {
    "an error": "Auth callout service returned an error: no such user",
    "another user's": ("Auth callout violation: auth callout response is not for expected user"),
    "for another server": (
        "Authorization response had validation errors: Audience must be a server public key"
    ),
    "a JWT of another user": 'Expected authorized user of "K" but got "K" on account "AUTH"',
    "a JWT by somebody else": (
        'Wrong issuer for auth callout response on account "AUTH", expected "K" got "K"'
    ),
    "an unknown account": (
        'No valid account "NOWHERE" for auth callout response on account "AUTH": account missing'
    ),
    "an expired JWT": "Error validating user JWT: claim is expired",
    "an account's": (
        "Authorization response had validation errors: Subject must be a user public key"
    ),
    "over and not yet": "Authorization response had validation errors: claim is expired",
    "a JWT over and not yet": "Error validating user JWT: claim is expired",
    "by nobody": "Claim failed V2 signature verification",
    "silence": "",
    "a wrong password": "Authentication Failure",
}


@pytest.mark.interop
def test_the_account_of_the_service_is_told_of_each_refusal(asking: Asking) -> None:
    async def run() -> dict[str, str]:
        told: dict[str, str] = {}
        seen = asyncio.Queue[dict[str, Any]]()

        async def note(msg: Msg) -> None:
            seen.put_nowait(json.loads(msg.data))

        watcher = await asking.connect("service", "pw")
        await watcher.subscribe("$SYS.ACCOUNT.CLIENT.AUTH.ERR", cb=note)
        await settled(watcher)
        for name in REASONS:
            if name == "a wrong password":
                await asking.refused("service", "wrong")
            else:
                async with asking.service(lambda r, wrong=WRONG[name]: wrong(asking, r)):  # type: ignore[misc]
                    await asking.refused()
            event = await asyncio.wait_for(seen.get(), 10)
            assert event["client"]["acc"] == "AUTH"
            told[name] = re.sub(r'"[A-Z2-7]{56}"', '"K"', event["reason"])
        await watcher.close()
        return told

    assert asyncio.run(run()) == REASONS


@pytest.mark.interop
def test_who_is_the_service_cannot_ask_itself_and_needs_its_password(asking: Asking) -> None:
    async def run() -> tuple[str, list[str]]:
        told: list[str] = []

        async def error(err: Exception) -> None:
            told.append(str(err))

        url = f"nats://service:pw@127.0.0.1:{asking.port}"
        service = await nats.connect(url, allow_reconnect=False, error_cb=error)
        await service.publish("$SYS.REQ.USER.AUTH", b"x")
        await settled(service)
        await service.close()
        return await asking.refused("service", "wrong"), told

    refused, told = asyncio.run(run())

    assert refused == "nats: 'Authorization Violation'"
    assert told == ['nats: permissions violation for publish to "$sys.req.user.auth"']
