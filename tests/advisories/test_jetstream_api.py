"""2025-30215, 2026-33222, 2022-42708, 2026-28, 2022-26652: what an API request can do.

Every request needs the permission to publish it; numbers and names of any kind get an answer in
JSON, or silence where nats-server is silent, and nothing is written outside of the store.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.jetstream.api import ENDPOINTS
from leafnode.routing.permissions import Permissions, Rules
from tests.sim.peers import FakePeer
from tests.unit.jetstream.world import World

VERBS = sorted(ENDPOINTS)
ARGUMENTS = [b"", b".S", b".S.C", b".S.C.s.a", b".S.P"]
NUMBERS = [
    *("-1", "0", "2147483648", "9007199254740992", "9223372036854775807"),
    *("18446744073709551616", "1e308", "NaN", '"5"', "[]", "{}", "null", "true", "1.5"),
]
NAMES = st.sampled_from(
    ["..", "../x", "/etc/passwd", "a/b", "a\\b", ".", "\0", "a\0b", "x" * 256, "\uff0e\uff0e", " "]
) | st.text(max_size=20)


class WatchedWorld(World):
    """A world that remembers what failed inside of the server."""

    def start(self) -> None:
        super().start()
        self.faults: list[bytes] = []
        self.account.on_fault = lambda subject, _: self.faults.append(subject)


def filled() -> WatchedWorld:
    world = WatchedWorld()
    world.create_stream()
    world.create_consumer()
    world.publish("s.a", b"x")
    return world


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_without_the_permission_to_publish_it_a_request_does_nothing(
    verb: bytes, argument: bytes
) -> None:
    world = filled()
    client = FakePeer(world.account, 1)
    subject = b"$JS.API." + verb + argument
    client.permissions = Permissions(Rules(None, [subject]), Rules())
    client.subscribe(b"inbox", b"1")
    before = (world.state(), world.info())

    client.says(b"PUB %b inbox 2\r\n{}\r\n" % subject)

    assert client.got() == b"-ERR 'Permissions Violation for Publish to \"%b\"'\r\n" % subject
    world.clock.advance(0)
    assert client.got() == b""
    assert (world.state(), world.info()) == before


def fields(verb: bytes) -> list[str]:
    """The fields with numbers of a request."""
    if verb in {b"CONSUMER.CREATE", b"CONSUMER.DURABLE.CREATE"}:
        names = "ack_wait max_deliver max_ack_pending max_waiting inactive_threshold opt_start_seq"
        return [*names.split(), "max_batch", "max_expires", "max_bytes", "num_replicas"]
    if verb in {b"STREAM.CREATE", b"STREAM.UPDATE"}:
        names = "max_msgs max_bytes max_age max_msg_size max_consumers num_replicas first_seq"
        return [*names.split(), "max_msgs_per_subject", "duplicate_window"]
    return ["offset", "seq", "keep", "no_erase", "batch", "expires", "max_bytes", "limit"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("number", NUMBERS)
def test_any_number_gets_an_answer_and_breaks_nothing(verb: bytes, number: str) -> None:
    for field in fields(verb):
        world = filled()
        value = f'"{field}":{number}'
        config = f'{{"durable_name":"D",{value}}}'
        body = f'{{"name":"T","stream_name":"S",{value},"config":{config}}}'
        for argument in (b"", b".S", b".T", b".S.C", b".S.D"):
            subject = "$JS.API." + (verb + argument).decode()
            answers = world.request(subject, body.encode())
            world.clock.advance(0)
            for answer in answers:
                json.loads(answer.payload or b"{}")

        assert world.faults == []
        assert "error" not in world.api("INFO")


@given(name=NAMES, verb=st.sampled_from(VERBS))
def test_any_name_gets_an_answer_and_breaks_nothing(name: str, verb: bytes) -> None:
    world = filled()
    config = {"name": name, "durable_name": name, "subjects": [name], "deliver_subject": name}
    body = {**config, "stream_name": name, "config": config, "subject": name, "filter": name}
    for argument in ("", ".S", ".S.C", "." + name, ".S." + name):
        world.request("$JS.API." + verb.decode() + argument, json.dumps(body).encode())
        world.clock.advance(0)

    assert world.faults == []
    names = world.api("STREAM.NAMES")["streams"] or []
    assert not any(set(found) & set("/\\\0 .*>") for found in names)
