"""A bus in virtual time: polls, retries, backoff, late answers, noise.

`LEAFNODE_BUS_SEEDS=2000` plays that many worlds of each kind of trouble instead of a few.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from leafnode.bridge.modbus.jobs import Job
from leafnode.bridge.reading import SlaveAnswer, SlaveNews
from tests.unit.bridge.modbus.bus import START_MS, Bus, port, slave

SEEDS = int(os.environ.get("LEAFNODE_BUS_SEEDS", "5"))
TWO = "{ name: a, address: 0 }, { name: b, address: 1 }"


def one(**changes: str) -> Bus:
    bus = Bus(port(f"slaves [ {slave('m', 1, TWO, **changes)} ]"))
    bus.slaves.set(1, 0, 7, 8)
    return bus


def two_slaves(more: str = "") -> Bus:
    register = "{ name: a, address: 0 }"
    slaves = f"{slave('m', 1, register)}, {slave('n', 2, register)}"
    bus = Bus(port(f"{more} slaves [ {slaves} ]"))
    bus.slaves.set(1, 0, 11)
    bus.slaves.set(2, 0, 22)
    return bus


def test_a_group_is_read_at_its_interval_with_one_request() -> None:
    bus = one()

    bus.run(2900)

    assert bus.readings == [("m.g", {"a": 7, "b": 8})] * 3
    assert bus.slaves.requests == [(1, 3, 0, 2)] * 3
    assert [at - START_MS for at, _ in bus.sent] == [500, 1000, 2000]
    assert bus.master.numbers()["missed"] == 0


def test_readings_have_ids_of_their_own() -> None:
    bus = one()
    ids = []
    for _ in range(3):
        bus.master.hold(on=False, now_ms=bus.now_ms)
        bus.run(1000)
        ids.append(bus.master.counts().frames)

    assert ids == [1, 2, 3]


def test_slaves_take_turns_and_a_frame_is_behind_a_silence() -> None:
    bus = two_slaves()

    bus.run(900)

    assert bus.readings == [("m.g", {"a": 11}), ("n.g", {"a": 22})]
    (first_ms, _), (second_ms, _) = bus.sent
    assert second_ms - first_ms == 10 + 5  # the answer's delay, 3.65 ms in whole ones


def test_a_slave_that_is_silent_is_asked_again_and_then_seldom() -> None:
    bus = two_slaves()
    bus.slaves.deaf.add(1)

    bus.run(60_000)

    asked = [request for request in bus.slaves.requests if request[0] == 1]
    # Twice at once, then after 1, 2, 4, 8, 16 and 30 s behind each other: others have the line.
    assert len(asked) == 2 + 5
    assert len([1 for name, _ in bus.readings if name == "n.g"]) in range(58, 61)
    assert bus.news == [SlaveNews("m", "no answer at holding 0")]
    assert bus.master.numbers()["slaves_failing"] == 1
    assert bus.master.slaves()[0]["timeouts"] == 7


def test_a_slave_that_comes_back_is_read_as_before() -> None:
    bus = one()
    bus.slaves.deaf.add(1)
    bus.run(20_000)
    bus.slaves.deaf.clear()
    bus.readings.clear()

    bus.run(20_000)

    assert len(bus.readings) >= 5
    assert bus.news[-1] == SlaveNews("m", "")
    assert bus.master.numbers()["slaves_failing"] == 0


def test_an_exception_is_told_once_and_is_no_silence() -> None:
    bus = one()
    del bus.slaves.registers[1, "holding", 1]

    bus.run(3900)

    assert bus.readings == []
    assert bus.news == [SlaveNews("m", "exception 2 (illegal data address) at holding 0 to 1", "g")]
    assert bus.master.numbers()["exceptions"] == 4
    assert bus.master.numbers()["retries"] == 0

    bus.slaves.set(1, 1, 8)
    bus.run(1000)

    assert bus.readings == [("m.g", {"a": 7, "b": 8})]
    assert bus.news[-1] == SlaveNews("m", "", "g")


def test_an_answer_with_a_wrong_crc_is_asked_for_again() -> None:
    bus = one()
    spoilt = iter([1])  # of the first answer only
    bus.spoil = lambda data: data[:-1] + bytes((data[-1] ^ next(spoilt, 0),))

    bus.run(900)

    assert bus.readings == [("m.g", {"a": 7, "b": 8})]
    assert bus.master.counts().bad == 1
    assert bus.master.numbers()["retries"] == 1
    (first_ms, _), (second_ms, _) = bus.sent
    assert second_ms - first_ms < 50  # not after the whole timeout


def test_an_answer_behind_noise_is_found() -> None:
    bus = one()
    bus.spoil = lambda data: b"\x00\xff\x01\x03" + data

    bus.run(900)

    assert bus.readings == [("m.g", {"a": 7, "b": 8})]
    assert bus.master.counts().noise_bytes == 4


def test_a_late_answer_is_not_taken_for_that_to_the_next_request() -> None:
    """The next group has the same size: nothing in its answer's form tells them apart."""
    register = "registers [ { name: a, address: %d } ]"
    groups = ", ".join(
        f"{{ name: g{number}, every: 2s, {register % number} }}" for number in range(2)
    )
    bus = Bus(port(f"timeout: 100ms, slaves [ {{ name: m, address: 1, groups [ {groups} ] }} ]"))
    bus.slaves.set(1, 0, 100, 101)
    # The first answer comes behind its timeout, as does that to the retry.
    bus.delay_ms = lambda number: {0: 150, 1: 90}.get(number, 10)

    bus.run(1900)

    assert bus.readings == [("m.g0", {"a": 100}), ("m.g1", {"a": 101})]


