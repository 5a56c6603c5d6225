"""The parts that a configuration switches on, each imported only when its block is there.

Knows how each part is built and in which order; not how any of them works.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from leafnode.errors import StoreError
from leafnode.protocol.errors import MaxAccountConnectionsExceeded
from leafnode.server import leaf_port
from leafnode.server.ending import end
from leafnode.server.in_turns import walk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from contextlib import AsyncExitStack

    from leafnode.bridge.bridge import Bridge
    from leafnode.config.options import JetStreamOptions, LeafRemote, Options
    from leafnode.leaf.link import Link
    from leafnode.leaf.loop import LoopSubjects
    from leafnode.leaf.remote import Remote
    from leafnode.leaf.terms import LeafEnvironment
    from leafnode.monitor.monitor import Monitor
    from leafnode.routing.account import Account
    from leafnode.routing.permissions import Permissions
    from leafnode.server.jetstreams import JetStreams
    from leafnode.server.left_durables import LeftDurables
    from leafnode.server.server import Server
    from leafnode.server.system import System
    from leafnode.server.uplinks import Uplinks

log = logging.getLogger(__name__)


class Features:
    """What runs beside local clients; None or empty where it is off."""

    __slots__ = (
        "bridge",
        "closing",
        "jetstream",
        "leaf_environment",
        "left_durables",
        "loop_subjects",
        "monitor",
        "remote_tasks",
        "remotes",
        "serial",
        "serial_changes",
        "serial_waits",
        "system",
        "uplinks",
    )

    def __init__(self) -> None:
        self.jetstream: JetStreams | None = None
        self.closing: JetStreams | None = None  # turned off, its store has not come to its end
        self.remotes: list[Remote] = []
        self.remote_tasks: dict[Remote, asyncio.Task[None]] = {}
        self.leaf_environment: LeafEnvironment | None = None
        self.loop_subjects: LoopSubjects | None = None  # for as long as the process lives
        self.serial: asyncio.Task[None] | None = None
        self.serial_changes = asyncio.Lock()  # a reload's and the end: one after the other
        self.serial_waits = False  # its account cannot be had yet
        self.uplinks: Uplinks | None = None
        self.left_durables: LeftDurables | None = None
        self.bridge: Bridge | None = None
        self.monitor: Monitor | None = None
        self.system: System | None = None


async def start_jetstream(server: Server, stack: AsyncExitStack) -> None:
    """Open the store and take over what it holds, if it is on. Raises StoreError."""
    stack.push_async_callback(stop_jetstream, server)
    domains = server.options.default_js_domains
    if server.options.jetstream is None and domains:
        from leafnode.jetstream.domain import DefaultDomain

        # With JetStream it looks after them itself: some accounts may have their own.
        for name, domain in domains:
            if domain and name in server.accounts:
                DefaultDomain(server.account(name), domain).open()
    try:
        server.features.jetstream = await open_jetstream(server, server.options)
    except StoreError as err:
        raise type(err)(f"Can't start JetStream: {err}") from err


async def open_jetstream(server: Server, wanted: Options) -> JetStreams | None:
    """Return JetStream as these options want it; None: they want none. Raises StoreError."""
    if wanted.jetstream is None:
        return None
    open_jetstreams = await asyncio.to_thread(_jetstream_opener)
    return await open_jetstreams(server, wanted.jetstream)


def _jetstream_opener() -> Callable[[Server, JetStreamOptions], Awaitable[JetStreams]]:
    """Import the code, in a thread: where a reload turns it on, clients are served meanwhile."""
    from leafnode.server.jetstreams import open_jetstreams

    return open_jetstreams


async def stop_jetstream(server: Server) -> None:
    """Turn it off, if it is on, and wait until its store is closed."""
    _end_jetstream(server.features)
    await jetstream_closed(server)


def _end_jetstream(features: Features) -> None:
    jetstream, features.jetstream = features.jetstream, None
    if jetstream is not None:
        features.closing = jetstream
        jetstream.close()


async def jetstream_closed(server: Server) -> None:
    """Wait for the store of a JetStream that was turned off: clients are served meanwhile."""
    closing = server.features.closing
    if closing is not None:
        await closing.closed()
        server.features.closing = None


def change_jetstream(server: Server, fresh: JetStreams | None) -> Iterator[None]:
    """Turn JetStream on, off, or to the bounds of now; return what gives it to the accounts that
    have it now, in steps.

    `fresh` is one that was just turned on.
    """
    features, options = server.features, server.options.jetstream
    if fresh is not None:
        features.jetstream = fresh
    elif options is None:
        _end_jetstream(features)
    elif features.jetstream is not None:
        features.jetstream.change(options)
    server.domain = options.domain if options is not None else ""
    return features.jetstream.following() if features.jetstream is not None else iter(())


def start_leafs(server: Server) -> None:
    """Dial every remote, each in a task of its own."""
    options = server.options.leafnodes
    for remote in options.remotes if options is not None else ():
        _start_remote(server, remote)


def _start_remote(server: Server, remote_options: LeafRemote) -> None:
    from leafnode.leaf.remote import Remote

    features, options = server.features, server.options.leafnodes
    assert options is not None, "there are remotes"
    environment = leaf_port.leaf_environment(server)
    account, find = _account_for(server, remote_options.account)
    remote = Remote(
        remote_options, account, environment, reconnect_ns=options.reconnect_ns, find_account=find
    )
    features.remotes.append(remote)
    if features.uplinks is not None:
        features.uplinks.follow(remote)
    if features.system is not None:
        features.system.follow(remote)
    features.remote_tasks[remote] = server.begin(remote.run(), name="leaf remote")


def _account_for(
    server: Server, name: str
) -> tuple[Account, Callable[[], Awaitable[Account]] | None]:
    """Return a remote's account, or where there is none yet one that nobody else sees, and how to
    look for it.
    """
    account = server.accounts.get(name)
    if account is not None:
        return account, None
    from leafnode.routing.account import Account
    from leafnode.server.operators import account_of

    return Account(name, server.turn.outbox), partial(account_of, server, name)


async def change_remotes(server: Server, *, anew: bool) -> None:
    """End the links that are not wanted any more, and begin those that are new.

    A remote whose options changed in any way is a new one; with `anew` each of them is.
    """
    features = server.features
    wanted = list(server.options.leafnodes.remotes) if server.options.leafnodes else []
    for remote in list(features.remotes):
        same = server.accounts.get(remote.options.account) is remote.account
        if remote.options in wanted and same and not anew:
            wanted.remove(remote.options)
            continue
        features.remotes.remove(remote)
        await end(features.remote_tasks.pop(remote))
        log.info("Leaf remote ended: url=%s", remote.status.url)
    features.leaf_environment = None  # the next ones go by the options of now
    for remote_options in wanted:
        _start_remote(server, remote_options)
    leaf_port.refresh(server)


async def renew_links(server: Server) -> None:
    """Let leaf links, and those that dial them, go by the bounds and times of now."""
    features, leafnodes = server.features, server.options.leafnodes
    if leafnodes is None:
        return
    features.leaf_environment = None
    environment = leaf_port.leaf_environment(server)
    for remote in features.remotes:
        remote.adopt(environment, reconnect_ns=leafnodes.reconnect_ns)
    accepted = list(server.leafs.open.values()) if server.leafs is not None else []

    def adopted() -> Iterator[None]:
        for link in accepted:
            link.adopt(environment)
            yield

    await walk(server.turn.outbox, adopted())


def links(server: Server) -> list[Link]:
    """Return the leaf links that are up, dialed and accepted."""
    dialed = (remote.link for remote in server.features.remotes)
    found: list[Link] = [link for link in dialed if link is not None and link.linked_ns]
    if server.leafs is not None:
        found += server.leafs.links()
    return found


async def end_surplus_leafs(server: Server, accounts: Iterable[Account]) -> None:
    """End the newest leaf links of accounts that have more of them than they may."""
    there = {link.peer.cid: link for link in links(server)}
    found = [there[peer.cid] for one in accounts for peer in one.surplus_leafs()]

    def expelled() -> Iterator[None]:
        for link in found:
            link.expel(MaxAccountConnectionsExceeded())
            yield

    await walk(server.turn.outbox, expelled())


def start_uplinks(server: Server, stack: AsyncExitStack) -> None:
    """Push the configured streams to their hubs."""
    stack.callback(_stop_uplinks, server.features)
    change_uplinks(server)


def _stop_uplinks(features: Features) -> None:
    if features.uplinks is not None:
        features.uplinks.stop()


def change_uplinks(server: Server) -> None:
    """Let those run that are configured now; what did not change goes on."""
    features = server.features
    if features.uplinks is None and server.options.uplinks:
        from leafnode.server.uplinks import Uplinks

        features.uplinks = Uplinks(server)
    if features.uplinks is not None:
        features.uplinks.change(server.options.uplinks)
    if features.jetstream is not None:
        if features.left_durables is None:
            from leafnode.server.left_durables import LeftDurables

            features.left_durables = LeftDurables(server)
        features.left_durables.look_soon()


def start_bridge(server: Server) -> None:
    """Open the serial ports, now or once their account is there."""
    options, features = server.options.serial, server.features
    features.serial_waits = False
    if options is None or not options.ports:
        return
    if options.account not in server.accounts:
        features.serial_waits = True
        return
    from leafnode.bridge.bridge import Bridge

    bridge = Bridge(
        options,
        server.account(options.account),
        server.clock,
        server.random,
        max_payload=lambda: server.options.max_payload_bytes,
        permissions=partial(board_permissions, server, options.account),
    )
    bridge.answer_requests(server.name)
    features.bridge = bridge
    features.serial = server.begin(bridge.run(), name="serial")
    log.info("Serial bridge is on: ports=%s", ", ".join(port.name for port in options.ports))


def board_permissions(server: Server, account: str) -> Permissions | None:
    """Return what a board may, as anybody of the account without permissions of his own.

    Each of its messages asks: nothing is made of the lists here, which may be long.
    """
    if server.operator is None:
        return server.authenticator.users.defaults.get(account)
    known = server.operator.known.by_name.get(account)
    return known.claims.nats.default_rules if known is not None else None


async def change_serial(server: Server) -> None:
    """Let the bridge have the ports that are configured now; what did not change stays open."""
    async with server.features.serial_changes:
        if not server.is_stopping:  # else nobody would see off what is begun here
            await _change_serial(server)


async def _change_serial(server: Server) -> None:
    features = server.features
    options = server.options.serial
    bridge = features.bridge
    if (
        bridge is not None
        and options is not None
        and options.ports
        and bridge.account is server.accounts.get(options.account)
    ):
        await bridge.change(options)
        log.info("Serial ports are now: %s", ", ".join(port.name for port in options.ports))
        return
    if features.serial is not None:
        await end(features.serial)
    features.bridge = features.serial = None
    start_bridge(server)
    heir = server.features.bridge
    if heir is not None and bridge is not None:
        heir.succeed(bridge)
    elif bridge is not None:
        await bridge.settle()


async def stop_bridge(server: Server) -> None:
    """Close the serial ports while clients are there: who waits for a device hears of it. And
    while streams are: what was read is stored. A reload that is handing it on does so first.
    """
    features = server.features
    async with features.serial_changes:
        if features.serial is not None:
            await end(features.serial)
        if features.bridge is not None:
            await features.bridge.settle()


def tell_of_orphans(server: Server) -> None:
    """Say whose streams are kept and not served, now that all accounts are known."""
    if server.features.jetstream is not None:
        server.features.jetstream.tell_of_orphans()


def start_system(server: Server, stack: AsyncExitStack) -> None:
    """Serve the system account; the last to start, so the first to say goodbye."""
    options, monitor = server.options, server.features.monitor
    if options.no_system_account:
        return
    assert monitor is not None, "monitoring is there before, with or without HTTP"
    from leafnode.server.system import System

    system = System(server, server.account(options.system_account), monitor)
    server.features.system = system
    system.start()
    stack.callback(system.stop)
