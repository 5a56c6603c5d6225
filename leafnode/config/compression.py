"""`compression` of leaf links: a mode, true or false, or a block with thresholds of the round trip.

Knows the modes' names and what must hold among them. Truth: nats-server 2.15.1 server/opts.go
parseCompression, server/server.go validateAndNormalizeCompressionOption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.config import convert
from leafnode.config.place import Block, Row
from leafnode.errors import quoted
from leafnode.protocol.leaf_compression import (
    ACCEPT,
    NOT_SUPPORTED,
    OFF,
    S2_AUTO,
    S2_BEST,
    S2_BETTER,
    S2_FAST,
    Compression,
)

if TYPE_CHECKING:
    from leafnode.config.place import Place

_THRESHOLDS_MAX: Final = 4
_MODES: Final = {
    "": OFF,  # as where the key is not given
    **dict.fromkeys(("not supported", "not_supported"), NOT_SUPPORTED),
    **dict.fromkeys(("off", "disabled", "false"), OFF),
    "accept": ACCEPT,
    **dict.fromkeys(("on", "enabled", "true", "auto", "s2_auto"), S2_AUTO),
    **dict.fromkeys(("fast", "s2_fast"), S2_FAST),
    **dict.fromkeys(("better", "s2_better"), S2_BETTER),
    **dict.fromkeys(("best", "s2_best"), S2_BEST),
}


def compression(place: Place) -> Compression:
    """Return how one side of links wants to pack. Raises ConfigError."""
    value = place.node.value
    if isinstance(value, bool):
        return Compression(S2_AUTO if value else OFF)
    if not isinstance(value, dict):
        return Compression(_mode(place))
    given = _BLOCK.read(place).values
    mode = given.get("mode", OFF)
    thresholds = given.get("rtt_thresholds_ns")
    if thresholds is None or mode != S2_AUTO:
        return Compression(mode)
    return Compression(mode, _checked(thresholds, place))


def _mode(place: Place) -> str:
    text = convert.text_or("")(place)
    mode = _MODES.get(text.lower())
    if mode is None:
        raise place.error(f"unsupported compression mode {quoted(text)}")
    return mode


def _threshold(place: Place) -> int:
    value = place.node.value
    duration_ns = convert.parse_duration(value) if isinstance(value, str) else None
    if duration_ns is None:
        raise place.expected("a duration")
    return max(0, duration_ns)


def _checked(thresholds: tuple[int, ...], place: Place) -> tuple[int, ...]:
    """Return them without zeros at the end, which mean nothing; other zeros skip a level."""
    largest = 0
    for one in thresholds:
        if one and one < largest:
            raise place.error("RTT threshold values should be in ascending order")
        largest = max(largest, one)
    while thresholds and not thresholds[-1]:
        thresholds = thresholds[:-1]
    if len(thresholds) > _THRESHOLDS_MAX:
        raise place.error('compression mode "s2_auto" should have no more than 4 RTT thresholds')
    if not thresholds:
        raise place.error('compression mode "s2_auto" requires at least one RTT threshold')
    return thresholds


_BLOCK: Final = Block(
    (
        Row(("mode",), "mode", _mode),
        Row(
            ("rtt_thresholds", "thresholds", "rtts", "rtt"),
            "rtt_thresholds_ns",
            convert.list_of(_threshold, "durations", may_be_empty=True),
        ),
    )
)