@pytest.mark.parametrize("seed", range(4 * SEEDS))
def test_whatever_the_delays_no_value_is_another_register(seed: int) -> None:
    """An answer may take longer than its timeout, by less than that again: that is waited for."""
    groups = ", ".join(
        f"{{ name: g{number}, every: 300ms, registers [ {{ name: a, address: {number} }} ] }}"
        for number in range(4)
    )
    bus = Bus(port(f"timeout: 50ms, slaves [ {{ name: m, address: 1, groups [ {groups} ] }} ]"))
    bus.slaves.set(1, 0, 100, 101, 102, 103)
    dice = random.Random(seed)
    bus.delay_ms = lambda _: dice.choice((5, 20, 60, 90, 110))

    bus.run(60_000)

    assert len(bus.readings) > 20
    assert {(name, reading["a"]) for name, reading in bus.readings} <= {
        (f"m.g{number}", 100 + number) for number in range(4)
    }


def flipped(dice: random.Random, data: bytes) -> bytes:
    """One byte in a hundred has a bit that is wrong."""
    return bytes(byte ^ (1 << dice.randrange(8)) if dice.random() < 0.01 else byte for byte in data)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_on_a_noisy_line_no_wrong_value_is_taken(seed: int) -> None:
    registers = ", ".join(f"{{ name: r{number}, address: {number} }}" for number in range(20))
    bus = Bus(port(f"slaves [ {slave('m', 1, registers, every='100ms')} ], backoff: 100ms"))
    right = {f"r{number}": 1000 + number for number in range(20)}
    bus.slaves.set(1, 0, *right.values())
    dice = random.Random(seed)
    bus.spoil = lambda data: flipped(dice, data)

    bus.run(100_000)

    assert len(bus.readings) > 150
    assert all(reading == right for _, reading in bus.readings)
    assert bus.master.counts().bad > 100
    assert bus.master.counts().resyncs > 0


@pytest.mark.parametrize("seed", range(SEEDS))
def test_garbage_and_torn_answers_cost_no_wrong_value(seed: int) -> None:
    bus = two_slaves("timeout: 100ms, backoff: 100ms,")
    dice = random.Random(seed)

    def torn(data: bytes) -> bytes:
        cut = dice.randrange(len(data) + 1)
        return dice.choice((data, data[:cut], data[cut:], dice.randbytes(9), b"", data * 2))

    bus.spoil = torn
    bus.run(100_000)

    assert len(bus.readings) > 20
    assert {(name, reading["a"]) for name, reading in bus.readings} == {("m.g", 11), ("n.g", 22)}


def test_an_answer_may_take_as_long_as_its_bytes_do_on_a_slow_line() -> None:
    registers = ", ".join(f"{{ name: r{number}, address: {number} }}" for number in range(100))
    modbus = f"timeout: 100ms, slaves [ {slave('m', 1, registers, every='10s')} ]"
    options = replace(port(modbus), baud=1200, parity="even")
    bus = Bus(options)
    bus.slaves.set(1, 0, *range(100))
    # 8 and 205 bytes of 11 bits take 1.95 s.
    bus.delay_ms = lambda number: 2040 if number else 2060

    bus.run(9000)

    assert bus.master.numbers()["timeouts"] == 1
    assert len(bus.readings) == 1


