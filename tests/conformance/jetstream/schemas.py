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
PUB_ACK = "io.nats.jetstream.api.v1.pub_ack_response"


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
    if not kind:
        return set()
    validator = validators().get(kind)
    if validator is None:
        return {(kind, "there is no schema")}
    return {
        (kind, f"{_path(error.absolute_path)}: {error.validator}")
        for error in _leaves(validator.iter_errors(json.loads(received.payload)))
    }


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
