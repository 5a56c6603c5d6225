"""A NATS server as simple as one can be: every message is held against every subscription.

Says what each client must get. Where the real one may choose (the member of a queue group, the
subscription that gets a 503) it says what there is to choose from.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from tests.oracle.matcher import is_literal, is_subject, matches
from tests.oracle.parser import Malformed, Operation, parse, parse_deliveries


@dataclass
class Sub:
    """One subscription."""

    subject: bytes
    queue: bytes
    max_msgs: int = 0
    delivered: int = 0


@dataclass
class Stretch:
    """What comes between two lines that are no messages: messages in order for each plain sid."""

    plain: dict[bytes, list[Operation]] = field(default_factory=dict)


@dataclass
class Client:
    """One client: its options, its subscriptions, and what it must get."""

    verbose: bool = True
    pedantic: bool = True
    echo: bool = True
    headers: bool = False
    no_responders: bool = False
    closed: bool = False
    subs: dict[bytes, Sub] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=lambda: [Stretch()])

    def line(self, text: bytes) -> None:
        self.lines.append(text)
        self.stretches.append(Stretch())

    def message(self, sid: bytes, message: Operation) -> None:
        self.stretches[-1].plain.setdefault(sid, []).append(message)


class Server:
    """All clients of one account."""

    def __init__(self, clients: int) -> None:
        self.clients = [Client() for _ in range(clients)]
        self.to_groups: Counter[tuple[bytes, bytes]] = Counter()  # (queue, payload) handed out
        self.statuses = [0] * clients  # 503s that each client must get

    def says(self, index: int, stream: bytes) -> None:
        """Take whole operations of one client."""
        client = self.clients[index]
        if client.closed:
            return
        broken = None
        try:
            operations = parse(stream)
        except Malformed as malformed:
            operations, broken = malformed.operations, malformed.broken
        for operation in operations:
            if not client.closed:
                self._do(index, client, operation)
        if broken is not None and not client.closed:
            # HPUB is refused by its line already, without a word, where headers were not agreed on.
            if broken.verb != b"HPUB" or client.headers:
                self._judge(client, broken.arguments[0])
                client.line(b"-ERR 'Unknown Protocol Operation'")
            client.closed = True
            client.subs.clear()

    def _do(self, index: int, client: Client, operation: Operation) -> None:
        arguments = operation.arguments
        match operation.verb:
            case b"PING":
                client.line(b"PONG")
            case b"CONNECT":
                for name, value in json.loads(arguments[0]).items():
                    setattr(client, name, value)
                client.subs.clear()
                self._ok(client)
            case b"SUB":
                self._sub(client, arguments[0], b"".join(arguments[1:-1]), arguments[-1])
            case b"UNSUB":
                self._unsub(client, arguments[0], int(arguments[1]) if arguments[1:] else 0)
            case _:
                self._publish(index, client, operation)

    def _ok(self, client: Client) -> None:
        if client.verbose:
            client.line(b"+OK")

    def _sub(self, client: Client, subject: bytes, queue: bytes, sid: bytes) -> None:
        if sid not in client.subs:
            if not is_subject(subject):
                client.line(b"-ERR 'Invalid Subject'")
                return
            client.subs[sid] = Sub(subject, queue)
        self._ok(client)

    def _unsub(self, client: Client, sid: bytes, max_msgs: int) -> None:
        sub = client.subs.get(sid)
        if sub is not None:
            if max_msgs > sub.delivered:
                sub.max_msgs = max_msgs
            else:
                del client.subs[sid]
        self._ok(client)

    def _publish(self, index: int, client: Client, operation: Operation) -> None:
        if operation.verb == b"HPUB" and not client.headers:
            client.closed = True  # without a word
            client.subs.clear()
            return
        subject = operation.arguments[0]
        sizes = 2 if operation.verb == b"HPUB" else 1
        reply = b"".join(operation.arguments[1:-sizes])
        header_size = int(operation.arguments[-2]) if sizes == 2 else 0
        self._judge(client, subject)
        self._ok(client)
        received = is_subject(subject) and self._route(
            client, subject, reply, header_size, operation.payload
        )
        if not received and reply and client.no_responders:
            candidates = [
                sid
                for sid, sub in client.subs.items()
                if not sub.queue and is_subject(reply) and matches(sub.subject, reply)
            ]
            self.statuses[index] += bool(candidates)

    def _judge(self, client: Client, subject: bytes) -> None:
        if client.pedantic and not (is_subject(subject) and is_literal(subject)):
            client.line(b"-ERR 'Invalid Publish Subject'")

    def _route(
        self, origin: Client, subject: bytes, reply: bytes, header_size: int, payload: bytes
    ) -> bool:
        groups = set()
        received = False
        for client in self.clients:
            if client is origin and not client.echo:
                continue
            for sid, sub in list(client.subs.items()):
                if not matches(sub.subject, subject):
                    continue
                if sub.queue:
                    groups.add(sub.queue)
                    continue
                received = True
                message = _delivery(client, subject, sid, reply, header_size, payload)
                client.message(sid, message)
                sub.delivered += 1
                if sub.max_msgs and sub.delivered >= sub.max_msgs:
                    del client.subs[sid]
        for queue in groups:
            self.to_groups[queue, payload[header_size:]] += 1
        return received or bool(groups)


def _delivery(
    client: Client, subject: bytes, sid: bytes, reply: bytes, header_size: int, payload: bytes
) -> Operation:
    names = [subject, sid, reply] if reply else [subject, sid]
    if header_size and client.headers:
        sizes = [b"%d" % header_size, b"%d" % len(payload)]
        return Operation(b"HMSG", names + sizes, payload)
    payload = payload[header_size:]
    return Operation(b"MSG", [*names, b"%d" % len(payload)], payload)


@dataclass
class Observed:
    """What a client really got, sorted the way `Client` says what it must get."""

    lines: list[bytes]
    stretches: list[Stretch]
    statuses: int
    group_payloads: list[tuple[bytes, bytes]]


def observe(stream: bytes, queue_of: dict[bytes, bytes]) -> Observed:
    """Sort a client's incoming stream. `queue_of` names the queue of each sid, empty for none."""
    seen = Observed([], [Stretch()], 0, [])
    for delivery in parse_deliveries(stream):
        if delivery.verb not in (b"MSG", b"HMSG"):
            seen.lines.append(delivery.verb)
            seen.stretches.append(Stretch())
            continue
        sid = delivery.arguments[1]
        header_size = int(delivery.arguments[-2]) if delivery.verb == b"HMSG" else 0
        if delivery.payload.startswith(b"NATS/1.0 503"):
            seen.statuses += 1
        elif queue_of.get(sid):
            seen.group_payloads.append((queue_of[sid], delivery.payload[header_size:]))
        else:
            seen.stretches[-1].plain.setdefault(sid, []).append(delivery)
    return seen
