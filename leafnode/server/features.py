"""The parts that a configuration switches on, each imported only when its block is there.

Knows how each part is built and in which order; not how any of them works.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from leafnode.routing.account import GLOBAL_ACCOUNT

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from leafnode.bridge.bridge import Bridge
    from leafnode.errors import StoreCorrupt
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.leaf.remote import Remote
    from leafnode.monitor.monitor import Monitor
    from leafnode.net.listener import Listener
    from leafnode.net.transport import Session
    from leafnode.protocol.leaf_op import LeafInfo
    from leafnode.server.server import Server
    from leafnode.server.system import System
    from leafnode.store.sqlite import SqliteStore
    from leafnode.uplink.uplink import Uplink

log = logging.getLogger(__name__)


class Features:
    """What runs beside local clients; None or empty where it is off."""

    __slots__ = ("bridge", "jetstream", "monitor", "remotes", "store", "system", "uplink")

    def __init__(self) -> None:
        self.store: SqliteStore | None = None
        self.jetstream: AccountJetStream | None = None
        self.remotes: list[Remote] = []
        self.uplink: Uplink | None = None
        self.bridge: Bridge | None = None
        self.monitor: Monitor | None = None
        self.system: System | None = None


async def start_jetstream(server: Server, stack: AsyncExitStack) -> None:
    """Open the store and take over what it holds. Raises StoreError."""
    options = server.options.jetstream
    if options is None:
        return
    from leafnode.jetstream.context import Context, ServerFacts, TrustedTime
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.store.memory import MemoryStore
    from leafnode.store.sqlite import SqliteStore, StoreSeams

    loop = asyncio.get_running_loop()
    interval_ns = server.options.store.commit_interval_ns
    seams = StoreSeams(
        clock=server.clock,
        schedule=loop.call_soon,
        call_soon_threadsafe=loop.call_soon_threadsafe,
        on_damage=_on_damage,
        gather=partial(server.clock.call_later, interval_ns) if interval_ns else None,
    )
    directory = Path(options.store_dir)
    store = await asyncio.to_thread(SqliteStore.open, directory, seams)
    stack.callback(store.close)
    account = server.account(GLOBAL_ACCOUNT)
    context = Context(
        account=account,
        file_store=store,
        memory_store=MemoryStore(),
        clock=server.clock,
        random=server.random,
        facts=ServerFacts(
            name=server.name,
            id=server.id,
            domain=options.domain,
            max_memory_bytes=options.max_memory_bytes,
            max_file_bytes=options.max_file_bytes,
        ),
        time=TrustedTime(server.clock),
    )
    jetstream = AccountJetStream(context)
    recovered = asyncio.Event()
    jetstream.recover(recovered.set)
    await recovered.wait()
    stack.callback(jetstream.shut_down)
    server.features.store = store
    server.features.jetstream = jetstream
    log.info(
        "JetStream is on: store=%s domain=%s streams=%d",
        *(directory, options.domain or "(none)", len(jetstream.streams)),
    )


def _on_damage(account: str, stream: str, damage: StoreCorrupt) -> None:
    log.error(
        "Stream set aside, its data is damaged: account=%s stream=%s damage=%s",
        *(account, stream, damage),
    )


def start_leafs(server: Server, tasks: asyncio.TaskGroup, stack: AsyncExitStack) -> None:
    """Dial every remote, each in a task of its own."""
    options = server.options.leafnodes
    if options is None or not options.remotes:
        return
    from leafnode.leaf.handler import LeafEnvironment
    from leafnode.leaf.loop import LoopSubjects
    from leafnode.leaf.remote import Remote
    from leafnode.net.dial import TcpDialer

    environment = LeafEnvironment(
        clock=server.clock,
        random=server.random,
        dial=TcpDialer(server.turn, write_deadline_ns=server.options.write_deadline_ns),
        outbox=server.turn.outbox,
        loop_subjects=LoopSubjects(server.random),
        next_cid=server.next_cid,
        server_name=server.name,
        server_id=server.id,
        domain=server.domain,
        jetstream=server.features.jetstream is not None,
        max_payload_bytes=server.options.max_payload_bytes,
        max_pending_bytes=server.options.max_pending_bytes,
        ping_interval_ns=server.options.ping_interval_ns,
        ping_max=server.options.ping_max,
    )
    for remote_options in options.remotes:
        account = server.account(remote_options.account)
        remote = Remote(remote_options, account, environment, reconnect_ns=options.reconnect_ns)
        server.features.remotes.append(remote)
        running = tasks.create_task(remote.run(), name="leaf remote")
        stack.callback(running.cancel)


class HubLinks:
    """The leaf links of one account, as the uplink wants to see them."""

    def __init__(self, remotes: list[Remote]) -> None:
        self._remotes = remotes

    def is_connected(self) -> bool:
        return bool(self._hubs())

    def max_payload_bytes(self) -> int:
        """Return the smallest bound of the hubs; 0: not known."""
        return min((hub.max_payload for hub in self._hubs()), default=0)

    def _hubs(self) -> list[LeafInfo]:
        links = [remote.link for remote in self._remotes]
        return [link.session.hub for link in links if link and link.linked_ns]


def start_uplink(server: Server, stack: AsyncExitStack) -> None:
    """Push the configured streams to the hub."""
    options = server.options.uplink
    if options is None:
        return
    from leafnode.uplink.uplink import Uplink

    remotes = [r for r in server.features.remotes if r.account.name == options.account]
    uplink = Uplink(
        options,
        account=server.account(options.account),
        server_name=server.name,
        clock=server.clock,
        random=server.random,
        link=HubLinks(remotes),
    )
    server.features.uplink = uplink
    for remote in remotes:
        remote.on_linked.append(uplink.link_changed)
        remote.on_lost.append(uplink.link_changed)
    uplink.start()
    stack.callback(uplink.stop)
    log.info("Uplink is on: streams=%s", ", ".join(stream.stream for stream in options.streams))


def start_bridge(server: Server, tasks: asyncio.TaskGroup, stack: AsyncExitStack) -> None:
    """Open the serial ports."""
    options = server.options.serial
    if options is None or not options.ports:
        return
    from leafnode.bridge.bridge import Bridge

    bridge = Bridge(
        options,
        server.account(options.account),
        server.clock,
        server.random,
        max_payload_bytes=server.options.max_payload_bytes,
    )
    server.features.bridge = bridge
    running = tasks.create_task(bridge.run(), name="serial")
    stack.callback(running.cancel)
    log.info("Serial bridge is on: ports=%s", ", ".join(port.name for port in options.ports))


async def bind_monitor(server: Server) -> Listener | None:
    """Listen for HTTP where the configuration asks for it. Raises ListenError."""
    from leafnode.config.options import HostPort
    from leafnode.monitor.monitor import Monitor
    from leafnode.server.views import views_of

    def session() -> Session:
        return http.session()

    options = server.options.http
    if options is None:
        server.features.monitor = Monitor(views_of(server, HostPort("", 0)), server.clock)
        return None
    from leafnode.monitor.endpoints import Endpoints
    from leafnode.monitor.http_server import HttpServer

    listener = await server.listeners.bind(
        options, session, write_deadline_ns=server.options.write_deadline_ns
    )
    # The views name the real port, so they come after it; nobody is accepted before.
    views = views_of(server, HostPort(options.host, listener.port))
    monitor = server.features.monitor = Monitor(views, server.clock)
    http = HttpServer(Endpoints(monitor, server.options.http_base_path), server.clock, monitor.http)
    log.info("Starting http monitor on %s:%d", options.host, listener.port)
    return listener


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
