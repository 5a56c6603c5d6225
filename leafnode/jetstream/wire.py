"""JSON of the JetStream API: dataclasses whose fields say how Go's structs read and write them.

Decoding names what is wrong in the server's words; encoding keeps field order and leaves out empty
fields that are not `always`. Knows no stream and no consumer.
Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from leafnode import go_json, go_time
from leafnode.jetstream import json_value
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.json_syntax import NOT_HELD, JsonSyntaxError, written
from leafnode.jetstream.json_value import Members, Number, mended
from leafnode.limits import JSON_VALUES_MAX, MAX_SUBJECT_TOKENS
from leafnode.protocol.errors import quoted
from leafnode.store.api import SEQ_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")
encode: Final = go_json.encode


class Mode(Enum):
    """What a field is that nobody knows."""

    STRICT = auto()  # an error
    LAX = auto()  # nothing


class BindError(Exception):
    """A JSON value that does not fit its field; the text is the server's."""


class _AsWritten(BindError):  # noqa: N818
    """An error that repeats a value as it is written; `places` leads to it, the last step first."""

    def __init__(self, word: Callable[[str], str]) -> None:
        super().__init__(word)
        self.word = word
        self.places: list[int] = []


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """How one Go type is read and written. `go` is its name in error texts."""

    go: str
    read: Callable[[Any, str, Any, Mode], Any]  # the value, its path, what the field holds
    write: Callable[[Any], Any] | None = None  # None: as it is
    zero: Callable[[], Any] = _nothing  # makes the value of a field that is absent
    target: Kind | None = None  # of a pointer: the kind of what it points to


def wire(kind: Kind, *, always: bool = False) -> Any:
    """Declare a field. `always`: written even when it has its zero value."""
    metadata = {"kind": kind, "always": always}
    return dataclasses.field(default_factory=kind.zero, metadata=metadata)


def json_type(value: object) -> str:
    """Return what Go's decoder calls the type of a JSON value."""
    for kind, name in ((bool, "bool"), (Number, "number"), (str, "string"), (Members, "object")):
        if isinstance(value, kind):
            return name
    return "array"


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
    digits_max = len(str(high))

    def read(value: Any, path: str, held: Any, mode: Mode) -> Any:
        del mode
        if value is None:
            return held
        if not isinstance(value, Number):
            raise mismatch(value, path, go)
        digits = value.removeprefix("-") if low else value
        if not digits.isdecimal() or len(digits) > digits_max or not low <= int(value) <= high:
            raise mismatch(value, path, go, number=True)
        return int(value)

    return Kind(go, read, zero=int)


def _read_string(value: Any, path: str, held: Any, mode: Mode) -> Any:
    del mode
    if value is None:
        return held
    if not isinstance(value, str) or isinstance(value, Number):
        raise mismatch(value, path, "string")
    return mended(value)


def _read_subject(value: Any, path: str, held: Any, mode: Mode) -> Any:
    """A subject as deep as a SUB may have it: each token costs a step wherever it is looked at."""
    read: str = _read_string(value, path, held, mode)
    if read.count(".") >= MAX_SUBJECT_TOKENS:
        raise BindError(f"{path}: a subject of more than {MAX_SUBJECT_TOKENS} tokens")
    return read


def _read_bool(value: Any, path: str, held: Any, mode: Mode) -> Any:
    del mode
    if value is None:
        return held
    if not isinstance(value, bool):
        raise mismatch(value, path, "bool")
    return value


def _read_time(value: Any, path: str, held: Any, mode: Mode) -> Any:
    del mode
    if value is None:
        return held
    if not isinstance(value, str) or isinstance(value, Number):
        raise mismatch(value, path, "time.Time")
    try:
        return go_time.read_time(mended(value))
    except ValueError as error:
        raise BindError(str(error)) from None


