"""leafnode.net.websocket with a client handler above and a memory link below."""

from __future__ import annotations

import struct
from random import Random
from typing import TYPE_CHECKING

import pytest

from leafnode.clients.handler import ClientHandler
from leafnode.clients.websocket import close_code
from leafnode.clock import NS_PER_S
from leafnode.config.options import Authorization, Options
from leafnode.crowd import Crowd
from leafnode.limits import (
    CROWD_PATIENCE_NS,
    READ_CHUNK_BYTES,
    UNREAD_WATCH_NS,
    WEBSOCKET_CLOSE_NS,
    WEBSOCKET_HANDSHAKE_NS,
)
from leafnode.net.turn import Turn
from leafnode.net.websocket import WebSocketPort
from leafnode.net.websocket_handshake import HandshakeRules
from tests.sim.clients import HOST, ClientWorld, RawClient
from tests.sim.garbage import left_by
from tests.sim.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    DEFLATE,
    PING,
    PONG,
    TEXT,
    Seen,
    frame,
    frames,
    packed,
    request,
)

if TYPE_CHECKING:
    from leafnode.net.transport import Session

WS_PORT = 8080
CONNECT = b'CONNECT {"verbose":false,"pedantic":false}\r\n'


class World(ClientWorld):
    """A server of clients over WebSocket, beside the one for plain clients."""

    def __init__(self, options: Options | None = None, **rules: object) -> None:
        super().__init__(options)
        server = self.server
        self.port = WebSocketPort(
            turn=server.turn,
            rules=HandshakeRules(**rules),
            handshake_timeout_ns=WEBSOCKET_HANDSHAKE_NS,
            message_bytes_max=server.options.max_payload_bytes + 4096,
            close_code=close_code,
        )
        self.network.listen(
            server.turn,
            lambda: self.port.session(lambda: ClientHandler(server.seams)),
            host=HOST,
            port=WS_PORT,
        )

    def dial(self) -> Browser:
        return Browser(self)

    def browser(self, headers: dict[str, str | None] | None = None) -> Browser:
        """One whose handshake is over and who has read INFO."""
        browser = self.dial()
        head, _, rest = browser.says(request(headers)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        (info,) = frames(rest)
        assert info.data.startswith(b"INFO {")
        browser.info = info
        return browser


class Browser:
    """The other end: raw bytes, and frames once the handshake is over."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.raw = RawClient()
        self.end, self.link = world.network.connect(self.raw, HOST, WS_PORT)
        self.info = Seen(0, b"")

    def says(self, data: bytes) -> bytes:
        self.end.write([data])
        self._world.settle()
        return self.raw.take()

    def sends(self, *data: bytes) -> list[Seen]:
        return frames(self.says(b"".join(data)))

    def logs_in(self) -> Browser:
        assert self.sends(frame(BINARY, CONNECT + b"PING\r\n"))[0].data == b"PONG\r\n"
        return self


def test_the_handshake_is_answered_and_info_comes_in_a_frame() -> None:
    browser = World().browser()

    assert browser.info.opcode == BINARY
    assert browser.sends(frame(TEXT, CONNECT + b"PING\r\n")) == [Seen(BINARY, b"PONG\r\n")]


def test_a_message_goes_from_a_plain_client_to_a_browser_and_back() -> None:
    world = World()
    browser = world.browser().logs_in()
    plain = world.client()
    assert browser.sends(frame(BINARY, b"SUB a 1\r\n")) == []

    plain.says(b"SUB b 9\r\nPUB a 5\r\nhello\r\n")

    assert frames(browser.raw.take()) == [Seen(BINARY, b"MSG a 1 5\r\nhello\r\n")]
    browser.sends(frame(BINARY, b"PUB b 2\r\nhi\r\n"))
    assert plain.hears() == b"MSG b 9 2\r\nhi\r\n"


def test_silent_connections_make_room_for_who_comes_last() -> None:
    world = World()
    world.port.shaking = Crowd(20, CROWD_PATIENCE_NS)
    open_one = world.browser()
    silent = [world.dial() for _ in range(20)]
    world.settle()
    assert world.port.shaking.evicted == 0
    early = world.dial()
    world.settle()
    assert (early.raw.ended, world.port.shaking.evicted) == (True, 1)
    world.clock.advance(CROWD_PATIENCE_NS)

    browser = world.browser()

    assert browser.logs_in().raw.ended is False
    assert [one.raw.ended for one in silent[:2]] == [True, False]
    assert open_one.logs_in().raw.ended is False
    assert (world.port.shaking.evicted, len(world.port.shaking)) == (2, 19)


def test_who_is_through_refused_late_or_gone_holds_no_place() -> None:
    world = World()
    world.browser()
    world.dial().says(b"GET / HTTP/1.1\r\n\r\n")
    world.dial().end.close()
    world.settle()
    assert len(world.port.shaking) == 0

    late = world.dial()
    world.clock.advance(WEBSOCKET_HANDSHAKE_NS)
    world.settle()
    assert (late.raw.ended, len(world.port.shaking)) == (True, 0)

    last = world.dial()
    assert len(list(world.port.close_all())) == 1
    world.settle()
    assert (last.raw.ended, len(world.port.shaking), world.port.shaking.evicted) == (True, 0, 0)


@pytest.mark.parametrize("chop", [1, 7, 1000])
def test_lines_and_frames_need_not_agree(chop: int) -> None:
    browser = World().browser()
    browser.link.chop_bytes = chop
    stream = CONNECT + b"SUB a 1\r\nPUB a 5\r\nhello\r\nPING\r\n"
    pieces = [stream[at : at + 3] for at in range(0, len(stream), 3)]

    seen = browser.sends(*(frame(BINARY, piece) for piece in pieces))

    got = b"".join(one.data for one in seen)
    assert got == b"MSG a 1 5\r\nhello\r\nPONG\r\n"


def test_control_frames_may_stand_between_the_fragments_of_a_message() -> None:
    browser = World().browser().logs_in()

    seen = browser.sends(
        frame(BINARY, b"PI", is_last=False), frame(PING, b"hey"), frame(CONTINUATION, b"NG\r\n")
    )

    assert seen == [Seen(PONG, b"hey"), Seen(BINARY, b"PONG\r\n")]


WRONG = [
    (frame(BINARY, b"PING\r\n", is_masked=False), b"mask bit missing"),
    (frame(BINARY, b"x", reserved=2), b"RSV2 and RSV3 must be clear"),
    (frame(BINARY, b"x", reserved=5), b"RSV2 and RSV3 must be clear"),
    (
        frame(BINARY, b"x", reserved=4),
        b"compressed frame received without negotiated permessage-deflate",
    ),
    (frame(3, b"x"), b"unknown opcode 3"),
    (frame(11, b"x"), b"unknown opcode 11"),
    (frame(CONTINUATION, b"x"), b"invalid continuation frame"),
    (
        frame(BINARY, b"P", is_last=False) + frame(BINARY, b"y"),
        b"new message started before final frame for previous message was received",
    ),
    (frame(PING, b"x", is_last=False), b"control frame does not have final bit set"),
    (
        b"\x89\xfe\x00\x7e",
        b"control frame length bigger than maximum allowed of 125 bytes",
    ),
    (b"\x82\xff\xff" + b"\0" * 7, b"invalid 64-bit payload length"),
    (b"\x82\xfe\0\1", b"Payload length used 2 bytes when 1 would have sufficed"),
    (frame(CLOSE, b"x"), b"close frame payload cannot be 1 byte"),
    (frame(CLOSE, struct.pack("!H", 1005)), b"invalid close status code 1005"),
    (frame(CLOSE, struct.pack("!H", 999)), b"invalid close status code 999"),
    (frame(CLOSE, struct.pack("!H", 2999)), b"invalid close status code 2999"),
]


@pytest.mark.parametrize(("data", "reason"), WRONG)
def test_frames_that_cannot_be_end_the_connection_with_1002(data: bytes, reason: bytes) -> None:
    world = World()
    browser = world.browser()

    seen = browser.sends(data)

    assert seen == [Seen(CLOSE, reason, 1002)]
    assert [one.reason for one in world.server.registry.closed_ring] == ["Read Error"]
    assert browser.raw.ended
    assert world.server.registry.open == {}
    assert world.port.mistakes == 1


def test_a_close_is_answered_with_its_own_status() -> None:
    world = World()
    bye = struct.pack("!H", 1000) + b"bye"

    assert world.browser().sends(frame(CLOSE, bye)) == [Seen(CLOSE, b"bye", 1000)]
    assert world.browser().sends(frame(CLOSE, b"")) == [Seen(CLOSE, b"")]
    assert world.server.registry.open == {}


@pytest.mark.parametrize(
    ("end", "status"), [(frame(CLOSE, struct.pack("!H", 1000)), 1000), (frame(3, b"x"), 1002)]
)
def test_what_was_asked_before_the_end_of_the_same_read_is_answered(
    end: bytes, status: int
) -> None:
    world = World()
    plain = world.client()
    plain.says(b"SUB a 1\r\n")
    lines = b'CONNECT {"verbose":true}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n'

    *answers, close = world.browser().sends(frame(BINARY, lines), end)

    text = b"".join(one.data for one in answers)
    assert text == b"+OK\r\n+OK\r\n+OK\r\nMSG a 1 2\r\nhi\r\nPONG\r\n"
    assert (close.opcode, close.code) == (CLOSE, status)
    assert plain.hears() == b"MSG a 1 2\r\nhi\r\n"
    assert world.server.registry.open.keys() == {plain.cid}


@pytest.mark.parametrize(
    ("line", "error", "code", "reason"),
    [
        (b"FOO\r\n", b"-ERR 'Unknown Protocol Operation'\r\n", 1002, b"Protocol Violation"),
        (
            b"PUB a 99999999\r\n",
            b"-ERR 'Maximum Payload Violation'\r\n",
            1009,
            b"Maximum Message Payload Exceeded",
        ),
        (
            b"PUB " + b"a" * 5000,
            b"-ERR 'maximum control line exceeded'\r\n",
            1008,
            b"Maximum Control Line Exceeded",
        ),
    ],
)
def test_an_error_of_nats_is_told_and_then_the_code_for_it(
    line: bytes, error: bytes, code: int, reason: bytes
) -> None:
    browser = World().browser().logs_in()

    seen = browser.sends(frame(BINARY, line))

    assert seen == [Seen(BINARY, error), Seen(CLOSE, reason, code)]


def test_the_peer_has_a_moment_to_agree_to_the_end() -> None:
    world = World()
    agrees, silent, floods = (world.browser().logs_in() for _ in range(3))
    assert list(world.server.registry.close_all("Server Shutdown"))
    world.settle()
    assert not agrees.raw.ended

    agrees.sends(frame(BINARY, b"PING\r\n"), frame(CLOSE, struct.pack("!H", 1001)))
    assert agrees.raw.ended
    floods.says(frame(BINARY, b"x" * READ_CHUNK_BYTES))
    assert floods.raw.ended
    world.clock.advance(WEBSOCKET_CLOSE_NS)
    assert silent.raw.ended


def test_a_wrong_login_is_1008_and_a_shutdown_1001() -> None:
    world = World(Options(authorization=Authorization(token="s3cret")))
    wrong = world.browser().sends(frame(BINARY, b'CONNECT {"auth_token":"x"}\r\n'))
    waiting = world.browser()

    assert wrong == [
        Seen(BINARY, b"-ERR 'Authorization Violation'\r\n"),
        Seen(CLOSE, b"Authentication Failure", 1008),
    ]
    assert list(world.server.registry.close_all("Server Shutdown"))
    world.settle()
    assert frames(waiting.raw.take()) == [Seen(CLOSE, b"Server Shutdown", 1001)]


def test_a_cookie_logs_in_where_connect_says_nothing() -> None:
    options = Options(authorization=Authorization(user="joe", password="s3cret"))
    world = World(options, cookies={"u": "user", "p": "password"})
    cookies = {"Cookie": "u=joe; p=s3cret"}

    assert world.browser(cookies).sends(frame(BINARY, CONNECT + b"PING\r\n"))[0].data == b"PONG\r\n"
    other = world.browser(cookies).sends(frame(BINARY, b'CONNECT {"user":"ann"}\r\n'))
    assert other[-1].code == 1008


def test_who_claims_to_be_forwarded_is_still_judged_by_its_own_address() -> None:
    world = World()
    browser = world.browser({"X-Forwarded-For": "192.0.2.1"})

    (facts,) = world.server.registry.facts()
    assert facts.ip not in {"", "192.0.2.1"}
    assert f'"client_ip":"{facts.ip}"'.encode() in browser.info.data


def test_compression_works_both_ways_and_a_bomb_is_1009() -> None:
    world = World(compression=True)
    browser = world.browser(DEFLATE)
    assert browser.info.is_packed
    line = CONNECT + b"SUB a 1\r\nPUB a 1000\r\n" + b"x" * 1000 + b"\r\n"

    (message,) = browser.sends(frame(BINARY, packed(line), reserved=4))
    assert message.is_packed
    assert message.data == b"MSG a 1 1000\r\n" + b"x" * 1000 + b"\r\n"

    bomb = packed(b"PING\r\n" * 3_000_000)
    seen = browser.sends(frame(BINARY, bomb, reserved=4))
    assert seen[-1] == Seen(CLOSE, b"Maximum Message Payload Exceeded", 1009)
    assert world.server.registry.open == {}


def test_a_bound_that_a_reload_raises_holds_for_the_next_packed_message_of_who_is_here() -> None:
    world = World(Options(max_payload_bytes=1000), compression=True)
    browser = world.browser(DEFLATE).logs_in()

    world.port.message_bytes_max = 100_000

    pings = frame(BINARY, packed(b"PING\r\n" * 5000), reserved=4)
    seen = browser.sends(pings)
    assert {one.opcode for one in seen} == {BINARY}
    assert b"".join(one.data for one in seen) == b"PONG\r\n" * 5000


def test_many_packed_messages_in_one_read_take_their_turns() -> None:
    world = World(compression=True)
    browser = world.browser(DEFLATE).logs_in()
    line = b"PUB nobody 900000\r\n" + b"\0" * 900_000 + b"\r\n"
    one = frame(BINARY, packed(line), reserved=4)
    assert len(one) * 20 < READ_CHUNK_BYTES

    browser.end.write([one * 20 + frame(BINARY, b"PING\r\n")])
    world.clock.advance(0)
    assert frames(browser.raw.take()) == [Seen(BINARY, b"PONG\r\n")]

    (facts,) = world.server.registry.facts()
    assert facts.in_msgs == 20


@pytest.mark.parametrize("opcode", [PING, PONG, BINARY, CONTINUATION])
def test_a_read_full_of_empty_frames_lets_others_have_their_turn(
    opcode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    browser = world.browser()
    turns: list[int] = []
    read = Turn.read

    def counted(turn: Turn, session: Session, data: bytes) -> bool:
        turns.append(len(data))
        return read(turn, session, data)

    monkeypatch.setattr(Turn, "read", counted)
    start = frame(BINARY, b"", is_last=False) if opcode == CONTINUATION else b""
    browser.says(start + frame(opcode, b"", is_last=opcode != CONTINUATION) * 3000)

    assert turns[0] > 0
    assert 3000 // 128 <= turns.count(0) < 40
    assert not browser.raw.ended


def test_a_message_waits_in_its_middle_while_the_session_wants_nothing() -> None:
    world = World(compression=True)
    browser = world.browser(DEFLATE).logs_in()
    (handler,) = world.server.registry.open.values()
    socket = handler._transport
    assert socket is not None
    got: list[bytes] = []

    class Picky:
        """Wants one piece, and then nothing."""

        def received(self, data: bytes) -> None:
            got.append(data)
            socket.pause_reading()

        def lost(self, reason: str) -> None: ...

    socket._guest = Picky()
    body = bytes(range(256)) * 1024
    browser.says(frame(BINARY, packed(body), reserved=4))
    assert len(got) == 1
    while b"".join(got) != body:
        before = len(got)
        socket.resume_reading()
        world.settle()
        assert len(got) == before + 1

    assert len(got) == len(body) // READ_CHUNK_BYTES


def test_a_message_without_end_before_connect_is_cut_at_the_control_line() -> None:
    world = World(Options(authorization=Authorization(token="s3cret")))
    browser = world.browser()
    browser.sends(frame(BINARY, b"C" + b"O" * 60_000, is_last=False))
    for _ in range(20):
        browser.says(frame(CONTINUATION, b"x" * 60_000, is_last=False))

    assert browser.raw.ended
    assert world.server.registry.open == {}


def test_a_handshake_that_does_not_come_is_cut_and_one_that_is_wrong_is_told() -> None:
    world = World()
    silent, wrong = world.dial(), world.dial()

    assert wrong.says(request(method="POST")).startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert wrong.raw.ended
    silent.says(b"GET / HT")
    world.clock.advance(WEBSOCKET_HANDSHAKE_NS)

    assert silent.raw.ended
    assert (world.port.refused, world.port.overdue) == (1, 1)
    assert world.server.registry.total == 0


def test_whose_handshake_waits_to_be_read_is_not_late_until_it_was() -> None:
    world = World()
    waits, late = world.dial(), world.dial()
    for browser in (waits, late):
        browser.end.other.unread = True

    world.clock.advance(2 * WEBSOCKET_HANDSHAKE_NS)
    for browser in (waits, late):
        browser.end.other.unread = False
    assert waits.says(request()).startswith(b"HTTP/1.1 101")
    world.clock.advance(UNREAD_WATCH_NS)

    assert not waits.raw.ended
    assert late.raw.ended
    assert world.port.overdue == 1


def test_bytes_before_the_answer_end_the_connection() -> None:
    world = World()
    browser = world.dial()

    assert browser.says(request() + frame(BINARY, b"PING\r\n")) == b""
    assert browser.raw.ended


def test_refusals_are_said_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for _ in range(5):
        world.dial().says(request(method="POST"))
    world.clock.advance(NS_PER_S)
    world.dial().says(request(method="POST"))

    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert said[1].endswith("websocket handshake error: request method must be GET (unlogged=4)")


def test_a_peer_that_pings_and_does_not_read_gets_no_answers_without_end() -> None:
    world = World()
    browser = world.browser()
    browser.link.deaf = True
    for _ in range(200):
        browser.says(frame(PING, b"x" * 125) * 100)

    (handler,) = world.server.registry.open.values()
    assert handler.facts().pending_bytes < 2 * READ_CHUNK_BYTES


def test_what_is_written_while_a_session_waits_is_read_later() -> None:
    """A login that takes time holds the frames behind it back."""
    world = World(compression=True)
    browser = world.browser()
    (handler,) = world.server.registry.open.values()
    transport = handler._transport
    assert transport is not None
    transport.pause_reading()
    assert browser.sends(frame(BINARY, CONNECT), frame(BINARY, b"PING\r\n")) == []

    transport.resume_reading()
    world.settle()

    assert frames(browser.raw.take()) == [Seen(BINARY, b"PONG\r\n")]


def test_random_frames_end_connections_and_nothing_else(seed: int) -> None:
    random = Random(seed)
    world = World(compression=True)
    for _ in range(300):
        browser = world.browser(DEFLATE if random.random() < 0.5 else None)
        data = bytearray(
            frame(
                random.choice([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, 3, 11]),
                packed(b"PING\r\n" * 10) if random.random() < 0.5 else random.randbytes(20),
                is_last=random.random() < 0.8,
                reserved=random.choice([0, 0, 4, 4, 1]),
            )
            + frame(BINARY, b"PING\r\n")
        )
        if random.random() < 0.7:
            data[random.randrange(len(data))] = random.randrange(256)
        browser.says(bytes(data))
        browser.end.abort()
        world.settle()

    assert world.server.turn.faults == 0
    assert world.server.registry.open == {}
    world.browser().logs_in()


@pytest.mark.parametrize("authenticated", [True, False])
def test_the_end_of_the_socket_is_the_end_of_the_client(authenticated: bool) -> None:
    world = World()
    browser = world.browser()
    if authenticated:
        browser.logs_in()

    browser.end.close()
    world.settle()

    assert world.server.registry.open == {}


def test_who_never_says_what_it_wants_leaves_no_cycles() -> None:
    world = World(Options(max_closed_clients=0))

    def one() -> None:
        browser = world.dial()
        browser.says(b"GET / HTTP/1.1\r\n")
        browser.end.close()
        world.settle()

    assert left_by(one) == []
