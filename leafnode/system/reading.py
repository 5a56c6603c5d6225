"""The body of a request of the system account: JSON read as Go's decoder reads it.

Pure. Field names in any case, null means absent, unknown fields are skipped; a wrong type is
refused in Go's words. Knows types, not what anybody asks for. Truth: Go's encoding/json, as
nats-server 2.15.1 uses it; the texts measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.jetstream.json_value import Members, NotJson, Number, mended, only
from leafnode.system.options import BadRequest

if TYPE_CHECKING:
    from leafnode.system.options import Fields

_INT_MAX: Final = 2**63 - 1
_UINT_MAX: Final = 2**64 - 1
_DIGITS_MAX: Final = 40  # more are no integer of Go's

# What may be given for each of Go's types; numbers are looked at once more.
_PYTHON: Final[dict[str, type]] = {
    "string": str,
    "server.SortOpt": str,
    "bool": bool,
    "int": Number,
    "uint64": Number,
    "server.ConnState": Number,
    "time.Duration": Number,
    "[]string": list,
}
# Letters that Go takes for an s and a k in a name.
_FOLDED: Final = str.maketrans({"\u017f": "s", "\u212a": "k"})


def given_in(body: bytes, fields: Fields) -> dict[str, Any]:
    """Return the given fields by their names. Raises BadRequest."""
    try:
        given, _ = only(body)
    except NotJson as err:
        raise BadRequest(str(err)) from err
    if given is None:
        return {}
    if not isinstance(given, Members):
        struct = f"server.{fields.struct}"
        raise BadRequest(f"json: cannot unmarshal {_kind(given)} into Go value of type {struct}")
    known: dict[str, Any] = {}
    for written, value in given:
        name = written.translate(_FOLDED).lower()
        kind = fields.types.get(name)
        if kind is not None and value is not None:
            known[name] = _converted(value, kind, f"{fields.struct}.{written}")
    return known


def _converted(value: object, kind: str, where: str) -> object:
    """Return a value of Go's type `kind`. Raises BadRequest."""
    wanted = _PYTHON[kind]
    if not isinstance(value, wanted) or isinstance(value, Number) is not (wanted is Number):
        raise _unsuitable(_kind(value), where, kind)
    if isinstance(value, Number):
        return _integer(value, where, kind)
    if isinstance(value, list):
        if isinstance(value, Members):
            raise _unsuitable("object", where, kind)
        return [_item(item, f"{where}.{index}") for index, item in enumerate(value)]
    return mended(value) if isinstance(value, str) else value


def _integer(written: Number, where: str, kind: str) -> int:
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
    if not isinstance(item, str) or isinstance(item, Number):
        # Go's words are others here.
        raise BadRequest(f"json: cannot unmarshal {_kind(item)} into {where} of type string")
    return mended(item)


def _unsuitable(shown: str, where: str, kind: str) -> BadRequest:
    return BadRequest(f"json: cannot unmarshal {shown} into Go struct field {where} of type {kind}")


def _kind(value: object) -> str:
    """Return what Go calls a JSON value."""
    match value:
        case bool():
            return "bool"
        case Number():
            return "number"
        case str():
            return "string"
        case Members():
            return "object"
        case list():
            return "array"
        case _:
            return "null"
