"""What a request of the system account may ask for: JSON read as Go's decoder reads it.

Pure. Field names in any case, null means absent, unknown fields are skipped; a wrong type is
refused in Go's words. Truth: nats-server 2.15.1 server/events.go and server/monitor.go, the texts
measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from leafnode.jetstream import json_syntax
from leafnode.limits import SYSTEM_REQUEST_BYTES_MAX

if TYPE_CHECKING:
    from leafnode.system.envelope import About

_INT_MAX: Final = 2**63 - 1
_UINT_MAX: Final = 2**64 - 1


class BadRequest(ValueError):  # noqa: N818 -- what the answer says, as nats-server words it
    """JSON that cannot be read; the text is the answer's description, the code is 400."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one kind of request: name in JSON -> Go's name of its type."""

    struct: str  # Go's name, which its errors show
    types: dict[str, str]


_FILTER: Final = {
    "server_name": "string",
    "cluster": "string",
    "host": "string",
    "exact_match": "bool",
    "tags": "[]string",
    "domain": "string",
}


def _fields(struct: str, **types: str) -> Fields:
    named = {name.replace("__", "-"): kind for name, kind in types.items()}
    return Fields(struct, named | _FILTER)


FILTER_ONLY: Final = _fields("EventFilterOptions")
STATSZ: Final = _fields("StatszEventOptions")
VARZ: Final = _fields("VarzEventOptions")
EXPVARZ: Final = _fields("ExpvarzEventOptions")
ACCOUNT_INFO: Final = _fields("AccInfoEventOptions")
SUBSZ: Final = _fields(
    "SubszEventOptions",
    offset="int",
    limit="int",
    subscriptions="bool",
    account="string",
    test="string",
)
CONNZ: Final = _fields(
    "ConnzEventOptions",
    sort="server.SortOpt",
    auth="bool",
    subscriptions="bool",
    subscriptions_detail="bool",
    offset="int",
    limit="int",
    cid="uint64",
    mqtt_client="string",
    state="server.ConnState",
    user="string",
    acc="string",
    filter_subject="string",
)
ROUTEZ: Final = _fields("RoutezEventOptions", subscriptions="bool", subscriptions_detail="bool")
GATEWAYZ: Final = _fields(
    "GatewayzEventOptions",
    name="string",
    accounts="bool",
    account_name="string",
    subscriptions="bool",
    subscriptions_detail="bool",
)
LEAFZ: Final = _fields("LeafzEventOptions", subscriptions="bool", account="string")
ACCOUNTZ: Final = _fields("AccountzEventOptions", account="string")
ACCOUNT_STATZ: Final = _fields(
    "AccountStatzEventOptions", accounts="[]string", include_unused="bool"
)
JSZ: Final = _fields(
    "JszEventOptions",
    account="string",
    accounts="bool",
    streams="bool",
    consumer="bool",
    direct_consumer="bool",
    config="bool",
    leader_only="bool",
    offset="int",
    limit="int",
    raft="bool",
    stream_leader_only="bool",
)
HEALTHZ: Final = _fields(
    "HealthzEventOptions",
    js__enabled="bool",
    js__enabled__only="bool",
    js__server__only="bool",
    js__meta__only="bool",
    account="string",
    stream="string",
    consumer="string",
    details="bool",
)
PROFILEZ: Final = _fields(
    "ProfilezEventOptions", name="string", debug="int", duration="time.Duration"
)
IPQUEUESZ: Final = _fields("IpqueueszEventOptions", all="bool", filter="string")
RAFTZ: Final = _fields("RaftzEventOptions", account="string", group="string")
CID: Final = Fields("KickClientReq", {"cid": "uint64"})

_PYTHON: Final[dict[str, type]] = {
    "string": str,
    "server.SortOpt": str,
    "bool": bool,
    "int": int,
    "uint64": int,
    "server.ConnState": int,
    "time.Duration": int,
    "[]string": list,
}


def read(body: bytes, fields: Fields) -> dict[str, Any]:
    """Return the given fields by their names. Raises BadRequest."""
    if not body:
        return {}
    if len(body) > SYSTEM_REQUEST_BYTES_MAX:
        raise BadRequest("request is too large")
    try:
        given = msgspec.json.decode(body)
    except (ValueError, RecursionError) as err:
        raise BadRequest(json_syntax.first_error(body, strict=False)) from err
    if given is None:
        return {}
    if not isinstance(given, dict):
        struct = f"server.{fields.struct}"
        raise BadRequest(f"json: cannot unmarshal {_kind(given)} into Go value of type {struct}")
    known: dict[str, Any] = {}
    for written, value in given.items():
        name = written.lower()
        kind = fields.types.get(name)
        if kind is not None and value is not None:
            _check(value, kind, f"{fields.struct}.{name}")
            known[name] = value
    return known


def _check(value: object, kind: str, where: str) -> None:
    wanted = _PYTHON[kind]
    suits = isinstance(value, wanted) and isinstance(value, bool) == (wanted is bool)
    if not suits:
        shown = f"number {value}" if wanted is int and isinstance(value, float) else _kind(value)
        raise BadRequest(
            f"json: cannot unmarshal {shown} into Go struct field {where} of type {kind}"
        )
    if isinstance(value, int) and not isinstance(value, bool):
        low, high = (0, _UINT_MAX) if kind == "uint64" else (-_INT_MAX - 1, _INT_MAX)
        if not low <= value <= high:
            text = (
                f"json: cannot unmarshal number {value} into Go struct field {where} of type {kind}"
            )
            raise BadRequest(text)
    for item in value if isinstance(value, list) else ():
        if not isinstance(item, str):
            text = (
                f"json: cannot unmarshal {_kind(item)} into Go struct field {where} of type string"
            )
            raise BadRequest(text)


def _kind(value: object) -> str:
    """Return what Go calls a JSON value."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def concerns(about: About, given: dict[str, Any]) -> bool:
    """Say whether this server is among those that a request is for."""
    named = (("server_name", about.name), ("host", about.host), ("cluster", about.cluster))
    exact = given.get("exact_match", False)
    for key, ours in named:
        wanted = given.get(key, "")
        if wanted and (wanted != ours if exact else wanted not in ours):
            return False
    if any(tag not in about.tags for tag in given.get("tags", ())):
        return False
    domain = given.get("domain", "")
    return not domain or domain == about.domain
