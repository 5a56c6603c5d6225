"""When a port is open: pauses, wakings, lending."""

from __future__ import annotations

import logging
import termios
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.clock import NS_PER_S
from tests.unit.bridge.world import FakePort, World, line_port, run

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort


def test_a_device_that_is_not_there_is_looked_for_more_often_than_one_that_refuses() -> None:
    pauses: dict[str, int] = {}
    for refusal in (FileNotFoundError(2, "not there"), PermissionError(13, "not yours")):
        world = World(line_port())
        world.line.refusal = refusal

        async def story(world: World) -> None:
            for attempt in range(1, 9):
                await world.until(
                    lambda wanted=attempt: world.runner.status().open_failures == wanted
                )
                await world.until(lambda: world.clock.pending() == 1)
                pause = world.clock.due_in_ns()
                assert pause is not None
                pauses[type(world.line.refusal).__name__] = pause
                world.clock.advance(pause)

        run(world, story)

    assert pauses == {
        "FileNotFoundError": limits.PORT_POLL_NS,
        "PermissionError": limits.PORT_REOPEN_MAX_NS,
    }


@pytest.mark.parametrize(
    "refusal",
    [termios.error(22, "Invalid argument"), OverflowError("too large"), ZeroDivisionError()],
)
def test_whatever_opening_raises_ends_this_attempt_alone(refusal: Exception) -> None:
    world = World(line_port())
    world.line.refusal = refusal

    async def story(world: World) -> None:
        await world.until(lambda: world.runner.status().open_failures == 1)
        assert world.runner.status().last_error == str(refusal)
        world.line.refusal = None
        await world.until(lambda: world.clock.pending() == 1)
        world.clock.advance(limits.PORT_REOPEN_NS)
        await world.opened()

    run(world, story)


def test_a_device_that_is_lost_again_and_again_is_back_within_the_same_bound() -> None:
    world = World(line_port())
    pauses: list[int] = []

    async def story(world: World) -> None:
        for cycle in range(1, 9):
            await world.until(lambda wanted=cycle: world.line.opens == wanted)
            await world.opened()
            world.line.unplug()
            await world.until(lambda wanted=cycle: world.line.closes == wanted)
            await world.until(lambda: world.clock.pending() == 1)
            pauses.append(world.clock.due_in_ns() or 0)
            world.clock.advance(pauses[-1])
        await world.opened()

    run(world, story)

    assert pauses[0] == limits.PORT_REOPEN_NS
    assert pauses == sorted(pauses)
    assert pauses[-1] == limits.PORT_POLL_NS


def test_a_device_that_is_back_and_not_allowed_yet_is_tried_again_soon() -> None:
    """Where nobody tells of it: its permissions come a moment behind it."""
    world = World(line_port())
    world.line.refusal = FileNotFoundError(2, "not there")

    async def story(world: World) -> None:
        for attempt in range(1, 7):
            if attempt == 6:
                world.line.refusal = PermissionError(13, "not allowed")
            await world.until(lambda wanted=attempt: world.runner.status().open_failures == wanted)
            await world.until(lambda: world.clock.pending() == 1)
            pause = world.clock.due_in_ns() or 0
            if attempt < 6:
                world.clock.advance(pause)
        assert pause == limits.PORT_REOPEN_NS

    run(world, story)


def test_why_a_port_is_closed_is_said_again_only_when_it_is_something_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "leafnode")
    world = World(line_port())
    absent, held = FileNotFoundError(2, "not there"), OSError(16, "another has it")

    async def story(world: World) -> None:
        await world.opened()
        world.line.unplug()
        await world.until(lambda: world.line.closes == 1)
        for number, refusal in enumerate((absent, absent, held, held, absent), 1):
            world.line.refusal = refusal
            await world.until(lambda: world.clock.pending() == 1)
            world.clock.advance(world.clock.due_in_ns() or 0)
            await world.until(lambda wanted=number: world.runner.status().open_failures == wanted)

    run(world, story)

    assert [record.getMessage() for record in caplog.records] == [
        "Serial port lost: port=scale reason=the other end hung up",
        "Serial port cannot be opened: port=scale reason=[Errno 16] another has it",
        "Serial port cannot be opened: port=scale reason=[Errno 2] not there",
    ]


