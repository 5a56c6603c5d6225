"""Boards that change ports, or places, while what they say is gathered: each reading counts once.

The ports are those of one bridge, the boards real device sessions, the stream a list that is asked
what is stored.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.bridge.bridge import Bridge
from leafnode.bridge.mapping.mapper import Mapper
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.serial_options import SerialOptions
from leafnode.config.serial_stage_options import MappingOptions
from leafnode.link.device import DeviceSession
from leafnode.routing.subject_set import SubjectSet
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import NO_SPACE, FakeStream, new_account
from tests.unit.bridge.world import FakeLine, line_port

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from leafnode.bridge.reading import Reading
    from leafnode.routing.subscription import Delivery

GATHER = MappingOptions(every_ns=10 * NS_PER_S, functions=("count",))


class Board:
    """A device session that is on one line, or on none."""

    def __init__(self, name: str, boot_id: int, clock: FakeClock) -> None:
        self.name = name
        self.session = DeviceSession(name, boot_id, window=8, ring_messages=256, ring_bytes=20_000)
        self.measured = 0
        self.line: FakeLine | None = None
        self._clock = clock

    @property
    def now_ms(self) -> int:
        return self._clock.monotonic_ns() // NS_PER_MS

    def measure(self) -> None:
        self.measured += 1
        assert self.session.publish("t", b'{"v":1}', self.now_ms)

    def turn(self) -> None:
        if self.line is None or self.line.device is None:
            return
        with contextlib.suppress(BlockingIOError):  # nothing is there
            self.session.receive(self.line.device.recv(65536), self.now_ms)
        while data := self.session.data_to_send(self.now_ms):
            self.line.device.sendall(data)


class Place:
    """Two ports of a bridge that gathers, two boards and a stream."""

    def __init__(self, *, framing: str = "link", mapping: MappingOptions = GATHER) -> None:
        self.clock = FakeClock()
        self.account = new_account()
        self.stream = FakeStream(self.account, b"s.>")
        self.stream.commits_at_once = True
        self.is_told = True  # who asks the stream; a work queue that is drained tells nothing
        self.account.subscribe(b"$JS.API.STREAM.MSG.GET.S", self._look)
        self.lines = [FakeLine(), FakeLine()]
        by_name = dict(zip("ab", self.lines, strict=True))
        port = line_port(subject="s.{device}", framing=framing, codec="json", stream="S")
        ports = [
            replace(port, name=name, device=f"/dev/{name}", mapping=mapping) for name in by_name
        ]
        self.bridge = Bridge(
            SerialOptions(tuple(ports)),
            self.account,
            self.clock,
            random.Random(1),
            open_serial=lambda options: by_name[options.name].open(options),
        )
        self.boards = [Board("node1", 77, self.clock), Board("node2", 88, self.clock)]

    def _look(self, delivery: Delivery) -> None:
        """Answer what is stored under a subject."""
        reply, _, body = delivery.messages[0]
        wanted = json.loads(body)
        pattern = wanted.get("last_by_subj") or wanted.get("next_by_subj")
        subjects = SubjectSet([pattern.encode()])
        found = [
            seq
            for seq, subject in enumerate(self.stream.subjects, 1)
            if subjects.matches(subject) and seq >= wanted.get("seq", 0)
        ]
        answer: dict[str, object] = {"error": {"code": 404}}
        if found and self.is_told:
            seq = found[-1 if "last_by_subj" in wanted else 0]
            hdrs = base64.b64encode(self.stream.headers[seq - 1]).decode()
            answer = {"message": {"seq": seq, "hdrs": hdrs}}
        self.account.publish(reply, json.dumps(answer).encode())

    def play(self, story: Callable[[], Coroutine[object, object, None]]) -> None:
        async def played() -> None:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.bridge.run())
                await self.until(lambda: all(one.open for one in self.bridge.status()))
                try:
                    await story()
                finally:
                    running.cancel()
                    while not running.done():
                        await self.turns(1)

        try:
            asyncio.run(played())
        finally:
            for line in self.lines:
                line.unplug()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await self.turns(1)

    async def window_on_its_way(self, board: Board) -> None:
        """Have five readings gathered on the first port, which the stream has not committed."""
        self.stream.commits_at_once = False
        board.line = self.lines[0]
        for _ in range(5):
            board.measure()
        await self.until(lambda: self.stream.staged > 0)

    async def turns(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(20 * NS_PER_MS)
            for board in self.boards:
                with contextlib.suppress(OSError):  # its line is unplugged
                    board.turn()
            await asyncio.sleep(0)

    def counted(self, board: Board) -> int:
        """Return how many readings of it are in what is stored."""
        rows = zip(self.stream.subjects, self.stream.payloads, strict=True)
        name = f"s.{board.name}".encode()
        return sum(json.loads(payload)["count"] for subject, payload in rows if subject == name)


def test_a_board_that_is_moved_to_another_port_is_counted_once() -> None:
    place = Place()
    board = place.boards[0]

    async def story() -> None:
        board.line = place.lines[0]
        for _ in range(5):
            board.measure()
        await place.turns(50)
        place.lines[0].unplug()
        board.line = place.lines[1]
        await place.turns(50)
        for _ in range(2):
            board.measure()
        await place.until(lambda: not board.session.unacked)

    place.play(story)

    assert place.stream.payloads == [b'{"v":1,"count":7}']


def test_a_board_that_gives_way_to_another_and_comes_back_is_counted_once() -> None:
    place = Place()
    first, second = place.boards

    async def story() -> None:
        for board in (first, second, first):
            board.line = place.lines[0]
            for _ in range(5):
                board.measure()
            await place.turns(50)
            board.line = None
        first.line = place.lines[0]
        await place.until(lambda: not first.session.unacked)

    place.play(story)

    assert [place.counted(board) for board in place.boards] == [10, 5]


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_board_that_is_moved_while_its_window_is_on_its_way_to_the_stream_is_counted_once(
    is_stored: bool, is_told: bool
) -> None:
    place = Place()
    place.is_told = is_told
    board = place.boards[0]

    async def story() -> None:
        await place.window_on_its_way(board)
        place.lines[0].unplug()
        await place.turns(3)
        board.line = place.lines[1]
        await place.turns(50)
        for _ in range(2):
            board.measure()
        await place.turns(50)
        (place.stream.commit if is_stored else place.stream.fail)()
        place.stream.commits_at_once = True
        await place.until(lambda: not board.session.unacked)

    place.play(story)

    assert place.stream.ids == ([b"node1.77.5", b"node1.77.7"] if is_stored else [b"node1.77.7"])
    assert place.counted(board) == 7


@pytest.mark.parametrize("is_told", [True, False])
def test_a_board_that_is_moved_before_it_hears_what_is_stored_is_counted_once(
    is_told: bool,
) -> None:
    place = Place()
    place.is_told = is_told
    board = place.boards[0]

    async def story() -> None:
        await place.window_on_its_way(board)
        board.line = None  # its cable is cut
        place.stream.commit()
        place.stream.commits_at_once = True
        await place.turns(50)
        place.lines[0].unplug()
        board.line = place.lines[1]
        await place.turns(50)
        for _ in range(2):
            board.measure()
        await place.until(lambda: not board.session.unacked)

    place.play(story)

    assert place.stream.ids == [b"node1.77.5", b"node1.77.7"]
    assert place.counted(board) == 7


def test_a_board_that_is_moved_while_its_port_takes_nothing_is_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a slow function is full: some of what came is parsed, and not taken yet."""
    place = Place()
    board = place.boards[0]
    first = place.bridge.port("a")
    assert first is not None
    taken = []
    offer = Mapper.offer
    is_full = False

    def offered(mapper: Mapper, reading: Reading) -> None:
        taken.append(reading)
        offer(mapper, reading)

    def room(mapper: Mapper) -> bool:
        return not (is_full and mapper is first._mapper and len(taken) >= 3)

    async def story() -> None:
        nonlocal is_full
        board.line = place.lines[0]
        await place.turns(100)
        is_full = True
        for _ in range(8):
            board.measure()
        await place.turns(20)
        assert len(taken) == 3
        place.lines[0].unplug()
        await place.turns(3)
        board.line = place.lines[1]
        await place.turns(100)
        for _ in range(2):
            board.measure()
        await place.turns(20)
        is_full = False
        first._progressed()
        await place.until(lambda: not board.session.unacked)
        await place.turns(1000)

    monkeypatch.setattr(Mapper, "offer", offered)
    monkeypatch.setattr(Mapper, "has_room", property(room))
    place.play(story)

    assert place.stream.payloads == [b'{"v":1,"count":10}']


