"""Which way two ends of a leaf connection pack: each its own, if both want it.

Knows the modes by name and what follows from two of them; not how anything is packed (s2_frames).
Truth: nats-server 2.15.1 server/server.go selectCompressionMode, selectS2AutoModeBasedOnRTT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from leafnode.protocol.errors import Worded

NOT_SUPPORTED: Final = "not supported"
OFF: Final = "off"
ACCEPT: Final = "accept"
S2_AUTO: Final = "s2_auto"
S2_UNCOMPRESSED: Final = "s2_uncompressed"
S2_FAST: Final = "s2_fast"
S2_BETTER: Final = "s2_better"
S2_BEST: Final = "s2_best"
_LEVELS: Final = (S2_UNCOMPRESSED, S2_FAST, S2_BETTER, S2_BEST)
_RTT_THRESHOLDS_NS: Final = (10_000_000, 50_000_000, 100_000_000)  # up to each, of s2_auto
_MODES: Final = frozenset((S2_AUTO, *_LEVELS))


@dataclass(frozen=True, slots=True)
class Compression:
    """How one side wants to pack. The other fields are for s2_auto alone.

    `only_far`: nothing where the round trip is short; s2_auto would frame and sum every byte there.
    """

    mode: str = OFF
    rtt_thresholds_ns: tuple[int, ...] = _RTT_THRESHOLDS_NS
    only_far: bool = False

    @property
    def is_wanted(self) -> bool:
        return self.mode not in {OFF, NOT_SUPPORTED}

    def agree(self, theirs: str, rtt_ns: int) -> str:
        """Return what this side does, given what the other says of itself: a level, or none.

        Raises UnsupportedCompression.
        """
        mode = self._agreed(theirs)
        if mode != S2_AUTO:
            return mode
        if self.only_far and rtt_ns <= self.rtt_thresholds_ns[0]:
            return OFF
        return self.level(rtt_ns)

    def level(self, rtt_ns: int) -> str:
        """Return what s2_auto means for a connection with this round trip."""
        thresholds = self.rtt_thresholds_ns
        for level, most in zip(_LEVELS, thresholds, strict=False):
            if rtt_ns <= most:
                return level
        return S2_BEST if len(thresholds) >= len(_LEVELS) - 1 else _LEVELS[len(thresholds) - 1]

    def shown(self, level: str) -> str:
        """Return what INFO says of this side once it packs."""
        return S2_AUTO if self.mode == S2_AUTO else level

    def _agreed(self, theirs: str) -> str:
        if not self.is_wanted:
            return OFF if theirs and theirs != NOT_SUPPORTED else NOT_SUPPORTED
        if theirs in {"", NOT_SUPPORTED}:
            return NOT_SUPPORTED
        if theirs == OFF or (theirs == ACCEPT and self.mode == ACCEPT):
            return OFF
        if theirs != ACCEPT and theirs not in _MODES:
            raise UnsupportedCompression(theirs)
        if self.mode != ACCEPT:
            return self.mode
        return S2_FAST if theirs == S2_AUTO else theirs


NO_COMPRESSION: Final = Compression()
FAR_COMPRESSION: Final = Compression(S2_AUTO, only_far=True)


class UnsupportedCompression(Worded):
    """A way of packing that nobody knows."""

    def __init__(self, mode: str) -> None:
        super().__init__(mode)
        shown = "".join(char if char.isprintable() else "?" for char in mode[:32])
        self.wire_text = b'unsupported route compression mode "%b"' % shown.encode()


def packs(level: str) -> bool:
    """Say whether this is what is agreed where both sides pack."""
    return level in _LEVELS
