"""Random messages on our server and on the real one: every answer and every stored one the same."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.conformance.jetstream import observed
from tests.conformance.jetstream.client import Connection
from tests.hub.process import nats_server_path
from tests.interop import publish_scripts
from tests.interop.alike import CONFIG, SEED, first_difference, scripts, two_clients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.jetstream.client import Received
    from tests.interop.publish_scripts import Published

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

SCRIPTS: Final = scripts(100)
STATE: Final = ("messages", "bytes", "first_seq", "last_seq", "num_subjects", "num_deleted")
WANTS: Final = {"durable_name": "C", "filter_subject": "s.a", "ack_policy": "explicit"}
ALL: Final = {"seq": 1, "next_by_subj": ">", "batch": 1000}


class Client:
    """What is said to one server."""

    def __init__(self, port: int) -> None:
        self._connection = Connection(port, "A", at_once=True)
        self._plays = 0

    def close(self) -> None:
        self._connection.close()

    def play(self, config: dict[str, Any], messages: list[Published]) -> list[Any]:
        """Return whether the stream is there, each message's answer, and what is stored.

        A stream of a new name each time: nats-server may find messages of one that was just deleted
        in one that has its name.
        """
        self._plays += 1
        name = f"S{self._plays}"
        made = self._ask(f"STREAM.CREATE.{name}", {"name": name, "allow_direct": True, **config})
        if "error" in made:
            return [made["error"], *[None] * (len(messages) + 2)]
        if config.get("retention") == "interest":
            wanted = {"stream_name": name, "config": WANTS, "action": ""}
            self._ask(f"CONSUMER.CREATE.{name}.C", wanted)
        answers: list[Any] = [None, *self._published(messages, name)]
        state = self._ask(f"STREAM.INFO.{name}", None)["state"]
        answers.append({field: state.get(field) for field in STATE if state["last_seq"]})
        answers.append([observed.normal(one, "_C.") for one in self._stored(name)])
        self._ask(f"STREAM.DELETE.{name}", None)
        return answers

    def _published(self, messages: list[Published], name: str) -> list[str]:
        """Publish in one go; return the answers, which come in any order."""
        connection = self._connection
        sid = connection.subscribe("_D.>")
        for number, one in enumerate(messages):
            header = one.header.replace(b"Stream: S\r", b"Stream: %b\r" % name.encode())
            connection.publish(one.subject, header, one.payload.encode(), f"_D.{number}")
        answers: dict[str, str] = {}
        while len(answers) < len(messages):
            got = connection.next(sid)
            assert got is not None, f"{len(messages) - len(answers)} are not answered"
            answers[got.subject] = got.payload.decode() or observed.status(got)
        connection.unsubscribe(sid)
        return [answers[f"_D.{number}"] for number in range(len(messages))]

    def _stored(self, name: str) -> list[Received]:
        connection = self._connection
        sid = connection.subscribe("_C.r")
        asked = json.dumps(ALL).encode()
        connection.publish(f"$JS.API.DIRECT.GET.{name}", b"", asked, "_C.r")
        found = []
        while (got := connection.next(sid)) is not None and not observed.status(got):
            found.append(got)
        connection.unsubscribe(sid)
        return found

    def _ask(self, endpoint: str, body: Any) -> Any:
        payload = b"" if body is None else json.dumps(body).encode()
        return json.loads(self._connection.ask(f"$JS.API.{endpoint}", payload).payload)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client]]:
    with two_clients(tmp_path_factory.mktemp("publish"), CONFIG, Client) as both:
        yield both


def test_random_messages_are_answered_and_stored_alike(clients: tuple[Client, Client]) -> None:
    ours, theirs = clients
    found = []
    for number in range(SCRIPTS):
        seed = SEED * 100_000 + number
        config, messages = publish_scripts.script(random.Random(seed))
        asked: list[tuple[str, Any]] = [("create", config)]
        asked += [(one.subject, [one.lines, one.payload]) for one in messages]
        asked += [("state", None), ("stored", None)]
        difference = first_difference(
            lambda: (ours.play(config, messages), theirs.play(config, messages)),  # noqa: B023
            asked,
        )
        if difference:
            found.append(f"seed {seed}:\n{difference}")

    assert not found, f"{len(found)} differ, the first:\n{found[0]}"