STR: Final = Kind("string", _read_string, zero=str)
SUBJECT: Final = Kind("string", _read_subject, zero=str)
BOOL: Final = Kind("bool", _read_bool, zero=bool)
INT: Final = _integer("int", -(2**63), 2**63 - 1)
INT64: Final = _integer("int64", -(2**63), 2**63 - 1)
INT32: Final = _integer("int32", -(2**31), 2**31 - 1)
UINT64: Final = _integer("uint64", 0, 2**64 - 1)


def _read_seq(value: Any, path: str, held: Any, mode: Mode) -> int:
    seq: int = UINT64.read(value, path, held, mode)
    if seq > SEQ_MAX:
        raise BindError(f"sequence {seq} is beyond {SEQ_MAX}")
    return seq


SEQ: Final = Kind("uint64", _read_seq, zero=int)  # one that the store has to write down
DURATION: Final = _integer("time.Duration", -(2**63), 2**63 - 1)
TIME: Final = Kind("time.Time", _read_time, go_time.format_time)


def enum(*names: str, zero: str | None = None, refusal: Callable[[str], str] | None = None) -> Kind:
    """Return the kind of a field with these values, the first being its zero value unless that is
    given.

    `refusal` words the refusal of another one from how that is written.
    """
    word = refusal or _refuse

    def read(value: Any, path: str, held: Any, mode: Mode) -> str:
        del path, held, mode
        if not isinstance(value, str) or value not in names or isinstance(value, Number):
            raise _AsWritten(word)
        return value

    return Kind("", read, zero=lambda: names[0] if zero is None else zero)


def _refuse(raw: str) -> str:
    shown = quoted(raw.encode("utf-8", "surrogateescape")).decode()
    return f"can not unmarshal {shown}"


def named(*names: str, error: str) -> Kind:
    """Return the kind of a field that is read as a string first; null is the empty one."""

    def read(value: Any, path: str, held: Any, mode: Mode) -> str:
        del path, held
        name: str = STR.read(value, "", "", mode)
        if name not in names:
            raise BindError(error)
        return name

    return Kind("", read, zero=lambda: names[0])


def pointer(to: Kind) -> Kind:
    """Return the kind of a field that null empties; without it there is nothing in it."""

    def read(value: Any, path: str, held: Any, mode: Mode) -> Any:
        if value is None:
            return None
        return to.read(value, path, to.zero() if held is None else held, mode)

    return Kind(to.go, read, to.write, target=to)


def array(of: Kind, most: int | None = None) -> Kind:
    """Return the kind of a list. Where it is there twice, each element is read into the former. Of
    one that is refused for more than `most` no more than one beyond that is read.
    """
    end = None if most is None else most + 1
    new = (of.target or of).zero
    go = f"[]*{of.go}" if of.target else f"[]{of.go}"

    def read(value: Any, path: str, held: Any, mode: Mode) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list) or isinstance(value, Members):
            raise mismatch(value, path, go)
        items: list[Any] = []
        for place, item in enumerate(islice(value, end)):
            before = held[place] if place < len(held) else new()
            try:
                one = of.read(item, f"{path}.{place}", before, mode)
            except _AsWritten as error:
                error.places.append(place)
                raise
            items.append(new() if one is None else one)
        return items

    def write(value: Any) -> Any:
        return value if of.write is None else [of.write(item) for item in value]

    return Kind(go, read, write, list)


def string_map(of: Kind) -> Kind:
    """Return the kind of a map by strings."""
    go = f"map[string]{of.go}"

    def read(value: Any, path: str, held: Any, mode: Mode) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Members):
            raise mismatch(value, path, go)
        found = dict(held)
        for key, item in value:
            name = mended(key)
            shown = name.replace("~", "~0").replace("/", "~1")  # a JSON Pointer's
            found[name] = of.read(item, f"{path}.{shown}", of.zero(), mode)
        return found

    return Kind(go, read, lambda value: dict(sorted(value.items())), dict)


STR_MAP: Final = string_map(STR)


