"""Converters: a place in the tree becomes one typed, checked value, or an error.

Knows units, addresses, names and subjects; not which option uses them. A value that may be secret
is never repeated in an error. Truth: measured on nats-server 2.15.1; docs/configuration.md.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import HostPort
from leafnode.errors import quoted
from leafnode.protocol import subject as subjects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leafnode.config.place import Place

T = TypeVar("T")

LOOPBACK: Final = "127.0.0.1"  # the default
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 -- what an address without a host means, only when written
PORT_MAX: Final = 65535
CLIENT_PORT: Final = 4222
_INT64_MAX: Final = 2**63 - 1
# Go takes both the micro sign and the Greek mu.
_DURATION: Final = re.compile(
    r"([0-9]{1,18})?(?:\.([0-9]{0,18}))?(ns|us|µs|μs|ms|s|m|h)",
    re.ASCII,
)
_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}
# In quotes a storage size has one letter and is binary, where the bare 1G is decimal.
_STORAGE: Final = re.compile(r"([0-9]{1,18})([KMGT])", re.ASCII)
_STORAGE_SHIFTS: Final = {"K": 10, "M": 20, "G": 30, "T": 40}
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_LIKE_SEED: Final = re.compile(r"[A-Za-z0-9]{40,}", re.ASCII)
_PUBLIC_NKEY_CHARS: Final = 56
_SEED_CHARS: Final = 58
# What a kind of key starts with: as a letter, and in its first byte.
_PUBLIC_PREFIXES: Final = {"A": 0, "N": 13 << 3, "O": 14 << 3, "U": 20 << 3, "X": 23 << 3}
_A: Final = {"A": "an", "N": "a", "O": "an", "U": "a", "X": "a"}


def text(place: Place) -> str:
    """A string in one line that is not empty."""
    value = place.node.value
    if not isinstance(value, str):
        raise place.expected("a string")
    if not value or _UNPRINTABLE.search(value):
        raise place.expected("a string of one line that is not empty")
    return value


def or_default(default: T, convert: Callable[[Place], T]) -> Callable[[Place], T]:
    """Return the converter, but that an empty string stands for the default, as on nats-server."""
    return lambda place: default if place.node.value == "" else convert(place)


def text_or(default: str) -> Callable[[Place], str]:
    """Return a converter of strings; the empty one stands for the default."""
    return or_default(default, text)


def secret(place: Place) -> str:
    """A password or token. The error never holds it."""
    value = place.node.value
    if not isinstance(value, str):
        raise place.error("expected a string: put it in quotes")
    if not value or _UNPRINTABLE.search(value):
        raise place.error("expected a string of one line that is not empty")
    return value


def boolean(place: Place) -> bool:
    value = place.node.value
    if not isinstance(value, bool):
        raise place.expected("true or false")
    return value


def number(
    low: int,
    high: int,
    what: str,
    meaning: Mapping[int, int] | None = None,
    *,
    below: int | None = None,
) -> Callable[[Place], int]:
    """Return a converter of integers in a range.

    `meaning` says what others stand for, and `below` what every number below zero does.
    """

    def convert(place: Place) -> int:
        value = place.node.value
        if not isinstance(value, int) or isinstance(value, bool):
            raise place.expected(what)
        if meaning and value in meaning:
            return meaning[value]
        if below is not None and value < 0:
            return below
        if not low <= value <= high:
            raise place.expected(f"{what} from {low} to {high}")
        return value

    return convert


def storage(place: Place) -> int:
    """A limit of bytes: a size, `"1G"` in quotes as nats-server has it, 0 or -1 for no limit."""
    value = place.node.value
    if value == "":
        return -1
    if isinstance(value, str) and (match := _STORAGE.fullmatch(value)):
        return min(int(match[1]) << _STORAGE_SHIFTS[match[2]], _INT64_MAX)
    return number(1, _INT64_MAX, "a size", {0: -1, -1: -1})(place)


def duration(place: Place) -> int:
    """Nanoseconds above zero of a Go duration: `2s`, `100ms`, `1h30m`."""
    value = place.node.value
    if isinstance(value, int) and not isinstance(value, bool):
        raise place.error(f"expected a duration, got {value} (write {value}s for seconds)")
    duration_ns = parse_duration(value) if isinstance(value, str) else None
    if duration_ns is None:
        raise place.expected("a duration")
    if not 0 < duration_ns <= _INT64_MAX:
        raise place.expected("a duration above zero")
    return duration_ns


def wait(place: Place) -> int:
    """Nanoseconds of a Go duration that may be zero: `0`, `0s`, `100ms`."""
    value = place.node.value
    if isinstance(value, str):
        is_zero = parse_duration(value) == 0
    else:
        is_zero = value == 0 and not isinstance(value, bool)
    return 0 if is_zero else duration(place)


def interval(default_ns: int = 0) -> Callable[[Place], int]:
    """Return a converter of durations; 0 is the default.

    A number of seconds is how it once was written: taken, with nats-server's warning.
    """

    def convert(place: Place) -> int:
        value = place.node.value
        if isinstance(value, int) and not isinstance(value, bool):
            duration_ns = seconds(default_ns)(place)
            place.deprecate(f"{place.name} should be converted to a duration")
            return duration_ns
        return wait(place) or default_ns

    return convert


def seconds(default_ns: int) -> Callable[[Place], int]:
    """Return a converter of durations that also takes a number of seconds; 0 is the default."""

    def convert(place: Place) -> int:
        value = place.node.value
        if not isinstance(value, int | float) or isinstance(value, bool):
            return wait(place) or default_ns
        if value == 0:
            return default_ns
        if not 0 < value <= _INT64_MAX // NS_PER_S:
            raise place.expected("a duration above zero")
        return max(1, int(value * NS_PER_S))

    return convert


def parse_duration(word: str) -> int | None:
    """Return the nanoseconds of a Go duration without a sign, or None."""
    total_ns = 0
    position = 0
    while match := _DURATION.match(word, position):
        whole, fraction, unit = match.groups()
        if not whole and not fraction:
            return None
        unit_ns = _UNITS_NS[unit]
        total_ns += int(whole or 0) * unit_ns
        total_ns += int(fraction or 0) * unit_ns // 10 ** len(fraction or "")
        position = match.end()
    return total_ns if position and position == len(word) else None


def port(place: Place) -> int:
    """A port; -1 takes a free one, 0 stays 0 for the caller's default."""
    return number(-1, PORT_MAX, "a port")(place)


