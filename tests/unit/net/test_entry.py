"""leafnode.net.entry: what a connection passes before its session has it, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from leafnode.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from leafnode.config.listener_options import CertificatePair, ListenerTls
from leafnode.limits import CROWD_PATIENCE_NS, ENTRIES_PER_TURN, ENTRY_HELLO_BYTES_MAX
from leafnode.net.backlog import WriteRules
from leafnode.net.entry import Entrance, Entry
from leafnode.net.listener import ANY_PORT, Listener
from leafnode.net.tcp import TcpConnection
from leafnode.net.tls_context import ServerTls
from leafnode.net.turn import Turn
from tests.sim.certificates import LOCALHOST, Authority
from tests.sim.clock import FakeClock, SlowClock
from tests.sim.sessions import RecordingSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from leafnode.net.transport import Transport

HOST = "127.0.0.1"
THROTTLED = b"-ERR 'Connection throttling is active. Please try again later.'\r\n"
V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


class Greeter(RecordingSession):
    """Says INFO like a server, and counts when it is told that the way in is over."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = 0

    def connected(self, transport: Transport) -> None:
        super().connected(transport)
        transport.write([b"INFO\r\n"])

    def entered(self) -> None:
        self.entries += 1


class Place:
    """A listener with an entrance, and the sessions of those who came."""

    def __init__(self, entrance: Entrance, turn: Turn) -> None:
        self.entrance = entrance
        self.turn = turn
        self.guests: list[Greeter] = []
        self.failed: list[str] = []  # that no guest knew of
        self.came = asyncio.Event()
        self.port = 0

    def session(self) -> object:
        guest = Greeter()
        self.guests.append(guest)
        self.came.set()
        return self.entrance.session(guest, self.on_failed)

    def on_failed(self, wire: Transport, reason: str) -> None:
        self.failed.append(reason)


class Peer:
    """A client made of streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def line(self) -> bytes:
        return await self.reader.readline()

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def secure(self, context: ssl.SSLContext) -> None:
        await self.writer.start_tls(context, server_hostname="localhost")

    async def end(self) -> bytes:
        """Everything until the end."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    authority.server = authority.issue("server", *LOCALHOST)
    authority.joe = authority.issue("joe", x509.RFC822Name("joe@example.org"))
    return authority


def server_tls(authority: Authority, **options: object) -> ServerTls:
    return ServerTls(ListenerTls(pairs=(CertificatePair(*authority.server),), **options))


@asynccontextmanager
async def place(
    tls: ServerTls | None = None,
    *,
    allow_plain: bool = False,
    proxy: bool = False,
    clock: Clock | None = None,
    tls_before_all: bool = False,
) -> AsyncIterator[Place]:
    clock = clock or SystemClock()
    turn = Turn(clock)
    entrance = Entrance(
        clock, tls=tls, allow_plain=allow_plain, proxy=proxy, tls_before_all=tls_before_all
    )
    here = Place(entrance, turn)
    listener = Listener(turn, here.session)
    here.port = await listener.bind(HOST, ANY_PORT)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(listener.serve())
        try:
            yield here
        finally:
            serving.cancel()
            await asyncio.wait([serving])
            listener.close()
            for _ in here.entrance.close_all():
                pass
            for guest in here.guests:
                if guest.transport is not None:
                    guest.transport.abort()
    assert turn.faults == 0
    assert len(here.entrance.open) == 0


