"""leafnode.net.s2_layer: a connection that is packed from some moment on, both ends in memory."""

from __future__ import annotations

from leafnode.limits import LAYER_TURN_BYTES_MAX, READ_CHUNK_BYTES, S2_GREETING_BYTES_MAX
from leafnode.net.s2_layer import AcceptedS2Layer, S2Layer
from leafnode.net.turn import Turn
from leafnode.protocol.s2_frames import S2Writer
from tests.sim.clock import FakeClock
from tests.sim.network import MemoryNetwork
from tests.sim.sessions import RecordingSession


class GuestSession(RecordingSession):
    def __init__(self) -> None:
        super().__init__()
        self.entries = 0

    def entered(self) -> None:
        self.entries += 1


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.turn = Turn(self.clock)
        self.network = MemoryNetwork(self.clock)
        self.above, self.below = GuestSession(), RecordingSession()
        self.hub = AcceptedS2Layer(self.above)
        self.leaf = S2Layer()
        self.network.listen(self.turn, lambda: self.hub, host="hub", port=1)
        self.end, _ = self.network.connect(self.leaf.carry(self.below), "hub", 1, turn=self.turn)

    def settle(self) -> None:
        self.clock.advance(0)

    def pack(self, mode: str = "s2_fast") -> World:
        self.leaf.begin(mode)
        self.hub.begin(mode)
        return self

    def up(self, *chunks: bytes) -> bytes:
        self.leaf.write(list(chunks))
        self.settle()
        found, self.above.received_bytes = self.above.received_bytes, b""
        return found


def test_bytes_pass_as_they_are_until_it_begins() -> None:
    world = World()

    assert world.up(b"INFO", b" {}") == b"INFO {}"
    coding = world.leaf.coding
    world.pack()
    wire: list[bytes] = []
    write = world.end.write
    world.end.write = lambda chunks: (wire.extend(chunks), write(chunks))[1]  # type: ignore[method-assign,func-returns-value]

    assert world.up(b"abcd" * 100, b"efgh") == b"abcd" * 100 + b"efgh"
    assert wire[0].startswith(b"\xff\x06\x00\x00S2sTwO\x00")
    assert world.leaf.coding > coding
    world.leaf.change("s2_uncompressed")
    assert world.up(b"abcd" * 100) == b"abcd" * 100
    assert wire[-1].startswith(b"\x01")
    assert (world.leaf.mode, world.hub.mode) == ("s2_uncompressed", "s2_fast")
    world.above.wire.write([b"down"])
    world.settle()
    assert world.below.received_bytes == b"down"


def test_a_little_that_unpacks_to_much_takes_its_turns() -> None:
    world = World().pack()
    reads: list[int] = []
    world.above.received = lambda data: reads.append(len(data))  # type: ignore[method-assign]
    before = world.turn.yields
    world.end.write([S2Writer(packs=True).frames(bytes(100 * READ_CHUNK_BYTES))])
    world.settle()

    assert sum(reads) == 100 * READ_CHUNK_BYTES
    assert max(reads) <= READ_CHUNK_BYTES
    assert world.turn.yields - before > 100 * READ_CHUNK_BYTES // LAYER_TURN_BYTES_MAX


def test_who_is_not_known_yet_sends_no_large_chunks() -> None:
    world = World().pack()
    large = bytes(S2_GREETING_BYTES_MAX + 1)
    size = (len(large) + 4).to_bytes(3, "little")

    world.end.write([b"\xff\x06\x00\x00S2sTwO\x01" + size])
    world.settle()

    assert world.above.lost_reasons == [""]
    assert world.above.received_bytes == b""


def test_who_is_known_may() -> None:
    world = World().pack()
    world.hub.trust()
    size = (S2_GREETING_BYTES_MAX + 5).to_bytes(3, "little")

    world.end.write([b"\xff\x06\x00\x00S2sTwO\x01" + size])
    world.settle()

    assert world.above.lost_reasons == []


def test_what_is_no_s2_ends_the_connection_and_nothing_of_it_is_taken() -> None:
    world = World().pack()

    world.end.write([b"CONNECT {}\r\n"])
    world.settle()
    world.end.write([b"more"])
    world.settle()

    assert world.above.received_bytes == b""
    assert world.above.lost_reasons == [""]
    assert world.below.lost_reasons == [""]


def test_the_end_of_either_side_is_told() -> None:
    world = World().pack()
    world.above.wire.close("Server Shutdown")
    world.settle()

    assert world.below.lost_reasons == [""]
    assert world.above.lost_reasons == [""]


def test_a_guest_behind_a_way_in_learns_of_its_end() -> None:
    world = World()

    world.hub.entered()

    assert world.above.entries == 1
