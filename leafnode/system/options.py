"""What a request of the system account may ask for: JSON read as Go's decoder reads it.

Pure. Field names in any case, null means absent, unknown fields are skipped; a wrong type is
refused in Go's words. Truth: nats-server 2.15.1 server/events.go and server/monitor.go, the texts
measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from leafnode.limits import SYSTEM_REQUEST_BYTES_MAX

if TYPE_CHECKING:
    import json

    from leafnode.system.envelope import About

_INT_MAX: Final = 2**63 - 1
_UINT_MAX: Final = 2**64 - 1
_DIGITS_MAX: Final = 40  # more are no integer of Go's


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
CONNS: Final = Fields("accNumConnsReq", {"acc": "string"})
CID: Final = Fields("KickClientReq", {"cid": "uint64"})


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


class _Object(list[tuple[str, object]]):
    """An object's fields in their order, also one that is there twice."""


# What may be given for each of Go's types; numbers are looked at once more.
_PYTHON: Final[dict[str, type]] = {
    "string": str,
    "server.SortOpt": str,
    "bool": bool,
    "int": _Number,
    "uint64": _Number,
    "server.ConnState": _Number,
    "time.Duration": _Number,
    "[]string": list,
}
# Letters that Go takes for an s and a k in a name.
_FOLDED: Final = str.maketrans({"\u017f": "s", "\u212a": "k"})


def read(body: bytes, fields: Fields, most: int = SYSTEM_REQUEST_BYTES_MAX) -> dict[str, Any]:
    """Return the given fields by their names. Raises BadRequest."""
    if not body:
        return {}
    if len(body) > most:
        raise BadRequest("request is too large")
    given = _decoded(body)
    if given is None:
        return {}
    if not isinstance(given, _Object):
        struct = f"server.{fields.struct}"
        raise BadRequest(f"json: cannot unmarshal {_kind(given)} into Go value of type {struct}")
    known: dict[str, Any] = {}
    for written, value in given:
        name = written.translate(_FOLDED).lower()
        kind = fields.types.get(name)
        if kind is not None and value is not None:
            known[name] = _converted(value, kind, f"{fields.struct}.{written}")
    return known


@cache
def _decoder() -> json.JSONDecoder:
    """Return what keeps fields that are there twice, and numbers as they are written."""
    import json

    return json.JSONDecoder(
        object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_Number
    )


def _decoded(body: bytes) -> object:
    from leafnode.jetstream import json_syntax

    try:
        msgspec.json.decode(body)
    except (ValueError, RecursionError) as err:
        problem = json_syntax.first_error(body, strict=False)
        if problem != json_syntax.NOT_HELD:
            raise BadRequest(problem) from err
        # Half of a surrogate pair or 1e999: Go's decoder is not so strict.
    try:
        return _decoder().decode(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as err:  # nested too deep for anything that we know
        raise BadRequest(json_syntax.NOT_HELD) from err


def _converted(value: object, kind: str, where: str) -> object:
    """Return a value of Go's type `kind`. Raises BadRequest."""
    wanted = _PYTHON[kind]
    if not isinstance(value, wanted) or isinstance(value, _Number) is not (wanted is _Number):
        raise _unsuitable(_kind(value), where, kind)
    if isinstance(value, _Number):
        return _integer(value, where, kind)
    if isinstance(value, list):
        if isinstance(value, _Object):
            raise _unsuitable("object", where, kind)
        return [_item(item, f"{where}.{index}") for index, item in enumerate(value)]
    return _text(value) if isinstance(value, str) else value


def _integer(written: _Number, where: str, kind: str) -> int:
    digits = written.removeprefix("-")
    if digits.isdecimal() and len(digits) < _DIGITS_MAX and (kind != "uint64" or digits == written):
        value = int(written)
        low, high = (0, _UINT_MAX) if kind == "uint64" else (-_INT_MAX - 1, _INT_MAX)
        if low <= value <= high:
            return value
    raise _unsuitable(f"number {written}", where, kind)


def _item(item: object, where: str) -> str:
    """Return one of a list of strings."""
    if item is None:
        return ""
    if not isinstance(item, str) or isinstance(item, _Number):
        # Go's words are others here.
        raise BadRequest(f"json: cannot unmarshal {_kind(item)} into {where} of type string")
    return _text(item)


def _text(value: str) -> str:
    """Return a string that can be written: half of a surrogate pair is what Go makes of it."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unsuitable(shown: str, where: str, kind: str) -> BadRequest:
    return BadRequest(f"json: cannot unmarshal {shown} into Go struct field {where} of type {kind}")


def _kind(value: object) -> str:
    """Return what Go calls a JSON value."""
    match value:
        case bool():
            return "bool"
        case _Number():
            return "number"
        case str():
            return "string"
        case _Object():
            return "object"
        case list():
            return "array"
        case _:
            return "null"


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