def test_our_own_bytes_that_come_back_are_passed_over() -> None:
    bus = Bus(port(f"echo: true, slaves [ {slave('m', 1, TWO)} ]"))
    bus.slaves.set(1, 0, 7, 8)
    bus.spoil = lambda data: bus.sent[-1][1] + data

    bus.run(900)

    assert bus.readings == [("m.g", {"a": 7, "b": 8})]
    assert bus.master.counts().noise_bytes == 0


def test_what_comes_back_of_a_write_is_not_its_answer() -> None:
    bus = Bus(port(f"echo: true, slaves [ {slave('m', 1, TWO)} ]"))
    bus.slaves.set(1, 0, 7, 8)
    bus.run(900)
    (state,) = bus.master.schedule.slaves
    for number, deaf in enumerate((True, False)):
        bus.slaves.deaf = {1} if deaf else set()
        bus.spoil = lambda data: b"\xff" + bus.sent[-1][1] + data
        request = bus.master.wire.write(1, "holding", 0, [9], multiple=False)
        bus.master.ask(Job(state, [(request, "holding 0")], number=number))
        bus.run(5000)

    unheard, heard = bus.events
    assert isinstance(unheard, SlaveAnswer)
    assert unheard.reason == "no answer at holding 0"
    assert heard == SlaveAnswer(1, [[]], 0, "")


def test_who_asks_all_the_time_does_not_stop_what_is_due() -> None:
    bus = one()
    (state,) = bus.master.schedule.slaves
    for number in range(300):
        request = bus.master.wire.read(1, "holding", 1, 1)
        bus.master.ask(Job(state, [(request, "holding 1")], number=number))
        while len(bus.events) <= number:
            bus.run(10)

    assert len(bus.readings) >= (bus.now_ms - START_MS) // 1000 - 1 >= 3


def test_what_the_bus_has_no_time_for_is_counted() -> None:
    bus = one(every="100ms")
    bus.delay_ms = lambda _: 250

    bus.run(3000)

    assert len(bus.readings) in range(8, 11)
    assert bus.master.numbers()["missed"] in range(17, 22)


def test_while_the_port_is_not_read_nothing_is_asked() -> None:
    bus = one()
    bus.run(505)  # asked, not answered yet
    assert len(bus.sent) == 1

    bus.master.hold(on=True, now_ms=bus.now_ms)
    bus.run(5000)
    assert len(bus.sent) == 1
    assert bus.readings == []

    bus.master.hold(on=False, now_ms=bus.now_ms)
    bus.run(490)
    assert len(bus.sent) == 1  # a late answer could still come
    bus.run(200)
    assert len(bus.sent) == 2
    assert bus.readings == [("m.g", {"a": 7, "b": 8})]
    assert bus.master.numbers()["timeouts"] == 0


def test_a_line_that_never_is_silent_does_not_stop_the_polls() -> None:
    bus = one()
    for at in range(5000):
        bus.say(b"\x55", after_ms=at)

    bus.run(5000)

    assert len(bus.sent) >= 2


def test_what_is_kept_of_a_line_that_babbles_is_bounded() -> None:
    bus = one()
    bus.slaves.deaf.add(1)
    bus.run(501)
    for _ in range(20):
        bus.say(b"\xaa" * 4096)
        bus.run(1)

    assert len(bus.master._buffer) <= 512
    assert bus.master.counts().noise_bytes >= 19 * 4096


def test_a_port_that_is_opened_again_is_asked_soon() -> None:
    bus = one()
    bus.slaves.deaf.add(1)
    bus.run(30_000)
    asked = len(bus.sent)
    bus.slaves.deaf.clear()

    bus.master.opened(bus.now_ms)
    bus.run(490)
    assert len(bus.sent) == asked  # somebody may have asked before, and be answered now
    bus.run(100)

    assert len(bus.sent) == asked + 1
    assert bus.readings == [("m.g", {"a": 7, "b": 8})]


def test_a_group_of_several_requests_is_one_reading_or_none() -> None:
    registers = (
        "{ name: a, address: 0 }, { name: far, address: 500 }, { name: c, table: coil, address: 3 }"
    )
    bus = Bus(port(f"slaves [ {slave('m', 1, registers)} ]"))
    bus.slaves.set(1, 0, 7)
    bus.slaves.set(1, 3, 1, table="coil")

    bus.run(900)
    assert bus.readings == []

    bus.slaves.set(1, 500, 9)
    bus.run(1000)
    assert bus.readings == [("m.g", {"a": 7, "far": 9, "c": True})]
    assert bus.slaves.requests[-3:] == [(1, 1, 3, 1), (1, 3, 0, 1), (1, 3, 500, 1)]