def struct(cls: type, go: str = "") -> Kind:
    """Return the kind of a nested dataclass."""
    go = f"server.{go or cls.__name__}"

    def read(value: Any, path: str, held: Any, mode: Mode) -> Any:
        if value is None:
            return held
        if not isinstance(value, Members):
            raise mismatch(value, path, go)
        fill(held, value, path, mode)
        return held

    return Kind(go, read, to_dict, cls)


@cache
def _fields(cls: Hashable) -> dict[str, Kind]:
    return {field.name: field.metadata["kind"] for field in dataclasses.fields(cast("Any", cls))}


@cache
def _writers(cls: Hashable) -> tuple[tuple[str, bool, Callable[[Any], Any] | None], ...]:
    return tuple(
        (field.name, field.metadata["always"], field.metadata["kind"].write)
        for field in dataclasses.fields(cast("Any", cls))
    )


def fill(held: object, members: Members, path: str, mode: Mode) -> None:
    """Read an object's members into `held`, one after another; keys match in any case, as in Go.

    Raises BindError: then nothing is said of what `held` holds.
    """
    kinds = _fields(cast("Hashable", type(held)))
    for place, (key, value) in enumerate(members):
        name = key if key in kinds else key.lower().replace("\u017f", "s")
        kind = kinds.get(name)
        if kind is None:
            if mode is Mode.STRICT:
                raise BindError(f"json: unknown field {quoted(mended(key).encode()).decode()}")
            continue
        try:
            setattr(held, name, kind.read(value, f"{path}.{key}", getattr(held, name), mode))
        except _AsWritten as error:
            error.places.append(place)
            raise


def decode(cls: type[T], data: bytes, *, name: str, strict: bool = True) -> T:
    """Return `cls` from a request body. `name` is the Go type in error texts.

    Strictly: every value of the body after another, none being the zero value. Else: the only one,
    whose unknown fields do not matter. Raises JetStreamError 10025 with the server's text.
    """
    if not strict:
        try:
            return decode_lax(cls, data, name=name)
        except BindError as error:
            raise js_error(10025, str(error)) from error
    held, left = cls(), JSON_VALUES_MAX
    try:
        for value, at in islice(json_value.each(data), JSON_VALUES_MAX + 1):
            left -= 1
            _take(held, data, value, at, name, Mode.STRICT)
    except (BindError, json_value.NotJson) as error:
        raise js_error(10025, str(error)) from error
    if left < 0:
        raise js_error(10025, f"more than {JSON_VALUES_MAX} values one after another")
    return held


def decode_lax(cls: type[T], data: bytes, *, name: str = "") -> T:
    """Return `cls` from a body whose unknown fields do not matter. `name` is its Go type, none
    for one without. Raises BindError.
    """
    held = cls()
    try:
        value, at = json_value.only(data)
    except json_value.NotJson as error:
        raise BindError(str(error)) from error
    _take(held, data, value, at, name, Mode.LAX)
    return held


def _take(held: object, data: bytes, value: object, at: int, name: str, mode: Mode) -> None:
    """Read the value at `at` of `data` into `held`. Raises BindError."""
    if value is None:
        return
    if not isinstance(value, Members):
        raise mismatch(value, name, f"server.{name}" if name else "struct")
    try:
        fill(held, value, name, mode)
    except _AsWritten as error:
        try:
            raw = written(data, at, error.places[::-1])
        except JsonSyntaxError:
            raise BindError(NOT_HELD) from error
        raise BindError(mended(error.word(raw.decode("utf-8", "surrogateescape")))) from error


def to_dict(value: Any) -> dict[str, Any]:
    """Return what `value` looks like as a JSON object, in field order."""
    out: dict[str, Any] = {}
    for name, always, write in _writers(cast("Hashable", type(value))):
        item = getattr(value, name)
        if always or item:
            out[name] = item if write is None or item is None else write(item)
    return out
