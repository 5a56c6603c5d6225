"""Makes a running server what a new configuration says: all is built first, then all is swapped.

Knows every part's way of taking new options; which of them may change is `server.reload`'s table.
Truth: nats-server 2.15.1 server/reload.go applyOptions; docs/configuration.md, "Reload".
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from leafnode.auth.users import Users
from leafnode.clients.handler import ClientHandler
from leafnode.clients.renewal import renew_all
from leafnode.errors import (
    ConfigError,
    LeafnodeError,
    ReloadError,
    UnreadableError,
    file_problem,
)
from leafnode.limits import RELOAD_FILES_TIMEOUT_NS
from leafnode.protocol import errors
from leafnode.server import (
    client_ports,
    early,
    features,
    leaf_port,
    logs,
    monitoring,
    operators,
    websocket_port,
)
from leafnode.server.in_turns import in_turns, walk
from leafnode.server.reload import Change, Part, changes, line
from leafnode.server.views import refresh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.auth.known_accounts import LoadedAccount
    from leafnode.auth.resolver import Resolver
    from leafnode.config.options import Options
    from leafnode.routing.account import Account
    from leafnode.server.jetstreams import JetStreams
    from leafnode.server.server import Server

T = TypeVar("T")

log = logging.getLogger(__name__)

NO_FILE = "can only reload config when a file is provided using -c or --config"


_NOT_FOR_CLIENTS: Final = frozenset(
    {
        Part.CONNECTIONS,
        Part.FILES,
        Part.MONITOR,
        Part.REMOTES,
        Part.SERIAL,
        Part.UPLINKS,
        Part.NOTHING,
    }
)


@dataclass(slots=True)
class _Ready:
    """What was opened and read for a new configuration, before any of it is used."""

    log: logging.Handler | None = None
    certificates: list[Callable[[], None]] = field(default_factory=list)
    monitor: monitoring.Bound | None = None
    jetstream: JetStreams | None = None
    users: Users | None = None
    websocket_users: Users | None = None  # where that listener has a login of its own
    resolver: Resolver | None = None
    accounts: dict[str, LoadedAccount] = field(default_factory=dict)  # that its blocks live in


class Reloader:
    """Reloads one server; one reload at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._busy = asyncio.Lock()

    async def reload(self) -> str:
        """Read the configuration and apply it whole, or return why nothing was changed."""
        load = self._server.load
        if load is None:
            return NO_FILE
        async with self._busy:
            try:
                options = await self._read(load)
                await self._apply(self._server.completed(options))
            except UnreadableError as err:
                return str(err)
            except ConfigError as err:
                return f"{err}\n"  # nats-server ends each error of a file so
            except LeafnodeError as err:
                return str(err)
            except OSError as err:
                return file_problem(err, err.filename) if err.filename else err.strerror or str(err)
        return ""

    async def _apply(self, options: Options) -> None:
        """Raise LeafnodeError or OSError before anything has changed."""
        server = self._server
        if server.is_stopping:
            raise ReloadError("a server that stops")
        # A thread: thousands of users are compared.
        found = await asyncio.to_thread(changes, server.options, options)
        options = replace(options, port=server.options.port)  # -1: it has a free one already
        parts = {change.live.part for change in found}
        toggles = (server.options.jetstream is None) is not (options.jetstream is None)
        ready = await self._prepare(parts, options, toggles=toggles)
        server.options = options
        if ready.log is not None:
            logs.use(ready.log, options)
        for use in ready.certificates:
            use()
        await operators.adopt(server, ready.accounts)
        await self._swap(parts, found, ready)
        if ready.resolver is not None:
            await operators.change(server, ready.resolver)
        await operators.catch_up(server, ready.accounts)
        server.awaited.search()
        if toggles:
            await operators.look_up_keepers(server)
        if Part.MONITOR in parts:
            await server.replace_monitor(ready.monitor)
        if parts & {Part.REMOTES, Part.ACCOUNTS} or toggles:
            # A hub is told whether there is JetStream.
            await features.change_remotes(server, anew=toggles)
        if parts & {Part.CLIENTS, Part.REMOTES}:
            await features.renew_links(server)
        if parts & {Part.UPLINKS, Part.ACCOUNTS} or toggles:
            features.change_uplinks(server)
        if Part.SERIAL in parts:
            await features.change_serial(server)
        if parts & {Part.FILES, Part.MONITOR, Part.TLS}:
            server.write_files()
        await features.jetstream_closed(server)
        server.look_for_slips()
        server.config_loaded_ns = server.clock.wall_ns()
        refresh(server)
        if server.features.system is not None:
            await server.features.system.refresh()
        log.info("Reloaded server configuration (%s)", server.options.config_digest)

    async def _read(self, work: Callable[[], T]) -> T:
        """Do what reads files of the configuration. Raises HungError."""
        return await self._server.files.run(work, "configuration", RELOAD_FILES_TIMEOUT_NS)

    async def _prepare(self, parts: set[Part], options: Options, *, toggles: bool) -> _Ready:
        """Open and read whatever the options name. Raises LeafnodeError, OSError; then nothing of
        it stays open.
        """
        server, ready = self._server, _Ready()
        try:
            if Part.LOG in parts:
                found = await logs.look_up(options)
                # A thread: it connects.
                ready.log = await asyncio.to_thread(
                    logs.handler_of, options, program=server.program, found=found
                )
            # Always read anew: a certificate may be another one behind the same path.
            for reader in (client_ports, websocket_port, leaf_port, monitoring):
                ready.certificates.append(await reader.prepare_tls(server, options))
            await self._read(partial(operators.check, options))
            ready.resolver = await self._read(partial(operators.other_resolver, server, options))
            await asyncio.to_thread(early.load, options)
            ready.accounts = await operators.find(server, options, ready.resolver)
            if parts & {Part.ACCOUNTS, Part.LOGINS}:
                # Thousands of users with permissions take a moment.
                ready.users = await asyncio.to_thread(
                    Users, options.authorization, options.accounts
                )
                ready.websocket_users = await websocket_port.prepare_users(server, options)
            if Part.MONITOR in parts:
                ready.monitor = await monitoring.bind_monitor(server, options)
            if Part.ACCOUNTS in parts:
                await server.account_set.prepare_all(options)
            if toggles:
                ready.jetstream = await features.open_jetstream(server, options)
        except BaseException:  # a fault of ours, too, must leave no port taken
            server.account_set.forget_prepared()
            if ready.log is not None:
                ready.log.close()
            if ready.monitor is not None:
                await server.listeners.close(ready.monitor.listener)
            raise
        return ready

    async def _swap(self, parts: set[Part], found: list[Change], ready: _Ready) -> None:
        """Let every part that is told at once take its options, and then the clients, in turns.

        Until it is their turn they go by the options of before, as on nats-server.
        """
        server = self._server
        options, outbox = server.options, server.turn.outbox
        sheds: list[Users] = []  # of before, for whom nobody asks any more
        for change in found:
            log.info("%s", line(change, options))
        gone = server.account_set.begin(options) if Part.ACCOUNTS in parts else []
        by_jetstream: Iterator[None] = iter(())
        if parts & {Part.ACCOUNTS, Part.JETSTREAM}:
            by_jetstream = features.change_jetstream(server, ready.jetstream)
        if parts & {Part.ACCOUNTS, Part.LOGINS}:
            sheds.append(server.authenticator.users)
            server.authenticator.apply(options, ready.users)
        if parts & {Part.ACCOUNTS, Part.LOGINS, Part.TLS}:  # the time for a login goes by TLS, too
            server.follow_callout()
        await server.account_set.end()
        await walk(outbox, by_jetstream)
        if parts - _NOT_FOR_CLIENTS:
            is_news = client_ports.refresh(server)
            if server.websocket_authenticator is not None and ready.websocket_users is not None:
                sheds.append(server.websocket_authenticator.users)
            websocket_port.refresh(server, ready.websocket_users)
            leaf_port.refresh(server)
            clients = list(server.registry.open.values())
            await in_turns(outbox, clients, ClientHandler.take_options)
            if parts & {Part.ACCOUNTS, Part.LOGINS, Part.TLS}:  # a certificate may be a login
                await walk(outbox, renew_all(clients, ClientHandler.again))
            if Part.CLIENTS in parts and is_news:
                await in_turns(outbox, clients, ClientHandler.tell)
        if _has_users(options) and not parts & {Part.ACCOUNTS, Part.LOGINS, Part.TLS}:
            # nats-server takes any reload for one of users where there are some.
            clients = [one for one in server.registry.open.values() if one.identity]
            await in_turns(outbox, clients, ClientHandler.hold_to_bounds)
        await self._fit_accounts(gone)
        for users in sheds:
            await walk(outbox, users.shed())
        if Part.CONNECTIONS in parts:
            await self._fit_connections(options.connections_max)

    async def _fit_accounts(self, gone: list[Account]) -> None:
        """End the clients of accounts that are gone, and the newest of those that are too many."""
        there, outbox = self._server.registry.open, self._server.turn.outbox
        homeless = [there[cid] for account in gone for cid in account.clients]
        await in_turns(outbox, homeless, lambda client: client.close("Client Closed"))
        leafs = list(self._server.leafs.links()) if self._server.leafs is not None else []
        lost = [link for link in leafs if link.peer.account in gone]
        await in_turns(outbox, lost, lambda link: link.close("Client Closed"))
        accounts = self._server.accounts.values()
        surplus = [there[peer.cid] for account in accounts for peer in account.surplus()]
        too_many = errors.MaxAccountConnectionsExceeded
        await in_turns(outbox, surplus, lambda client: client.refuse(too_many()))
        await features.end_surplus_leafs(self._server, accounts)

    async def _fit_connections(self, max_connections: int) -> None:
        """End as many as are too many; which ones is left to chance, as on nats-server."""
        registry = self._server.registry
        registry.max_connections = max_connections
        too_many = len(registry.open) - max_connections
        if too_many <= 0:
            return
        chosen = self._server.random.sample(list(registry.open.values()), too_many)
        error = errors.MaxConnectionsExceeded
        await in_turns(self._server.turn.outbox, chosen, lambda client: client.refuse(error()))
        log.info("Closed %d connections to fall within max_connections", too_many)


def _has_users(options: Options) -> bool:
    """Say whether there are users besides a token or a single one."""
    lists = (options.authorization.users, *(account.users for account in options.accounts))
    return any(lists) or options.operator is not None
