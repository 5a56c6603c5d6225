"""A reload of a port's entry while what boards keep is on its way to the stream: counted once."""

from __future__ import annotations

import contextlib
import importlib.util
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.bridge.exec.function import Function
from leafnode.config.serial_options import SerialOptions
from leafnode.config.serial_stage_options import CodecOptions, MappingOptions
from tests.firmware.interpreter import ROOT
from tests.unit.bridge.fake_stream import NO_SPACE
from tests.unit.bridge.test_moved_boards import GATHER, Board, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.clock import FakeClock
    from tests.unit.bridge.world import FakeLine


BOARDS = (("node1", 77), ("node2", 88))


def text_sender(name: str, boot_id: int) -> Any:
    path = ROOT / "firmware/examples/text_sender.py"
    spec = importlib.util.spec_from_file_location("text_sender", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TextSender(name, boot_id, kept_max=500)


class TextBoard(Board):
    """The same in the text dialect."""

    def __init__(self, name: str, boot_id: int, clock: FakeClock) -> None:
        super().__init__(name, boot_id, clock)
        self.session = text_sender(name, boot_id)
        self._before: FakeLine | None = None  # where it was

    def measure(self) -> None:
        self.measured += 1
        self.session.point("t", "1")

    def turn(self) -> None:
        line, before, self._before = self.line, self._before, self.line
        if line is None or line.device is None:
            return
        said = b""
        with contextlib.suppress(BlockingIOError):  # nothing is there
            said = line.device.recv(65536)
        if line is before:
            self.session.receive(said)
        else:
            self.session.greeted = False  # it is asked who it is: its lines do not say it
        line.device.sendall(self.session.data_to_send(self.now_ms))


def place_of(framing: str, mapping: MappingOptions = GATHER) -> tuple[Place, Board]:
    place = Place(framing=framing, mapping=mapping)
    if framing == "text_link":
        place.boards = [TextBoard(name, boot, place.clock) for name, boot in BOARDS]
    return place, place.boards[0]


def changed(place: Place) -> SerialOptions:
    """The same ports at another speed."""
    ports = [replace(port, baud=9600) for port in place.bridge._runners]
    return SerialOptions(tuple(ports))


def without_the_first(place: Place) -> SerialOptions:
    return SerialOptions(tuple(place.bridge._runners)[1:])


@pytest.mark.parametrize("framing", ["link", "text_link"])
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_reload_while_a_window_is_on_its_way_to_the_stream_counts_each_reading_once(
    framing: str, is_stored: bool
) -> None:
    place, board = place_of(framing)

    async def story() -> None:
        await place.window_on_its_way(board)
        await place.bridge.change(changed(place))
        await place.turns(50)
        for _ in range(2):
            board.measure()
        await place.turns(50)
        (place.stream.commit if is_stored else place.stream.fail)()
        place.stream.commits_at_once = True
        await place.until(lambda: not board.session.unacked)
        await place.turns(600)

    place.play(story)

    assert place.counted(board) == 7


@pytest.mark.parametrize(("framing", "said"), [("link", 5), ("text_link", 1)])
def test_what_a_board_says_again_behind_a_reload_is_not_queued_again(
    framing: str, said: int
) -> None:
    """No duplicate window is long enough for a stream that gets room now and then."""
    place, board = place_of(framing, MappingOptions())

    async def story() -> None:
        place.stream.refusal = NO_SPACE
        board.line = place.lines[0]
        for _ in range(said):
            board.measure()
        await place.until(lambda: place.bridge.status()[0].queued == said)
        for _ in range(3):
            await place.turns(100)
            assert place.bridge.status()[0].queued == said
            await place.bridge.change(changed(place))
        place.stream.refusal = None
        await place.until(lambda: not board.session.unacked)

    place.play(story)

    assert place.stream.ids == [b"node1.77.%d" % seq for seq in range(1, said + 1)]


@pytest.mark.parametrize(("framing", "said"), [("link", 5), ("text_link", 1)])
def test_what_a_board_says_again_behind_another_in_its_place_is_not_queued_again(
    framing: str, said: int
) -> None:
    place, board = place_of(framing, MappingOptions())
    other = place.boards[1]

    async def story() -> None:
        place.stream.refusal = NO_SPACE
        board.line = place.lines[0]
        for _ in range(said):
            board.measure()
        await place.until(lambda: place.bridge.status()[0].queued == said)
        for _ in range(3):
            await place.turns(100)
            assert place.bridge.status()[0].queued == said
            board.line, other.line = None, place.lines[0]
            await place.turns(100)
            board.line, other.line = place.lines[0], None
        place.stream.refusal = None
        await place.until(lambda: not board.session.unacked)

    place.play(story)

    assert place.stream.ids == [b"node1.77.%d" % seq for seq in range(1, said + 1)]


@pytest.mark.parametrize(("framing", "said"), [("link", 5), ("text_link", 1)])
def test_what_a_function_has_not_decided_is_not_queued_again_behind_another_board(
    framing: str, said: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Function, "begin", lambda _: None)  # as one that takes a while to start
    place, board = place_of(framing, MappingOptions())
    other = place.boards[1]
    codec = CodecOptions("exec", function="convert.py:decode")

    async def story() -> None:
        ports = [replace(port, codec=codec) for port in place.bridge._runners]
        await place.bridge.change(SerialOptions(tuple(ports)))
        board.line = place.lines[0]
        for _ in range(said):
            board.measure()
        await place.until(lambda: place.bridge.status()[0].function["queued"] == said)
        for _ in range(3):
            await place.turns(100)
            assert place.bridge.status()[0].function["queued"] == said
            board.line, other.line = None, place.lines[0]
            await place.turns(100)
            board.line, other.line = place.lines[0], None

    place.play(story)


@pytest.mark.parametrize("framing", ["link", "text_link"])
def test_what_is_stored_of_a_board_that_is_away_behind_a_reload_is_known_when_it_is_back(
    framing: str,
) -> None:
    place, board = place_of(framing, MappingOptions())
    place.is_told = False  # as of a hub's stream

    async def story() -> None:
        place.stream.refusal = NO_SPACE
        board.line = place.lines[0]
        board.measure()
        await place.until(lambda: place.bridge.status()[0].queued == 1)
        board.line = None
        await place.bridge.change(changed(place))
        place.stream.refusal = None
        await place.until(lambda: bool(place.stream.ids))
        place.stream.forget()
        board.line = place.lines[0]
        await place.until(lambda: not board.session.unacked)

    place.play(story)

    assert place.stream.ids == [b"node1.77.1"]


@pytest.mark.parametrize("framing", ["link", "text_link"])
@pytest.mark.parametrize("reloaded", [changed, without_the_first])
@pytest.mark.parametrize("is_refused", [True, False])
def test_a_board_that_moves_while_a_reload_ends_its_port_is_counted_once(
    framing: str, reloaded: Callable[[Place], SerialOptions], is_refused: bool
) -> None:
    """Its port goes on by itself until what it had is stored."""
    place, board = place_of(framing)

    async def story() -> None:
        place.stream.commits_at_once = False
        place.stream.refusal = NO_SPACE if is_refused else None
        board.line = place.lines[0]
        for _ in range(5):
            board.measure()
        await place.until(lambda: place.stream.received > 0)
        board.line = None
        await place.bridge.change(reloaded(place))
        board.line = place.lines[1]
        for _ in range(2):
            board.measure()
        await place.turns(5 if is_refused else 50)
        place.stream.refusal = None
        place.stream.commit()
        place.stream.commits_at_once = True
        await place.until(lambda: not board.session.unacked)
        await place.turns(600)

    place.play(story)

    assert place.counted(board) == 7


@pytest.mark.parametrize("framing", ["link", "text_link"])
@pytest.mark.parametrize("seed", range(40, 48))
def test_wherever_boards_are_and_whatever_is_reloaded_each_reading_counts_once(
    framing: str, seed: int
) -> None:
    """Without the wait for what is on its way, seed 46 counted some twice."""
    place, _ = place_of(framing)
    chance = random.Random(seed)
    ports = list(place.bridge._runners)

    async def story() -> None:
        for _ in range(60):
            board, what = chance.choice(place.boards), chance.random()
            if what < 0.2:
                line = chance.choice([*place.lines, None])
                for one in place.boards:
                    one.line = None if one.line is line else one.line
                board.line = line
            elif what < 0.4:
                now = [replace(one, baud=chance.choice([9600, 19200])) for one in ports]
                kept = now[chance.choice([0, 0, 1]) :]
                await place.bridge.change(SerialOptions(tuple(kept)))
            elif what < 0.5:
                place.stream.refusal = chance.choice([None, NO_SPACE])
            elif what < 0.6:
                chance.choice([place.stream.commit, place.stream.fail])()
                place.stream.commits_at_once = not place.stream.commits_at_once
            elif board.session.unacked < 200:
                board.measure()
            await place.turns(chance.randrange(1, 200))
            place.stream.commit()
        place.stream.refusal = None
        place.stream.commit()
        place.stream.commits_at_once = True
        await place.bridge.change(SerialOptions(tuple(ports)))
        for board, line in zip(place.boards, place.lines, strict=True):
            board.line = line
        await place.until(lambda: not any(board.session.unacked for board in place.boards))
        await place.turns(1000)

    place.play(story)

    assert [place.counted(one) for one in place.boards] == [one.measured for one in place.boards]
