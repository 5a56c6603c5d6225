from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreBusy, StoreError
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path

RETRY_NS = limits.ORIGIN_RETRY_NS + 2 * limits.ORIGIN_JITTER_NS


def mirrored(count: int = 3, **config: Any) -> World:
    world = World()
    world.create_stream("O", subjects=["o.*"], **config)
    for number in range(count):
        world.publish(f"o.{number}", b"%d" % number, headers={"Nats-Msg-Id": f"i{number}"})
        world.clock.advance(NS_PER_S)
    return world


def create_mirror(world: World, **origin: Any) -> dict[str, Any]:
    answer = world.api("STREAM.CREATE.M", {"name": "M", "mirror": {"name": "O", **origin}})
    assert "error" not in answer, answer
    world.clock.advance(0)
    return answer


def message(world: World, seq: int, stream: str = "M") -> dict[str, Any]:
    found: dict[str, Any] = world.api(f"STREAM.MSG.GET.{stream}", {"seq": seq})["message"]
    return found


def test_a_mirror_keeps_sequences_times_subjects_and_headers() -> None:
    world = mirrored()

    created = create_mirror(world)

    assert created["mirror"] == {"name": "O", "lag": 0, "active": -1}
    assert "subjects" not in created["config"]
    assert "duplicate_window" not in created["config"]
    for seq in (1, 2, 3):
        assert message(world, seq) == message(world, seq, "O")
    info = world.api("STREAM.INFO.M")
    assert info["mirror"] == {"name": "O", "lag": 0, "active": 0}


def test_what_comes_later_is_mirrored_at_once() -> None:
    world = mirrored(0)
    create_mirror(world)

    world.publish("o.x", b"new")
    world.clock.advance(0)

    assert world.state("M")["last_seq"] == 1


def test_gaps_stay_gaps() -> None:
    world = mirrored(5)
    for seq in (1, 3):
        world.api("STREAM.MSG.DELETE.O", {"seq": seq})

    create_mirror(world)

    state = world.api("STREAM.INFO.M", {"deleted_details": True})["state"]
    assert (state["first_seq"], state["last_seq"], state["deleted"]) == (2, 5, [3])


def test_a_filter_leaves_gaps_and_a_transform_renames() -> None:
    world = mirrored(3)

    create_mirror(world, subject_transforms=[{"src": "o.1", "dest": "one"}])

    state = world.state("M")
    assert (state["messages"], state["first_seq"], state["last_seq"]) == (1, 2, 2)
    assert message(world, 2)["subject"] == "one"


def test_it_may_begin_later() -> None:
    world = mirrored(5)

    create_mirror(world, opt_start_seq=4)

    assert (world.state("M")["first_seq"], world.state("M")["messages"]) == (4, 2)


@pytest.mark.parametrize(
    ("config", "origin", "last_seq"),
    [
        ({"first_seq": 77}, {}, 76),
        ({"first_seq": 77}, {"filter_subject": "o.none"}, 76),
        ({"first_seq": 77}, {"opt_start_seq": 80}, 79),
        ({"first_seq": 77}, {"opt_start_seq": 5}, 76),
        ({"first_seq": 77}, {"opt_start_time": "2090-01-01T00:00:00Z"}, 76),
        ({}, {"opt_start_seq": 50}, 49),
        ({}, {}, 0),
    ],
)
@pytest.mark.parametrize("storage", ["file", "memory"])
def test_before_its_first_message_it_stands_where_its_origin_does(
    config: dict[str, Any], origin: dict[str, Any], last_seq: int, storage: str
) -> None:
    world = mirrored(0, **config)
    mirror = {"name": "M", "storage": storage, "mirror": {"name": "O", **origin}}
    assert "error" not in world.api("STREAM.CREATE.M", mirror)
    world.clock.advance(0)

    state = world.state("M")
    first_seq = last_seq + 1 if last_seq else 0
    assert (state["messages"], state["first_seq"], state["last_seq"]) == (0, first_seq, last_seq)
    assert world.create_consumer("M")["delivered"]["stream_seq"] == last_seq
    if storage == "file":
        world.restart()
        assert world.state("M")["last_seq"] == last_seq
    promoted = world.api("STREAM.UPDATE.M", {"name": "M", "storage": storage, "subjects": ["m"]})
    assert "error" not in promoted
    world.publish("m", b"own")
    assert world.state("M")["last_seq"] == last_seq + 1


def test_what_its_origin_let_go_while_it_was_down_is_behind_it() -> None:
    world = mirrored(3)
    create_mirror(world, filter_subject="o.1")
    for _ in range(4):
        world.publish("o.x")
    world.api("STREAM.PURGE.O")
    assert world.state("M")["last_seq"] == 2

    world.restart()
    world.clock.advance(0)

    state = world.state("M")
    assert (state["messages"], state["first_seq"], state["last_seq"]) == (1, 2, 7)
    assert state["num_deleted"] == 5


def test_where_it_stands_is_asked_again_when_the_store_refuses_it_for_now() -> None:
    world = mirrored(0, first_seq=77)
    world.api("STREAM.CREATE.M", {"name": "M", "mirror": {"name": "O"}})
    store = world.js.streams["M"].store
    end_at, store.end_at = store.end_at, _refuses(StoreBusy("full"))  # type: ignore[method-assign]
    world.clock.advance(0)
    assert world.state("M")["last_seq"] == 0

    store.end_at = end_at  # type: ignore[method-assign]
    world.clock.advance(limits.ORIGIN_BACKOFF_NS + RETRY_NS)

    assert world.state("M")["last_seq"] == 76


