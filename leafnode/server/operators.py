"""Operator mode in a server: accounts as their JWTs say, and what a change means to clients.

Knows how `auth.operator`, accounts and connections are put together; not how any of them works.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from leafnode.clients.renewal import hold
from leafnode.errors import AuthError
from leafnode.protocol import errors

if TYPE_CHECKING:
    from asyncio import TaskGroup

    from leafnode.auth.operator import OperatorMode
    from leafnode.config.account_options import AccountOptions
    from leafnode.config.options import Options
    from leafnode.server.server import Server
    from leafnode.system.envelope import Envelope


def operator_mode(server: Server) -> OperatorMode | None:
    """Return who judges user JWTs, if any. Raises AuthError for what cannot be."""
    if server.options.operator is None:
        return None
    from leafnode.auth.operator import operator_mode as new_operator_mode

    operator = new_operator_mode(server.options, server.clock)
    if operator.trust.system_account:
        server.options = replace(server.options, system_account=operator.trust.system_account)
    return operator


def completed(server: Server, options: Options) -> Options:
    """Return a configuration read anew with the system account that the operator names."""
    operator = server.operator
    if operator is None or options.operator is None or not operator.trust.system_account:
        return options
    return replace(options, system_account=operator.trust.system_account)


async def start(server: Server, operator: OperatorMode, tasks: TaskGroup) -> None:
    """Follow what JWTs say of accounts. Raises AuthError without a system account."""
    operator.on_account = partial(_account_loaded, server)
    operator.on_change = partial(_account_changed, server)
    await operator.start(tasks)
    await look_up(server, server.options)


async def look_up(server: Server, options: Options) -> None:
    """Load the accounts that other blocks name. Raises AuthError for one that cannot be had."""
    operator = server.operator
    if operator is None:
        return
    blocks = [*(options.leafnodes.remotes if options.leafnodes else ())]
    names = [block.account for block in (*blocks, options.uplink, options.serial) if block]
    for name in names:
        if name not in server.accounts:
            try:
                await operator.lookup(name)
            except AuthError as err:
                raise AuthError(f"account {name}: {err}") from err


def _account_loaded(server: Server, options: AccountOptions) -> None:
    server.account_set.update(options)


def _account_changed(server: Server, name: str) -> None:
    """Hold the clients of an account to what it says now."""
    for client in list(server.registry.open.values()):
        hold(client, name, server.authenticator.hold)
    account = server.accounts.get(name)
    for peer in account.surplus() if account is not None else ():
        server.registry.open[peer.cid].refuse(errors.MaxAccountConnectionsExceeded())


def serve_claims(server: Server, envelope: Envelope) -> None:
    """Answer requests about account JWTs in the system account, in operator mode."""
    operator = server.operator
    if operator is None:
        return
    from leafnode.auth.directory import DirectoryResolver
    from leafnode.system.claims import ClaimsRequests

    resolver = operator.resolver
    directory = resolver.directory if isinstance(resolver, DirectoryResolver) else None
    run = partial(server.begin, name="claims request")
    ClaimsRequests(envelope, operator, directory, run).start()
