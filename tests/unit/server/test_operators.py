"""leafnode.server.operators: what follows from a JWT; the rest is run whole by tests/interop."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from leafnode.auth.directory import DirectoryResolver
from leafnode.auth.identity import Identity
from leafnode.auth.url_resolver import UrlResolver
from leafnode.clock import SystemClock
from leafnode.config.options import (
    LeafOptions,
    LeafRemote,
    OperatorOptions,
    Options,
    ResolverOptions,
    TlsOptions,
)
from leafnode.errors import AuthError
from leafnode.limits import CLIENTS_HELD_PER_TURN
from leafnode.protocol import errors
from leafnode.routing.account import Limits
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.permissions import LOGIN_REQUESTS, Permissions, Rules
from leafnode.server import early, operators
from leafnode.server.server import Seams, Server
from tests.sim.certificates import tls_pair
from tests.sim.clock import FakeClock
from tests.sim.realm import Realm
from tests.sim.running import running

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.errors import ProtocolError
    from leafnode.leaf.accepted import AcceptedLink


class Client:
    """One that belongs to nobody, and may be gone."""

    def __init__(self, account: str) -> None:
        self.is_gone = False
        self.identity = Identity(account=account)

    def hold_to_bounds(self) -> None:
        """Its bounds are what they were."""


async def test_the_clients_of_an_account_are_held_to_its_jwt_so_many_in_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, chance = FakeClock(), random.Random(1)
    server = Server(Options(), Seams(clock, chance, chance.randbytes))
    account = server.account("$G")
    clients: dict[int, Any] = {}
    for cid in range(1, CLIENTS_HELD_PER_TURN + 4):
        account.join(Peer(cid, Kind.CLIENT, server.turn.outbox))
        clients[cid] = Client("$G")
    monkeypatch.setattr(server.registry, "open", clients)
    held: list[Any] = []

    def hold(_: Server, client: Any) -> Identity:
        held.append(client)
        return client.identity

    monkeypatch.setattr(operators, "_hold", hold)

    async with asyncio.TaskGroup() as tasks:
        monkeypatch.setattr(server, "_tasks", tasks)
        done = operators._account_changed(server, "$G")
        await asyncio.sleep(0)
        seen = len(held), done.is_set()
        clients[CLIENTS_HELD_PER_TURN + 1].is_gone = True
        clients[CLIENTS_HELD_PER_TURN + 2].identity = Identity(account="ELSEWHERE")
        await done.wait()

    assert seen == (CLIENTS_HELD_PER_TURN, False)
    assert len(held) == CLIENTS_HELD_PER_TURN + 1


async def test_which_of_several_reasons_a_client_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on nats-server: who is too many is told so and not that he was revoked; who was revoked
    that, and not that he has as many subscriptions as he may; who has goes for that, though one of
    them is denied now, and though his signer is gone, of which nobody hears.
    """
    clock, chance = FakeClock(), random.Random(1)
    server = Server(Options(), Seams(clock, chance, chance.randbytes))
    account = server.account("$G")
    account.limits = Limits(max_connections=4)
    said: list[tuple[str, int]] = []

    class Held(Client):
        """Has subscriptions enough, but for the fourth."""

        def __init__(self, cid: int) -> None:
            super().__init__("$G")
            self.cid = cid
            self.peer = Peer(cid, Kind.CLIENT, server.turn.outbox)
            self.identity = Identity(account="$G", key=str(cid))

        def hold_to_bounds(self) -> None:
            if self.cid != 4:
                self.refuse(errors.MaxSubscriptionsExceeded())

        def refuse(self, error: ProtocolError) -> None:
            if not self.is_gone:
                said.append((type(error).__name__, self.cid))
                self.is_gone = True
                account.clients.pop(self.cid)

        def become(self, identity: Identity) -> None:
            said.append(("become", self.cid))

    def hold(identity: Identity) -> Identity:
        if identity.key == "1":
            raise errors.UserAuthenticationRevoked
        if identity.key == "2":
            raise errors.CredentialsChanged
        return replace(identity, user="now")

    clients: dict[int, Any] = {cid: Held(cid) for cid in (1, 2, 3, 4, 5)}
    account.clients = {cid: Peer(cid, Kind.CLIENT, server.turn.outbox) for cid in clients}
    monkeypatch.setattr(server.registry, "open", clients)
    monkeypatch.setattr(server.authenticator, "hold", hold)
    async with asyncio.TaskGroup() as tasks:
        monkeypatch.setattr(server, "_tasks", tasks)
        await operators._account_changed(server, "$G").wait()

    assert said == [
        ("MaxAccountConnectionsExceeded", 5),
        ("UserAuthenticationRevoked", 1),
        ("MaxSubscriptionsExceeded", 2),
        ("MaxSubscriptionsExceeded", 3),
        ("become", 4),
    ]


