"""What a server said, in a form in which two servers can be compared, and held against `=> …`.

Times, new names and counters of the whole server are replaced by a word each: they differ by
nature.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conformance.jetstream.client import Received

_ZERO = "0001-01-01T00:00:00Z"
_TIMES = {"ts", "created", "first_ts", "last_ts", "last_active", "time", "timestamp", "pause_until"}
_TIMES |= {"opt_start_time", "pinned_ts", "start", "end", "up_to_time"}
_NEW = {"id", "pinned_client_id", "pinned_id", "server_id", "pause_remaining", "rtt", "ack_time"}
_COUNTED = {"api", "active", "host", "cid", "client_id", "user_nkey"}
_USED = {"memory", "storage"}  # what an account used before it was emptied counts a little longer
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ACK = re.compile(r"(\$JS\.ACK\.[^ ]*\.\d+\.\d+\.\d+\.)\d{16,}(\.\d+)")
_FLOW = re.compile(r"(\$JS\.FC\..*\.)\w{4}$")
_IDENTITY = re.compile(r"(stream identity does not match: |Nats-Stream-Identity: )\w{8}$")
_SOURCE = re.compile(r"(Nats-Stream-Source: .* )\w{8}$")
_NUID = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{22}(?![0-9A-Za-z])")
_STATUS = re.compile(rb"NATS/1\.0 (\d+)(?: ([^\r]*))?\r\n")


def status(received: Received) -> str:
    """Return `404 No Messages`, or nothing for a plain message."""
    found = _STATUS.match(received.header)
    return " ".join(part.decode() for part in found.groups() if part) if found else ""


def value(received: Received) -> Any:
    """Return the payload's JSON object, or None."""
    try:
        found = json.loads(received.payload)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def normal(received: Received | None, inbox: str = "") -> Any:
    """Return what is compared."""
    if received is None:
        return "<no answer>"
    subject = received.subject
    if inbox and subject.startswith(inbox):
        subject = "<reply>"
    out: dict[str, Any] = {"subject": _text(subject)}
    if received.reply:
        reply = "<asked>" if received.reply.startswith("_C.") else _text(received.reply)
        out["reply"] = reply
    if received.header:
        out["header"] = [_text(line) for line in received.header.decode().split("\r\n") if line]
    found = value(received)
    out["data"] = _object(found) if found is not None else _text(received.payload.decode("latin-1"))
    return out


def _text(text: str) -> str:
    text = _ACK.sub(r"\1<ns>\2", _TIME.sub("<time>", text))
    text = _IDENTITY.sub(r"\1<identity>", text)
    return _NUID.sub("<nuid>", _FLOW.sub(r"\1<fc>", text))


def _object(found: Any, key: str = "") -> Any:
    if isinstance(found, dict):
        return {
            name: _object(item, name)
            for name, item in found.items()
            if name not in _COUNTED and not (name in _USED and isinstance(item, int))
        }
    if isinstance(found, list):
        items = [_object(item, key) for item in found]
        # nats-server keeps what it knows of its origins in a Go map: in no order.
        states = key == "sources" and all("lag" in item for item in items)
        return sorted(items, key=json.dumps) if states else items
    if key in _TIMES and isinstance(found, str):
        return found if found == _ZERO else "<time>"
    if key in _NEW:
        return f"<{key}>"
    if key == "hdrs" and isinstance(found, str):
        lines = base64.b64decode(found).decode("latin-1").split("\r\n")
        return [_SOURCE.sub(r"\1<identity>", _text(line)) for line in lines]
    return _text(found) if isinstance(found, str) else found


def unmet(expected: str, received: list[Received]) -> str:
    """Return what is wrong about the messages, or nothing."""
    last = received[-1] if received else None
    if expected.startswith("n="):
        plain = sum(1 for one in received if not status(one))
        return "" if plain == int(expected[2:]) else f"{plain} messages instead of {expected[2:]}"
    if last is None:
        return "no answer"
    if expected.startswith("data="):
        got = last.payload.decode("latin-1")
        return "" if got == expected[5:] else f"payload {got!r}"
    if re.match(r"\d{3}/\d", expected):
        return _unmet_error(expected, value(last))
    if re.match(r"\d{3}( |$)", expected):
        return "" if status(last).startswith(expected) else f"status {status(last)!r}"
    found = value(last)
    if expected == "ok":
        return "" if found is not None and "error" not in found else f"answer {last.payload!r}"
    if expected.startswith("header "):
        return "" if expected[7:] in last.header.decode() else f"header {last.header!r}"
    return _unmet_fields(expected, found)


def _unmet_error(expected: str, found: Any) -> str:
    number, _, text = expected.partition(" ")
    error = (found or {}).get("error") or {}
    got = f"{error.get('code')}/{error.get('err_code')}"
    if got == number and text in error.get("description", ""):
        return ""
    return f"error {got} {error.get('description')!r}"


def _unmet_fields(expected: str, found: Any) -> str:
    for one in expected.split(" "):
        path, _, wanted = one.partition("=")
        got = field(found, path)
        if json.dumps(got, separators=(",", ":")) != wanted and str(got) != wanted:
            return f"{path} is {got!r}, not {wanted}"
    return ""


def field(found: Any, path: str) -> Any:
    """Return `state.messages` of an object; absent: None."""
    for name in path.split("."):
        if isinstance(found, list):
            found = found[int(name)] if int(name) < len(found) else None
        elif isinstance(found, dict):
            found = found.get(name)
        else:
            return None
    return found
