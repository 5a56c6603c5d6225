"""The server: builds every part, starts them in one order and stops them in the reverse.

Start: store, JetStream, listeners, leaf remotes, uplink, serial bridge, monitoring, ready. Truth:
docs/ARCHITECTURE.md, "Threads and tasks".
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
from leafnode.clients.handler import ClientHandler, ClientSeams
from leafnode.clients.registry import Registry
from leafnode.config.options import HostPort
from leafnode.errors import ListenError
from leafnode.net.listener import Listener
from leafnode.net.turn import Turn
from leafnode.protocol.info import COMPATIBLE_VERSION, ServerInfo
from leafnode.routing.account import GLOBAL_ACCOUNT, Account
from leafnode.server import features

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.clock import Clock
    from leafnode.config.options import Options
    from leafnode.net.transport import Session

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


class Server:
    """One leafnode process, from its options to its exit status."""

    def __init__(self, options: Options, seams: Seams) -> None:
        self.options = options
        self.clock = seams.clock
        self.random = seams.random
        self.token_bytes = seams.token_bytes
        self.started_wall_ns = seams.clock.wall_ns()
        self.started_ns = seams.clock.monotonic_ns()
        digits = base64.b32encode(seams.token_bytes(_SERVER_ID_BYTES)).decode()
        self.id = "N" + digits[1:]
        self.name = options.server_name or self.id
        self.domain = options.jetstream.domain if options.jetstream else ""
        self.turn = Turn(seams.clock)
        self.accounts = {GLOBAL_ACCOUNT: Account(GLOBAL_ACCOUNT, self.turn.outbox, self._on_fault)}
        self.registry = Registry(max_connections=options.max_connections)
        self.authenticator = Authenticator(options)
        self.features = features.Features()
        self.listeners: list[Listener] = []  # every one that was ever bound
        self.warnings: list[str] = []  # what is allowed and probably a slip; status and health
        self.port = 0
        self._cids = itertools.count(1)
        self._stop = asyncio.Event()
        self._status = 0

    def next_cid(self) -> int:
        """Number connections of every kind, from 1."""
        return next(self._cids)

    def stop(self, status: int = 0) -> None:
        """Make `run` return `status` after an orderly stop."""
        self._status = status
        self._stop.set()

    async def run(self) -> int:
        """Serve until `stop`. Raises ListenError, StoreError or ConfigError if it cannot start."""
        log.info("Starting leafnode")
        log.info("  Version:  %s (compatible with nats-server %s)", __version__, COMPATIBLE_VERSION)
        log.info("  Name:     %s", self.name)
        log.info("  ID:       %s", self.id)
        if self.options.config_file:
            log.info("Using configuration file: %s", self.options.config_file)
        self._warn()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        async with contextlib.AsyncExitStack() as stack:
            # What was pushed last is stopped first.
            stack.callback(self.turn.outbox.flush)
            await features.start_jetstream(self, stack)
            stack.callback(self.authenticator.close)
            clients = await self._bind_clients(stack)
            monitor = await features.bind_monitor(self, stack)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self.registry.close_all, "Server Shutdown")
            self._serve(clients, tasks, stack)
            features.start_leafs(self, tasks, stack)
            features.start_uplink(self, stack)
            features.start_bridge(self, tasks, stack)
            if monitor is not None:
                self._serve(monitor, tasks, stack)
            # What lives now lives as long as the server: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            log.info("Server is ready")
            await self._stop.wait()
            log.info("Initiating Shutdown...")
        log.info("Server Exiting..")
        return self._status

    def account(self, name: str) -> Account:
        """Return an account that exists: names come from identities, never from clients."""
        return self.accounts[name]

    async def bind(
        self,
        address: HostPort,
        session_factory: Callable[[], Session],
        stack: contextlib.AsyncExitStack,
    ) -> Listener:
        """Listen on an address; nobody is accepted before `_serve`. Raises ListenError."""
        listener = Listener(
            self.turn, session_factory, write_deadline_ns=self.options.write_deadline_ns
        )
        try:
            await listener.bind(address.host, address.port)
        except OSError as err:
            raise ListenError(address.host, address.port, err.strerror or str(err)) from err
        stack.callback(listener.close)
        self.listeners.append(listener)
        return listener

    async def _bind_clients(self, stack: contextlib.AsyncExitStack) -> Listener:
        options = self.options
        address = HostPort(options.host, options.port)
        listener = await self.bind(address, lambda: ClientHandler(seams), stack)
        self.port = listener.port
        seams = ClientSeams(
            options=options,
            info=self._info(),
            clock=self.clock,
            random=self.random,
            token_bytes=self.token_bytes,
            outbox=self.turn.outbox,
            account=self.account,
            authenticator=self.authenticator,
            registry=self.registry,
            next_cid=self.next_cid,
        )
        log.info("Listening for client connections on %s:%d", options.host, self.port)
        return listener

    def _serve(
        self, listener: Listener, tasks: asyncio.TaskGroup, stack: contextlib.AsyncExitStack
    ) -> None:
        serving = tasks.create_task(listener.serve(), name=f"listener {listener.port}")
        stack.callback(serving.cancel)

    def _on_fault(self, subject: bytes, err: Exception) -> None:
        """A part of ours failed on a message: count and say it, the others go on."""
        self.turn.faults += 1
        log.error("Handling a message failed: subject=%r", subject, exc_info=err)

    def _info(self) -> ServerInfo:
        return server_info(
            self.options,
            server_id=self.id,
            server_name=self.name,
            port=self.port,
            auth_required=self.authenticator.announced,
        )

    def _warn(self) -> None:
        """Say what is allowed and probably a slip: once in the log, for good in status."""
        self.warnings.extend(self.options.warnings)
        if not self.authenticator.required and not self.options.host.startswith(_LOOPBACK):
            self.warnings.append(
                f"Everybody who reaches {self.options.host} may publish and subscribe: set "
                "authorization, or listen on 127.0.0.1"
            )
        for warning in self.warnings:
            log.warning("%s", warning)
