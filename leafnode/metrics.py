"""Counters that several layers add to and monitoring reads: plain slots, one writer thread, no
locks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Messages and payload bytes (headers included), seen from the server: `in` came from the
    peer.
    """

    in_msgs: int = 0
    in_bytes: int = 0
    out_msgs: int = 0
    out_bytes: int = 0

    def add(self, other: Traffic) -> None:
        """Add another's counts to these."""
        self.in_msgs += other.in_msgs
        self.in_bytes += other.in_bytes
        self.out_msgs += other.out_msgs
        self.out_bytes += other.out_bytes
