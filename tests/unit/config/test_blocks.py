"""jetstream. Keys as nats-server 2.15.1 has them."""

from __future__ import annotations

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.options import JetStreamLimits, JetStreamOptions, Options
from leafnode.config.parser import parse
from leafnode.errors import ConfigError


def options(text: str) -> Options:
    return bind(parse(text, "x.conf"))


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        options(text)
    return str(caught.value).removeprefix("x.conf:")


@pytest.mark.parametrize("text", ["true", "enabled", '"enable"', "on", "{}", "{enabled: true}"])
def test_jetstream_is_switched_on_in_many_ways(text: str) -> None:
    assert options(f"jetstream: {text}").jetstream == JetStreamOptions()


@pytest.mark.parametrize("text", ["false", "disabled", "off", "{enabled: false, store_dir: x}"])
def test_jetstream_is_switched_off_in_many_ways(text: str) -> None:
    assert options(f"jetstream: {text}").jetstream is None


def test_the_jetstream_block_has_its_aliases() -> None:
    expected = JetStreamOptions("x", "edge", 1 << 30, 2_000_000_000)

    assert options(
        'jetstream {store_dir: x, domain: edge, max_mem: "1G", max_file: 2g}'
    ).jetstream == (expected)
    assert (
        options(
            "jetstream {store: x, domain: edge, max_memory_store: 1GB, max_file_store: 2g}"
        ).jetstream
        == expected
    )
    assert options("jetstream {max_mem: -1, sync_interval: always}").jetstream == JetStreamOptions()


def test_jetstream_has_limits_for_all_accounts() -> None:
    batch = 'max_inflight_per_stream: 5, max_inflight_total: 6, max_msgs: 7, timeout: "8s"'
    text = f"""jetstream {{
      strict: false
      limits {{
        max_request_batch: 1, max_ack_pending: 2, default_max_consumers: 4
        duplicate_window: "3s", batch {{ {batch} }}
      }}
    }}"""
    expected = JetStreamLimits(
        max_request_batch=1,
        max_ack_pending=2,
        duplicate_window_ns=3 * NS_PER_S,
        batches_of_stream=5,
        batches=6,
        batch_msgs=7,
        batch_timeout_ns=8 * NS_PER_S,
        default_max_consumers=4,
    )

    assert options(text).jetstream == JetStreamOptions(limits=expected, strict=False)
    assert options("jetstream { limits { max_ack_pending: -1, batch {} } }").jetstream == (
        JetStreamOptions()
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{limits: 1}", "jetstream.limits: expected a block, got a number"),
        ("{limits {max_ack_pending: x}}", "limits.max_ack_pending: expected a count, got"),
        ("{limits {duplicate_window: x}}", "limits.duplicate_window: expected a duration"),
        ("{limits {batch {max_msgs: 65537}}}", "batch.max_msgs: expected a count from 0 to 65536"),
        ("{limits {batch {max: 1}}}", 'limits.batch: unknown field "max"'),
        ("foo", '1:1: jetstream: expected enabled or enable or disabled or disable, got "foo"'),
        ("5", "1:1: jetstream: expected a block, got a number"),
        ("{store_dir: 1}", "jetstream.store_dir: expected a string"),
        ("{domain: 'a.b'}", "jetstream.domain: expected a domain without"),
        ("{sync_interval: soon}", "jetstream.sync_interval: expected a duration"),
        ("{key: x}", "jetstream.key: not supported: put store_dir on an encrypted file system"),
        ("{max_memory: 1}", 'jetstream: unknown field "max_memory", did you mean'),
    ],
)
def test_a_jetstream_block_is_checked(text: str, error: str) -> None:
    assert error in refused(f"jetstream: {text}")