def host(place: Place) -> str:
    """A name or address to listen on; empty is every address, as nats-server has it."""
    value = place.node.value
    if not isinstance(value, str) or (problem := host_problem(value)):
        raise place.expected("a host name or an address")
    assert not problem, "refused above"
    return value or EVERYWHERE


def host_problem(name: str) -> bool:
    """Say whether the text cannot be a host."""
    return (
        len(name) > limits.HOST_CHARS_MAX or re.search(r"[\s\x00-\x1f\x7f/@\[\]]", name) is not None
    )


def host_port(place: Place) -> HostPort:
    """`host:port`, `:port` for every address, or a port alone, which leaves the host empty."""
    value = place.node.value
    if isinstance(value, int):
        return HostPort("", port(place))
    if not isinstance(value, str):
        raise place.expected('"host:port" or a port')
    name, colon, digits = value.rpartition(":")
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    elif ":" in name:
        colon = ""  # an IPv6 address needs its brackets
    if not colon or not re.fullmatch(r"-1|[0-9]{1,5}", digits, re.ASCII) or host_problem(name):
        raise place.expected('"host:port"')
    if int(digits) > PORT_MAX:
        raise place.expected(f'"host:port" with a port from -1 to {PORT_MAX}')
    return HostPort(name or EVERYWHERE, int(digits))


def fold_listen(values: dict[str, Any]) -> None:
    """Turn `listen` into host and port; of listen, host and port the last mention stands."""
    names = list(values)
    address: HostPort | None = values.pop("listen", None)
    if address is not None:
        for name, value in (("host", address.host), ("port", address.port)):
            later = name in values and names.index(name) > names.index("listen")
            if value != "" and not later:
                values[name] = value


def advertised(place: Place) -> HostPort | None:
    """`host:port`, or a host alone, which leaves the port as it is (0); nothing for nothing."""
    value = text_or("")(place)
    if not value:
        return None
    if ":" not in value and not host_problem(value):
        return HostPort(value, 0)
    address = host_port(place)
    return HostPort(address.host, max(0, address.port))


