"""The addresses of this machine's network interfaces, for what is told of a listener on all.

Knows Linux: an ioctl for IPv4, /proc for IPv6. What cannot be read is left out.
Truth: netdevice(7), proc(5) if_inet6.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path
from typing import Final

_SIOCGIFADDR: Final = 0x8915
_IF_INET6: Final = Path("/proc/net/if_inet6")
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 -- compared with, not bound


def reachable_at(host: str) -> list[str]:
    """Return the addresses behind one that was bound: itself, or all of the machine for 0.0.0.0."""
    return (addresses() or [host]) if host in _EVERYWHERE else [host]


def shown(host: str) -> str:
    """Return a host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def addresses() -> list[str]:
    """Return every address of every interface, IPv4 first."""
    return [*_ipv4(), *_ipv6()]


def _ipv4() -> list[str]:
    from fcntl import ioctl

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without an IPv4 address
                request = struct.pack("256s", name.encode()[:15])
                found.append(socket.inet_ntoa(ioctl(sock, _SIOCGIFADDR, request)[20:24]))
    return found


def _ipv6() -> list[str]:
    try:
        lines = _IF_INET6.read_text().splitlines()
    except OSError:
        return []  # no IPv6, or not Linux
    return [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])) for line in lines]
