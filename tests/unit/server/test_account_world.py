"""leafnode.server.account_world: what accounts see of the server."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from leafnode.nuid import hash8
from leafnode.protocol.client_info import ClientInfo
from leafnode.routing.latency import OK, Measurement
from leafnode.server.account_world import AccountSeams, World
from tests.sim.clock import FakeClock
from tests.sim.peers import FakePeer, account, outbox

if TYPE_CHECKING:
    import pytest


def world(clock: FakeClock | None = None) -> World:
    return World(
        AccountSeams(
            clock=clock or FakeClock(),
            random=random.Random(1),
            outbox=outbox(),
            server_name="s",
            server_id="S",
            client_info=lambda peer, detailed: ClientInfo(id=peer.cid if detailed else 0),
        )
    )


def test_its_clock_and_its_names_are_the_server_s() -> None:
    clock = FakeClock()
    made = world(clock)
    due: list[int] = []
    made.call_later(5, lambda: due.append(made.monotonic_ns()))
    before = made.monotonic_ns(), made.wall_ns()

    clock.advance(5)

    assert due == [before[0] + 5]
    assert made.wall_ns() == before[1] + 5
    assert (made.server_name, made.server_hash) == ("s", hash8("S").encode())
    assert made.client_info(FakePeer(account(), 7), detailed=True) == ClientInfo(id=7)


def test_a_measurement_is_told_where_the_service_is_unless_enough_waits_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, exporter = world(), account("E")
    reader = FakePeer(exporter, 1)
    reader.subscribe(b"lat", b"9")
    measurement = Measurement(OK, ClientInfo(id=3), made.wall_ns(), {})

    made.measured(exporter, b"lat", measurement)
    line, text = reader.got().split(b"\r\n")[:2]
    monkeypatch.setattr(exporter, "takes_news", lambda _: False)
    made.measured(exporter, b"lat", measurement)

    assert line.startswith(b"MSG lat 9  ")
    assert json.loads(text)["status"] == 200
    assert reader.got() == b""
