"""Who looks on at a port is told within bounds, and forgotten when it asks no more."""

from __future__ import annotations

import base64
import json
from typing import Any

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.taps import Taps
from leafnode.clock import NS_PER_MS, NS_PER_S
from tests.sim.clock import WALL_START_NS, FakeClock


class Inboxes:
    """What was published, by inbox."""

    def __init__(self) -> None:
        self.told: list[tuple[bytes, dict[str, Any]]] = []

    def publish(self, subject: bytes, body: bytes) -> None:
        self.told.append((subject, json.loads(body)))


def world() -> tuple[Taps, FakeClock, Inboxes]:
    clock, inboxes = FakeClock(), Inboxes()
    return Taps(clock, inboxes.publish), clock, inboxes


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_what_is_read_sent_and_published_is_told_with_its_time() -> None:
    taps, _, inboxes = world()
    assert taps.add(b"_INBOX.a")

    taps.read(b"\x00\xff")
    taps.sent(b"poll")
    taps.published(b"s.scale", b"21.5")

    assert inboxes.told == [
        (b"_INBOX.a", {"at": WALL_START_NS, "rx": coded(b"\x00\xff"), "dropped": 0}),
        (b"_INBOX.a", {"at": WALL_START_NS, "tx": coded(b"poll"), "dropped": 0}),
        (
            b"_INBOX.a",
            {"at": WALL_START_NS, "subject": "s.scale", "payload": coded(b"21.5"), "dropped": 0},
        ),
    ]


def test_nobody_is_told_who_does_not_ask_again() -> None:
    taps, clock, inboxes = world()
    assert not taps
    taps.add(b"_INBOX.a")
    clock.advance(port_bounds.PORT_MONITOR_NS - 1)
    taps.add(b"_INBOX.a")
    clock.advance(port_bounds.PORT_MONITOR_NS - 1)
    taps.read(b"1")
    assert len(taps) == 1

    clock.advance(1)
    assert len(taps) == 0
    taps.read(b"2")

    assert [event["rx"] for _, event in inboxes.told] == [coded(b"1")]
    assert not taps


def test_so_many_may_look_on_and_no_more() -> None:
    taps, clock, _ = world()
    answers = [
        taps.add(b"_INBOX.%d" % number) for number in range(port_bounds.PORT_MONITORS_MAX + 1)
    ]
    assert answers == [True] * port_bounds.PORT_MONITORS_MAX + [False]
    assert taps.add(b"_INBOX.0")  # who is there already

    taps.remove(b"_INBOX.1")
    taps.remove(b"_INBOX.nobody")
    assert taps.add(b"_INBOX.new")
    clock.advance(port_bounds.PORT_MONITOR_NS)
    assert taps.add(b"_INBOX.later")
    assert len(taps) == 1


def test_what_is_too_fast_is_left_out_and_counted() -> None:
    taps, clock, inboxes = world()
    taps.add(b"_INBOX.a")
    piece = bytes(limits.SERIAL_READ_BYTES)
    count = port_bounds.PORT_MONITOR_BYTES // len(piece)

    for _ in range(count + 3):
        taps.read(piece)
    assert len(inboxes.told) == count
    clock.advance(NS_PER_S)
    taps.read(b"slow")

    assert inboxes.told[-1][1]["dropped"] == 3 * len(piece)
    clock.advance(NS_PER_MS)
    taps.read(b"slow")
    assert inboxes.told[-1][1]["dropped"] == 0