def port_alone(place: Place) -> HostPort:
    """A port on the host of the clients' listener."""
    return HostPort("", port(place))


def is_server_name(name: str) -> bool:
    """Say whether it may name a server. It becomes tokens of subjects and a part of message ids."""
    return bool(name) and not re.search(r"[\s\x00-\x1f\x7f*>]", name)


def server_name(place: Place) -> str:
    """A name, or nothing, which is one made up at the start."""
    name = text_or("")(place)
    if name and not is_server_name(name):
        raise place.expected("a server name without blanks, * and >")
    return name


def name_of(what: str) -> Callable[[Place], str]:
    """Return a converter of names that are one token: of streams, ports, domains."""

    def convert(place: Place) -> str:
        name = text(place)
        if len(name) > limits.STREAM_NAME_MAX or re.search(r"[\s.*>/\\{}]", name):
            raise place.expected(f"a {what} without blanks, dots, *, >, {{, }}, / and \\")
        return name

    return convert


def subject(place: Place) -> str:
    """A subject, wildcards allowed."""
    value = place.node.value
    if not isinstance(value, str) or not is_subject(value):
        raise place.expected("a subject")
    return value


def literal_subject(place: Place) -> str:
    """A subject that may be published on."""
    value = subject(place)
    if not _is_literal(value):
        raise place.expected("a subject without wildcards")
    return value


def is_literal_subject(value: str) -> bool:
    return is_subject(value) and _is_literal(value)


def is_subject(value: str) -> bool:
    encoded = value.encode("utf-8", "replace")
    tokens_few = encoded.count(b".") < limits.MAX_SUBJECT_TOKENS
    return tokens_few and _UNPRINTABLE.search(value) is None and subjects.is_valid(encoded)


def subject_and_queue(place: Place) -> str:
    """A subject, alone or with the queue group it holds for: `subject queue`, one blank between.

    Both may have wildcards.
    """
    value = place.node.value
    if isinstance(value, str):
        words = value.split()
        if len(words) == 2 and all(map(is_subject, words)):
            return " ".join(words)
    return subject(place)


def list_of(
    convert: Callable[[Place], T], what: str, *, may_be_empty: bool = False
) -> Callable[[Place], tuple[T, ...]]:
    """Return a converter of one value or an array of them."""

    def convert_all(place: Place) -> tuple[T, ...]:
        if not isinstance(place.node.value, list):
            return (convert(place),)
        values = tuple(convert(item) for item in place.items(what))
        if not values and not may_be_empty:
            raise place.error(f"expected at least one of {what}, got an empty array")
        return values

    return convert_all


def subject_prefix(place: Place) -> str:
    """What is put before subjects: literal tokens with a dot at the end."""
    prefix = text(place)
    if not prefix.endswith(".") or not is_subject(prefix + "x") or not _is_literal(prefix + "x"):
        raise place.expected('a subject prefix without wildcards that ends with "."')
    return prefix


def template_problem(template: str, port_name: str, *, framing: str) -> str:
    """Say what is wrong with a serial port's subject, or return "".

    The first token must be the configuration's own: a board that could choose it could publish to
    `$JS.` or to somebody's inbox.
    """
    unknown = [name for name in _PLACEHOLDER.findall(template) if name not in _TEMPLATE_SAMPLES]
    if unknown:
        return f"{{{unknown[0]}}} is unknown: use {{port}}, {{device}} or {{name}}"
    own = template.replace("{port}", port_name)
    if framing not in NAMING_FRAMINGS and ("{device}" in own or "{name}" in own):
        return f"{{device}} and {{name}} need modbus, link or text_link: {framing} names neither"
    first = own.partition(".")[0]
    if "{" in first:
        return "expected a first token that the device does not choose"
    if subjects.is_internal(own.encode()):
        return f"a subject of readings must not start with {first}"
    filled = own.replace("{device}", "d").replace("{name}", "n")
    if "{" in filled or "}" in filled or not is_subject(filled) or not _is_literal(filled):
        return f"expected a subject without wildcards, got {quoted(template)}"
    return ""


