"""JSON of the JetStream API: dataclasses whose fields say how Go's structs read and write them.

Decoding names what is wrong in the server's words; encoding keeps field order and leaves out empty
fields that are not `always`. Knows no stream and no consumer.
Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from leafnode import go_json, go_time
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.json_syntax import JsonSyntaxError, end_of_value, first_error
from leafnode.store.api import SEQ_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")
encode: Final = go_json.encode
_encode: Final = msgspec.json.Encoder().encode  # for error texts, which Go quotes otherwise


class BindError(Exception):
    """A JSON value that does not fit its field; the text is the server's."""


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """How one Go type is read and written. `go` is its name in error texts."""

    go: str
    read: Callable[[Any, str], Any]
    write: Callable[[Any], Any] | None = None  # None: as it is
    zero: Callable[[], Any] = _nothing  # makes the value of a field that is absent


def wire(kind: Kind, *, always: bool = False, zero: Callable[[], Any] | None = None) -> Any:
    """Declare a field. `always`: written even when it has its zero value."""
    metadata = {"kind": kind, "always": always}
    return dataclasses.field(default_factory=zero or kind.zero, metadata=metadata)


def json_type(value: object) -> str:
    """Return what Go's decoder calls the type of a JSON value."""
    for kind, name in ((bool, "bool"), (int, "number"), (float, "number"), (str, "string")):
        if isinstance(value, kind):
            return name
    return "array" if isinstance(value, list) else "object"


def mismatch(value: object, path: str, go: str, *, number: bool = False) -> BindError:
    """Return the error for a value that its field cannot take."""
    what = json_type(value)
    if number:
        what += f" {value}"
    if path.rpartition(".")[2].isdigit():
        return BindError(f"json: cannot unmarshal {what} into {path} of type {go}")
    where = f"Go struct field {path}" if "." in path else "Go value"
    return BindError(f"json: cannot unmarshal {what} into {where} of type {go}")