@asynccontextmanager
async def peer(where: Place) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection(HOST, where.port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()


@pytest.mark.real_loop
async def test_info_comes_plain_then_tls_then_the_session(authority: Authority) -> None:
    async with place(server_tls(authority)) as here, peer(here) as client:
        assert await client.line() == b"INFO\r\n"

        await client.secure(authority.client())
        client.say(b"hello")

        guest = here.guests[0]
        assert await guest.bytes(5) == b"hello"
        assert guest.entries == 1
        assert guest.wire.tls is not None
        assert guest.wire.tls.version() == "TLSv1.3"
        guest.wire.write([b"x" * 100_000, b"\n"])
        assert await client.reader.readexactly(100_001) == b"x" * 100_000 + b"\n"


@pytest.mark.real_loop
async def test_a_peer_that_speaks_plain_where_tls_is_required_is_cut(authority: Authority) -> None:
    async with place(server_tls(authority)) as here, peer(here) as client:
        assert await client.line() == b"INFO\r\n"
        client.say(b"CONNECT {}\r\nPING\r\n")

        await client.end()
        await here.guests[0].end()

        assert here.guests[0].received_bytes == b""
        assert here.guests[0].lost_reasons == ["TLS Handshake Failure"]
        assert here.entrance.counters.failed == 1


@pytest.mark.parametrize(
    ("said", "allow_plain", "reason"),
    [
        (b"", False, "TLS Handshake Failure"),
        (b"\x16\x03\x01\0", False, "TLS Handshake Failure"),
        (b"", True, ""),
    ],
)
@pytest.mark.real_loop
async def test_a_peer_that_goes_before_tls_has_failed_where_tls_is_required(
    authority: Authority, said: bytes, allow_plain: bool, reason: str
) -> None:
    tls = server_tls(authority, timeout_ns=200 * NS_PER_S)
    async with place(tls, allow_plain=allow_plain) as here:
        async with peer(here) as client:
            assert await client.line() == b"INFO\r\n"
            client.say(said)
        await here.guests[0].end()

        assert here.guests[0].lost_reasons == [reason]
        assert here.entrance.counters.failed == int(bool(reason))


@pytest.mark.real_loop
async def test_a_peer_that_waits_is_cut_at_the_timeout_of_tls(authority: Authority) -> None:
    tls = server_tls(authority, timeout_ns=30 * NS_PER_MS)
    async with place(tls) as here, peer(here) as client:
        assert await client.line() == b"INFO\r\n"
        client.say(b"\x16\x03")

        # What it said after the cut makes a reset of the end: INFO could be lost with it.
        assert await client.end() == b""
        assert here.entrance.counters.overdue == 1


class Reluctant(Turn):
    """Has no time for any read before it is told to."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.is_full = True
        self.kept: list[Callable[[], None]] = []

    def wait_unread(self, read: Callable[[], None], cost_ns: int) -> None:
        del cost_ns
        self.kept.append(read)


@pytest.mark.parametrize(
    ("proxy", "options", "said"),
    [
        (True, {}, b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"),
        (False, {}, b"\x16"),
        (False, {"handshake_first": True, "fallback_ns": 50 * NS_PER_MS}, b"\x16"),
    ],
)
@pytest.mark.real_loop
async def test_whose_bytes_wait_to_be_read_is_not_late(
    authority: Authority, proxy: bool, options: dict[str, object], said: bytes
) -> None:
    clock = FakeClock()
    turn = Reluctant(clock)
    entrance = Entrance(clock, tls=server_tls(authority, **options), proxy=proxy)
    guests, others, wires = [Greeter(), Greeter()], [], []
    for guest in guests:
        here, other = socket.socketpair()
        here.setblocking(False)
        session = entrance.session(guest)
        wires.append(TcpConnection(turn, session, here, write_rules=WriteRules()))
        wires[-1].begin()
        others.append(other)
    others[0].send(said)
    for _ in range(100):
        await asyncio.sleep(0)
    assert turn.kept

    clock.advance(2 * entrance.budget_ns)
    assert entrance.counters.overdue == 1  # who said nothing
    assert guests[1].transport is None or guests[1].lost_reasons
    if options:
        assert guests[0].transport is None  # no INFO before TLS

    turn.kept.pop()()
    assert (len(entrance.open), entrance.counters.failed) == (1, 0)
    for wire, other in zip(wires, others, strict=True):
        wire.abort()
        other.close()
    clock.turn()


@pytest.mark.real_loop
async def test_with_handshake_first_nothing_is_said_before_tls(authority: Authority) -> None:
    tls = server_tls(authority, handshake_first=True)
    async with place(tls) as here, peer(here) as client:
        await asyncio.sleep(0.02)
        assert here.guests[0].transport is None

        await client.secure(authority.client())

        assert await client.line() == b"INFO\r\n"
        assert here.guests[0].entries == 0


@pytest.mark.real_loop
async def test_with_handshake_first_a_plain_peer_learns_nothing(authority: Authority) -> None:
    tls = server_tls(authority, handshake_first=True)
    async with place(tls) as here, peer(here) as client:
        client.say(b"CONNECT {}\r\n")

        assert b"INFO" not in await client.end()
        assert here.guests[0].lost_reasons == []


@pytest.mark.real_loop
async def test_handshake_first_with_a_delay_serves_both(authority: Authority) -> None:
    tls = server_tls(authority, handshake_first=True, fallback_ns=30 * NS_PER_MS)
    clock = SlowClock()
    async with place(tls, clock=clock) as here:
        async with peer(here) as first:
            await first.secure(authority.client())
            assert await first.line() == b"INFO\r\n"

        assert clock.pending() == 0
        async with peer(here) as waiting:
            while not clock.pending():  # noqa: ASYNC110 -- until it has come in
                await asyncio.sleep(0)
            clock.advance(30 * NS_PER_MS)
            assert await waiting.line() == b"INFO\r\n"
            await waiting.secure(authority.client())
            waiting.say(b"hi")
            assert await here.guests[1].bytes(2) == b"hi"


@pytest.mark.real_loop
async def test_allow_non_tls_serves_both_on_one_port(authority: Authority) -> None:
    async with (
        place(server_tls(authority), allow_plain=True) as here,
        peer(here) as plain,
        peer(here) as secure,
    ):
        assert await plain.line() == b"INFO\r\n"
        plain.say(b"CONNECT")
        assert await here.guests[0].bytes(7) == b"CONNECT"
        assert here.guests[0].wire.tls is None

        assert await secure.line() == b"INFO\r\n"
        await secure.secure(authority.client())
        secure.say(b"CONNECT")
        assert await here.guests[1].bytes(7) == b"CONNECT"
        assert here.guests[1].wire.tls is not None


@pytest.mark.real_loop
async def test_verify_wants_a_certificate_of_the_authority(
    authority: Authority, tmp_path: Path
) -> None:
    tls = server_tls(authority, verify=True, ca_file=authority.ca_file)
    stranger = Authority(tmp_path, "other").issue("stranger")
    async with place(tls) as here, peer(here) as joe, peer(here) as nobody, peer(here) as other:
        await joe.line()
        await joe.secure(authority.client(authority.joe))
        joe.say(b"hi")
        assert await here.guests[0].bytes(2) == b"hi"
        facts = here.guests[0].wire.tls
        assert facts is not None
        assert facts.names()["subjectAltName"] == (("email", "joe@example.org"),)
        assert facts.names()["subject"] == ((("commonName", "joe"),),)

        for index, (refused, context) in enumerate(
            [(nobody, authority.client()), (other, authority.client(stranger))], start=1
        ):
            await refused.line()
            with suppress(ssl.SSLError, ConnectionError):  # TLS 1.3 tells it after the handshake
                await refused.secure(context)
            await here.guests[index].end()
            assert here.guests[index].received_bytes == b""


def pin_of(cert_file: str) -> str:
    certificate = x509.load_pem_x509_certificate(Path(cert_file).read_bytes())
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(key).hexdigest()


@pytest.mark.real_loop
async def test_only_a_pinned_certificate_comes_in(authority: Authority) -> None:
    ann = authority.issue("ann")
    pins = frozenset({pin_of(authority.joe[0])})
    tls = server_tls(authority, verify=True, ca_file=authority.ca_file, pinned_certs=pins)
    async with place(tls) as here, peer(here) as pinned, peer(here) as unpinned:
        await pinned.line()
        await pinned.secure(authority.client(authority.joe))
        pinned.say(b"hi")
        assert await here.guests[0].bytes(2) == b"hi"

        await unpinned.line()
        await unpinned.secure(authority.client(ann))
        unpinned.say(b"hi")
        await here.guests[1].end()
        assert here.guests[1].received_bytes == b""


@pytest.mark.real_loop
async def test_new_certificates_hold_for_new_connections_and_no_open_one_ends(
    authority: Authority, tmp_path: Path
) -> None:
    tls = server_tls(authority)
    other = Authority(tmp_path, "other")
    async with place(tls) as here, peer(here) as old, peer(here) as new:
        await old.line()
        await old.secure(authority.client())
        options = ListenerTls(pairs=(CertificatePair(*other.issue("s2", *LOCALHOST)),))

        tls.apply(options, tls.prepare(options))

        old.say(b"still here")
        assert await here.guests[0].bytes(10) == b"still here"
        await new.line()
        await new.secure(other.client())
        new.say(b"hi")
        assert await here.guests[1].bytes(2) == b"hi"


@pytest.mark.real_loop
async def test_more_handshakes_in_a_second_than_allowed_are_refused(authority: Authority) -> None:
    async with (
        place(server_tls(authority, rate_limit=1)) as here,
        peer(here) as one,
        peer(here) as two,
    ):
        await one.line()
        await one.secure(authority.client())
        await two.line()
        two.say(b"\x16\x03\x01\x00\x01")

        assert await two.end() == (
            b"-ERR 'Connection throttling is active. Please try again later.'\r\n"
        )
        assert here.entrance.counters.throttled == 1


def v2(command: int, family: int, address: bytes) -> bytes:
    return (
        V2_SIGNATURE + bytes((0x20 | command, family)) + len(address).to_bytes(2, "big") + address
    )


PROXIED = [
    (b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 4222\r\n", "192.0.2.1:5000"),
    (b"PROXY TCP6 2001:db8::1 ::1 5000 4222\r\n", "2001:db8::1:5000"),
    (v2(1, 0x11, socket.inet_aton("192.0.2.1") * 2 + b"\x13\x88\x10\x7e"), "192.0.2.1:5000"),
]


@pytest.mark.real_loop
@pytest.mark.parametrize(("header", "source"), PROXIED)
@pytest.mark.parametrize("chop", [1, 1000])
async def test_the_address_that_a_proxy_names_is_shown(
    header: bytes, source: str, chop: int
) -> None:
    async with place(proxy=True) as here, peer(here) as client:
        assert await client.line() == b"INFO\r\n"
        assert here.guests[0].wire.peer == ""
        data = header + b"CONNECT"
        for at in range(0, len(data), chop):
            client.say(data[at : at + chop])
            await asyncio.sleep(0)

        assert await here.guests[0].bytes(7) == b"CONNECT"
        assert here.guests[0].wire.peer == source
        assert here.guests[0].entries == 1


@pytest.mark.real_loop
@pytest.mark.parametrize(
    "header", [b"PROXY UNKNOWN\r\n", v2(0, 0, b""), v2(0, 0x11, b"x" * 12), b""]
)
async def test_a_proxy_that_speaks_for_itself_is_shown_itself(header: bytes) -> None:
    async with place(proxy=True) as here, peer(here) as client:
        client.say(header + b"CONNECT {}\r\n")

        assert await here.guests[0].bytes(12) == b"CONNECT {}\r\n"
        own = client.writer.get_extra_info("sockname")
        assert here.guests[0].wire.peer == f"{own[0]}:{own[1]}"


@pytest.mark.real_loop
@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 nowhere 10.0.0.1 5000 4222\r\n",
        b"PROXY " + b"x" * 200,
        V2_SIGNATURE[:8] + b"12345678",
        v2(1, 0x11, b"short"),
        v2(1, 0x11, b"x" * 5000),
    ],
)
async def test_a_broken_header_ends_the_connection(
    header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with place(proxy=True) as here, peer(here) as client:
        client.say(header)

        await client.end()
        await here.guests[0].end()

        assert here.guests[0].lost_reasons == ["Protocol Violation"]
    assert "Error reading PROXY protocol header from 127.0.0.1:" in caplog.text


@pytest.mark.real_loop
async def test_tls_comes_behind_a_proxy_header(authority: Authority) -> None:
    async with (
        place(server_tls(authority), proxy=True, allow_plain=True) as here,
        peer(here) as secure,
        peer(here) as plain,
    ):
        await secure.line()
        secure.say(PROXIED[0][0])
        await secure.secure(authority.client())
        secure.say(b"hi")
        assert await here.guests[0].bytes(2) == b"hi"
        assert here.guests[0].wire.peer == "192.0.2.1:5000"

        await plain.line()
        plain.say(PROXIED[0][0] + b"CONNECT")
        assert await here.guests[1].bytes(7) == b"CONNECT"
        assert here.guests[1].wire.tls is None


@pytest.mark.real_loop
@pytest.mark.parametrize(
    ("proxy", "said", "reason"),
    [
        (False, b"garbage\r\n\r\n", "TLS Handshake Failure"),
        (False, b"", "TLS Handshake Failure"),
        (True, b"PROXY JUNK\r\n", "Protocol Violation"),
        (True, b"", "Protocol Violation"),
        (True, PROXIED[0][0] + b"garbage\r\n\r\n", "TLS Handshake Failure"),
    ],
)
async def test_what_fails_before_a_guest_knows_of_it_is_told(
    authority: Authority, *, proxy: bool, said: bytes, reason: str
) -> None:
    tls = server_tls(authority, handshake_first=True)
    async with place(tls, proxy=proxy) as here, peer(here) as client:
        client.say(said)
        client.writer.write_eof()
        await client.end()

    assert here.failed == [reason]
    assert here.guests[0].lost_reasons == []


@pytest.mark.real_loop
@pytest.mark.parametrize("said", [b"PROXY JUNK\r\n", b""])
async def test_a_guest_that_greeted_learns_that_no_proxy_header_came(said: bytes) -> None:
    async with place(proxy=True) as here, peer(here) as client:
        client.say(said)
        client.writer.write_eof()
        await client.end()
        await here.guests[0].end()

    assert here.failed == []
    assert here.guests[0].lost_reasons == ["Protocol Violation"]
    assert here.guests[0].wire.peer.startswith("127.0.0.1:"), "of the proxy"


@pytest.mark.real_loop
async def test_garbage_ends_connections_and_nothing_else(authority: Authority, seed: int) -> None:
    random = Random(seed)
    starts = [
        b"",
        b"\x16\x03\x01",
        b"PROXY ",
        V2_SIGNATURE,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ]
    async with place(server_tls(authority), proxy=True) as here:
        for _ in range(200):
            async with peer(here) as client:
                client.say(random.choice(starts) + random.randbytes(random.randrange(1, 300)))
                client.writer.write_eof()
                await client.end()
        async with peer(here) as client:
            await client.line()
            client.say(PROXIED[0][0])
            await client.secure(authority.client())
            client.say(b"hi")
            assert await here.guests[-1].bytes(2) == b"hi"


def test_failed_handshakes_are_told_once_a_second_and_probes_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    clock.advance(NS_PER_S)
    entrance = Entrance(clock)

    entrance.note_failure("p:0", "gone", is_probe=True)
    for port in (1, 2, 3):
        entrance.note_failure(f"p:{port}", "no shared cipher", is_probe=False)
    clock.advance(NS_PER_S)
    entrance.note_failure("p:4", "wrong version", is_probe=False)

    assert [record.getMessage() for record in caplog.records] == [
        "p:1 - TLS handshake error: no shared cipher",
        "p:4 - TLS handshake error: wrong version (2 more were not logged)",
    ]
    assert entrance.counters.failed == 5


def test_handshakes_take_turns() -> None:
    clock = FakeClock()
    entrance = Entrance(clock)
    order: list[int] = []

    for number in range(3):
        entrance.in_turn(Waiting(order, number), "10.0.0.1")
    clock.call_later(0, lambda: order.append(-1))

    clock.advance(0)

    assert order == [0, -1, 1, 2]


def test_addresses_take_turns_with_their_handshakes() -> None:
    clock = FakeClock()
    entrance = Entrance(clock)
    order: list[int] = []

    for number in range(6):
        entrance.in_turn(Waiting(order, number), "10.0.0.2" if number == 5 else "10.0.0.1")
    clock.advance(0)

    assert order == [0, 5, 1, 2, 3, 4]


def test_handshakes_of_who_is_gone_keep_nobody_waiting() -> None:
    clock = FakeClock()
    entrance = Entrance(clock)
    order: list[int] = []

    for number in range(2 * ENTRIES_PER_TURN):
        entrance.in_turn(Waiting(order, number, is_there=number > ENTRIES_PER_TURN + 3), "10.0.0.1")
    clock.call_later(0, lambda: order.append(-1))

    clock.advance(0)

    assert order == [-1, *range(ENTRIES_PER_TURN + 4, 2 * ENTRIES_PER_TURN)]
    assert clock.pending() == 0


def test_beyond_so_many_handshakes_the_next_begins_when_one_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("leafnode.net.entry.HANDSHAKES_MAX", 2)
    clock = FakeClock()
    entrance = Entrance(clock)
    order: list[int] = []
    entries = [Waiting(order, number) for number in range(4)]
    for entry in entries:
        entrance.in_turn(entry, "10.0.0.1")

    clock.advance(CROWD_PATIENCE_NS // 2)
    assert order == [0, 1]
    entrance.leave(entries[1])
    clock.advance(0)
    assert order == [0, 1, 2]
    clock.advance(CROWD_PATIENCE_NS)

    assert order == [0, 1, 2, 3]
    assert [entry.ended for entry in entries] == [True, False, False, False]
    assert entrance.counters.evicted == 1
    entrance.leave(entries[2])
    entrance.leave(entries[3])
    assert clock.pending() == 0


@pytest.mark.real_loop
async def test_in_a_full_entrance_a_newcomer_is_told_to_come_again(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leafnode.net.entry.ENTRIES_MAX", 2)
    monkeypatch.setattr("leafnode.net.entry.CROWD_PATIENCE_NS", 3600 * NS_PER_S)
    async with (
        place(server_tls(authority)) as here,
        peer(here) as one,
        peer(here) as two,
    ):
        assert await one.line() == b"INFO\r\n"
        assert await two.line() == b"INFO\r\n"
        async with peer(here) as three:
            assert await three.end() == THROTTLED
        assert here.entrance.counters.evicted == 1
        await two.secure(authority.client())
        async with peer(here) as four:
            assert await four.line() == b"INFO\r\n"
            await four.secure(authority.client())
        await one.secure(authority.client())


@pytest.mark.real_loop
async def test_who_is_silent_on_the_way_in_locks_nobody_out(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leafnode.net.entry.ENTRIES_MAX", 2)
    monkeypatch.setattr("leafnode.net.entry.CROWD_PATIENCE_NS", 0)
    async with (
        place(server_tls(authority)) as here,
        peer(here) as one,
        peer(here) as two,
        peer(here) as three,
    ):
        assert await one.line() == b"INFO\r\n"
        assert await two.line() == b"INFO\r\n"
        assert await three.line() == b"INFO\r\n"
        await three.secure(authority.client())

        assert await one.end() == b""
        assert here.guests[0].lost_reasons == [""]
        await two.secure(authority.client())
        assert here.entrance.open.evicted == 1


@pytest.mark.real_loop
async def test_who_sends_more_than_a_handshake_begins_with_is_cut(authority: Authority) -> None:
    tls = server_tls(authority, handshake_first=True)
    async with place(tls) as here, peer(here) as one:
        one.say(b"\x16" * (ENTRY_HELLO_BYTES_MAX + 1))

        assert await one.end() == b""
        assert here.entrance.counters.failed == 1


@pytest.mark.real_loop
async def test_a_handshake_that_waits_its_turn_outlives_the_tls_that_a_reload_takes_away(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Entrance.in_turn

    def reloaded(entrance: Entrance, entry: Entry, address: str) -> None:
        begin(entrance, entry, address)
        entrance.tls = None

    monkeypatch.setattr(Entrance, "in_turn", reloaded)
    async with place(server_tls(authority)) as here, peer(here) as client:
        await client.line()
        await client.secure(authority.client())
        client.say(b"hello")

        assert await here.guests[0].bytes(5) == b"hello"


@pytest.mark.real_loop
@pytest.mark.parametrize("proxy", [False, True])
async def test_who_was_told_of_tls_may_begin_with_it_after_a_reload_took_it_away(
    authority: Authority, *, proxy: bool
) -> None:
    async with place(server_tls(authority), proxy=proxy) as here, peer(here) as client:
        await client.line()
        here.entrance.tls = None
        if proxy:
            client.say(b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n")
        await client.secure(authority.client())
        client.say(b"hello")

        assert await here.guests[0].bytes(5) == b"hello"


@pytest.mark.real_loop
@pytest.mark.parametrize("first", [False, True])
async def test_who_speaks_plain_after_a_reload_took_tls_away_is_heard(
    authority: Authority, *, first: bool
) -> None:
    tls = server_tls(authority, handshake_first=first)
    async with place(tls) as here, peer(here) as client:
        await here.came.wait()
        here.entrance.tls = None
        client.say(b"hello")

        assert await client.line() == b"INFO\r\n"
        assert await here.guests[0].bytes(5) == b"hello"


class Waiting(Entry):
    """One of many on the way in, without a connection."""

    def __init__(self, order: list[int], number: int, *, is_there: bool = True) -> None:
        self.ended = False
        self._order = order
        self._number = number
        self._is_there = is_there

    def is_ready(self) -> bool:
        return self._is_there

    def shake(self) -> None:
        self._order.append(self._number)

    def end(self, reason: str) -> None:
        del reason
        self.ended = True


def test_what_the_way_in_may_take_is_the_sum_of_its_parts(authority: Authority) -> None:
    tls = server_tls(authority, timeout_ns=NS_PER_S)

    assert Entrance(FakeClock()).budget_ns == 0
    assert Entrance(FakeClock(), tls=tls).budget_ns == NS_PER_S
    assert Entrance(FakeClock(), tls=tls, proxy=True).budget_ns == 6 * NS_PER_S


@pytest.mark.real_loop
@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n\r\n", b"POST /a HTTP/1.0\r\n"])
async def test_plain_http_is_told_that_it_came_to_https(authority: Authority, start: bytes) -> None:
    async with place(server_tls(authority), tls_before_all=True) as here, peer(here) as client:
        client.say(start)

        answer = await client.end()

        told = b"Client sent an HTTP request to an HTTPS server.\n"
        assert answer == b"HTTP/1.0 400 Bad Request\r\n\r\n" + told
        assert here.guests[0].received_bytes == b""
        assert here.entrance.counters.failed == 1
