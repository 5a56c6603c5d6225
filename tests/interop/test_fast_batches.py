"""Random fast batches on our server and on the real one: every answer must be the same."""

from __future__ import annotations

import json
from difflib import unified_diff
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.conformance.jetstream.client import Connection
from tests.hub.process import nats_server_path
from tests.interop.alike import CONFIG, SEED, TRIES, scripts, two_clients

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

SCRIPTS: Final = scripts(200)
STEPS: Final = 40
# Streams and header lines that refuse no message of a batch, and such that do.
CALM_STREAMS: Final[list[dict[str, Any]]] = [
    {},
    {"storage": "memory"},
    {"max_msgs": 5},
    {"retention": "interest"},
    {"no_ack": True},
    {"max_msg_size": 64},
]
STREAMS: Final[list[dict[str, Any]]] = [
    *CALM_STREAMS[:-1],
    {"discard": "new", "max_msgs": 12},
    {"discard": "new", "discard_new_per_subject": True, "max_msgs_per_subject": 4},
    {"allow_rollup_hdrs": True, "allow_msg_ttl": True},
]
CALM_HEADERS: Final = [
    "Nats-Expected-Stream: S",
    "Nats-Msg-Id: one",
    "Nats-Msg-Id: two",
    "Nats-Required-Api-Level: 2",
    "X: y",
]
HEADERS: Final = [
    *CALM_HEADERS,
    "Nats-Expected-Last-Sequence: 3",
    "Nats-Expected-Last-Subject-Sequence: 0",
    "Nats-Expected-Stream: T",
    "Nats-Rollup: sub",
    "Nats-TTL: 1h",
    "Nats-TTL: zz",
]
START, APPEND, COMMIT, EOB, PING = range(5)
# Reply, subject, header, payload.
Message = tuple[str, str, bytes, bytes]


def script(random: Random) -> tuple[dict[str, Any], list[Message]]:
    """Return a stream, and what is published on it: mostly batches as they should be.

    Either sequences go back and replies are wrong, or messages fail: where a batch goes back behind
    a message that failed, nats-server leaves it open for ever and says nothing more.
    """
    wild = random.random() < 0.5
    config = random.choice(CALM_STREAMS if wild else STREAMS)
    newest: dict[str, int] = {}
    modes = {name: random.choice(["ok", "fail"]) for name in "abc"}
    flows = {name: random.choice(["1", "2", "3", "5", "100", "0"]) for name in "abc"}
    sent = []
    for _ in range(STEPS):
        name = random.choice("abc")
        seq = newest.get(name, 0) + 1
        op = random.choices([APPEND, COMMIT, EOB, PING], [12, 1, 1 if seq > 1 else 0, 2])[0]
        if seq > 1 and random.random() < 0.08:
            seq += random.choice([-2, -1, 1, 2, 3, 9] if wild else [1, 2, 3, 9])
        seq = max(0, seq - (op == PING))
        if op == APPEND and seq == 1:
            op = START
        if wild and random.random() < 0.04:
            op = random.randrange(6)
        newest[name] = 0 if op in {COMMIT, EOB} else max(seq, newest.get(name, 0))
        mode = modes[name]
        if wild and random.random() < 0.04:
            mode = random.choice(["ok", "fail", "other"])
        header = b""
        if random.random() < 0.2:
            line = random.choice(CALM_HEADERS if wild else HEADERS)
            header = f"NATS/1.0\r\n{line}\r\n\r\n".encode()
        reply = f"_D.{name}.{flows[name]}.{mode}.{seq}.{op}.$FI"
        sent.append((reply, f"s.{random.choice('xyz')}", header, b"x" * random.choice([0, 3, 40])))
    return config, sent


class Client:
    """What is said to one server."""

    def __init__(self, port: int) -> None:
        self._connection = Connection(port, "A", at_once=True)

    def close(self) -> None:
        self._connection.close()

    def ask(self, endpoint: str, body: Any = None) -> Any:
        payload = b"" if body is None else json.dumps(body).encode()
        return json.loads(self._connection.ask(f"$JS.API.{endpoint}", payload).payload)

    def play(self, config: dict[str, Any], messages: list[Message]) -> list[Any]:
        """Return every answer, and what the stream holds at the end."""
        connection = self._connection
        self.ask(
            "STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "allow_batched": True, **config}
        )
        sid = connection.subscribe("_D.>")
        for reply, subject, header, payload in messages:
            connection.publish(subject, header, payload, reply)
        # Answered always, whatever the stream is, and after all that came before.
        connection.publish("s.end", b"", b"", "_D.end.1.fail.1.2.$FI")
        answers: list[Any] = []
        while (got := connection.next(sid)) is not None:
            answers.append((got.subject, got.payload.decode()))
            if got.subject.startswith("_D.end."):
                break
        connection.unsubscribe(sid)
        state = self.ask("STREAM.INFO.S")["state"]
        answers.append({name: state[name] for name in ("messages", "first_seq", "last_seq")})
        self.ask("STREAM.DELETE.S")
        return answers


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client]]:
    with two_clients(tmp_path_factory.mktemp("fast"), CONFIG, Client) as both:
        yield both


def test_random_fast_batches_are_answered_alike(clients: tuple[Client, Client]) -> None:
    different = []
    for number in range(SCRIPTS):
        config, messages = script(Random(f"{SEED}/{number}"))
        for _ in range(TRIES):
            ours, theirs = (client.play(config, messages) for client in clients)
            if ours == theirs:
                break
        else:
            different.append(f"{SEED}/{number}: {config}\n{_compared(messages, ours, theirs)}")

    assert not different, f"{len(different)} of {SCRIPTS} scripts\n{different[0]}"


def _compared(messages: list[Message], ours: list[Any], theirs: list[Any]) -> str:
    sent = [f"{reply} {subject} {header!r}" for reply, subject, header, _ in messages]
    lines = unified_diff([str(one) for one in theirs], [str(one) for one in ours], lineterm="")
    return "\n".join([*sent, *lines])
