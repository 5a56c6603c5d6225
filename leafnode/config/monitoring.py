"""Monitoring's keys: where it listens, below which path, and how much of the past it shows.

Knows keys and values; not what an option does. Truth: nats-server 2.15.1 for its keys (measured).
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.config import convert
from leafnode.config.options import HostPort, Options
from leafnode.config.place import Given, Place, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

_INT64_MAX: Final = 2**63 - 1
# 0 is nats-server's way to ask for the default.
_MAX_CLOSED: Final = convert.number(1, _INT64_MAX, "a count", {0: limits.MAX_CLOSED_CLIENTS})


def fold_http(values: dict[str, Any]) -> None:
    """Give monitoring its host: the one written, else that of the clients; port 0 turns it off."""
    for name in ("http", "https"):
        address: HostPort | None = values.pop(name, None)
        if address is not None and address.port != 0:
            values["http_host_given"] = bool(address.host)
            host = address.host or values.get("host", Options().host)
            values[name] = HostPort(host, address.port)


def check(options: Options, given: Given) -> None:
    """Raise ConfigError for what cannot be together."""
    if options.https is None:
        return
    where = given.places["https"]
    if options.http is not None:
        raise where.error("expected http or https, not both")
    if options.tls is None or not options.tls.pairs:
        raise where.error("expected tls { cert_file, key_file }: https shows that certificate")


def _base_path(place: Place) -> str:
    """Return a path that begins with / and does not end with it, or nothing for the root."""
    path = convert.text_or("")(place)
    if any(c in path for c in "?#%{} ") or not path.isascii() or not path.isprintable():
        raise place.expected("a path such as /nats, without ? # % and blanks")
    cleaned = posixpath.normpath("/" + path.strip("/"))
    return "" if cleaned == "/" else cleaned


ROWS: Final[Sequence[Row]] = (
    Row(("http",), "http", convert.host_port),
    Row(("http_port", "monitor_port"), "http", convert.port_alone),
    Row(("https",), "https", convert.host_port),
    Row(("https_port",), "https", convert.port_alone),
    Row(("http_base_path",), "http_base_path", _base_path),
    Row(("max_closed_clients",), "max_closed_clients", _MAX_CLOSED),
)
