"""Monitoring in operator mode beside that of a real nats-server 2.15.1: the same keys and types of
accounts and connections, and the same values where a JWT decides them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import nats
import nkeys
import pytest

from tests.hub.jwt import Key
from tests.hub.process import nats_server_path, running_hub
from tests.interop.barrier import settled
from tests.interop.gateway import running_gateway
from tests.interop.talk import until
from tests.interop.test_monitoring import NOT_OURS, NOT_THEIRS, made_of, shape, without

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

UNLIMITED: Final = {
    **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1),
    "wildcards": True,
}
# What the JWTs alone decide: the same on both servers to the letter.
SIGNED: Final = ("jwt", "issuer_key", "decoded_jwt", "revoked_user", "expired", "complete", "tags")


class Trust:
    """An operator with a system account, one that exports and one that imports."""

    def __init__(self) -> None:
        self.now_s = int(time.time())
        self.operator = Key(nkeys.PREFIX_BYTE_OPERATOR)
        self.accounts = {name: Key(nkeys.PREFIX_BYTE_ACCOUNT) for name in ("SYS", "A", "B")}
        a = self.accounts["A"].public
        gone = Key(nkeys.PREFIX_BYTE_USER).public
        exports = [{"name": "q", "subject": "q.>", "type": "service", "token_req": False}]
        asked = {"subject": "q.x", "account": a, "type": "service", "local_subject": "l.q"}
        nothing = asked | {"subject": "not.exported", "local_subject": "l.n"}
        self.tokens = {
            "SYS": self._account("SYS"),
            "A": self._account(
                "A",
                exports=[*exports, {"name": "s", "subject": "s.>", "type": "stream"}],
                revocations={gone: self.now_s - 10},
                signing_keys=[Key(nkeys.PREFIX_BYTE_ACCOUNT).public],
                mappings={"m.a": [{"subject": "m.b"}]},
                tags=["team:a"],
            ),
            "B": self._account("B", imports=[{"name": "q", **asked}, {"name": "n", **nothing}]),
        }

    def config(self) -> str:
        body = {"type": "operator", "version": 2, "system_account": self.accounts["SYS"].public}
        key = self.operator
        operator = key.sign(key.public, "OP", body | {"tags": ["t"]}, issued_s=self.now_s)
        preload = "\n".join(
            f"  {self.accounts[name].public}: {token}" for name, token in self.tokens.items()
        )
        return f"operator: {operator}\nresolver: MEMORY\nresolver_preload {{\n{preload}\n}}\n"

    def creds(self, path: Path, account: str, **claims: Any) -> str:
        user = Key(nkeys.PREFIX_BYTE_USER)
        body = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        token = self.accounts[account].sign(
            user.public, "ann", body | {"tags": ["x:y"]} | claims, issued_s=self.now_s
        )
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        return str(path)

    def _account(self, name: str, **nats_claims: Any) -> str:
        body = {"type": "account", "version": 2, "limits": UNLIMITED} | nats_claims
        return self.operator.sign(self.accounts[name].public, name, body, issued_s=self.now_s)


async def test_accounts_and_clients_are_shown_with_what_their_jwts_say(tmp_path: Path) -> None:
    trust = Trust()
    users = {
        "ann": trust.creds(tmp_path / "ann.creds", "A"),
        "bob": trust.creds(tmp_path / "bob.creds", "B"),
        "bearer": trust.creds(tmp_path / "bearer.creds", "A", bearer_token=True),
    }
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(running_hub(tmp_path / "theirs", trust.config()))
        ours = stack.enter_context(running_gateway(tmp_path / "ours", trust.config()))
        async with contextlib.AsyncExitStack() as clients:
            for url in (ours.client_url, theirs.client_url):
                for name, creds in users.items():
                    client = await nats.connect(url, user_credentials=creds, name=name)
                    clients.push_async_callback(client.close)
                    await settled(client)

            for name, key in trust.accounts.items():
                sides = [server.get(f"accountz?acc={key.public}") for server in (ours, theirs)]
                details = [side["account_detail"] for side in sides]
                assert made_of(details[0]) == made_of(details[1]), name
                for part in SIGNED:
                    assert details[0].get(part) == details[1].get(part), (name, part)
                shapes = [shape(side) for side in sides]
                assert shapes[0] == shapes[1], name
            varz = [server.get("varz") for server in (ours, theirs)]
            rows = [server.get("connz?auth=1")["connections"] for server in (ours, theirs)]

    for key in ("trusted_operators_jwt", "trusted_operators_claim", "system_account"):
        assert varz[0][key] == varz[1][key], key
    assert without(shape(varz[0]), NOT_THEIRS["varz"] | {"leaf"}) == without(
        shape(varz[1]), NOT_OURS["varz"] | {"leaf"}
    )
    assert list(map(signed, rows[0])) == list(map(signed, rows[1]))
    assert shape(rows[0]) == shape(rows[1])
    assert ["jwt" in row for row in rows[0]] == [True, True, False]


def signed(row: dict[str, Any]) -> list[Any]:
    keys = ("name", "jwt", "issuer_key", "name_tag", "tags", "account", "authorized_user")
    return [row.get(key) for key in keys]


def test_a_remote_may_name_an_account_that_only_a_jwt_knows(tmp_path: Path) -> None:
    trust = Trust()
    account = trust.accounts["A"].public
    remote = f'url: "nats-leaf://127.0.0.1:1", account: {account}'
    with running_gateway(
        tmp_path / "ours", f"{trust.config()}leafnodes {{ remotes [ {{ {remote} }} ] }}\n"
    ) as ours:
        assert account in ours.get("accountz")["accounts"]
        assert ours.get("ipqueuesz?all=1").keys() == {
            *("System recvQ", "account lookups", "dirty connections", "logins", "password checks")
        }
        assert ours.get("varz")["leaf"]["remotes"][0]["local_account"] == account


def test_a_remote_of_an_account_that_nobody_signed_says_so(tmp_path: Path) -> None:
    trust = Trust()
    account = Key(nkeys.PREFIX_BYTE_ACCOUNT).public
    remote = f'url: "nats-leaf://127.0.0.1:1", account: {account}'
    config = f"{trust.config()}leafnodes {{ remotes [ {{ {remote} }} ] }}\n"

    with running_gateway(tmp_path / "ours", config) as ours:

        def problem() -> str:
            return str(ours.get("leafz")["leafnode"]["remotes"][0].get("last_error", ""))

        asyncio.run(until(lambda: problem() == f"account {account}: account missing"))