def test_a_board_that_is_moved_while_the_stream_never_answers_is_taken_in_the_end() -> None:
    place = Place()
    board = place.boards[0]

    async def story() -> None:
        place.stream.silent = True
        board.line = place.lines[0]
        board.measure()
        await place.until(lambda: place.stream.received > 0)
        place.lines[0].unplug()
        await place.turns(3)
        board.line = place.lines[1]
        await place.turns(50)
        place.stream.silent = False
        place.stream.commits_at_once = True
        await place.until(lambda: not board.session.unacked)

    place.play(story)

    assert place.counted(board) == 1


@pytest.mark.parametrize("seed", range(24))
def test_wherever_boards_are_and_whatever_a_stream_does_each_reading_counts_once(
    seed: int,
) -> None:
    place, chance = Place(), random.Random(seed)
    place.is_told = seed % 2 == 0

    async def story() -> None:
        for _ in range(60):
            board = chance.choice(place.boards)
            what = chance.random()
            if what < 0.25:
                line = chance.choice([*place.lines, None])
                others = [one for one in place.boards if one.line is line and one is not board]
                for one in others:
                    one.line = None
                board.line = line
            elif what < 0.35:
                chance.choice(place.lines).unplug()
                await place.turns(3)
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
        place.stream.commits_at_once = True
        for board, line in zip(place.boards, place.lines, strict=True):
            board.line = line
        await place.until(lambda: not any(board.session.unacked for board in place.boards))
        await place.turns(1000)

    place.play(story)

    assert [place.counted(one) for one in place.boards] == [one.measured for one in place.boards]
