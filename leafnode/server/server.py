"""The server: builds every part, starts them in one order and stops them in the reverse.

What a signal asks for while it runs begins here, too. Start: store, JetStream, listeners, leaf
remotes, uplink, serial bridge, monitoring, ready. Truth: docs/ARCHITECTURE.md, "Threads and tasks".
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import itertools
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode import __version__
from leafnode.auth.authenticator import Authenticator
from leafnode.clients.greeting import server_info
from leafnode.clients.handler import ClientHandler
from leafnode.clients.registry import Registry
from leafnode.clock import NS_PER_S
from leafnode.errors import ListenError, file_problem
from leafnode.files import FileReader
from leafnode.limits import ENDING_WRITES_NS, FULL_COLLECTION_EVERY
from leafnode.net.backlog import WriteRules
from leafnode.net.entry import EntryCounters
from leafnode.net.turn import Turn
from leafnode.protocol.info import COMPATIBLE_VERSION, ServerInfo
from leafnode.server import (
    callout,
    client_ports,
    early,
    features,
    lame_duck,
    leaf_port,
    logs,
    monitoring,
    operators,
    websocket_port,
)
from leafnode.server.account_world import AccountSeams
from leafnode.server.accounts import Accounts
from leafnode.server.awaited import AwaitedAccounts
from leafnode.server.client_info import client_info
from leafnode.server.group import task_group
from leafnode.server.guests import guest_of, with_guests
from leafnode.server.in_turns import in_turns, walk
from leafnode.server.listeners import Listeners
from leafnode.server.pid_file import write_pid
from leafnode.server.ports_file import PortsFile, urls
from leafnode.server.views import refresh

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from random import Random

    from leafnode.clients.seams import ClientSeams
    from leafnode.clock import Clock
    from leafnode.config.options import Options
    from leafnode.leaf.registry import LeafRegistry
    from leafnode.net.entry import Entrance
    from leafnode.net.listener import Listener
    from leafnode.net.websocket import WebSocketPort
    from leafnode.routing.account import Account
    from leafnode.server.reloader import Reloader

log = logging.getLogger(__name__)

SWITCH_INTERVAL_S: Final = (
    0.0005  # a committing thread waits this long for the interpreter, not 5 ms
)
_SERVER_ID_BYTES: Final = 35  # 56 characters of base 32, as long as an NKEY
_LOOPBACK: Final = ("127.", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Seams:
    """What comes from outside: one line apart from a test's world."""

    clock: Clock
    random: Random
    token_bytes: Callable[[int], bytes]
    program: str = "leafnode"  # what it was called by
    load: Callable[[], Options] | None = None  # the configuration anew; None: there is no file


