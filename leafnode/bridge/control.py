"""Requests to the ports of this gateway: which there are, lend one, take it back, look on.

Knows the subjects and who may ask; what happens is the ports'. `$LEAFNODE.REQ.PORTS` asks every
gateway, `$LEAFNODE.REQ.<server>.PORTS` one, `$LEAFNODE.REQ.<server>.PORT.<port>.<verb>` one port.
Truth: docs/serial/tools.md, "Requests".
"""

from __future__ import annotations

import logging
import math
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import msgspec

from leafnode.bridge import port_bounds
from leafnode.bridge.machine import this_machine
from leafnode.bridge.status import row_of
from leafnode.clock import NS_PER_S
from leafnode.routing.answers import Replies

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.devices import Devices
    from leafnode.bridge.runner import PortRunner
    from leafnode.bridge.status import PortStatus
    from leafnode.clock import Clock
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Outbox
    from leafnode.routing.subscription import Delivery, Subscription

_BODY_MAX: Final = 1024

log = logging.getLogger(__name__)


class Ports(Protocol):
    """The ports of a bridge."""

    def port(self, name: str) -> PortRunner | None: ...

    def status(self) -> list[PortStatus]: ...

    @property
    def devices(self) -> Devices: ...


class LendRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of LEND. Whoever names a lease is its holder, and renews it."""

    seconds: float
    lease: Annotated[str, msgspec.Meta(max_length=port_bounds.LEASE_NAME_MAX)] = ""
    holder: Annotated[str, msgspec.Meta(max_length=port_bounds.LEASE_HOLDER_MAX)] = ""


class ReturnRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of RETURN, if it has one: only this lease shall end."""

    lease: str


class PortControl:
    """Answers requests of one account. `allowed`: local (no leaf link's), all or off."""

    def __init__(self, account: Account, clock: Clock, server: str, ports: Ports) -> None:
        self._account = account
        self._clock = clock
        self._server = server
        self._ports = ports
        self._replies = Replies(log, "requests to ports", account)
        self._allowed = "off"
        self._prefix = f"$LEAFNODE.REQ.{server}.PORT."
        self._subs: list[Subscription] = []
        self._list = b""  # of this turn of the loop: everybody who asks in it gets the same

    @property
    def replies_refused(self) -> int:
        return self._replies.refused

    def allow(self, whose: str) -> None:
        """Answer these requests from now on: local, all or off."""
        self._allowed = whose
        if whose != "off" and not self._subs:
            everywhere, here = "$LEAFNODE.REQ.PORTS", f"$LEAFNODE.REQ.{self._server}.PORTS"
            self._subs = [
                self._account.subscribe(everywhere.encode(), self._listed),
                self._account.subscribe(here.encode(), self._listed),
                self._account.subscribe(f"{self._prefix}*.*".encode(), self._asked),
            ]
        elif whose == "off":
            self.stop()

    def stop(self) -> None:
        for sub in self._subs:
            self._account.unsubscribe(sub)
        self._subs = []

    def _listed(self, delivery: Delivery) -> None:
        outbox = delivery.origin.outbox
        if not self._list:
            self._list = self._made(outbox)
            self._clock.call_later(0, self._forget_list)
        work = port_bounds.REQUEST_WORK + len(self._list) // port_bounds.LIST_BYTES_A_WORK
        outbox.work_left -= work * len(delivery.messages)
        for reply, _, _ in delivery.messages:
            if where := self._replies.checked(reply):
                self._account.answer(where, self._list)

    def _made(self, outbox: Outbox) -> bytes:
        rows = [row_of(status) for status in self._ports.status()]
        devices = [asdict(one) for one in self._ports.devices.devices()]
        outbox.work_left -= port_bounds.ROW_WORK * (len(rows) + len(devices))
        return msgspec.json.encode({"server": self._server, "ports": rows, "devices": devices})

    def _forget_list(self) -> None:
        self._list = b""

    def _asked(self, delivery: Delivery) -> None:
        delivery.origin.outbox.work_left -= port_bounds.REQUEST_WORK * len(delivery.messages)
        if not delivery.subject.startswith(self._prefix.encode()):
            return  # what a stream holds comes under the subject that it has there
        if not self._replies.takes(delivery):
            return
        name, verb = delivery.subject[len(self._prefix) :].decode("utf-8", "replace").split(".")
        for named, header_size, body in delivery.messages:
            reply = self._replies.checked(named)
            answer = partial(self._answer, reply, name)
            if delivery.origin.is_leaf and self._allowed != "all":
                answer({"error": "requests over a leaf link need `serial { control: all }`"})
                continue
            port = self._ports.port(name)
            if port is None:
                answer({"error": "there is no such port"})
                continue
            self._do(port, verb, reply, body[header_size:], answer)

    def _do(
        self,
        port: PortRunner,
        verb: str,
        reply: bytes,
        body: bytes,
        answer: Callable[[dict[str, object]], None],
    ) -> None:
        match verb:
            case "LEND":
                _lend(port, body, answer)
            case "RETURN":
                _return(port, body, answer)
            case "MONITOR":
                _monitor(port, reply, answer)
            case "UNMONITOR":
                port.taps.remove(body)
                answer({})
            case _:
                answer({"error": "expected LEND, RETURN, MONITOR or UNMONITOR"})

    def _answer(self, reply: bytes, name: str, values: dict[str, object]) -> None:
        if reply:
            body = msgspec.json.encode({"server": self._server, "port": name, **values})
            self._account.answer(reply, body)


def _lend(port: PortRunner, body: bytes, answer: Callable[[dict[str, object]], None]) -> None:
    try:
        if len(body) > _BODY_MAX:
            raise msgspec.ValidationError("the request is too long")
        wanted = msgspec.json.decode(body, type=LendRequest)
    except msgspec.MsgspecError as err:
        answer({"error": f'expected {{"seconds": 60}}: {err}'})
        return
    seconds = wanted.seconds
    most_s = port_bounds.PORT_LEND_MAX_NS // NS_PER_S
    if not 1 <= seconds <= most_s:
        answer({"error": f"expected 1 to {most_s} seconds"})
        return
    if not wanted.holder.isprintable():  # the log and /healthz show it
        answer({"error": "expected a holder without control characters"})
        return

    def lent() -> None:
        left_s = port.life.lent_ns / NS_PER_S  # somebody may have it for longer
        said = seconds if left_s <= seconds else math.ceil(left_s)
        where = {"path": port.life.path, "machine": this_machine(), "rs485": port.rs485}
        answer({"seconds": said, **where})

    refusal = port.life.lend(
        int(seconds * NS_PER_S), lent, lease=wanted.lease, holder=wanted.holder
    )
    if refusal:
        answer({"error": refusal})


def _return(port: PortRunner, body: bytes, answer: Callable[[dict[str, object]], None]) -> None:
    lease = None
    if body:
        try:
            lease = msgspec.json.decode(body[:_BODY_MAX], type=ReturnRequest).lease
        except msgspec.MsgspecError as err:
            answer({"error": f'expected {{"lease": …}} or nothing: {err}'})
            return
    answer({"was_lent": port.life.take_back(lease)})


def _monitor(port: PortRunner, reply: bytes, answer: Callable[[dict[str, object]], None]) -> None:
    if not reply:
        return  # it is told to nobody else
    if port.taps.add(reply):
        seconds = port_bounds.PORT_MONITOR_NS // NS_PER_S
        answer({"path": port.life.path, "open": port.life.is_open, "seconds": seconds})
    else:
        answer({"error": f"{port_bounds.PORT_MONITORS_MAX} look on already"})
