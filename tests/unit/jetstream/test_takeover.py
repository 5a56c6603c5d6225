from __future__ import annotations

from typing import Any

import pytest

from leafnode.errors import JetStreamError
from leafnode.jetstream.ingest import Ingest
from leafnode.jetstream.takeover import take_over
from leafnode.protocol import header
from tests.unit.jetstream.world import World


def taken(
    *lines: tuple[bytes, bytes], payload: bytes = b"x", seq: int = 0, **config: Any
) -> tuple[World, bytes]:
    world = World()
    world.create_stream("S", **config)
    stream = world.js.streams["S"]
    ingest = Ingest(stream)
    block = header.build(lines) if lines else b""
    subject = take_over(stream, ingest, b"s.a", (len(block), block + payload), 5, seq=seq)
    ingest.end_run(subject)
    return world, subject


def test_a_mirrored_message_keeps_its_sequence_and_a_sourced_one_gets_the_next() -> None:
    assert taken(seq=7)[0].state("S")["last_seq"] == 7
    assert taken()[0].state("S")["last_seq"] == 1


def test_only_what_is_sourced_is_renamed() -> None:
    transform = {"src": "s.*", "dest": "t.$1"}

    assert taken(subject_transform=transform)[1] == b"t.a"
    assert taken(subject_transform=transform, seq=3)[1] == b"s.a"


@pytest.mark.parametrize(
    "line", [(b"Nats-TTL", b"5s"), (b"Nats-Rollup", b"sub"), (b"Nats-Stream-Source", b"O 1 > > a")]
)
def test_what_this_stream_does_not_allow_is_stored_without_effect(
    line: tuple[bytes, bytes],
) -> None:
    world, _ = taken(line)

    assert world.state("S")["messages"] == 1


def test_what_it_allows_has_its_effect() -> None:
    world, _ = taken((b"Nats-TTL", b"1s"), allow_msg_ttl=True)

    world.clock.advance(3 * 10**9)

    assert world.state("S")["messages"] == 0


def test_sizes_count_here_too() -> None:
    with pytest.raises(JetStreamError) as caught:
        taken(payload=b"toolong", max_msg_size=3)

    assert caught.value.err_code == 10054
