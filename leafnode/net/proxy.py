"""The PROXY protocol, versions 1 and 2: who stands behind a proxy. Sans I/O.

Knows the header's two forms; not the connection it came on. Truth: haproxy's proxy-protocol.txt as
nats-server 2.15.1 server/client_proxyproto.go reads it; the bound on version 2 is ours.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from leafnode.limits import PROXY_HEADER_BYTES_MAX

_V1_START: Final = b"PROXY "
_V1_LINE_MAX: Final = 107
_V2_START: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED: Final = 16
_STARTS_BYTES: Final = 6  # as many as it takes to tell them from something else
_PORT_MAX: Final = 65535
_LOCAL: Final = 0
_PROXY: Final = 1
_STREAM: Final = 1
_UNSPECIFIED: Final = 0
_ADDRESS_BYTES: Final = {1: 4, 2: 16}  # by family


class ProxyError(ValueError):
    """A header that begins like one and is none."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What was read: `source` as `ip:port`, empty where the proxy speaks for itself.

    `size` bytes belong to it; 0: the bytes are no header at all.
    """

    source: str
    size: int


NO_HEADER: Final = ProxyHeader("", 0)


def read_header(data: bytes) -> ProxyHeader | None:
    """Return the header that the bytes start with, or None when more are needed.

    Raises ProxyError.
    """
    start = data[:_STARTS_BYTES]
    if len(start) < _STARTS_BYTES:
        return None
    if start == _V1_START:
        return _read_v1(data)
    if start == _V2_START[:_STARTS_BYTES]:
        return _read_v2(data)
    return NO_HEADER


def _read_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _V1_LINE_MAX)
    if end < 0:
        if len(data) >= _V1_LINE_MAX:
            raise ProxyError("v1 line too long")
        return None
    parts = data[len(_V1_START) : end].decode("ascii", "replace").split()
    if parts[:1] == ["UNKNOWN"]:
        return ProxyHeader("", end + 2)
    if len(parts) != 5 or parts[0] not in {"TCP4", "TCP6"}:
        raise ProxyError("invalid v1 format")
    version = 4 if parts[0] == "TCP4" else 6
    if "%" in parts[1] + parts[2]:  # a zone may be any text, and is nobody's business
        raise ProxyError("invalid address")
    try:
        source, destination = map(ipaddress.ip_address, parts[1:3])
    except ValueError as err:
        raise ProxyError("invalid address") from err
    if source.version != version or destination.version != version:
        raise ProxyError(f"{parts[0]} with an address of another family")
    for port in parts[3:]:
        if not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > _PORT_MAX:
            raise ProxyError("invalid port")
    return ProxyHeader(f"{_shown(source)}:{int(parts[3])}", end + 2)


def _read_v2(data: bytes) -> ProxyHeader | None:
    start = data[: len(_V2_START)]
    if start != _V2_START[: len(start)]:
        raise ProxyError("invalid signature")
    if len(data) < _V2_FIXED:
        return None
    version, command = data[12] >> 4, data[12] & 0x0F
    family, protocol = data[13] >> 4, data[13] & 0x0F
    size = _V2_FIXED + int.from_bytes(data[14:16], "big")
    if version != 2:
        raise ProxyError(f"invalid version {version}")
    if command not in {_LOCAL, _PROXY}:
        raise ProxyError(f"unknown command {command}")
    if command == _PROXY and protocol != _STREAM:
        raise ProxyError("only STREAM protocol supported")
    if command == _PROXY and family != _UNSPECIFIED and family not in _ADDRESS_BYTES:
        raise ProxyError(f"unsupported address family {family}")
    if size > PROXY_HEADER_BYTES_MAX:
        raise ProxyError(f"a header of {size} bytes is too long")
    width = _ADDRESS_BYTES.get(family, 0) if command == _PROXY else 0
    if width and size < _V2_FIXED + 2 * width + 4:
        raise ProxyError("address data too short")
    if len(data) < size:
        return None
    if not width:
        return ProxyHeader("", size)
    source = ipaddress.ip_address(data[_V2_FIXED : _V2_FIXED + width])
    port_at = _V2_FIXED + 2 * width
    return ProxyHeader(
        f"{_shown(source)}:{int.from_bytes(data[port_at : port_at + 2], 'big')}", size
    )


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return it as Go shows it: an IPv4 address in IPv6 form as IPv4."""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
