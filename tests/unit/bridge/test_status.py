"""What is said rarely says how much it kept to itself."""

from __future__ import annotations

from leafnode.bridge.status import Seldom, row_of
from leafnode.clock import NS_PER_S
from tests.sim.clock import FakeClock
from tests.sim.monitor import port


def test_one_event_per_interval_and_the_count_of_those_held_back() -> None:
    clock = FakeClock()
    seldom = Seldom(clock, NS_PER_S)
    said: list[int] = []

    for _ in range(3):
        seldom.call(said.append)
    clock.advance(NS_PER_S)
    seldom.call(said.append)

    assert said == [1, 3]


def test_as_many_as_asked_for_per_interval_and_none_more() -> None:
    clock = FakeClock()
    seldom = Seldom(clock, NS_PER_S, 2)
    said: list[int] = []

    for _ in range(3):
        seldom.call(said.append)

    assert said == [1, 1]


def test_the_counts_of_a_ports_parts_stand_beside_its_own() -> None:
    row = row_of(port(board={"messages": 7}, function={"starts": 2}, text={"value": 3}))

    assert (row["board_messages"], row["function_starts"], row["text_value"]) == (7, 2, 3)
    assert not {"board", "function", "text"} & set(row)


def test_a_row_has_no_copies_of_slaves_and_leaves_its_status_as_it_is() -> None:
    status = port(slaves=[{"name": "a"}], line={"breaks": 1})

    row = row_of(status)

    assert row["slaves"] is status.slaves
    assert (row["breaks"], status.line) == (1, {"breaks": 1})
    assert "slaves" not in row_of(port(slaves=[]))
