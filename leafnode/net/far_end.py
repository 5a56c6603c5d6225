"""What the kernel knows of the other end of a socket, which says nothing itself.

Knows Linux's struct tcp_info (linux/tcp.h): every segment of the other end is an acknowledgement,
so this is the last sign of the way being there, though no program at its end may say anything.
"""

from __future__ import annotations

import select
import socket
import struct
from typing import Final

from leafnode.clock import NS_PER_MS

_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)  # elsewhere than on Linux there is none
_LAST_ACK_AT: Final = 56  # tcpi_last_ack_recv, in milliseconds: 8 bytes, then the 13th of 32 bits
_UNACKED_AT: Final = 24  # tcpi_unacked: segments that are on their way
_SIZE: Final = 60
_PEER_ENDED: Final = getattr(select, "POLLRDHUP", 0)  # beside errors, which always count


def last_ack_ns(sock: socket.socket) -> int | None:
    """Return how long ago it last acknowledged anything, or None where nobody knows."""
    silent_ms = _number(sock, _LAST_ACK_AT)
    return None if silent_ms is None else silent_ms * NS_PER_MS


def has_ended(sock: socket.socket) -> bool:
    """Say whether the other end said its last word, where the kernel tells it unread."""
    ends = select.poll()
    ends.register(sock, _PEER_ENDED)
    return bool(ends.poll(0))


def has_unacked(sock: socket.socket) -> bool:
    """Say whether something that was sent has yet to reach the other end, as far as is known."""
    return bool(_number(sock, _UNACKED_AT))


def _number(sock: socket.socket, at: int) -> int | None:
    if _TCP_INFO is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _SIZE)
    except OSError:  # it is closed, or no TCP
        return None
    if len(info) < _SIZE:
        return None
    (number,) = struct.unpack_from("=I", info, at)
    return int(number)
