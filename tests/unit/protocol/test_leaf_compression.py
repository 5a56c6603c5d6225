"""leafnode.protocol.leaf_compression: what two modes come to. Source: nats-server 2.15.1."""

from __future__ import annotations

import pytest

from leafnode.clock import NS_PER_MS
from leafnode.protocol.leaf_compression import (
    FAR_COMPRESSION,
    Compression,
    UnsupportedCompression,
    packs,
)


@pytest.mark.parametrize(
    ("ours", "theirs", "level"),
    [
        ("s2_fast", "", "not supported"),
        ("s2_fast", "not supported", "not supported"),
        ("s2_fast", "off", "off"),
        ("off", "s2_fast", "off"),
        ("off", "", "not supported"),
        ("not supported", "s2_fast", "off"),
        ("accept", "accept", "off"),
        ("s2_better", "accept", "s2_better"),
        ("accept", "s2_best", "s2_best"),
        ("accept", "s2_auto", "s2_fast"),
        ("accept", "s2_uncompressed", "s2_uncompressed"),
        ("s2_fast", "s2_best", "s2_fast"),
        ("s2_auto", "s2_best", "s2_better"),
        ("s2_auto", "accept", "s2_better"),
    ],
)
def test_each_side_packs_its_own_way_if_both_want_it(ours: str, theirs: str, level: str) -> None:
    agreed = Compression(ours).agree(theirs, 60 * NS_PER_MS)

    assert agreed == level
    assert packs(agreed) is level.startswith("s2_")


@pytest.mark.parametrize("theirs", ["zstd", "S2_FAST", "s2"])
def test_a_mode_that_nobody_knows_is_refused(theirs: str) -> None:
    with pytest.raises(UnsupportedCompression) as caught:
        Compression("s2_fast").agree(theirs, 0)

    assert caught.value.wire_text == b'unsupported route compression mode "%b"' % theirs.encode()


@pytest.mark.parametrize(
    ("thresholds_ms", "levels"),
    [
        ((10, 50, 100), ("uncompressed", "fast", "better", "best")),
        ((5,), ("uncompressed", "uncompressed", "uncompressed", "uncompressed")),
        ((5, 60), ("fast", "fast", "fast", "fast")),
        ((0, 0, 20, 30), ("better", "best", "best", "best")),
    ],
)
def test_the_round_trip_decides_on_auto(
    thresholds_ms: tuple[int, ...], levels: tuple[str, ...]
) -> None:
    ours = Compression("s2_auto", tuple(ms * NS_PER_MS for ms in thresholds_ms))

    found = [ours.level(ms * NS_PER_MS) for ms in (8, 50, 100, 101)]

    assert found == [f"s2_{level}" for level in levels]
    assert ours.shown(found[0]) == "s2_auto"
    assert Compression("s2_best").shown("s2_best") == "s2_best"


@pytest.mark.parametrize(
    ("theirs", "rtt_ms", "level"),
    [
        ("s2_auto", 10, "off"),
        ("s2_auto", 11, "s2_fast"),
        ("s2_fast", 300, "s2_best"),
        ("accept", 0, "off"),
        ("off", 300, "off"),
        ("", 300, "not supported"),
    ],
)
def test_a_remote_that_says_nothing_packs_only_where_the_hub_is_far(
    theirs: str, rtt_ms: int, level: str
) -> None:
    assert FAR_COMPRESSION.agree(theirs, rtt_ms * NS_PER_MS) == level
