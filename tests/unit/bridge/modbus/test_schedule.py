"""What is due, and when whoever failed gets another chance."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.modbus.schedule import GroupState, Schedule, SlaveState
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.modbus_options import Group, ModbusOptions, Register, Slave

REGISTERS = (Register("a", "holding", 0),)


def schedule(*every_ms: int) -> Schedule:
    groups = [
        Group(f"g{index}", every * NS_PER_MS, REGISTERS) for index, every in enumerate(every_ms)
    ]
    slaves = tuple(Slave(f"s{index}", 1 + index, (group,)) for index, group in enumerate(groups))
    made = Schedule(ModbusOptions(slaves, backoff_ns=NS_PER_S, backoff_max_ns=3 * NS_PER_S))
    made.opened(0)
    return made


def taken(made: Schedule, now_ms: int) -> str:
    due = made.due(now_ms)
    if due is None:
        return ""
    due[1].done(now_ms)
    return due[0].slave.name


def test_what_waits_longest_is_first() -> None:
    made = schedule(100, 300)

    assert [taken(made, at) for at in (0, 0, 0, 100, 200, 300, 300, 300)] == [
        *("s0", "s1", "", "s0", "s0", "s0", "s1", ""),
    ]
    assert made.first_ms() == 400


def test_a_bus_that_is_too_slow_starves_nobody() -> None:
    made = schedule(10, 10, 1000)
    names = [taken(made, at) for at in range(0, 10_000, 50)]

    assert names.count("s2") == 10
    assert abs(names.count("s0") - names.count("s1")) <= 1


def test_times_that_were_passed_over_are_counted_and_the_beat_is_kept() -> None:
    made = schedule(100)
    due = made.due(350)
    assert due is not None

    assert due[1].done(350) == 3
    assert due[1].due_ms == 400


def test_whoever_fails_waits_longer_each_time_up_to_the_bound() -> None:
    made = schedule(100, 0)
    (slave, _) = made.slaves
    now_ms, waits = 0, []
    for _ in range(5):
        made.failed(slave, now_ms)
        next_ms = made.first_ms()
        assert next_ms is not None
        waits.append(next_ms - now_ms)
        now_ms = next_ms

    assert waits == [1000, 2000, 3000, 3000, 3000]
    assert made.answered(slave)
    assert not made.answered(slave)
    assert made.due(now_ms) is not None
    assert made.failed(slave, now_ms)
    assert made.first_ms() == now_ms + 1000


def test_what_is_read_only_when_asked_is_never_due() -> None:
    assert schedule(0).first_ms() is None


def looked_at_all(made: Schedule) -> tuple[int, SlaveState, GroupState] | None:
    """Return what is due first and when, by looking at each group."""
    due = []
    for slave in made.slaves:
        not_before_ms = max(slave.hold_ms, slave.retry_ms if slave.failing else 0)
        for group in slave.groups:
            if group.every_ms:
                due.append((max(group.due_ms, not_before_ms), group.due_ms, slave, group))
    if not due:
        return None
    at_ms, _, slave, group = min(due, key=lambda one: one[:2])
    return at_ms, slave, group


STEPS = st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 400), st.integers(0, 4))


@given(st.lists(st.lists(st.integers(0, 300), max_size=4), max_size=3), st.lists(STEPS))
def test_what_is_due_first_is_so_among_all(
    every_ms: list[list[int]], steps: list[tuple[int, int, int, int]]
) -> None:
    slaves = tuple(
        Slave(
            f"s{address}",
            address + 1,
            tuple(Group(f"g{at}", ms * NS_PER_MS, REGISTERS) for at, ms in enumerate(groups)),
        )
        for address, groups in enumerate(every_ms)
    )
    made = Schedule(ModbusOptions(slaves, backoff_ns=NS_PER_S, backoff_max_ns=3 * NS_PER_S))
    now_ms = 0
    for which, at, passed_ms, what in steps:
        now_ms += passed_ms
        slave = made.slaves[which % len(made.slaves)] if made.slaves else None
        if what == 0:
            made.opened(now_ms)
        elif slave is not None and what == 1:
            made.failed(slave, now_ms)
        elif slave is not None and what == 2:
            made.answered(slave)
            slave.hold_ms = now_ms + at
        elif slave is not None and slave.groups and slave.groups[at % len(slave.groups)].every_ms:
            slave.groups[at % len(slave.groups)].done(now_ms)

        expected = looked_at_all(made)
        assert made.first_ms() == (None if expected is None else expected[0])
        due = None if expected is None or expected[0] > now_ms else expected[1:]
        assert made.due(now_ms) == due