class Server:
    """One leafnode process, from its options to its exit status."""

    _status = 0
    port = 0
    is_lame_duck = False
    _reload_waits = False  # a signal asked for it before the start was over
    leaf_port: leaf_port.LeafPort | None = None  # None: no leaf is let in
    websocket: Listener | None = None
    _last_writes: asyncio.Timeout | None = None  # while these are waited for
    _is_urgent = False

    def __init__(self, options: Options, seams: Seams) -> None:
        self.operator = operators.operator_mode(options, seams.clock)
        self._guest = guest_of(seams.random)
        self.options = options = self.completed(options)
        self.clock = seams.clock
        self.random = seams.random
        self.token_bytes = seams.token_bytes
        self.started_wall_ns = seams.clock.wall_ns()
        self.started_ns = seams.clock.monotonic_ns()
        self.keys = callout.keys_of(self)
        self.id = self.keys.own.public_key if self.keys else _new_id(seams.token_bytes)
        self.name = options.server_name or self.id
        self.domain = options.jetstream.domain if options.jetstream else ""
        self.turn = Turn(seams.clock)
        self.registry = Registry(
            max_connections=options.connections_max, max_closed=options.max_closed_clients
        )
        self.account_set = Accounts(self._account_seams(), self.options)
        self.accounts = self.account_set.by_name
        self.authenticator = Authenticator(self.options, self.operator)
        self.callout: callout.Question | None = None  # None: no service decides on logins
        self.features = features.Features()
        self.awaited = AwaitedAccounts(self)
        self.program = seams.program
        self.listeners = Listeners(self.turn)
        self.write_rules = WriteRules(
            options.write_deadline_ns, retries=options.write_timeout == "retry"
        )
        self.link_write_rules = WriteRules(options.write_deadline_ns, retries=True)
        self.entrances: dict[str, Entrance] = {}  # in force, by what comes in there
        self.entry_counters = EntryCounters()  # of all of them, those before a reload too
        self.clients: Listener | None = None  # None: not yet, or not any more
        self.websocket_port: WebSocketPort | None = None
        self.websocket_seams: ClientSeams | None = None
        self.websocket_authenticator: Authenticator | None = None  # None: the server's
        self.monitor: Listener | None = None
        self.ports_file = PortsFile(seams.program)
        self.on_lame_duck: list[Callable[[], None]] = []  # told behind the clients
        self._slips: list[str] = []  # of the warnings, what follows from the options
        self.warnings: list[str] = []  # what is allowed and probably a slip; status and health
        self.client_seams: ClientSeams | None = None  # what all client connections share
        self._cids = itertools.count(1)
        self.ready = asyncio.Event()  # set once it serves
        self._stop = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None  # while it runs
        self._running: set[asyncio.Task[None]] = set()  # all of `begin` that has not ended
        self.load = seams.load
        self.config_loaded_ns = self.started_wall_ns
        self.files = FileReader()  # of what a reload names
        self._reloader: Reloader | None = None  # until the first reload

    def completed(self, options: Options) -> Options:
        """Return a configuration with what it leaves to this server."""
        return with_guests(operators.completed(self.operator, options), self._guest)

    def next_cid(self) -> int:
        """Number connections of every kind, from 1."""
        return next(self._cids)

    @property
    def leafs(self) -> LeafRegistry | None:
        """The leafs below us; None: none is let in."""
        return self.leaf_port.seams.registry if self.leaf_port is not None else None

    # --- what signals ask for

    def stop(self, status: int = 0) -> None:
        """Make `run` return `status` after an orderly stop."""
        self._is_urgent = self._stop.is_set()  # who asks twice waits for nobody
        if self._last_writes is not None and not self._last_writes.expired():
            self._last_writes.reschedule(0)
        self._status = status
        self._stop.set()
        self.listeners.give_up()

    def terminate(self) -> None:
        """Stop, unless lame duck mode is about to do so."""
        if not self.is_lame_duck:
            self.stop()

    def reopen_log(self) -> None:
        logs.reopen()

    def reload_by_signal(self) -> None:
        if not self.ready.is_set():
            self._reload_waits = True  # for the start to be over
        elif not self.is_stopping:
            _ = self.begin(self._reload(), name="reload")

    async def reload(self) -> str:
        """Take over the configuration anew; return what is in the way of it, or nothing.

        Raises nothing: a task that fails would end the server.
        """
        try:
            made = self._reloader or (await asyncio.to_thread(_load_reloader))(self)
        except (ImportError, OSError, RuntimeError) as err:
            # No descriptor or thread is left, or the package was replaced.
            return f"what reloads cannot be loaded: {err}"
        self._reloader = self._reloader or made  # two may have come meanwhile: one lock for both
        try:
            return await self._reloader.reload()
        except Exception:  # boundary: reload
            log.exception("Reload failed")
            return "the reload failed, see the log of the server"

    async def _reload(self) -> None:
        problem = await self.reload()
        if problem:
            log.error("Failed to reload server configuration: %s", problem.rstrip())

    def enter_lame_duck_mode(self) -> None:
        """Let no new clients in, see off those that are here, then stop."""
        if self.is_lame_duck or self._stop.is_set():
            return
        if self.clients is None or not self.ready.is_set():
            self.stop()  # nobody was let in yet
            return
        log.info("Entering lame duck mode, stop accepting new clients")
        self.is_lame_duck = True
        _ = self.begin(self._lame_duck(self.clients), name="lame duck")

    async def _lame_duck(self, listener: Listener) -> None:
        self.clients = None
        await self.listeners.close(listener)
        await lame_duck.close_entrances(self)
        clients = list(self.registry.open.values())
        await in_turns(self.turn.outbox, clients, ClientHandler.tell_lame_duck)
        for tell in self.on_lame_duck:
            tell()
        if leavers := lame_duck.connections(self):
            await lame_duck.see_off(
                leavers,
                duration_ns=self.options.lame_duck_duration_ns,
                grace_period_ns=self.options.lame_duck_grace_period_ns,
                random=self.random,
            )
        self.stop()

    # --- life

    async def run(self) -> int:
        """Serve until `stop`. Raises ListenError, StoreError or ConfigError if it cannot start."""
        try:
            await self._serve()
        except ListenError:
            if not self.is_stopping:  # else it waited for the name of a host no longer
                raise
        log.info("Server Exiting..")
        return self._status

    async def _serve(self) -> None:
        self._introduce()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        early.load(self.options)
        async with contextlib.AsyncExitStack() as stack:
            # What was pushed last is stopped first.
            stack.callback(self.turn.run_out)
            await features.start_jetstream(self, stack)
            stack.callback(self.authenticator.close)
            stack.callback(self.listeners.close_all)
            monitoring.start_monitor(self)
            await self.replace_monitor(await monitoring.bind_monitor(self, self.options))
            if self.options.websocket is not None:
                self.websocket = await websocket_port.bind_websocket(self, self.options.websocket)
            leafnodes = self.options.leafnodes
            if leafnodes is not None and leafnodes.listener is not None:
                self.leaf_port = await leaf_port.bind_leafs(self, leafnodes.listener)
            # The last to open, as on nats-server: whoever finds it open finds all others, too.
            self.clients = await client_ports.bind_clients(self)
            self.look_for_slips()
            refresh(self)
            stack.push_async_callback(self._end_writes)
            self._tasks = tasks = await stack.enter_async_context(task_group())
            callout.start_callout(self, tasks)
            if self.operator is not None:
                await operators.start(self, self.operator, tasks)
            features.tell_of_orphans(self)
            stack.push_async_callback(self._close_connections)
            stack.callback(self._end_running)
            self.listeners.serve(self.clients, tasks)
            if self.websocket is not None:
                self.listeners.serve(self.websocket, tasks)
            if self.leaf_port is not None:
                leaf_port.refresh(self)
                self.listeners.serve(self.leaf_port.listener, tasks)
            features.start_leafs(self)
            features.start_uplinks(self, stack)
            features.start_bridge(self)
            stack.push_async_callback(features.stop_bridge, self)
            if self.monitor is not None:
                self.listeners.serve(self.monitor, tasks)
            stack.callback(self.ports_file.remove)
            self.write_files()
            # Before all that takes its time: who is refused goes to another server of his list.
            stack.push_async_callback(self.listeners.stop)
            features.start_system(self, stack)
            self._started()
            await self._stop.wait()
            log.info("Initiating Shutdown...")

    def _introduce(self) -> None:
        """Say who starts here, by which file, and what may be a slip; passwords only now."""
        log.info("Starting %s", self.program)
        log.info("  Version:  %s (compatible with nats-server %s)", __version__, COMPATIBLE_VERSION)
        log.info("  Name:     %s", self.name)
        log.info("  ID:       %s", self.id)
        if self.authenticator.has_plain_passwords(client_ports.mapping_kinds(self.options)):
            log.warning("Plaintext passwords detected, use nkeys or bcrypt")
        if self.options.config_file:
            digest = self.options.config_digest
            log.info("Using configuration file: %s (%s)", self.options.config_file, digest)
        self.look_for_slips()

    def _started(self) -> None:
        # What lives now lives as long as the server: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # Nor soon at what clients subscribe to: connections leave no cycles behind.
        gc.set_threshold(*gc.get_threshold()[:2], FULL_COLLECTION_EVERY)
        log.info("Server is ready")
        self.ready.set()
        if self._reload_waits:
            self.reload_by_signal()

    @property
    def is_stopping(self) -> bool:
        return self._stop.is_set()

    def begin(self, work: Coroutine[object, object, None], *, name: str) -> asyncio.Task[None]:
        """Do something beside the rest; it ends with the server at the latest."""
        assert self._tasks is not None, "the server runs"
        task = self._tasks.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def follow_callout(self) -> None:
        """Let a service decide on logins where the options say so now."""
        assert self._tasks is not None, "the server runs"
        callout.start_callout(self, self._tasks)

    def _end_running(self) -> None:
        for task in self._running:
            task.cancel()

    def account(self, name: str) -> Account:
        """Return an account that exists: names come from identities, never from clients."""
        return self.account_set.account(name)

    def _account_seams(self) -> AccountSeams:
        registry, name = self.registry, self.name
        return AccountSeams(
            clock=self.clock,
            random=self.random,
            outbox=self.turn.outbox,
            server_name=name,
            server_id=self.id,
            client_info=lambda peer, detailed: client_info(peer, registry, name, detailed=detailed),
            on_fault=self._on_fault,
        )

    async def _close_connections(self) -> None:
        """End all, in turns; whoever waits for its turn is served. Nobody is accepted any more.

        Who is on its way in comes first: where it got through meanwhile it is among the others.
        """
        if self.features.jetstream is not None:
            await walk(self.turn.outbox, self.features.jetstream.see_off())
            self.turn.outbox.flush()
        for entrance in list(self.entrances.values()):
            await walk(self.turn.outbox, entrance.close_all())
        if self.websocket_port is not None:
            await walk(self.turn.outbox, self.websocket_port.close_all())
        if self.leafs is not None:
            await walk(self.turn.outbox, self.leafs.close_all("Server Shutdown"))
        await walk(self.turn.outbox, self.registry.close_all("Server Shutdown"))

    async def _end_writes(self) -> None:
        """Let whoever reads take what is on its way to it, for as long as a write may take."""
        self.turn.run_out()
        most_ns = min(self.options.write_deadline_ns, ENDING_WRITES_NS)
        try:
            async with asyncio.timeout(most_ns / NS_PER_S) as self._last_writes:
                if not self._is_urgent:
                    await self.turn.leaving.all_gone()
        except TimeoutError:
            log.info("Clients did not take what waited: connections=%d", len(self.turn.leaving))
        finally:
            self._last_writes = None

    async def replace_monitor(self, bound: monitoring.Bound | None) -> None:
        """Serve monitoring here from now on, or once the server runs; where it was no more."""
        before, self.monitor = self.monitor, None
        gone = self.entrances.pop("monitoring", None)
        if bound is not None:
            self.monitor = bound.listener
            if bound.entrance.tls is not None:
                self.entrances["monitoring"] = bound.entrance
            if self._tasks is not None:
                self.listeners.serve(bound.listener, self._tasks)
        if before is not None:
            await self.listeners.close(before)
        if gone is not None:
            await walk(self.turn.outbox, gone.close_all())

    def write_files(self) -> None:
        """Write the pid and the ports where the options want them."""
        path = self.options.pid_file
        try:
            if path:
                write_pid(path)
        except OSError as err:
            log.error("Failed to write pidfile: %s", file_problem(err, path))  # noqa: TRY400
        self.ports_file.write(self.options.ports_file_dir, self._ports())

    def _ports(self) -> dict[str, list[str]]:
        """Where the server can be reached, as the ports file says it."""
        clients, monitor, websocket = self.clients, self.monitor, self.websocket
        nats = "tls" if self.options.tls and not self.options.allow_non_tls else "nats"
        ws = "wss" if self.options.websocket and self.options.websocket.tls else "ws"
        leafs = self.leaf_port.listener if self.leaf_port is not None else None
        scheme = "https" if self.options.https is not None else "http"
        return {
            "nats": urls(nats, clients.host, clients.port) if clients else [],
            "websocket": urls(ws, websocket.host, websocket.port) if websocket else [],
            "leafnodes": urls("nats", leafs.host, leafs.port) if leafs else [],
            "monitoring": urls(scheme, monitor.host, monitor.port) if monitor else [],
        }

    def _on_fault(self, subject: bytes, err: Exception) -> None:
        """A part of ours failed on a message: count and say it, the others go on."""
        self.turn.faults += 1
        log.error("Handling a message failed: subject=%r", subject, exc_info=err)

    def info(self) -> ServerInfo:
        return server_info(
            self.options,
            server_id=self.id,
            server_name=self.name,
            port=self.port,
            auth_required=self.authenticator.required,
            xkey=self.keys.curve.public_key if self.keys else "",
        )

    def look_for_slips(self) -> None:
        """Say what is allowed and probably a slip: once in the log, for good in status."""
        options = self.options
        slips = [
            *options.deprecated,
            *options.warnings,
            *client_ports.slips(self),
            *leaf_port.slips(self),
        ]
        if not self.authenticator.required and not options.host.startswith(_LOOPBACK):
            slips.append(
                f"Everybody who reaches {options.host} may publish and subscribe: set "
                "authorization, or listen on 127.0.0.1"
            )
        if options.prof_port:
            slips.append("prof_port is not opened: there is no Go runtime to profile")
        gone = [slip for slip in self._slips if slip not in slips]
        self.warnings[:] = [warning for warning in self.warnings if warning not in gone]
        for slip in slips:
            if slip not in self._slips:
                self.warn(slip)
        self._slips = slips

    def warn(self, warning: str) -> None:
        """Say what is allowed and probably a slip, and keep it for status."""
        self.warnings.append(warning)
        log.warning("%s", warning)


def _new_id(token_bytes: Callable[[int], bytes]) -> str:
    """Return an id that looks like the key that it is where somebody needs a key."""
    return "N" + base64.b32encode(token_bytes(_SERVER_ID_BYTES)).decode()[1:]


def _load_reloader() -> type[Reloader]:
    """Import the code, in a thread: clients are served meanwhile."""
    from leafnode.server.reloader import Reloader

    return Reloader