@pytest.mark.parametrize("now", [None, Permissions(Rules(deny=[LOGIN_REQUESTS]), Rules())])
def test_a_leaf_goes_where_a_service_decides_since_now_and_it_could_send_requests(
    now: Permissions | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, chance = FakeClock(), random.Random(1)
    server = Server(Options(), Seams(clock, chance, chance.randbytes))
    ended: list[str] = []

    class Link:
        """A leaf that logged in by its JWT."""

        identity = Identity(key="U")
        close = staticmethod(ended.append)

    monkeypatch.setattr(server.authenticator, "hold", lambda one: replace(one, permissions=now))

    operators._hold_leaf(server, cast("AcceptedLink", Link()))

    assert bool(ended) is (now is not None)


@pytest.mark.parametrize("expired", [True, False])
def test_a_leaf_of_the_port_s_own_block_ends_with_its_account(
    monkeypatch: pytest.MonkeyPatch, *, expired: bool
) -> None:
    clock, chance = FakeClock(), random.Random(1)
    server = Server(Options(), Seams(clock, chance, chance.randbytes))
    by_name = {"A": SimpleNamespace(expired=expired)}
    known = SimpleNamespace(known=SimpleNamespace(by_name=by_name))
    monkeypatch.setattr(server, "operator", known)
    ended: list[errors.ProtocolError] = []

    class Link:
        identity = Identity(account="A")
        refuse = staticmethod(ended.append)

    operators._hold_leaf(server, cast("AcceptedLink", Link()))

    assert [type(one).__name__ for one in ended] == ["AccountAuthenticationExpired"] * expired


@pytest.mark.real_loop
@pytest.mark.parametrize("alias", [False, True])
async def test_what_is_saved_in_the_middle_of_a_reload_of_the_resolver_is_there_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, alias: bool
) -> None:
    realm, directory = Realm(), tmp_path / "jwt"
    directory.mkdir()
    (tmp_path / "alias").symlink_to(directory)
    resolver = ResolverOptions("full", directory=str(directory))
    trusted = OperatorOptions((realm.operator_jwt(),), resolver=resolver)
    named = realm.system.public
    options = Options(port=-1, operator=trusted, system_account=named)
    behind = str(tmp_path / "alias") if alias else resolver.directory
    changed = replace(trusted, resolver=replace(resolver, directory=behind, limit=9))
    seams = Seams(SystemClock(), random.Random(1), random.Random(1).randbytes)
    seams = replace(seams, load=lambda: replace(options, operator=changed))
    server = Server(options, seams)
    token = realm.account_jwt()

    def save(_: Options) -> None:
        assert server.operator is not None
        known = server.operator.known.resolver
        assert isinstance(known, DirectoryResolver)
        known.directory.save(realm.account.public, token)

    async with running(server):
        # Done when the resolver is opened already, and not yet used.
        monkeypatch.setattr(early, "load", save)
        assert await server.reload() == ""

        assert server.operator is not None
        now = server.operator.known.resolver
        assert isinstance(now, DirectoryResolver)
        assert now.directory.options == changed.resolver
        assert now.directory.accounts() == [realm.account.public]
        assert await now.fetch(realm.account.public) == token


def test_tls_files_of_a_resolver_are_read_before_a_reload_changes_anything(tmp_path: Path) -> None:
    realm = Realm()
    tls_pair(tmp_path)
    ca = tmp_path / "cert.pem"
    trusted = OperatorOptions(
        (realm.operator_jwt(),),
        resolver=ResolverOptions("url", url="https://127.0.0.1:1"),
        resolver_tls=TlsOptions(ca_file=str(ca)),
    )
    options = Options(port=-1, operator=trusted, system_account=realm.system.public)
    server = Server(options, Seams(SystemClock(), random.Random(1), random.Random(1).randbytes))

    # Nothing is configured anew: the file may be another one.
    assert isinstance(operators.other_resolver(server, options), UrlResolver)
    ca.write_text("nonsense")
    with pytest.raises(AuthError, match="resolver_tls"):
        operators.other_resolver(server, options)


def test_a_directory_is_looked_at_again_only_where_something_is_configured_anew(
    tmp_path: Path,
) -> None:
    realm = Realm()
    resolver = ResolverOptions("full", directory=str(tmp_path))
    trusted = OperatorOptions((realm.operator_jwt(),), resolver=resolver)
    options = Options(port=-1, operator=trusted, system_account=realm.system.public)
    server = Server(options, Seams(SystemClock(), random.Random(1), random.Random(1).randbytes))
    changed = replace(trusted, preload=((realm.account.public, realm.account_jwt()),))

    assert operators.other_resolver(server, options) is None
    other = operators.other_resolver(server, replace(options, operator=changed))

    assert isinstance(other, DirectoryResolver)
    assert server.operator is not None
    now = server.operator.known.resolver
    assert isinstance(now, DirectoryResolver)
    assert other.directory is now.directory


@pytest.mark.real_loop
@pytest.mark.parametrize("deleted", [False, True])
async def test_an_account_that_a_reload_brings_is_what_was_pushed_while_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, deleted: bool
) -> None:
    realm = Realm()
    name = realm.account.public
    resolver = ResolverOptions("full", directory=str(tmp_path), allow_delete=True)
    trusted = OperatorOptions((realm.operator_jwt(),), resolver=resolver)
    options = Options(port=-1, operator=trusted, system_account=realm.system.public)
    remote = LeafRemote(urls=("nats-leaf://127.0.0.1:1",), account=name)
    new = replace(options, leafnodes=LeafOptions(remotes=(remote,)))
    seams = Seams(SystemClock(), random.Random(1), random.Random(1).randbytes)
    server = Server(options, replace(seams, load=lambda: new))
    newer, find = realm.account_jwt(tags=["new"]), operators.find

    async def found_and_pushed(*args: Any) -> Any:
        found = await find(*args)
        assert list(found) == [name]
        assert server.operator is not None
        known = server.operator.known
        assert isinstance(known.resolver, DirectoryResolver)
        if deleted:
            known.resolver.directory.delete(name)
            await known.remove(name)
        else:
            known.resolver.directory.save(name, newer)
            await known.update(name, newer)
        return found

    async with running(server):
        assert server.operator is not None
        known = server.operator.known
        assert isinstance(known.resolver, DirectoryResolver)
        known.resolver.directory.save(name, realm.account_jwt())
        monkeypatch.setattr(operators, "find", found_and_pushed)
        assert await server.reload() == ""

        assert known.by_name[name].removed is deleted
        assert deleted or known.by_name[name].token == newer