def test_a_device_that_is_plugged_in_ends_the_pause() -> None:
    world = World(line_port())
    world.line.refusal = FileNotFoundError(2, "not there")

    async def story(world: World) -> None:
        for attempt in range(1, 5):
            await world.until(lambda wanted=attempt: world.runner.status().open_failures == wanted)
            await world.until(lambda: world.clock.pending() == 1)
            world.clock.advance(world.clock.due_in_ns() or 0)
        await world.until(lambda: world.clock.pending() == 1)
        world.runner.life.came()
        await world.until(lambda: world.runner.status().open_failures == 6)
        # Its links in /dev/serial come a moment later: the short pauses begin anew.
        await world.until(lambda: world.clock.pending() == 1)
        assert world.clock.due_in_ns() == limits.PORT_REOPEN_NS
        world.line.refusal = None
        world.runner.life.came()
        await world.opened()

    run(world, story)

    assert world.runner.status().opens == 1


def test_a_port_that_does_not_close_well_is_lent_opened_again_and_stopped(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, "leafnode")
    world = World(line_port())
    told: list[int] = []
    close = FakePort.close

    def failing(port: FakePort) -> None:
        close(port)
        raise OSError(5, "cable cut")

    monkeypatch.setattr(FakePort, "close", failing)
    opens = world.line.open

    def lent_while_it_opens(options: SerialPort) -> FakePort:
        port = opens(options)
        if world.line.opens == 1:
            world.runner.life.lend(NS_PER_S, lambda: told.append(world.line.closes))
        return port

    world.runner.life._open_serial = lent_while_it_opens

    async def story(world: World) -> None:
        await world.until(lambda: bool(told))
        assert world.runner.life.take_back()
        await world.opened()

    run(world, story)

    assert told == [1]
    assert world.line.opens == world.line.closes == 2
    said = "Serial port does not close well: port=scale reason=OSError(5, 'cable cut')"
    assert [record.getMessage() for record in caplog.records] == [said, said]


def test_a_lent_port_is_closed_at_once_and_taken_back_in_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "leafnode")
    world = World(line_port())
    told: list[int] = []

    async def story(world: World) -> None:
        await world.opened()
        assert not world.runner.life.lend(10 * NS_PER_S, lambda: told.append(world.line.closes))
        await world.until(lambda: bool(told))
        assert not world.runner.status().open
        assert world.runner.life.lent_ns == 10 * NS_PER_S
        world.runner.life.came()  # a device that comes is no reason to take it back
        world.clock.advance(10 * NS_PER_S - 1)
        await world.turns()
        assert world.line.opens == 1
        world.clock.advance(1)
        await world.opened()

    run(world, story)

    assert told == [1]
    assert world.runner.life.lent_ns == 0
    assert world.line.opens == world.line.closes == 2
    said = [record.getMessage() for record in caplog.records]
    assert "Serial port lent: port=scale seconds=10 holder=''" in said
    assert "Serial port taken back: port=scale reason=its time is over" in said
    assert not any("lost" in line for line in said)


def test_a_lending_may_be_longer_or_end_sooner() -> None:
    world = World(line_port())
    told: list[str] = []

    async def story(world: World) -> None:
        await world.opened()
        life = world.runner.life
        assert not life.take_back()
        life.lend(10 * NS_PER_S, lambda: told.append("first"))
        await world.until(lambda: told == ["first"])
        world.clock.advance(9 * NS_PER_S)
        life.lend(10 * NS_PER_S, lambda: told.append("second"))
        await world.until(lambda: len(told) == 2)
        world.clock.advance(9 * NS_PER_S - 1)
        await world.turns()
        life.lend(NS_PER_S, lambda: told.append("third"))  # somebody else, who knows of none
        await world.until(lambda: len(told) == 3)
        assert life.lent_ns == NS_PER_S + 1
        assert world.line.opens == 1
        assert life.take_back()
        await world.opened()

    run(world, story)

    assert told == ["first", "second", "third"]


def lend(world: World, lease: str, told: list[str], *, seconds: int = 30) -> str:
    return world.runner.life.lend(
        seconds * NS_PER_S, lambda: told.append(lease), lease=lease, holder=f"holder of {lease}"
    )


def test_a_lease_is_renewed_by_its_holder_alone_and_ends_when_that_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "leafnode")
    world = World(line_port())
    told: list[str] = []

    async def story(world: World) -> None:
        await world.opened()
        assert lend(world, "a", told) == ""
        await world.until(lambda: told == ["a"])
        assert world.runner.status().lent_to == "holder of a"
        for _ in range(5):
            world.clock.advance(10 * NS_PER_S)
            assert lend(world, "a", told) == ""
            await world.turns()
        refusal = "the port is lent to holder of a, for 30 s more, or longer where it is renewed"
        assert lend(world, "b", told) == refusal
        assert world.runner.life.lend(NS_PER_S, lambda: told.append("nobody")) == refusal
        assert not world.runner.life.take_back("b")
        world.clock.advance(30 * NS_PER_S)
        await world.opened()

    run(world, story)

    assert told == ["a"] * 6
    assert world.runner.status().lent_to == ""
    said = [record.getMessage() for record in caplog.records]
    assert said[1:3] == [
        "Serial port lent: port=scale seconds=30 holder='holder of a'",
        "Serial port taken back: port=scale reason=not renewed",
    ]


