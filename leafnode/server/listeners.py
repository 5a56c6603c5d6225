"""The listening sockets of a server: bound first, serving when all is built, closed one by one.

Knows listeners and tasks; not what is spoken on them. Truth: docs/ARCHITECTURE.md, "Threads and
tasks".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from leafnode.errors import ListenError
from leafnode.net.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.options import HostPort
    from leafnode.net.backlog import WriteRules
    from leafnode.net.transport import Session
    from leafnode.net.turn import Turn

FOR_CLIENTS: Final = 'Error listening on port: {address}, "{problem}"'
FOR_LEAFS: Final = "Error listening on leafnode port: {port} - {problem}"
FOR_MONITORING: Final = "Can't start monitoring: can't listen to the monitor port: {problem}"
FOR_WEBSOCKET: Final = "Unable to listen for websocket connections: {problem}"


class Listeners:
    """Every listener of the server."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._serving: dict[Listener, asyncio.Task[None]] = {}
        self._closed_pauses = self._closed_held = 0
        self._binding: asyncio.Timeout | None = None  # while one is being opened
        self._gives_up = False
        self.open: list[Listener] = []

    @property
    def pauses(self) -> int:
        """How often accepting had to wait for resources, since start."""
        return self._closed_pauses + sum(listener.pauses for listener in self.open)

    @property
    def held(self) -> int:
        """How often whoever came had to wait for what connections that are gone had left."""
        return self._closed_held + sum(listener.held for listener in self.open)

    async def bind(
        self,
        address: HostPort,
        session_factory: Callable[[], Session],
        *,
        write_rules: WriteRules | None = None,
        problem: str = FOR_CLIENTS,
        on_gone: Callable[[], None] | None = None,
        is_for_messages: bool = True,
    ) -> Listener:
        """Listen on an address; nobody is accepted before `serve`. Raises ListenError, also where
        `give_up` came before the address was known: `problem` says what is not listened for.
        """
        listener = Listener(
            self._turn,
            session_factory,
            write_rules=write_rules,
            on_gone=on_gone,
            has_room=self._has_room if is_for_messages else lambda: True,
        )
        try:
            async with asyncio.timeout(0 if self._gives_up else None) as self._binding:
                await listener.bind(address.host, address.port)
        except OSError as err:
            raise ListenError(problem, address.host, address.port, err) from err
        finally:
            self._binding = None
        self.open.append(listener)
        return listener

    def _has_room(self) -> bool:
        return not self._turn.outbox.left.is_full

    def give_up(self) -> None:
        """Wait for no host name from now on: one may take for ever, and the server ends."""
        self._gives_up = True
        if self._binding is not None and not self._binding.expired():
            self._binding.reschedule(0)

    def serve(self, listener: Listener, tasks: asyncio.TaskGroup) -> None:
        """Accept from now on."""
        self._serving[listener] = tasks.create_task(
            listener.serve(), name=f"listener {listener.port}"
        )

    async def close(self, listener: Listener) -> None:
        """Stop accepting; open connections live on. Closing twice does nothing."""
        serving = self._serving.pop(listener, None)
        if serving is not None:
            serving.cancel()
            # The socket leaves the loop before its number can belong to another one. Whoever is
            # cancelled here leaves it to `close_all`.
            await asyncio.wait([serving])
        if listener in self.open:
            self.open.remove(listener)
            self._closed_pauses += listener.pauses
            self._closed_held += listener.held
            listener.close()

    async def stop(self) -> None:
        """Accept nobody any more, on any of them: who dials from now on is refused."""
        for listener in list(self._serving):
            await self.close(listener)

    def close_all(self) -> None:
        """Close every socket, also of those that never served."""
        for listener in self.open:
            listener.close()
