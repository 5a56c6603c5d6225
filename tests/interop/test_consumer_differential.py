"""Random consumers on our server and on the real one: every answer must be the same."""

from __future__ import annotations

import json
import os
import random
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import pytest

from leafnode.jetstream.api_types import ConsumerConfig
from tests.conformance.jetstream import observed
from tests.conformance.jetstream.client import Connection
from tests.hub.process import nats_server_path
from tests.interop import consumer_player, consumer_scripts
from tests.interop.alike import SEED, TRIES, first_difference, scripts, two_clients
from tests.interop.both import two_servers
from tests.interop.consumer_player import Player

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.jetstream.client import Received
    from tests.hub.process import Hub
    from tests.interop.gateway import Gateway

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

SCRIPTS: Final = scripts(600)
LIVE: Final = int(os.environ.get("DIFFERENTIAL_LIVE", "48"))
# One account for each stream, so that they may have the same subjects.
_ACCOUNTS = "\n".join(
    f"  {name} {{ jetstream: enabled, users: [{{ user: {name}, password: x }}] }}"
    for name in consumer_scripts.STREAMS
)
CONFIG: Final = f"""server_name: js
accounts {{
{_ACCOUNTS}
}}
jetstream {{ store_dir: "{{dir}}/store" }}
"""
_MADE_UP = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{8}$")


class Client:
    """What is asked of one server, account by account."""

    def __init__(self, port: int) -> None:
        self._connections = {
            name: Connection(port, name, at_once=True) for name in consumer_scripts.STREAMS
        }
        for name, more in consumer_scripts.STREAMS.items():
            self.ask(
                name, f"STREAM.CREATE.{name}", {"name": name, "subjects": ["a.>", "b"], **more}
            )
            keep = {"durable_name": "keep", "ack_policy": "explicit"}
            if name == "I":  # nothing is kept there unless somebody wants it
                self.ask(name, "CONSUMER.CREATE.I.keep", {"stream_name": "I", "config": keep})
            for number in range(3):
                self._connections[name].publish(f"a.{number}", b"", b"x")

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def ask(self, account: str, endpoint: str, body: Any) -> Received:
        payload = b"" if body is None else json.dumps(body).encode()
        return self._connections[account].ask(f"$JS.API.{endpoint}", payload)

    def play(self, steps: list[tuple[str, Any]]) -> list[Any]:
        """Return the answers in the form that is compared."""
        answers: list[Any] = []
        for endpoint, body in steps:
            account = next(one for one in endpoint.split(".") if one in self._connections)
            if ".RESET." in endpoint:  # answered only where the consumer is
                info = observed.value(self.ask(account, endpoint.replace("RESET", "INFO"), None))
                if info is None or "error" in info:
                    answers.append(info)
                    continue
            answers.append(_comparable(self.ask(account, endpoint, body)))
        return answers


def _comparable(got: Received) -> Any:
    answer = observed.normal(got, "_C.")
    data = answer["data"]
    if isinstance(data, dict):
        for part in (data, data.get("config", {})):
            for key in {"name", "durable_name"} & part.keys():
                part[key] = _MADE_UP.sub("<new>", part[key])
    return answer


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client]]:
    with two_clients(tmp_path_factory.mktemp("consumers"), CONFIG, Client) as both:
        yield both


def _first_difference(clients: tuple[Client, Client], steps: list[tuple[str, Any]]) -> str:
    ours, theirs = clients
    return first_difference(lambda: (ours.play(steps), theirs.play(steps)), steps)


def test_every_configuration_and_update_is_answered_alike(clients: tuple[Client, Client]) -> None:
    found = []
    for number in range(SCRIPTS):
        seed = SEED * 100_000 + number
        steps = consumer_scripts.configurations(random.Random(seed))
        difference = _first_difference(clients, steps)
        if difference:
            found.append(f"seed {seed}:\n{difference}")

    assert not found, f"{len(found)} differ, the first:\n{found[0]}"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Hub]]:
    """Ours, and the real one, with an account for each script that is under way."""
    with two_servers(tmp_path_factory.mktemp("operations"), consumer_player.CONFIG) as both:
        yield both


def _played(servers: tuple[Gateway, Hub], account: str, seed: int) -> str:
    """Return what differs each time, nothing when one try shows no difference."""
    stream, config, operations = consumer_scripts.operations(random.Random(seed))
    text = ""
    for _ in range(TRIES):
        seen: list[list[Any]] = []
        for server in servers:
            player = Player(server.client_port, account)
            try:
                seen.append(player.play(stream, config, operations, *seen[:1]))
            finally:
                player.close()
        ours, theirs = seen
        if ours == theirs:
            return ""
        assert len(ours) == len(theirs)
        index = next(at for at in range(len(ours)) if ours[at] != theirs[at])
        done = "\n".join(map(str, operations[: index // 2 + 1]))
        text = f"seed {seed}: {stream} {config}\n{done}"
        text += f"\nours:   {ours[index]}\ntheirs: {theirs[index]}"
    return text


def test_what_is_done_with_a_consumer_looks_alike(servers: tuple[Gateway, Hub]) -> None:
    seeds = [SEED * 100_000 + number for number in range(LIVE)]

    def play(place: int) -> list[str]:
        account = consumer_player.ACCOUNTS[place]
        mine = seeds[place :: len(consumer_player.ACCOUNTS)]
        return [text for seed in mine if (text := _played(servers, account, seed))]

    places = range(len(consumer_player.ACCOUNTS))
    with ThreadPoolExecutor(len(places)) as pool:
        found = [text for texts in pool.map(play, places) for text in texts]

    assert not found, f"{len(found)} differ, the first:\n{found[0]}"


@pytest.mark.parametrize(
    "seed",
    [
        7_700_001,  # a request that max_ack_pending holds up to its end
        7_700_019,  # a purge of one message that was out
        7_700_054,  # last_per_subject, a purge, a deletion
    ],
)
def test_what_differed_once_looks_alike(servers: tuple[Gateway, Hub], seed: int) -> None:
    assert not _played(servers, consumer_player.ACCOUNTS[0], seed)


def test_every_field_of_a_consumer_is_tried() -> None:
    assert {one.name for one in fields(ConsumerConfig)} <= consumer_scripts.FIELDS.keys()
