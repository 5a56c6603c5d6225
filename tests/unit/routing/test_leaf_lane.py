"""leafnode.routing.leaf_lane: what is too large of what this server asked for is let go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.limits import TURN_WORK
from leafnode.protocol.errors import MaxPayloadViolation
from leafnode.routing import leaf_lane
from leafnode.routing.leaf_lane import LeafLane
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules
from tests.sim.peers import FakePeer, account

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery

KEPT = 40
MAX_PAYLOAD = 16
MOST = 100


class World:
    """A hub whose answers are kept up to 40 bytes, and a client that hears everything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leaf_lane, "LEAF_ANSWER_KEPT_BYTES", KEPT)
        self.account = account()
        self.hub = FakePeer(self.account, 1, Kind.LEAF)
        self.hub.max_answer_bytes = MOST
        self.lane = LeafLane(self.hub, max_payload_bytes=MAX_PAYLOAD, max_control_line_bytes=512)
        self.client = FakePeer(self.account, 2)
        self.client.subscribe(b">", b"1")
        self.heard: list[Delivery] = []
        own = b"_INBOX.own."
        self.account.inboxes[own] = self.account.subscribe(own + b">", self.heard.append)

    def says(self, *chunks: bytes) -> list[bytes]:
        lines = []
        for chunk in chunks:
            self.lane.feed(chunk)
            self.hub.outbox.work_left = TURN_WORK
            while (line := self.lane.next_line()) is not None:
                lines.append(line)
        return lines

    @property
    def found(self) -> list[tuple[bytes, bytes, int, bytes, int]]:
        """Subject, reply, header size, body and what was lost behind it."""
        return [(one.subject, *one.messages[0], one.lost_bytes) for one in self.heard]


def answer(size: int) -> bytes:
    body = bytes(48 + number % 10 for number in range(size))
    return b"LMSG _INBOX.own.h.1 %d\r\n%b\r\n" % (size, body)


def test_of_what_is_too_large_the_start_is_kept_and_the_link_goes_on_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However the bytes are cut."""
    data = (
        b"PING\r\n" + answer(MOST) + b"PONG\r\nLMSG a 1\r\nx\r\n" + answer(KEPT + 1) + b"PING\r\n"
    )
    starts = [(b"_INBOX.own.h.1", b"", 0, b"0123456789" * 4, lost) for lost in (MOST - KEPT, 1)]
    cuts = [[data[:at], data[at:]] for at in range(1, len(data))]
    steps = [[data[at : at + step] for at in range(0, len(data), step)] for step in (1, 2, 3, 37)]
    for chunks in ([data], *cuts, *steps):
        world = World(monkeypatch)

        assert world.says(*chunks) == [b"PING", b"PONG", b"PING"]

        assert world.found == starts
        assert world.client.got() == b"MSG a 1 1\r\nx\r\n"
        assert (world.hub.traffic.in_msgs, world.hub.traffic.in_bytes) == (3, MOST + 1 + KEPT + 1)


def test_it_is_known_whether_something_has_begun_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    found = []
    for chunk in (b"PING\r\n", b"PI", b"NG\r\n", answer(MOST)[:30], answer(MOST)[30:80]):
        world.says(chunk)
        found.append(world.lane.is_amid)
    world.says(answer(MOST)[80:])

    assert found == [False, True, False, True, True]
    assert len(world.heard) == 1
    assert not world.lane.is_amid


def test_what_may_be_kept_is_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)

    world.says(answer(KEPT))

    assert [(one.messages[0][2], one.lost_bytes) for one in world.heard] == [(b"0123456789" * 4, 0)]
    assert world.client.got() == b""


def test_what_no_hub_can_have_to_answer_ends_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)

    with pytest.raises(MaxPayloadViolation):
        world.says(answer(MOST + 1))

    assert world.heard == []


def test_a_header_counts_to_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)

    world.says(b"HMSG _INBOX.own.h.1 reply 12 60\r\nNATS/1.0\r\n\r\n" + b"x" * 48 + b"\r\n")

    body = b"NATS/1.0\r\n\r\n" + b"x" * (KEPT - 12)
    assert world.found == [(b"_INBOX.own.h.1", b"reply", 12, body, 20)]


def test_what_the_hub_may_not_say_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.hub.permissions = Permissions(Rules(deny=[b"_INBOX.>"]), Rules())

    assert world.says(answer(MOST), b"PING\r\n") == [b"PING"]

    assert world.heard == []