def test_a_lease_that_is_over_is_no_reason_to_refuse_the_next_one() -> None:
    world = World(line_port())
    told: list[str] = []

    async def story(world: World) -> None:
        await world.opened()
        lend(world, "a", told)
        await world.until(lambda: told == ["a"])
        assert world.runner.life.take_back("a")
        assert lend(world, "a", told) == "this lending was ended"  # who renews it comes late
        assert lend(world, "b", told) == ""
        await world.until(lambda: told == ["a", "b"])
        assert world.line.opens == 1
        assert world.runner.life.take_back()  # whoever has it
        await world.opened()

    run(world, story)


def test_a_port_that_is_asked_for_while_it_is_not_there_is_lent_too() -> None:
    world = World(line_port())
    world.line.refusal = FileNotFoundError(2, "not there")
    told: list[bool] = []

    async def story(world: World) -> None:
        await world.until(lambda: world.runner.status().open_failures == 1)
        world.runner.life.lend(NS_PER_S, lambda: told.append(True))
        await world.until(lambda: bool(told))
        world.line.refusal = None
        world.clock.advance(NS_PER_S)
        await world.opened()

    run(world, story)


def test_who_asks_for_a_port_that_does_not_close_waits_up_to_a_bound() -> None:
    world = World(line_port())

    async def story(world: World) -> None:
        await world.opened()
        life = world.runner.life
        answers = [life.lend(NS_PER_S, lambda: None) for _ in range(limits.PORT_LENDERS_MAX + 1)]
        busy = "the port does not close, and others wait for it already"
        assert answers == [""] * limits.PORT_LENDERS_MAX + [busy]

    run(world, story)


@pytest.mark.parametrize("is_back", [False, True])
def test_a_port_that_was_lost_is_lent_by_where_its_device_is_now(is_back: bool) -> None:
    """Its path of before may be another device's."""
    world = World(line_port())
    paths: list[str] = []

    def lent() -> None:
        paths.append(world.runner.life.path)

    async def story(world: World) -> None:
        await world.opened()
        world.line.refusal = FileNotFoundError(2, "not there")
        world.line.unplug()
        await world.until(lambda: world.line.closes == 1)
        await world.until(lambda: world.clock.pending() == 1)
        if is_back:
            world.line.refusal, world.line.path = None, "/dev/other"
        assert world.runner.life.lend(10 * NS_PER_S, lent) == ""
        await world.until(lambda: len(paths) == 1)
        world.line.refusal, world.line.path = None, "/dev/third"
        assert world.runner.life.lend(10 * NS_PER_S, lent) == ""  # it was plugged in elsewhere
        await world.until(lambda: len(paths) == 2)

    run(world, story)

    assert paths == ["/dev/other" if is_back else "", "/dev/third"]


def test_who_lends_and_gives_back_all_the_time_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(line_port())
    told: list[int] = []

    async def story(world: World) -> None:
        for number in range(port_bounds.PORT_NOTES_MAX):
            await world.opened()
            assert world.runner.life.lend(NS_PER_S, lambda: told.append(1)) == ""
            await world.until(lambda wanted=number: len(told) > wanted)
            world.runner.life.take_back()
        await world.opened()

    caplog.set_level(logging.INFO)
    run(world, story)

    # And the first opening, which nobody lent.
    said = [one for one in caplog.records if "Serial port" in one.getMessage()]
    assert len(said) == port_bounds.PORT_NOTES_MAX + 1


def test_whole_readings_that_wait_in_the_framing_survive_a_lending() -> None:
    world = World(line_port())
    world.stream.commits_at_once = False
    count = limits.READINGS_UNCOMMITTED_MAX + 50

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"".join(b"%d\n" % number for number in range(count)))
        await world.until(lambda: world.runner.status().paused)
        told: list[bool] = []
        world.runner.life.lend(NS_PER_S, lambda: told.append(True))
        await world.until(lambda: bool(told))
        world.clock.advance(NS_PER_S)
        await world.opened()
        world.stream.commits_at_once = True
        world.stream.commit()
        await world.until(lambda: world.runner.status().stored >= limits.READINGS_UNCOMMITTED_MAX)
        await world.until(lambda: world.runner.status().queued == 0)

    run(world, story)

    # What the fake line's kernel still held went with its closing; what was read did not.
    stored = [int(payload) for payload in world.stream.payloads]
    assert stored == list(range(len(stored)))
    assert len(stored) > limits.READINGS_UNCOMMITTED_MAX
