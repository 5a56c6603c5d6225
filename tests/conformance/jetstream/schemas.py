"""The published schemas of what JetStream says, and what is wrong about a message by them.

The schemas are nats-io's own: tests/schemas/NOTICE.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator

from tests.conformance.jetstream import observed

if TYPE_CHECKING:
    from tests.conformance.jetstream.client import Received

DIRECTORY = Path(__file__).parents[2] / "schemas"
_API = "io.nats.jetstream.api.v1."
PUB_ACK = f"{_API}pub_ack_response"
# Answers that have their fields beside an error, and those that no schema is published for.
ERRORS_WITH_MORE = (
    "account_purge",
    "consumer_list",
    "consumer_names",
    "consumer_pause",
    "stream_list",
    "stream_names",
)
NEWER = (
    "consumer_evacuate_peer",
    "consumer_remove_peer",
    "stream_cancel_move",
    "stream_evacuate_peer",
    "system",
)
# What the schemas do not allow and nats-server says: they are behind it.
BEHIND = {
    ("io.nats.jetstream.advisory.v1.api_audit", "(all): additionalProperties"),  # domain
    # The stream's state in place of blocks.
    ("io.nats.jetstream.advisory.v1.snapshot_create", "(all): required"),
    ("io.nats.jetstream.advisory.v1.snapshot_create", "(all): additionalProperties"),
    ("io.nats.jetstream.advisory.v1.terminated", "consumer_seq: type"),  # a number
    ("io.nats.jetstream.advisory.v1.nak", "consumer_seq: type"),
    ("io.nats.jetstream.advisory.v1.stream_batch_abandoned", "reason: enum"),  # unsupported
    ("io.nats.jetstream.advisory.v1.consumer_group_pinned", "(all): required"),
    ("io.nats.jetstream.advisory.v1.consumer_group_unpinned", "(all): required"),
    *((f"{_API}{name}_response", "(all): oneOf") for name in ERRORS_WITH_MORE),
    *((f"{_API}{name}_response", "there is no schema") for name in NEWER),
    (f"{_API}consumer_unpin_response", "error: required"),
}
# As much, in server/jetstream_events.go of nats-server; no chapter plays it.
NOT_PLAYED = {("io.nats.jetstream.advisory.v1.snapshot_complete", "(all): additionalProperties")}


@cache
def validators() -> dict[str, Draft7Validator]:
    """Return them by the name that a message says it has."""
    found = {}
    for path in sorted(DIRECTORY.rglob("*.json")):
        schema = json.loads(path.read_text())
        found[schema["title"]] = Draft7Validator(schema)
    return found


def kind_of(received: Received) -> str:
    """Return the schema's name, nothing for what has none: payloads of clients."""
    value = observed.value(received) or {}
    kind = value.get("type")
    if isinstance(kind, str) and kind.startswith("io.nats."):
        return kind
    is_ack = received.subject.startswith("_C.") and "stream" in value and "seq" in value
    return PUB_ACK if is_ack else ""


def violations(received: Received) -> set[tuple[str, str]]:
    """Return (schema, what is wrong) of one message."""
    kind = kind_of(received)
    return wrong_by(kind, json.loads(received.payload)) if kind else set()


def wrong_by(kind: str, value: Any) -> set[tuple[str, str]]:
    """Return (schema, what is wrong) of what says to be of that kind."""
    validator = validators().get(kind)
    if validator is None:
        return {(kind, "there is no schema")}
    return {
        (kind, f"{_path(error.absolute_path)}: {error.validator}")
        for error in _leaves(validator.iter_errors(value))
    }


def unexplained(value: dict[str, Any]) -> set[tuple[str, str]]:
    """Return what is wrong about an answer or an advisory and is not nats-server's way, too."""
    return wrong_by(value["type"], value) - BEHIND - NOT_PLAYED


def _leaves(errors: Any) -> list[Any]:
    """Return the errors themselves, of the alternatives those that nearly fit."""
    found = []
    for error in errors:
        if error.context:
            branches: dict[int, list[Any]] = {}
            for one in error.context:
                branches.setdefault(one.schema_path[0], []).append(one)
            found += _leaves(min(branches.values(), key=len))
        else:
            found.append(error)
    return found


def _path(path: Any) -> str:
    return ".".join("*" if isinstance(part, int) else str(part) for part in path) or "(all)"
