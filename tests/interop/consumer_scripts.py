"""Random consumer configurations and operations, the same for every server that plays them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from random import Random

S: Final = 1_000_000_000
MS: Final = 1_000_000
# Streams that consumers are made on: name and what differs from the defaults.
STREAMS: Final = {
    "L": {},
    "W": {"retention": "workqueue"},
    "I": {"retention": "interest"},
    "B": {"consumer_limits": {"inactive_threshold": 60 * S, "max_ack_pending": 100}},
    "M": {"storage": "memory"},
}
# Every field of a consumer's configuration with values, good and bad. An empty array is left out:
# nats-server tells one from none when it compares configurations.
FIELDS: Final[dict[str, list[Any]]] = {
    "durable_name": ["C", "C", "C", "D", "", "a b", "a.b"],
    "name": ["C", "D", "x*"],
    "description": ["words", "x" * 4096, "x" * 4097],
    "deliver_policy": [
        "all",
        "last",
        "new",
        "by_start_sequence",
        "by_start_time",
        "last_per_subject",
        "undefined",
        "bogus",
    ],
    "opt_start_seq": [0, 1, 3, 99, -1],
    "opt_start_time": ["2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z", "soon"],
    "ack_policy": ["none", "all", "explicit", "explicit", "flow_control", "bogus"],
    "ack_wait": [0, 1, S, 60 * S, -1, -S, "1s"],
    "max_deliver": [0, 1, 2, 5, -1, -2],
    "backoff": [[S], [S, 2 * S], [S, 2 * S, 3 * S], [-1], [0], [S, -S]],
    "filter_subject": ["a.1", "a.*", "a.>", ">", "b", "other", "a..b", "", "a.>.b"],
    "filter_subjects": [
        ["a.1"],
        ["a.1", "a.2"],
        ["a.*", "a.1"],
        ["a.*.x", "a.y.*"],
        [""],
        ["a.1", "a.1"],
        ["a..b"],
        ["a.1", ""],
    ],
    "replay_policy": ["instant", "original", "bogus"],
    "rate_limit_bps": [0, 1000, 8_000_000, -1],
    "sample_freq": ["50", "100%", "0", "101", "-1", "x", "+5", "1%%", ""],
    "max_waiting": [0, 1, 5, 512, -1],
    "max_ack_pending": [0, 1, 100, 101, 5000, -1, -2],
    "flow_control": [True, False],
    "headers_only": [True, False],
    "max_batch": [0, 1, 100, -1],
    "max_expires": [0, 1, MS, S, -1],
    "max_bytes": [0, 1, 1000, -1],
    "deliver_subject": ["to.me", "to.me", "to.*", "to..me", "a.1", "", "to.you"],
    "deliver_group": ["g", "h", "", "g h"],
    "idle_heartbeat": [0, 1, 100 * MS, S, 5 * S, -1],
    "inactive_threshold": [0, 50 * S, 60 * S, 61 * S, -1],
    "num_replicas": [0, 1, 2, -1],
    "mem_storage": [True, False],
    "direct": [True, False],
    "sourcing": [True, False],
    "metadata": [{"a": "b"}, {}, {"_nats.level": "9", "k": ""}, {"k": "x" * 131_072}],
    "pause_until": ["2090-01-01T00:00:00Z", "2020-01-01T00:00:00Z", None],
    "priority_groups": [["g"], ["g", "h"], [""], ["a b"], ["x" * 17]],
    "priority_policy": ["none", "overflow", "pinned_client", "prioritized", "bogus"],
    "priority_timeout": [0, S, -1],
    "bogus": [1],
}
# What goes together: without them a random configuration is hardly ever right.
SHAPES: Final[list[dict[str, Any]]] = [
    {"durable_name": "C", "ack_policy": "explicit"},
    {"durable_name": "C", "ack_policy": "explicit", "filter_subject": "a.1"},
    {"durable_name": "C", "ack_policy": "all"},
    {"durable_name": "C"},
    {"name": "C", "ack_policy": "explicit"},
    {"name": "C", "deliver_subject": "to.me"},
    {"durable_name": "C", "deliver_subject": "to.me", "ack_policy": "explicit"},
    {"durable_name": "C", "deliver_subject": "to.me", "ack_policy": "flow_control"},
    {"durable_name": "C", "deliver_subject": "to.me", "idle_heartbeat": S, "flow_control": True},
    {
        "durable_name": "C",
        "ack_policy": "explicit",
        "priority_policy": "overflow",
        "priority_groups": ["g"],
    },
    {
        "durable_name": "C",
        "ack_policy": "explicit",
        "priority_policy": "pinned_client",
        "priority_groups": ["g"],
    },
    {"durable_name": "C", "deliver_policy": "by_start_sequence", "opt_start_seq": 2},
    {
        "durable_name": "C",
        "deliver_policy": "by_start_time",
        "opt_start_time": "2020-01-01T00:00:00Z",
    },
    {"durable_name": "C", "deliver_policy": "last_per_subject", "filter_subject": "a.*"},
]


def configuration(chance: Random, changes: int) -> dict[str, Any]:
    """Return a shape with some fields set, for good or bad."""
    config = dict(chance.choice(SHAPES))
    for name in chance.sample(sorted(FIELDS), changes):
        config[name] = chance.choice(FIELDS[name])
    return config


def create(chance: Random, stream: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return (endpoint, body) of a request that creates or updates a consumer."""
    body: dict[str, Any] = {"stream_name": stream, "config": config}
    if chance.random() < 0.4:
        body["action"] = chance.choice(["", "create", "update", "update", "upsert"])
    if chance.random() < 0.15:
        body["pedantic"] = True
    draw = chance.random()
    if draw < 0.1:
        return f"CONSUMER.DURABLE.CREATE.{stream}.C", body
    if draw < 0.2:
        return f"CONSUMER.CREATE.{stream}", body
    if draw < 0.3 and config.get("filter_subject") not in {None, "", "a.>.b", "a..b"}:
        return f"CONSUMER.CREATE.{stream}.C.{config['filter_subject']}", body
    return f"CONSUMER.CREATE.{stream}.C", body


def configurations(chance: Random) -> list[tuple[str, Any]]:
    """Return requests: a consumer is created, changed field by field, looked at and deleted."""
    stream = chance.choice(sorted(STREAMS))
    config = configuration(chance, chance.choice([0, 1, 1, 2]))
    steps = [create(chance, stream, config)]
    for _ in range(chance.choice([0, 1, 2, 3])):
        name = chance.choice(sorted(FIELDS))
        config = config | {name: chance.choice(FIELDS[name])}
        steps.append(create(chance, stream, config))
    if chance.random() < 0.3:
        seq = chance.choice([{}, {"seq": 1}, {"seq": 2}, {"seq": 50}])
        steps.append((f"CONSUMER.RESET.{stream}.C", seq))
    steps.append((f"CONSUMER.INFO.{stream}.C", None))
    steps += [(f"CONSUMER.DELETE.{stream}.{name}", None) for name in ("C", "D")]
    return steps
