"""How a port is named: by what its device is, by where it is plugged in, by path, or by address.

Knows the words; not whether a device is there. A name is looked up each time the port is opened.
Truth: docs/serial/ports.md, "Names".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from urllib.parse import urlsplit

_LINK: Final = re.compile(r"[^/\x00-\x1f\x7f]{1,255}")
_USB: Final = re.compile(r"([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})(?::([^/\x00-\x1f\x7f]{1,126}))?")
_BARE: Final = re.compile(r"/dev/tty(?:USB|ACM)[0-9]+")
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]{1,255}")
_PATH_CHARS_MAX: Final = 1024
EXPECTED: Final = (
    "expected a device: by-id:NAME, by-path:NAME, usb:VID:PID[:SERIAL], a path like /dev/ttyAMA0, "
    "socket://host:port or rfc2217://host:port"
)


class Kind(Enum):
    """What a name goes by."""

    PATH = auto()
    BY_ID = auto()
    BY_PATH = auto()
    USB = auto()
    SOCKET = auto()
    RFC2217 = auto()


@dataclass(frozen=True, slots=True)
class DeviceName:
    """A name that is well formed. `value` is the path, or the link's own name, or the serial.

    `vendor` and `product` are four hexadecimal digits in lower case, as sysfs has them.
    """

    kind: Kind
    value: str = ""
    vendor: str = ""
    product: str = ""
    host: str = ""
    port: int = 0

    @property
    def is_network(self) -> bool:
        return self.kind in {Kind.SOCKET, Kind.RFC2217}


def parse(text: str) -> DeviceName:
    """Return what the text names. Raises ValueError with what is wrong."""
    for prefix, kind in (("by-id:", Kind.BY_ID), ("by-path:", Kind.BY_PATH)):
        if text.startswith(prefix):
            return _link(text.removeprefix(prefix), kind, prefix)
    if text.startswith("usb:"):
        return _usb(text.removeprefix("usb:"))
    for scheme, kind in (("socket", Kind.SOCKET), ("rfc2217", Kind.RFC2217)):
        if text.startswith(f"{scheme}://"):
            return _address(text, scheme, kind)
    return _path(text)


def is_bare(text: str) -> bool:
    """Say whether the path is one that the kernel gives to whoever is plugged in first."""
    return _BARE.fullmatch(text) is not None


def is_socket(text: object) -> bool:
    """Say whether this names a TCP connection, well formed or not: one has no line."""
    return isinstance(text, str) and text.startswith("socket://")


def _link(name: str, kind: Kind, prefix: str) -> DeviceName:
    if not _LINK.fullmatch(name) or name in {".", ".."}:
        raise ValueError(f"expected the name of one link behind {prefix}, without a slash")
    return DeviceName(kind, name)


def _usb(rest: str) -> DeviceName:
    match = _USB.fullmatch(rest)
    if match is None:
        raise ValueError("expected usb:VID:PID or usb:VID:PID:SERIAL, each ID four hex digits")
    vendor, product, serial = match.groups(default="")
    return DeviceName(Kind.USB, serial, vendor.lower(), product.lower())


def _address(text: str, scheme: str, kind: Kind) -> DeviceName:
    wanted = ValueError(f"expected {scheme}://host:port and nothing behind it")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise wanted from None
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) or not port or "@" in parts.netloc:
        raise wanted
    if parts.path or parts.query or parts.fragment:
        raise wanted
    return DeviceName(kind, host=host, port=port)


def _path(text: str) -> DeviceName:
    if not text.startswith("/") or len(text) > _PATH_CHARS_MAX:
        raise ValueError(EXPECTED)
    parts = text.split("/")[1:]
    if any(part in {"", ".", ".."} or not part.isprintable() for part in parts):
        raise ValueError("expected a plain path: nothing empty, no dots, no control characters")
    return DeviceName(Kind.PATH, text)
