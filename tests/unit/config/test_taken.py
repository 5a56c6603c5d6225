"""Keys that are taken without effect: their values are checked all the same, and some are told of.

Every key and its sample: tests/conformance/config_keys.py.
"""

from __future__ import annotations

import pytest

from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.errors import ConfigError

REMOTE = 'leafnodes { remotes: [ { url: "nats-leaf://h", %s } ] }'


def warnings(text: str) -> tuple[str, ...]:
    return bind(parse(text, "x.conf")).warnings


@pytest.mark.parametrize(
    "text",
    [
        "feature_flags {}",
        "feature_flags { js_ack_fc_v2: false }",
        "jetstream { sync_interval: always }",
        'jetstream { sync_interval: "1m" }',
        "leafnodes { compression: off }",
        REMOTE % "hub: false",
        REMOTE % "tls { verify: true }",
    ],
)
def test_what_holds_already_is_taken_in_silence(text: str) -> None:
    assert warnings(text) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "feature_flags { js_ack_fc_v2: true }",
            "x.conf:1:17: feature_flags.js_ack_fc_v2: taken without effect: there is no such "
            "feature here",
        ),
        (
            'jetstream { unique_tag: "a" }',
            "x.conf:1:13: jetstream.unique_tag: taken without effect: there is no cluster",
        ),
    ],
)
def test_what_somebody_may_miss_is_warned_of(text: str, told: str) -> None:
    assert warnings(text) == (told,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("feature_flags { a: 1 }", "feature_flags.a: expected true or false, got 1"),
        ("feature_flags: true", "feature_flags: expected a block, got a boolean"),
        ("ocsp { mode: must }", "ocsp.mode: not supported: no OCSP answers are stapled"),
        ("ocsp { mode: true }", "ocsp.mode: not supported: no OCSP answers are stapled"),
        ("ocsp_cache: 1", "ocsp_cache: expected a block, got a number"),
        ("connect_error_reports: often", 'connect_error_reports: expected a count, got "often"'),
        ("jetstream { sync: soon }", 'jetstream.sync: expected a duration, got "soon"'),
        ("jetstream { max_concurrent_io: 1 }", "max_concurrent_io: expected a count from 4 to"),
        (REMOTE % "compression { mode: 1 }", "compression.mode: expected a string, got 1"),
        (REMOTE % "jetstream_cluster_migrate: 1", "expected a block, got a number"),
    ],
)
def test_a_value_that_asks_for_more_or_is_none_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bind(parse(text, "x.conf"))

    assert problem in str(caught.value)