def _integer(go: str, low: int, high: int) -> Kind:
    def read(value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise mismatch(value, path, go)
        if isinstance(value, float) or not low <= value <= high:
            raise mismatch(value, path, go, number=True)
        return value

    return Kind(go, read, zero=int)


def _plain(go: str, kind: type) -> Kind:
    def read(value: Any, path: str) -> Any:
        if not isinstance(value, kind):
            raise mismatch(value, path, go)
        return value

    return Kind(go, read, zero=kind)


def _read_time(value: Any, path: str) -> int:
    if not isinstance(value, str):
        raise mismatch(value, path, "time.Time")
    ns = go_time.parse_time(value)
    if ns is None:
        layout = "2006-01-02T15:04:05Z07:00"
        raise BindError(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"')
    return ns


STR: Final = _plain("string", str)
BOOL: Final = _plain("bool", bool)
INT: Final = _integer("int", -(2**63), 2**63 - 1)
INT64: Final = _integer("int64", -(2**63), 2**63 - 1)
INT32: Final = _integer("int32", -(2**31), 2**31 - 1)
UINT64: Final = _integer("uint64", 0, 2**64 - 1)


def _read_seq(value: Any, path: str) -> int:
    seq: int = UINT64.read(value, path)
    if seq > SEQ_MAX:
        raise BindError(f"sequence {seq} is beyond {SEQ_MAX}")
    return seq


SEQ: Final = Kind("uint64", _read_seq, zero=int)  # one that the store has to write down
DURATION: Final = _integer("time.Duration", -(2**63), 2**63 - 1)
ANY: Final = Kind("interface {}", lambda value, _: value)
TIME: Final = Kind("time.Time", _read_time, go_time.format_time)


def enum(*names: str, error: str = "can not unmarshal {}") -> Kind:
    """Return the kind of a field with these values, the first being its zero value.

    `error` words the refusal of another one.
    """

    def read(value: Any, path: str) -> str:
        del path
        if not isinstance(value, str) or value not in names:
            raw = _encode(value).decode()
            quoted = _encode(raw).decode() if error.startswith("can not") else raw
            raise BindError(error.format(quoted))
        return value

    return Kind("", read, zero=lambda: names[0])


def array(of: Kind) -> Kind:
    """Return the kind of a list."""

    def read(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise mismatch(value, path, f"[]{of.go}")
        return [of.read(item, f"{path}.{index}") for index, item in enumerate(value)]

    def write(value: Any) -> Any:
        return value if of.write is None else [of.write(item) for item in value]

    return Kind(f"[]{of.go}", read, write, list)


def _read_strings(value: Any, path: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise mismatch(value, path, "map[string]string")
    return {key: STR.read(item, f"{path}.{key}") for key, item in value.items()}


STR_MAP: Final = Kind(
    "map[string]string", _read_strings, lambda value: dict(sorted(value.items())), dict
)


def struct(cls: type, *, strict: bool = True) -> Kind:
    """Return the kind of a nested dataclass."""
    go = f"server.{cls.__name__}"

    def read(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise mismatch(value, path, go)
        return bind(cls, value, path, strict=strict)

    return Kind(go, read, to_dict)


@cache
def _fields(cls: Hashable) -> dict[str, Kind]:
    return {field.name: field.metadata["kind"] for field in dataclasses.fields(cast("Any", cls))}


@cache
def _writers(cls: Hashable) -> tuple[tuple[str, bool, Callable[[Any], Any] | None], ...]:
    return tuple(
        (field.name, field.metadata["always"], field.metadata["kind"].write)
        for field in dataclasses.fields(cast("Any", cls))
    )


def bind(cls: type[T], values: dict[str, Any], path: str, *, strict: bool) -> T:
    """Return `cls` filled from a decoded JSON object; keys match in any case, as in Go."""
    kinds = _fields(cast("Hashable", cls))
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = key if key in kinds else key.lower()
        kind = kinds.get(name)
        if kind is None:
            if strict:
                raise BindError(f"json: unknown field {_encode(key).decode()}")
        elif value is not None or not kind.go:  # null leaves all but enums alone
            found[name] = kind.read(value, f"{path}.{name}")
    return cls(**found)


def decode(cls: type[T], data: bytes, *, name: str, strict: bool = True) -> T:
    """Return `cls` from a request body. `name` is the Go type in error texts.

    Raises JetStreamError 10025 with the server's text. White space alone is the zero value.
    """
    try:
        value = _parse(data, strict=strict) if data.strip() else None
        if value is None:
            return cls()
        if not isinstance(value, dict):
            raise mismatch(value, name, f"server.{name}")
        return bind(cls, value, name, strict=strict)
    except BindError as error:
        raise js_error(10025, str(error)) from error


def decode_lax(cls: type[T], data: bytes, *, name: str = "") -> T:
    """Return `cls` from a body whose unknown fields do not matter. `name` is its Go type, none
    for one without. Raises BindError.
    """
    value = _parse(data, strict=False)
    if value is None:
        return cls()
    if not isinstance(value, dict):
        raise mismatch(value, name, f"server.{name}" if name else "struct")
    return bind(cls, value, name, strict=False)


def _parse(data: bytes, *, strict: bool) -> Any:
    text = data.decode("utf-8", "replace").encode()  # Go replaces what is no UTF-8
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise BindError("exceeded max depth") from None
    except (msgspec.DecodeError, msgspec.ValidationError):
        pass
    if strict:  # the server decodes the first value and then looks whether another one begins
        try:
            end = end_of_value(text)
            rest = text[end:].strip()
            if rest[:1] in {b"{"} and msgspec.json.decode(rest) is not None:
                return msgspec.json.decode(text[:end])
        except (JsonSyntaxError, RecursionError, msgspec.DecodeError, msgspec.ValidationError):
            pass
    raise BindError(first_error(text, strict=strict))


def to_dict(value: Any) -> dict[str, Any]:
    """Return what `value` looks like as a JSON object, in field order."""
    out: dict[str, Any] = {}
    for name, always, write in _writers(cast("Hashable", type(value))):
        item = getattr(value, name)
        if always or item:
            out[name] = item if write is None or item is None else write(item)
    return out
