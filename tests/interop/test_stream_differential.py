"""Random streams on our server and on the real one: every answer must be the same."""

from __future__ import annotations

import json
import random
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import pytest

from leafnode.jetstream.api_types import StreamConfig
from tests.conformance.jetstream import observed
from tests.conformance.jetstream.client import Connection
from tests.hub.process import nats_server_path
from tests.interop import stream_scripts
from tests.interop.alike import CONFIG, SEED, first_difference, scripts, two_clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.jetstream.client import Received
    from tests.interop.stream_scripts import Operation

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

SCRIPTS: Final = scripts(150)
# What a mirror or source has fetched by now.
FETCHED: Final = {"state", "mirror", "sources"}
# What nats-server says of a stream without any message depends on whether it was ever purged.
UNTOUCHED: Final = {"first_seq", "last_ts", "deleted", "num_deleted"}


class Client:
    """What is asked of one server."""

    def __init__(self, port: int) -> None:
        self._connection = Connection(port, "A", at_once=True)
        self._ask("$JS.API.STREAM.CREATE.O", "", {"name": "O", "subjects": ["o.>"]})
        for number in (1, 2, 1):
            self._ask(f"o.{number}", "", "x")

    def close(self) -> None:
        self._connection.close()

    def play(self, steps: list[Operation]) -> list[Any]:
        """Return the answers in the form that is compared."""
        return [[_comparable(one) for one in self._ask(*step)] for step in steps]

    def _ask(self, subject: str, header: str, body: Any) -> list[Received]:
        """Return all answers; those that end with a status are several."""
        connection = self._connection
        block = f"NATS/1.0\r\nK: {header}\r\n\r\n".encode() if header else b""
        payload = b"" if body is None else body if isinstance(body, str) else json.dumps(body)
        if isinstance(payload, str):
            payload = payload.encode()
        sid = connection.subscribe("_C.r")
        connection.publish(subject, block, payload, "_C.r")
        several = isinstance(body, dict) and (body.get("batch") or body.get("multi_last"))
        got: list[Received] = []
        if self._is_silent(subject):
            connection.flush()
            got += [one for _ in range(connection.waiting(sid)) if (one := connection.next(sid))]
        else:
            while True:
                one = connection.next(sid)
                assert one is not None, f"{subject} {body} is not answered"
                got.append(one)
                if not several or ".DIRECT." not in subject or observed.status(one):
                    break
        connection.unsubscribe(sid)
        return got

    def _is_silent(self, subject: str) -> bool:
        """Say whether a published message is stored without an answer."""
        if subject.startswith("$JS."):
            return False
        info = self._connection.ask("$JS.API.STREAM.INFO.S")
        return bool((observed.value(info) or {}).get("config", {}).get("no_ack"))


def _comparable(got: Received) -> Any:
    answer = observed.normal(got, "_C.")
    data = answer["data"]
    for one in (data, *(data.get("streams") or ())) if isinstance(data, dict) else ():
        if isinstance(one, dict) and {"mirror", "sources"} & (one.get("config") or {}).keys():
            for key in FETCHED & one.keys():
                del one[key]
        state = one.get("state", {}) if isinstance(one, dict) else {}
        if state.get("last_seq") == 0:
            for key in UNTOUCHED & state.keys():
                del state[key]
        if state.get("messages") == 0:
            state.pop("last_ts", None)
    return answer


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client]]:
    with two_clients(tmp_path_factory.mktemp("streams"), CONFIG, Client) as both:
        yield both


def _first_difference(clients: tuple[Client, Client], steps: list[Operation]) -> str:
    ours, theirs = clients
    asked = [(subject, body) for subject, _, body in steps]
    return first_difference(lambda: (ours.play(steps), theirs.play(steps)), asked)


@pytest.mark.parametrize("make", [stream_scripts.configurations, stream_scripts.operations])
def test_what_is_done_with_streams_is_answered_alike(
    clients: tuple[Client, Client], make: Callable[[random.Random], list[Operation]]
) -> None:
    found = []
    for number in range(SCRIPTS):
        seed = SEED * 100_000 + number
        difference = _first_difference(clients, make(random.Random(seed)))
        if difference:
            found.append(f"seed {seed}:\n{difference}")

    assert not found, f"{len(found)} differ, the first:\n{found[0]}"


def test_every_field_of_a_stream_is_tried() -> None:
    assert {one.name for one in fields(StreamConfig)} <= stream_scripts.FIELDS.keys()
