"""A port of the server that is lent to this program: for as long as that is there.

Knows the requests LEND and RETURN; not what is done with the port. Whoever is killed renews no
more, and the server has its port back. Truth: docs/serial/tools.md, "Requests".
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

from leafnode.bridge import port_bounds
from leafnode.bridge.machine import this_machine
from leafnode.cli import shown
from leafnode.cli.nats.errors import NatsError
from leafnode.cli.ports.errors import PortError
from leafnode.cli.programs import ended_by_signals
from leafnode.clock import NS_PER_S, SystemClock
from leafnode.errors import LeafnodeError
from leafnode.nuid import nuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.cli.nats.client import Client
    from leafnode.clock import Clock

LEASE_S: Final = 30.0
_RENEW_S: Final = 10.0  # two may be missed
_END_S: Final = 2.0  # that a renewal under way may take yet
_SHORTEST_S: Final = 1.0  # that a server lends


@contextlib.contextmanager
def lent(
    client: Client,
    port: str,
    holder: str,
    *,
    most_s: float | None = None,
    opens_it: bool = False,
) -> Iterator[str]:
    """Have a port lent for as long as it takes, and give its path; for `most_s` at most.

    `opens_it`: by this program, as a plain line: not one where the server moves RTS to speak.
    The client is the lease's meanwhile. SIGTERM and SIGHUP end this program by SystemExit, so the
    port goes back. Raises LeafnodeError.
    """
    with ended_by_signals():
        lease = Lease(client, port, holder, SystemClock(), _said, most_s=most_s, opens_it=opens_it)
        try:
            yield lease.begin()
        finally:
            lease.end()


def ask(client: Client, port: str, verb: str, request: object = None) -> dict[str, Any]:
    """Ask the server for something of one of its ports. Raises LeafnodeError."""
    subject = f"$LEAFNODE.REQ.{client.server}.PORT.{port_token(port)}.{verb}"
    return client.ask_json(subject, request, timeout_s=10)


def port_token(port: str) -> str:
    """Return a port's name as a token of a subject. Raises PortError."""
    if not port or any(char in ".*>" or not char.isprintable() or char == " " for char in port):
        raise PortError(f"{port}: expected the name of a port of the server")
    return port


class Lease:
    """One lending that is ours. A thread renews it between `begin` and `end`."""

    def __init__(
        self,
        client: Client,
        port: str,
        holder: str,
        clock: Clock,
        tell: Callable[[str], None],
        *,
        most_s: float | None = None,
        opens_it: bool = False,
    ) -> None:
        self._client = client
        self._port = port
        self._clock = clock
        self._tell = tell
        self._name = nuid(SystemRandom())
        self._holder = _named(holder)
        self._until_ns = None if most_s is None else clock.monotonic_ns() + int(most_s * NS_PER_S)
        self._opens_it = opens_it
        self._is_asked_for = False
        self._is_failing = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_over, name="lease", daemon=True)

    def begin(self) -> str:
        """Have the port lent; return its path. Raises LeafnodeError; `end` is due all the same."""
        self._is_asked_for = True
        try:
            answer = self._ask(self._left_s())
        except NatsError:
            self._is_asked_for = False
            raise
        self._thread.start()
        path = str(answer["path"])
        if not path:
            raise PortError(f"{self._port}: its device is not there")
        if self._opens_it and answer.get("rs485") == "rts":
            raise PortError(
                f"{self._port}: RS-485 of mode rts, which only the server switches: with RTS up "
                "its adapter would speak all the time, and hear nothing"
            )
        machines = {answer.get("machine", ""), this_machine()} - {""}
        if len(machines) > 1 and path.startswith("/"):
            raise PortError(f"{self._port}: {path} is of another machine: run this there")
        return path

    def end(self) -> None:
        """Give it back. What keeps us from that is told: the server has it back in a while."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(_END_S)
        if not self._is_asked_for:
            return
        self._is_asked_for = False
        try:
            if self._thread.is_alive():  # it waits for the server, and has the client
                raise NatsError("the server does not answer")
            ask(self._client, self._port, "RETURN", {"lease": self._name})
        except (LeafnodeError, OSError) as err:
            self._tell(f"{self._port} was not given back: {err}")

    def renew(self) -> float | None:
        """Have it lent for longer; return when to do that again (s), None: its time is over."""
        left_s = self._left_s()
        if left_s < _SHORTEST_S:
            self._tell(f"the time is over: the server opens {self._port} again")
            return None
        try:
            try:
                self._ask(left_s)
            except (LeafnodeError, OSError):  # the server may be another one by now
                self._client.reconnect()
                self._ask(left_s)
        except (LeafnodeError, OSError) as err:
            if not self._is_failing:
                self._tell(f"{self._port} is not lent for longer: {err}")
            self._is_failing = True
        else:
            if self._is_failing:
                self._tell(f"{self._port} is lent again")
            self._is_failing = False
        return self._pause_s()

    def _renew_until_over(self) -> None:
        pause_s: float | None = self._pause_s()
        while pause_s is not None and not self._over.wait(pause_s):
            pause_s = self.renew()

    def _pause_s(self) -> float:
        return min(_RENEW_S, self._left_s())

    def _left_s(self) -> float:
        """How long it may be lent yet, LEASE_S at most."""
        if self._until_ns is None:
            return LEASE_S
        return min(LEASE_S, max(0, self._until_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def _ask(self, seconds: float) -> dict[str, Any]:
        request = {"seconds": seconds, "lease": self._name, "holder": self._holder}
        return ask(self._client, self._port, "LEND", request)


def _named(holder: str) -> str:
    """Return who has it, for people elsewhere."""
    who = f", pid {os.getpid()} on {socket.gethostname()}"
    return shown.printable(holder)[: port_bounds.LEASE_HOLDER_MAX - len(who)] + who


def _said(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be what is gone
        shown.say(f"leafnode: {text}", error=True)
