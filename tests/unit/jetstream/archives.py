"""A client that takes a stream away as an archive, and brings one back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from leafnode.jetstream.archive import ArchiveWriter, Begin, KeptConsumer
from leafnode.store.api import StoredMsg

if TYPE_CHECKING:
    from tests.unit.jetstream.world import Msg, World


def ask(world: World, stream: str = "S", **asked: Any) -> Any:
    """Ask for a snapshot and return the answer."""
    body = json.dumps({"deliver_subject": "chunks", **asked}).encode()
    answers = world.request(f"$JS.API.STREAM.SNAPSHOT.{stream}", body)
    world.settle()
    (answer,) = answers
    return json.loads(answer.payload)


def take(world: World, stream: str = "S", **asked: Any) -> bytes:
    """Take a snapshot to its end, acknowledging every chunk."""
    heard = world.listen("chunks")
    assert "error" not in ask(world, stream, **asked)
    acknowledged = 0
    while acknowledged < len(heard):
        for chunk in heard[acknowledged:]:
            acknowledged += 1
            if chunk.reply:
                world.publish(chunk.reply.decode())
        world.settle()
    assert heard[-1].payload == b""
    assert heard[-1].status in {b"", b"NATS/1.0 204"}
    return b"".join(chunk.payload for chunk in heard)


def begin(world: World, name: str = "S", **config: Any) -> str:
    """Ask for a restore and return where to send the archive."""
    body = {"config": {"name": name, "subjects": [f"{name.lower()}.>"], **config}, "state": {}}
    answers = world.request(f"$JS.API.STREAM.RESTORE.{name}", json.dumps(body).encode())
    world.settle()
    (answer,) = answers
    found = json.loads(answer.payload)
    assert "error" not in found, found
    subject: str = found["deliver_subject"]
    return subject


def send(world: World, subject: str, chunk: bytes) -> list[Msg]:
    """Send a chunk and return what was answered so far."""
    answers = world.request(subject, chunk)
    world.settle()
    return answers


def give(world: World, data: bytes, name: str = "S", *, size: int = 500, **config: Any) -> Any:
    """Restore an archive and return the last answer, or the first that is an error."""
    subject = begin(world, name, **config)
    for start in range(0, len(data), size):
        (answer,) = send(world, subject, data[start : start + size])
        if answer.payload:
            return json.loads(answer.payload)
    (answer,) = send(world, subject, b"")
    return json.loads(answer.payload)


def error_of(answer: Any) -> tuple[int, int, str]:
    error = answer["error"]
    return error["code"], error["err_code"], error["description"]


def archive(*messages: StoredMsg, consumers: tuple[KeptConsumer, ...] = (), **fields: Any) -> bytes:
    """An archive of sequences 1 to 10."""
    fields = {"first_seq": 1, "last_seq": 10, "last_ts_ns": 0, "messages": len(messages), **fields}
    fields.setdefault("size", sum(len(one.subject) + len(one.body) + 30 for one in messages))
    writer = ArchiveWriter()
    pieces = [writer.begin(Begin(name="S", created_ns=5, config=b"{}", **fields))]
    pieces += [writer.consumer(one) for one in consumers]
    return b"".join((*pieces, writer.messages(messages), writer.end()))


def message(seq: int, body: bytes = b"x", subject: bytes = b"s.a") -> StoredMsg:
    return StoredMsg(seq, subject, seq, 0, body)


def kept(state: bytes = b"", name: str = "C", **config: Any) -> KeptConsumer:
    config = {"durable_name": name, "name": name, "ack_policy": "explicit", **config}
    return KeptConsumer(name, 7, json.dumps(config).encode(), state)


def stored(world: World) -> list[str]:
    """Every stream that the stores have, finished or not."""
    return [one.name for root in (world.store, world.memory) for one in root.streams()]


def refusal(answer: Any) -> str:
    code, err_code, text = error_of(answer)
    assert (code, err_code) == (500, 10062)
    assert text.startswith("restore failed: the archive ")
    return text.removeprefix("restore failed: the archive ")