def test_its_origins_consumer_is_not_seen() -> None:
    world = mirrored()
    heard = world.listen("$JS.EVENT.ADVISORY.CONSUMER.>")

    create_mirror(world)

    assert len(world.js.streams["O"].consumers) == 1
    assert world.api("CONSUMER.NAMES.O")["consumers"] == []
    assert world.api("CONSUMER.LIST.O")["consumers"] == []
    assert world.state("O")["consumer_count"] == 0
    assert world.js.usage().consumers == 1  # counted all the same, as on nats-server
    assert heard == []
    world.restart()
    world.clock.advance(0)
    assert len(world.js.streams["O"].consumers) == 1


def test_after_a_restart_it_goes_on_where_it_was() -> None:
    world = mirrored(3)
    create_mirror(world)
    world.restart()

    world.publish("o.x", b"3")
    world.clock.advance(0)

    state = world.state("M")
    assert (state["messages"], state["last_seq"]) == (4, 4)


def test_nothing_can_be_published_into_it_and_it_can_be_purged() -> None:
    world = mirrored()
    create_mirror(world)

    assert world.publish("M", b"x") == 0
    assert world.api("STREAM.MSG.DELETE.M", {"seq": 1})["success"]
    assert world.api("STREAM.PURGE.M")["purged"] == 2
    assert world.state("O")["messages"] == 3


def test_without_an_origin_it_waits_for_one() -> None:
    world = World()
    create_mirror(world)
    error = world.api("STREAM.INFO.M")["mirror"]["error"]
    assert (error["code"], error["err_code"]) == (404, 10059)

    world.create_stream("O", subjects=["o.*"])
    world.publish("o.x", b"x")
    world.clock.advance(limits.ORIGIN_BACKOFF_NS + RETRY_NS)

    assert world.state("M")["messages"] == 1
    assert "error" not in world.api("STREAM.INFO.M")["mirror"]


def test_an_origin_that_is_deleted_is_missed_and_what_is_mirrored_stays() -> None:
    world = mirrored()
    create_mirror(world)

    world.api("STREAM.DELETE.O")
    world.clock.advance(2 * limits.ORIGIN_SILENCE_NS)

    info = world.api("STREAM.INFO.M")
    assert info["state"]["messages"] == 3
    assert info["mirror"]["error"]["err_code"] == 10059


def test_it_is_promoted_by_an_update_without_the_mirror() -> None:
    world = mirrored()
    create_mirror(world)
    assert world.error("STREAM.UPDATE.M", {"name": "M", "mirror": {"name": "P"}})[1] == 10055

    answer = world.api("STREAM.UPDATE.M", {"name": "M", "subjects": ["m"]})
    world.publish("o.late", b"x")
    world.publish("m", b"own")
    world.clock.advance(0)

    assert "mirror" not in answer
    assert answer["config"]["duplicate_window"] == limits.DUPLICATE_WINDOW_NS
    assert message(world, 4)["subject"] == "m"
    assert world.js.streams["O"].consumers == {}


def test_it_answers_direct_get_for_its_origin_as_the_origin_is_allowed_to() -> None:
    world = mirrored(1, allow_direct=True)
    assert create_mirror(world)["config"]["mirror_direct"]
    world.api("STREAM.DELETE.O")

    [answer] = world.request("$JS.API.DIRECT.GET.O", b'{"seq":1}')

    assert (answer.payload, b"Nats-Stream: M" in answer.block) == (b"0", True)
    world.api("STREAM.DELETE.M")
    assert b" 503" in world.request("$JS.API.DIRECT.GET.O", b'{"seq":1}')[0].status


def test_origin_and_mirror_do_not_both_answer() -> None:
    world = mirrored(1, allow_direct=True)
    create_mirror(world)

    assert len(world.request("$JS.API.DIRECT.GET.O", b'{"seq":1}')) == 1


def test_what_the_store_refuses_for_now_is_read_again() -> None:
    world = mirrored(0)
    create_mirror(world)
    store = world.js.streams["M"].store
    append, store.append = store.append, _refuses(StoreBusy("full"))  # type: ignore[method-assign]
    world.publish("o.x", b"x")
    world.clock.advance(0)
    assert world.state("M")["messages"] == 0

    store.append = append  # type: ignore[method-assign]
    world.clock.advance(RETRY_NS)

    assert world.state("M")["messages"] == 1


def test_a_commit_that_fails_is_made_up_for(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    world.create_stream("O", subjects=["o.*"], storage="memory")
    world.api("STREAM.CREATE.M", {"name": "M", "mirror": {"name": "O"}})
    world.put("o.a", b"1")
    world.settle()
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    world.put("o.b", b"2")
    world.settle()
    world.heal()

    world.clock.advance(RETRY_NS)
    world.settle()

    assert world.state("M")["last_seq"] == 2


def _refuses(error: StoreError) -> Any:
    def append(*_: object, **__: object) -> int:
        raise error

    return append
