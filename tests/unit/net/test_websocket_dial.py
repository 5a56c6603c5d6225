"""leafnode.net.websocket_dial and the stream above it, against our own accepting side."""

from __future__ import annotations

import pytest
from wsproto.utilities import generate_accept_token

from leafnode.limits import WEBSOCKET_CLOSE_NS, WEBSOCKET_HANDSHAKE_NS
from leafnode.net.turn import Turn
from leafnode.net.websocket import WebSocketPort
from leafnode.net.websocket_dial import DialedWebSocket
from leafnode.net.websocket_handshake import HandshakeRules
from leafnode.net.websocket_request import WebSocketRequest
from leafnode.net.websocket_stream import WebSocketTerms
from tests.sim.clients import RawClient
from tests.sim.clock import FakeClock
from tests.sim.network import Link, MemoryNetwork, MemoryTransport
from tests.sim.sessions import RecordingSession
from tests.sim.websocket import BINARY, frame, packed


def code(reason: str) -> int:
    return 1001 if reason else 1000


class World:
    """A listener at hub:80, and a WebSocket to it."""

    def __init__(self, *, compression: bool = False, masks: bool = True) -> None:
        self.clock = FakeClock()
        self.turn = Turn(self.clock)
        self.network = MemoryNetwork(self.clock)
        self.above, self.below = RecordingSession(), RecordingSession()
        self.done: list[OSError | None] = []
        self.port = WebSocketPort(
            turn=self.turn,
            message_bytes_max=100,  # of clients
            close_code=code,
            rules=HandshakeRules(compression=compression, leafs=True),
            handshake_timeout_ns=WEBSOCKET_HANDSHAKE_NS,
            leaf=lambda wire, deflates: self.above,
        )
        request = WebSocketRequest("hub:80", "/leafnode", compression, masks)
        terms = WebSocketTerms(self.turn, 100, code)
        self.dialed = DialedWebSocket(terms, request, self.below, self.done.append)
        self.terms = terms

    def listen(self) -> World:
        self.network.listen(
            self.turn, lambda: self.port.session(RecordingSession), host="hub", port=80
        )
        return self

    def dial(self) -> tuple[MemoryTransport, Link]:
        found = self.network.connect(self.dialed, "hub", 80, turn=self.turn)
        self.clock.advance(0)
        return found

    def sends(self, data: bytes) -> bytes:
        """Let the dialing side send; return what came above since the start."""
        self.below.wire.write([data])
        self.clock.advance(0)
        return self.above.received_bytes


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("compression", [True, False])
def test_bytes_go_both_ways(*, compression: bool, masks: bool) -> None:
    world = World(compression=compression, masks=masks).listen()
    end, _ = world.dial()
    written: list[bytes] = []
    write = end.write
    end.write = lambda chunks: (written.extend(chunks), write(chunks))[1]  # type: ignore[method-assign,func-returns-value]
    large = bytes(range(256)) * 1000

    assert world.done == [None]
    assert world.sends(b"hello" * 40) == b"hello" * 40
    assert world.sends(large) == b"hello" * 40 + large
    world.above.wire.write([large, b"end"])
    world.clock.advance(0)

    assert world.below.received_bytes == large + b"end"
    assert all(bool(chunk[1] & 0x80) is masks for chunk in written)
    assert bool(written[0][0] & 0x40) is compression
    assert world.below.wire.coding > 0


def packed_hub(world: World, *said: bytes) -> RawClient:
    """A hub that packs, whose answer to the request has this behind it."""
    hub = RawClient()
    world.network.listen(world.turn, lambda: hub, host="hub", port=80)
    world.dial()
    key = bytes(hub.got).split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    assert hub.transport is not None
    hub.transport.write(
        [
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
            b"client_no_context_takeover\r\n"
            b"Sec-WebSocket-Accept: " + generate_accept_token(key) + b"\r\n\r\n",
            *said,
        ]
    )
    return hub


def test_what_a_hub_packs_into_one_message_has_no_bound_and_takes_several_turns() -> None:
    world = World(compression=True)
    large = bytes(range(256)) * 20_000
    packed_hub(world, frame(BINARY, packed(large), is_masked=False, reserved=4) + b"\x82\x03end")

    world.clock.advance(0)

    assert world.done == [None]
    assert world.below.received_bytes == large + b"end"
    assert world.below.lost_reasons == []


def test_a_hub_that_packs_nonsense_behind_much_is_told_so() -> None:
    world = World(compression=True)
    body = packed(bytes(1_000_000)) + b"\xff" * 20
    hub = packed_hub(world, frame(BINARY, body, is_masked=False, reserved=4))

    world.clock.advance(2 * WEBSOCKET_CLOSE_NS)

    assert hub.ended
    assert world.terms.mistakes == 1


def test_what_the_hub_says_behind_its_answer_is_for_the_session() -> None:
    world = World()
    hub = RawClient()
    world.network.listen(world.turn, lambda: hub, host="hub", port=80)
    world.dial()
    key = bytes(hub.got).split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    assert hub.transport is not None
    hub.transport.write(
        [
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + generate_accept_token(key) + b"\r\n\r\n\x82\x04INFO"
        ]
    )
    world.clock.advance(0)

    assert world.done == [None]
    assert world.below.received_bytes == b"INFO"


def test_a_refusal_ends_it_and_the_session_never_knew() -> None:
    world = World()
    hub = RawClient()
    world.network.listen(world.turn, lambda: hub, host="hub", port=80)
    world.dial()
    assert hub.transport is not None

    hub.transport.write([b"HTTP/1.1 404 Not Found\r\n\r\n"])
    world.clock.advance(0)

    assert [str(err) for err in world.done] == ["the hub refused the websocket: HTTP 404 Not Found"]
    assert hub.ended
    assert world.below.transport is None
    assert world.below.lost_reasons == []


def test_an_end_within_the_handshake_is_said_once() -> None:
    world = World()
    hub = RawClient()
    world.network.listen(world.turn, lambda: hub, host="hub", port=80)
    world.dial()
    assert hub.transport is not None

    hub.transport.close()
    world.clock.advance(0)

    assert [type(err) for err in world.done] == [ConnectionResetError]
    assert world.below.lost_reasons == []


@pytest.mark.parametrize(("reason", "told"), [("", ""), ("Read Error: why", ": Read Error: why")])
def test_why_it_ended_within_the_handshake_is_told_where_that_is_known(
    reason: str, told: str
) -> None:
    world = World()
    world.network.listen(world.turn, RawClient, host="hub", port=80)
    end, _ = world.dial()

    end.end(reason)

    words = f"the connection ended within the websocket handshake{told}"
    assert [str(err) for err in world.done] == [words]


def test_our_end_is_said_and_answered_and_theirs_is_told() -> None:
    world = World().listen()
    world.dial()
    world.below.wire.close("Server Shutdown")
    world.clock.advance(0)

    assert world.above.lost_reasons == [""]
    assert world.below.lost_reasons == [""]
    world.clock.advance(WEBSOCKET_CLOSE_NS)
    assert world.clock.pending() == 0, "no timer is left"

    other = World().listen()
    other.dial()
    other.above.wire.close()
    other.clock.advance(0)
    assert other.below.lost_reasons == [""]


def test_a_frame_that_cannot_be_ends_it_and_counts() -> None:
    world = World().listen()
    end, _ = world.dial()

    end.other.write([b"\x82\x81\x01\x02\x03\x04x"])  # a server masks nothing
    world.clock.advance(0)

    assert world.terms.mistakes == 1
    assert world.below.lost_reasons == ["Read Error"]