BOARD_FRAMINGS: Final = frozenset({"link", "text_link"})  # whose boards say who they are
NAMING_FRAMINGS: Final = BOARD_FRAMINGS | {"modbus"}  # whose readings have a device and a name
_TEMPLATE_SAMPLES: Final = frozenset({"port", "device", "name"})


def leaf_url(place: Place) -> str:
    """The URL of a hub with its port. Errors leave the user and password out."""
    value = place.node.value
    if not isinstance(value, str):
        raise place.error('expected a URL like "nats-leaf://host:7422"')
    got = quoted(re.sub(r"^(.*?//)?.*@", r"\1…@", value, flags=re.DOTALL))
    wanted = place.error(f'expected a URL like "nats-leaf://host:7422", got {got}')
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise wanted
    try:
        parts = urlsplit(value)
        port_number = parts.port
    except ValueError:
        raise wanted from None  # its text repeats the URL
    scheme = parts.scheme.lower()
    is_websocket = scheme in {"ws", "wss"}
    if (
        not (is_websocket or scheme in {"nats-leaf", "leaf", "nats", "tls"})
        or not parts.hostname
        or host_problem(parts.hostname)
    ):
        raise wanted
    path = parts.path.rstrip("/")
    if (path and not is_websocket) or not path.isascii() or parts.query or parts.fragment:
        raise wanted
    if port_number == 0:
        raise wanted
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    user = parts.netloc.rpartition("@")[0]
    port_number = port_number or limits.LEAF_PORT  # nats-server takes it for ws:// and wss://, too
    return f"{scheme}://{user}{'@' if user else ''}{name}:{port_number}{path}"


def seed(place: Place) -> str:
    """A user's seed, or the path of a file with one. A damaged seed is refused unseen."""
    value = secret(place)
    if _LIKE_SEED.fullmatch(value) and not is_user_seed(value):
        raise place.error("expected a user's seed (SU…) or the path of a file with one")
    return value


def is_user_seed(text: str) -> bool:
    """Say whether it is the seed of a user, with the right checksum."""
    if len(text) != _SEED_CHARS or not text.startswith("SU") or "=" in text:
        return False
    try:
        raw = base64.b32decode(text + "======")
    except (binascii.Error, ValueError):
        return False
    return raw[-2:] == binascii.crc_hqx(raw[:-2], 0).to_bytes(2, "little")


def public_nkey(letter: str, what: str) -> Callable[[Place], str]:
    """Return a converter of public keys of one kind, with the right checksum."""

    def convert(place: Place) -> str:
        value = place.node.value
        if not isinstance(value, str) or not is_public_nkey(value, letter):
            # A seed pasted here by mistake must not be repeated.
            raise place.error(f"expected the public nkey of {_A[letter]} {what} ({letter}…)")
        return value

    return convert


def any_public_nkey(place: Place) -> str:
    """A public key of any kind."""
    value = place.node.value
    if not isinstance(value, str) or not any(is_public_nkey(value, kind) for kind in _A):
        raise place.error("expected a public nkey")
    return value


def is_public_nkey(key: str, letter: str) -> bool:
    """Say whether it is a public key of the kind that starts with this letter."""
    if len(key) != _PUBLIC_NKEY_CHARS or not key.startswith(letter) or "=" in key:
        return False
    try:
        raw = base64.b32decode(key)
    except (binascii.Error, ValueError):
        return False
    checksum = binascii.crc_hqx(raw[:-2], 0).to_bytes(2, "little")
    return raw[0] == _PUBLIC_PREFIXES[letter] and raw[-2:] == checksum


def only(values: tuple[str | bool, ...], *, why: str) -> Callable[[Place], None]:
    """Return a converter that takes these values alone, of which nothing comes."""

    def convert(place: Place) -> None:
        value = place.node.value
        plain = value.lower() if isinstance(value, str) else value
        if not any(plain == known and type(plain) is type(known) for known in values):
            raise place.error(why)

    return convert


def one_of(*words: str) -> Callable[[Place], str]:
    """Return a converter of a word out of a few."""

    def convert(place: Place) -> str:
        value = place.node.value
        if not isinstance(value, str) or value.lower() not in words:
            raise place.expected(" or ".join(words))
        return value.lower()

    return convert


def _is_literal(value: str) -> bool:
    return subjects.is_literal(value.encode("utf-8", "replace"))
