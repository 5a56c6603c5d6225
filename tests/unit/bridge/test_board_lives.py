"""A text board through random lives of a gateway: power cuts, lost answers, streams that refuse.

No duplicate window protects: each life has ids of its own, as after a long outage.
"""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.serial_stage_options import FieldOptions, MappingOptions
from leafnode.routing.subject_set import SubjectSet
from tests.unit.bridge.world import World, line_port, run

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort
    from leafnode.routing.subscription import Delivery


class Row(NamedTuple):
    subject: bytes
    block: bytes
    payload: bytes


class Disk:
    """What was committed, in all lives; as JetStream tells of it."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def serve(self, world: World) -> None:
        def answer(delivery: Delivery) -> None:
            reply, _, body = delivery.messages[0]
            world.account.publish(reply, json.dumps(self._found(json.loads(body))).encode())

        world.account.subscribe(b"$JS.API.STREAM.MSG.GET.S", answer)

    def _found(self, wanted: dict[str, object]) -> dict[str, object]:
        pattern = str(wanted.get("last_by_subj") or wanted.get("next_by_subj")).encode()
        subjects = SubjectSet([pattern])
        found = [seq for seq, row in enumerate(self.rows, 1) if subjects.matches(row.subject)]
        found = [seq for seq in found if seq >= wanted.get("seq", 0)]  # type: ignore[operator]
        if not found:
            return {"error": {"code": 404}}
        seq = found[-1 if "last_by_subj" in wanted else 0]
        hdrs = base64.b64encode(self.rows[seq - 1].block).decode()
        return {"message": {"seq": seq, "hdrs": hdrs}}


class TextBoard:
    """Says one numbered line again until it hears that it is stored, and others between."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.number = 0
        self.is_pending = False
        self.is_greeted = False
        self._heard = b""

    def hear(self, data: bytes) -> None:
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            if line in {b"ok hello", b"hello?"}:
                self.is_greeted = line == b"ok hello"
            elif line.startswith(b"ok ") and int(line[3:]) >= self.number:
                self.is_pending = False

    def say(self) -> bytes:
        hello = b"" if self.is_greeted else b"hello node1 77\n"
        if self._chance.random() < 0.45:
            return hello + b'pub t {"u":1,"x":%d}\n' % self._chance.randrange(3)
        self.number += not self.is_pending
        self.is_pending = True
        values = self.number, self.number, self.number % 3
        return hello + b'#%d pub t {"n":%d,"x":%d}\n' % values


def live(port: SerialPort, board: TextBoard, disk: Disk, chance: random.Random) -> None:
    """One life of a gateway, up to a power cut."""
    world = World(port)
    disk.serve(world)
    stream = world.stream
    stream.commits_at_once = False

    def commit() -> None:
        before = len(stream.ids)
        stream.commit()
        rows = zip(stream.subjects, stream.headers, stream.payloads, strict=True)
        disk.rows += [Row(*row) for row in rows][before:]

    async def story(world: World) -> None:
        await world.opened()
        for _ in range(chance.randrange(3, 25)):
            data = world.hear()
            if chance.random() < 0.85:
                board.hear(data)
            if chance.random() < 0.7:
                world.say(board.say())
            await world.turns(chance.randrange(1, 12))
            what = chance.random()
            if what < 0.5:
                commit()
            elif what < 0.6:
                stream.fail()
            if chance.random() < 0.4:
                world.clock.advance(NS_PER_S // 5)
            if chance.random() < 0.1:
                disk.rows.append(Row(b"s.scale.t", b"NATS/1.0\r\nNats-Msg-Id: x\r\n\r\n", b"{}"))
        stream.fail()
        stream.close()

    run(world, story)


@pytest.mark.parametrize("seed", [1, 7, 52, 58, 65, 75])
@pytest.mark.parametrize(
    ("subject", "field"),
    [("s.{device}.{name}", "n"), ("s.{port}.{name}", "n"), ("s.{device}.{field}", "value")],
)
def test_a_numbered_line_is_stored_once_and_in_order(subject: str, field: str, seed: int) -> None:
    chance = random.Random(seed)
    board, disk = TextBoard(chance), Disk()
    port = replace(line_port(subject=subject, framing="text_link", codec="json"), stream="S")
    if field == "value":
        deadbands = (FieldOptions("x", deadband=1),)
        port = replace(port, mapping=MappingOptions(fields=deadbands))
    for _ in range(chance.randrange(2, 6)):
        board.is_greeted = board.is_greeted and chance.random() < 0.3
        live(port, board, disk, chance)

    rows = [row for row in disk.rows if field == "n" or row.subject.endswith(b".n")]
    numbers = [json.loads(row.payload).get(field) for row in rows]
    numbers = [number for number in numbers if number is not None]
    said = board.number - (board.is_pending and board.number not in numbers)
    assert numbers == list(range(1, said + 1))
