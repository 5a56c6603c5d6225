"""What is noted of schedules that another message ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.jetstream import ended
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.test_scheduler import at, put, world

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.unit.jetstream.world import World


def ends(world: World) -> list[tuple[int, list[int]]]:
    """The records, and the sequences whose bits they have."""
    found = []
    for one in world.store.consumers("$G", "S"):
        if one.name.startswith(ended.PREFIX):
            bits, base = int.from_bytes(one.state, "little"), int(one.name[len(ended.PREFIX) :])
            seqs = [base + place for place in range(ended.SPAN) if bits >> place & 1]
            found.append((base, seqs))
    return sorted(found)


def test_what_is_noted_of_schedules_that_are_over_goes_with_them() -> None:
    planned = world()
    for number in (1, 2):
        put(planned, at(planned, 100), subject=f"s.{number}")
        planned.publish(f"s.{number}", b"no schedule")
    assert ends(planned) == [(0, [1, 3])]
    planned.api("STREAM.PURGE.S", {"filter": "s.1"})

    planned.js.shut_down()
    planned.restart()
    planned.clock.advance(NS_PER_S)
    assert ends(planned) == [(0, [3])]
    planned.api("STREAM.PURGE.S", {"filter": "s.2"})
    planned.js.shut_down()
    planned.restart()
    planned.clock.advance(NS_PER_S)

    assert ends(planned) == []


def test_one_that_is_over_while_the_stream_is_read_stays_noted() -> None:
    planned = world()
    put(planned, at(planned, 100))
    planned.restart()
    planned.publish("s.1", b"no schedule")
    assert ends(planned) == [(0, [1])]

    planned.clock.advance(NS_PER_S)

    assert ends(planned) == [(0, [1])]


def test_of_very_many_that_are_over_each_stays_so(tmp_path: Path) -> None:
    planned = RealWorld(tmp_path / "store")
    planned.create_stream(allow_msg_schedules=True, allow_msg_ttl=True)
    headers = {"Nats-Schedule": at(planned, 3600), "Nats-Schedule-Target": "s.sent"}
    count = 2 * ended.SPAN
    for number in range(count):
        planned.publish(f"s.{number}", b"x", headers=headers)
        planned.publish(f"s.{number}", b"x", headers={"Nats-TTL": "5s"})
        if number % 100 == 0:
            planned.settle()
    planned.settle()
    for _ in range(10):
        planned.clock.advance(NS_PER_S)
        planned.settle()
    assert planned.state()["messages"] == count
    assert [len(seqs) for _, seqs in ends(planned)] == [512] * 4

    planned.restart()
    for _ in range(8):
        planned.clock.advance(1000 * NS_PER_S)
        planned.settle()

    assert planned.state()["messages"] == count
    assert (
        "s.sent" not in planned.api("STREAM.INFO.S", {"subjects_filter": ">"})["state"]["subjects"]
    )


def test_records_of_schedules_that_are_gone_go_as_others_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ended, "SPAN", 8)
    planned = world()
    most = 0
    put(planned, at(planned, 10**6), subject="s.stays")
    planned.publish("s.stays", b"no schedule")
    for number in range(100):
        put(planned, at(planned, 10**6), subject=f"s.{number}")
        planned.publish(f"s.{number}", b"no schedule")
        planned.api("STREAM.PURGE.S", {"filter": f"s.{number}"})
        most = max(most, len(ends(planned)))

    assert most <= 3
    assert ends(planned)[0] == (0, [1])


def test_records_of_an_older_store_become_bits() -> None:
    planned = world()
    for number in range(3):
        put(planned, at(planned, 100), subject=f"s.{number}")
    for seq in (1, 2, 7):
        planned.store.put_consumer("$G", "S", f"{ended.PREFIX}{seq}", 5, b"{}", b"")

    planned.js.shut_down()
    planned.restart()
    planned.clock.advance(NS_PER_S)

    assert ends(planned) == [(0, [1, 2])]
    planned.clock.advance(200 * NS_PER_S)
    assert planned.state()["messages"] == 3  # the third one was sent, and went
