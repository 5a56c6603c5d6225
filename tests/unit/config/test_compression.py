"""leafnode.config.compression: modes, thresholds, and what is refused. As nats-server 2.15.1."""

from __future__ import annotations

import pytest

from leafnode.config.compression import compression
from leafnode.config.parser import parse
from leafnode.config.place import Place
from leafnode.errors import ConfigError
from leafnode.protocol.leaf_compression import Compression


def read(text: str) -> Compression:
    root = parse(f"compression: {text}", "x.conf").root
    assert isinstance(root.value, dict)
    return compression(Place(root.value["compression"], "compression"))


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("true", "s2_auto"),
        ("false", "off"),
        ("off", "off"),
        ("disabled", "off"),
        ("accept", "accept"),
        ("enabled", "s2_auto"),
        ("AUTO", "s2_auto"),
        ("fast", "s2_fast"),
        ("s2_better", "s2_better"),
        ("best", "s2_best"),
        ("not_supported", "not supported"),
        ("{ mode: s2_best, rtt: [5ms] }", "s2_best"),
        ("{}", "off"),
    ],
)
def test_a_mode_has_its_names(text: str, mode: str) -> None:
    assert read(text) == Compression(mode)


def test_auto_may_have_thresholds_and_zeros_skip_a_level() -> None:
    found = read('{ mode: auto, rtt_thresholds: ["0s", "5ms", "1s", "0s"] }')

    assert found.rtt_thresholds_ns == (0, 5_000_000, 1_000_000_000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s2", 'x.conf:1:1: compression: unsupported compression mode "s2"'),
        ("5", "compression: expected a string"),
        ("{ mode: zip }", 'compression.mode: unsupported compression mode "zip"'),
        ("{ level: 5 }", 'compression: unknown field "level"'),
        ('{ mode: auto, rtt: ["5ms", "1ms"] }', "should be in ascending order"),
        ('{ mode: auto, rtt: ["0s"] }', "requires at least one RTT threshold"),
        (
            '{ mode: auto, rtt: ["1s", "2s", "3s", "4s", "5s"] }',
            "should have no more than 4 RTT thresholds",
        ),
        ("{ mode: auto, rtt: [5] }", "rtt[0]: expected a duration, got 5"),
    ],
)
def test_what_is_none_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)

    assert words in str(caught.value)
