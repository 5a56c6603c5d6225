"""Operator mode in a server: accounts as their JWTs say, and what a change means to clients.

Knows how `auth.operator`, accounts and connections are put together; not how any of them works.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from leafnode.clients.renewal import renew_all
from leafnode.clock import NS_PER_S
from leafnode.config.options import SYSTEM_ACCOUNT
from leafnode.errors import AuthError, ProtocolError
from leafnode.limits import ACCOUNT_LOOKUPS_MAX, KEEPERS_LOOKUP_NS
from leafnode.protocol import errors
from leafnode.routing.permissions import LOGIN_REQUESTS
from leafnode.server import features
from leafnode.server.in_turns import in_turns, walk

if TYPE_CHECKING:
    from asyncio import TaskGroup
    from collections.abc import Iterator, Sequence

    from leafnode.auth.identity import Identity
    from leafnode.auth.known_accounts import LoadedAccount
    from leafnode.auth.operator import OperatorMode
    from leafnode.auth.resolver import Resolver
    from leafnode.clients.handler import ClientHandler
    from leafnode.clock import Clock
    from leafnode.config.account_options import AccountOptions
    from leafnode.config.options import Options
    from leafnode.leaf.accepted import AcceptedLink
    from leafnode.routing.account import Account
    from leafnode.server.server import Server
    from leafnode.system.claims import ClaimsRequests
    from leafnode.system.envelope import Envelope

log = logging.getLogger(__name__)


def operator_mode(options: Options, clock: Clock) -> OperatorMode | None:
    """Return who judges user JWTs, if any. Raises AuthError for what cannot be."""
    if options.operator is None:
        return None
    from leafnode.auth.operator import operator_mode as new_operator_mode

    return new_operator_mode(options, clock)


def completed(operator: OperatorMode | None, options: Options) -> Options:
    """Return a configuration with the system account that the operator names.

    One that names another account itself is left to be refused.
    """
    if operator is None or options.operator is None or not operator.trust.system_account:
        return options
    if options.system_account != SYSTEM_ACCOUNT:
        return options
    return replace(options, system_account=operator.trust.system_account)


async def start(server: Server, operator: OperatorMode, tasks: TaskGroup) -> None:
    """Follow what JWTs say of accounts. Raises AuthError without a system account."""
    operator.known.on_preparing = partial(_prepare_accounts, server)
    operator.known.on_accounts = partial(_accounts_loaded, server)
    operator.known.on_change = partial(_account_changed, server)
    operator.readiness = partial(_readiness, server)
    await operator.start(tasks)
    if operator.is_bootstrapping:
        log.info("Using bootstrapping system account")
        _ = server.begin(operator.fetch_system_account(), name="system account")
    _expire_cache(server, operator)
    for name in _missing(server, server.options):  # whoever lives in one that is not there waits
        await server.awaited.look_up(name)
    server.awaited.search()
    await look_up_keepers(server)


def _expire_cache(server: Server, operator: OperatorMode) -> None:
    wanted = server.options.operator.resolver if server.options.operator is not None else None
    if wanted is None or wanted.kind != "cache":
        return
    from leafnode.auth.directory import DirectoryResolver

    resolver = operator.known.resolver
    assert isinstance(resolver, DirectoryResolver), "whose kind it is"
    _ = server.begin(resolver.expire(), name="cache of account JWTs")


async def account_of(server: Server, name: str) -> Account:
    """Return an account that a remote names, once it can be had. Raises AuthError until then."""
    if problem := await server.awaited.look_up(name):
        raise AuthError(f"account {name}: {problem}")
    return server.account(name)


async def find(
    server: Server, options: Options, resolver: Resolver | None
) -> dict[str, LoadedAccount]:
    """Return the accounts that blocks of a configuration read anew name and nobody uses yet, as
    they will be: by its preload, and by this resolver if there is another one. Nothing of them
    holds before `adopt`. Whoever lives in one that cannot be had waits for it.
    """
    operator, wanted = server.operator, options.operator
    found: dict[str, LoadedAccount] = {}
    if operator is None or wanted is None:
        return found
    from leafnode.auth.resolver import foretold

    behind = operator.known.resolver if resolver is None else resolver
    for name in _missing(server, options):
        with contextlib.suppress(AuthError):
            token_of = partial(foretold, options=wanted, behind=behind)
            found |= await operator.known.found(name, token_of)
    return found


async def adopt(server: Server, found: dict[str, LoadedAccount]) -> None:
    """Let accounts hold that `find` found."""
    if found:
        assert server.operator is not None, "it found them"
        await server.operator.known.adopt(found)


async def catch_up(server: Server, found: dict[str, LoadedAccount]) -> None:
    """Let accounts that a reload brought be what was pushed, or deleted, since `find` read them:
    nobody used them then.
    """
    operator, options = server.operator, server.options.operator
    if operator is None or options is None or not found:
        return
    from leafnode.auth.directory import DirectoryResolver

    known, preload = operator.known, dict(options.preload)
    if not isinstance(known.resolver, DirectoryResolver):
        return
    for name in found:
        try:
            await known.refetch(name)
        except AuthError as err:
            # What the configuration has holds, though there may have been no place for it.
            if known.resolver.directory.has(name) or name in preload:
                log.warning("Account not updated: account=%s reason=%s", name, err)
            else:
                await known.remove(name)


def _missing(server: Server, options: Options) -> list[str]:
    """Return the accounts that blocks of a configuration live in and nobody uses yet."""
    remotes = options.leafnodes.remotes if options.leafnodes else ()
    names = [remote.account for remote in remotes]  # an uplink has one, too
    if options.serial is not None:
        names.append(options.serial.account)
    leafs = options.leafnodes.listener if options.leafnodes is not None else None
    if leafs is not None and leafs.authorization.account:
        names.append(leafs.authorization.account)
    return [name for name in dict.fromkeys(names) if name not in server.accounts]


def check(options: Options) -> None:
    """Raise AuthError for accounts or files of a configuration read anew that do not hold.

    Blocks: file access.
    """
    if options.operator is None:
        return
    from leafnode.auth.operator import check_operator

    check_operator(options)
    if options.operator.resolver_tls is not None:
        from leafnode.auth.url_resolver import tls_context

        tls_context(options.operator)


def other_resolver(server: Server, options: Options) -> Resolver | None:
    """Return where accounts come from by a configuration read anew, where it says something else
    of them; behind a URL always, for certificates may be others behind the same paths.

    As on nats-server nobody needs to be home there. Raises AuthError. Blocks: file access.
    """
    operator, wanted = server.operator, options.operator
    if operator is None or wanted is None:
        return None
    kind = wanted.resolver.kind if wanted.resolver is not None else "url"
    if kind != "url" and wanted == server.options.operator:
        return None
    from leafnode.auth.operator import resolver_for

    return resolver_for(wanted, operator.trust, server.clock, operator.known.resolver)


async def change(server: Server, resolver: Resolver) -> None:
    """Go by the accounts and pins of the options of now, and by this resolver."""
    operator, options = server.operator, server.options.operator
    assert operator is not None, "an operator does not come or go"
    assert options is not None, "an operator does not come or go"
    await operator.change(options, resolver)
    _expire_cache(server, operator)
    if server.features.system is not None:
        server.features.system.serve_claims()


async def look_up_keepers(server: Server) -> None:
    """Load the accounts that JetStream keeps streams of, and read those back.

    Nobody logs in to them for that: others may import from them. One that cannot be had, or not in
    time, keeps its streams until somebody looks it up.
    """
    operator, jetstream = server.operator, server.features.jetstream
    if operator is None or jetstream is None:
        return
    names = iter(jetstream.keepers())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KEEPERS_LOOKUP_NS / NS_PER_S):
            while several := list(itertools.islice(names, ACCOUNT_LOOKUPS_MAX)):
                async with asyncio.TaskGroup() as lookups:
                    for name in several:
                        lookups.create_task(_look_up_keeper(operator, name))
    await jetstream.recovered()


async def _look_up_keeper(operator: OperatorMode, name: str) -> None:
    try:
        await operator.known.lookup(name)
    except AuthError as err:
        log.warning("Account with streams not found: account=%s reason=%s", name, err)


def _readiness(server: Server, name: str) -> asyncio.Event | None:
    jetstream = server.features.jetstream
    return jetstream.readiness(name) if jetstream is not None else None


async def _prepare_accounts(server: Server, several: Sequence[AccountOptions]) -> None:
    await server.account_set.prepare(*several)


def _accounts_loaded(server: Server, several: Sequence[AccountOptions]) -> None:
    server.account_set.update(*several)
    server.awaited.came()


def _account_changed(server: Server, name: str) -> asyncio.Event:
    """Hold the clients of an account to what it says now; what is returned is set then."""
    done = asyncio.Event()
    _ = server.begin(_hold_clients(server, name, done), name="clients of an account")
    return done


async def _hold_clients(server: Server, name: str, done: asyncio.Event) -> None:
    there, outbox = server.registry.open, server.turn.outbox
    try:
        if (account := server.accounts.get(name)) is not None:
            # As there: whoever is too many is told so, even one that was revoked.
            surplus = [there[peer.cid] for peer in account.surplus()]
            too_many = errors.MaxAccountConnectionsExceeded
            await in_turns(outbox, surplus, lambda client: client.refuse(too_many()))
            clients = _still_of(name, [there[cid] for cid in account.clients])
            await walk(outbox, renew_all(clients, partial(_hold, server)))
            await features.end_surplus_leafs(server, [account])
            leafs = list(server.leafs.links()) if server.leafs is not None else []
            mine = [link for link in leafs if link.peer.account is account]
            await in_turns(outbox, mine, partial(_hold_leaf, server))
    finally:
        done.set()


def _still_of(name: str, clients: Sequence[ClientHandler]) -> Iterator[ClientHandler]:
    """Yield those that are of this account when it is their turn."""
    for client in clients:
        identity = client.identity
        if identity is not None and identity.account == name:
            yield client


def _hold(server: Server, client: ClientHandler) -> Identity:
    """Return who a client is by what its account's JWT says now, or raise its own error.

    Of two reasons it hears the one that it hears there: that it was revoked, then that it has as
    many subscriptions as it may, counted before any is withdrawn. Whose signer is gone ends
    without a word.
    """
    assert client.identity is not None, "it is of an account"
    try:
        now = server.authenticator.hold(client.identity)
    except errors.CredentialsChanged:
        client.hold_to_bounds()
        raise
    client.hold_to_bounds()
    return client.identity if client.is_gone else now


def _hold_leaf(server: Server, link: AcceptedLink) -> None:
    """End a leaf whose JWT does not hold any more, or whose account's. What it may stays as it was
    told, but for what only the server may since a callout service decides on its account's logins.
    """
    if link.identity is None:
        return
    if not link.identity.key:  # a user of the port's own block
        operator = server.operator
        account = operator.known.by_name.get(link.identity.account) if operator else None
        if account is not None and account.expired:
            link.refuse(errors.AccountAuthenticationExpired())
        return
    try:
        now = server.authenticator.hold(link.identity)
    except ProtocolError as error:
        link.refuse(error)
    else:
        if _asks(link.identity) and not _asks(now):
            link.close("Credentials Revoked")


def _asks(identity: Identity) -> bool:
    """Say whether it may send what a callout service takes for a request of the server."""
    return identity.permissions is None or identity.permissions.may_publish(LOGIN_REQUESTS)


def serve_claims(server: Server, envelope: Envelope) -> ClaimsRequests | None:
    """Answer requests about account JWTs in the system account, in operator mode."""
    operator = server.operator
    if operator is None:
        return None
    from leafnode.system.claims import ClaimsRequests

    requests = ClaimsRequests(envelope, operator, partial(server.begin, name="claims request"))
    requests.start()
    return requests
