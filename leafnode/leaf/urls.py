"""The addresses of one hub: those configured, those the hub announced, and whose turn it is.

Pure. A printed URL never shows its user or password. Truth: nats-server 2.15.1
server/leafnode.go, its rules for the pool measured: announced addresses are replaced as a whole
and come before the configured.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from leafnode.limits import LEAF_PORT, LEAF_URLS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

_SCHEMES: Final = frozenset({"nats-leaf", "leaf", "nats", "tls", "leafnode"})
_WEBSOCKET_SCHEMES: Final = frozenset({"ws", "wss"})
_TLS_SCHEMES: Final = frozenset({"tls", "wss"})
_PORT_MAX: Final = 65535


@dataclass(frozen=True, slots=True)
class HubUrl:
    """One address of a hub. `token` is a user without a password."""

    host: str
    port: int
    tls: bool = False
    websocket: bool = False
    path: str = ""  # of a WebSocket, without the part that says that a leaf comes
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_ip(self) -> bool:
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


def parse_url(text: str) -> HubUrl:
    """Return the address in a remote's URL. Raises ValueError whose text shows no credentials."""
    shown = text.rpartition("@")[2]
    if "://" not in text:
        text = f"nats-leaf://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{shown!r} is not a URL like nats-leaf://host:7422") from None
    is_websocket = parts.scheme in _WEBSOCKET_SCHEMES
    if not is_websocket and parts.scheme not in _SCHEMES:
        raise ValueError(
            f"{shown!r} has no scheme of a hub: nats-leaf://, nats://, tls://, ws:// or wss://"
        )
    if not host or any(char.isspace() or not char.isprintable() for char in host):
        raise ValueError(f"{shown!r} has no host")
    user = unquote(parts.username or "")
    password = unquote(parts.password or "")
    return HubUrl(
        host=host,
        port=LEAF_PORT if port is None else port,
        tls=parts.scheme in _TLS_SCHEMES,
        websocket=is_websocket,
        path=parts.path.rstrip("/") if is_websocket else "",
        user=user,
        password=password,
        token=user if parts.password is None else "",
    )


class UrlPool:
    """Round robin over the addresses of one hub."""

    def __init__(self, urls: Iterable[str], *, random: Random, randomize: bool) -> None:
        """Raise ValueError for a URL that cannot be used."""
        self._configured = [parse_url(url) for url in urls]
        if not self._configured:
            raise ValueError("a remote needs at least one URL")
        # Certificates name hosts: an address that the hub announces as an IP is checked by this
        # name.
        self._tls_name = next((url.host for url in self._configured if not url.is_ip), "")
        if randomize:
            random.shuffle(self._configured)
        self._pool = list(self._configured)
        self._current: HubUrl | None = None

    @property
    def first(self) -> HubUrl:
        return self._pool[0]

    def __len__(self) -> int:
        return len(self._pool)

    def next(self) -> HubUrl:
        """Return the address to try now."""
        if self._pool[0] == self._current:
            self._pool.append(self._pool.pop(0))
        self._current = self._pool[0]
        return self._current

    def announced(self, addresses: Iterable[str]) -> None:
        """Replace what the hub had announced before; the configured addresses stay.

        What is not a host and a port is skipped; of more than LEAF_URLS_MAX the rest is left out.
        """
        known = {(url.host, url.port) for url in self._configured}
        pattern = self._configured[0]
        found: list[HubUrl] = []
        for address in addresses:
            hostport = _host_port(address)
            if hostport is None or hostport in known:
                continue
            if len(found) >= LEAF_URLS_MAX:
                break
            known.add(hostport)
            found.append(replace(pattern, host=hostport[0], port=hostport[1]))
        if found or len(self._pool) > len(self._configured):
            self._pool = found + self._configured

    def server_hostname(self, url: HubUrl) -> str:
        """Return the name that the hub's certificate must have."""
        return self._tls_name if url.is_ip and self._tls_name else url.host


def _host_port(address: str) -> tuple[str, int] | None:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or len(port) > 5 or not 0 < int(port) <= _PORT_MAX:
        return None
    if not host or not host.isascii() or not host.isprintable() or any(c in " /@?#" for c in host):
        return None
    return host, int(port)
