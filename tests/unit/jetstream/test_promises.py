"""What streams were promised is what their configurations add up to, whatever was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from leafnode.jetstream.api_types import StreamConfig
from leafnode.jetstream.promises import Promises
from tests.unit.jetstream.archives import give, take
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from leafnode.jetstream.jetstream import AccountJetStream

STORAGES = ("file", "memory")


def walked(js: AccountJetStream) -> dict[str, int]:
    """Add up what all streams are promised, one by one."""
    found = dict.fromkeys(STORAGES, 0)
    for stream in js.streams.values():
        found[stream.config.storage] += max(0, stream.config.max_bytes)
    return found


def summed(js: AccountJetStream) -> dict[str, int]:
    return {storage: js.promised_bytes(storage) for storage in STORAGES}


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete", "restore", "fail", "restart"]),
        st.sampled_from(["S", "T"]),
        st.sampled_from(STORAGES),
        st.sampled_from([-1, 0, 1000, 5000, 70000]),
    ),
    max_size=12,
)


def act(world: World, archives: dict[str, bytes], step: tuple[str, str, str, int]) -> None:
    kind, name, storage, max_bytes = step
    config = {
        "name": name,
        "subjects": [f"{name}.>"],
        "storage": storage,
        "max_bytes": max_bytes,
    }
    match kind:
        case "create":
            world.api(f"STREAM.CREATE.{name}", config)
        case "update":
            world.api(f"STREAM.UPDATE.{name}", config)
        case "delete":
            if name in world.js.streams:
                archives[name] = take(world, name)
            world.api(f"STREAM.DELETE.{name}")
        case "restore":
            if name in archives and name not in world.js.streams:
                config.pop("name")
                give(world, archives[name], name, **config)
        case "fail":
            if name in world.js.streams:
                js, stream = world.js, world.js.streams[name]
                js.configure(stream, stream.config)
        case _:
            world.restart()


@settings(max_examples=50)  # a whole world each
@given(OPERATIONS)
def test_the_sum_is_that_of_all_streams_after_any_operations(
    steps: list[tuple[str, str, str, int]],
) -> None:
    world = World()
    archives: dict[str, bytes] = {}

    for step in steps:
        act(world, archives, step)

        assert summed(world.js) == walked(world.js)


def test_streams_that_are_changed_and_go_are_followed() -> None:
    world = World()
    world.create_stream("S", subjects=["s"], max_bytes=1000)
    world.create_stream("T", subjects=["t"], max_bytes=500)
    sums = [world.js.promised_bytes("file")]

    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s"], "max_bytes": 3000})
    sums.append(world.js.promised_bytes("file"))
    world.api("STREAM.DELETE.T")
    sums.append(world.js.promised_bytes("file"))
    world.restart()
    sums.append(world.js.promised_bytes("file"))

    assert sums == [1500, 3500, 3000, 3000]


def test_a_stream_that_was_restored_is_counted() -> None:
    world = World()
    world.create_stream("S", subjects=["s"], max_bytes=1000)
    archive = take(world)
    world.api("STREAM.DELETE.S")

    give(world, archive, subjects=["s"], max_bytes=2000)

    assert summed(world.js) == walked(world.js) == {"file": 2000, "memory": 0}


def test_no_bound_promises_nothing() -> None:
    promises = Promises()

    promises.note("S", StreamConfig(name="S", max_bytes=-1))
    promises.note("T", StreamConfig(name="T", max_bytes=0))
    promises.forget("S")
    promises.forget("never there")

    assert promises.of("file") == 0
