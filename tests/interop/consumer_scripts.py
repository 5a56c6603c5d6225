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


# Consumers that operations are played on; S stands for their stream.
LIVE: Final[list[dict[str, Any]]] = [
    {"ack_policy": "explicit"},
    {"ack_policy": "explicit", "max_deliver": 2},
    {"ack_policy": "explicit", "max_ack_pending": 3},
    {"ack_policy": "explicit", "filter_subject": "a.*"},
    {"ack_policy": "explicit", "filter_subjects": ["a.1", "b"], "sample_freq": "100"},
    {"ack_policy": "explicit", "headers_only": True, "deliver_policy": "last"},
    {"ack_policy": "explicit", "backoff": [100 * S, 200 * S], "max_deliver": 4},
    {"ack_policy": "explicit", "max_batch": 3, "max_bytes": 400, "max_expires": S},
    {"ack_policy": "explicit", "deliver_policy": "last_per_subject", "filter_subject": ">"},
    {"ack_policy": "all"},
    {"ack_policy": "all", "max_ack_pending": 2},
    {"ack_policy": "none"},
    {"ack_policy": "none", "deliver_policy": "new"},
    {"ack_policy": "explicit", "priority_policy": "overflow", "priority_groups": ["g"]},
    {"ack_policy": "explicit", "priority_policy": "prioritized", "priority_groups": ["g"]},
    {"ack_policy": "explicit", "priority_policy": "pinned_client", "priority_groups": ["g"]},
    {"ack_policy": "explicit", "deliver_subject": "to.me"},
    {"ack_policy": "explicit", "deliver_subject": "to.me", "max_ack_pending": 2},
    {"ack_policy": "none", "deliver_subject": "to.me", "headers_only": True},
    {"ack_policy": "all", "deliver_subject": "to.me", "deliver_group": "g"},
    {"ack_policy": "flow_control", "deliver_subject": "to.me", "max_ack_pending": 100},
    {
        "ack_policy": "none",
        "deliver_subject": "to.me",
        "flow_control": True,
        "idle_heartbeat": 60 * S,
    },
]
ACKS: Final = ["", "+ACK", "-NAK", "-NAK", "+TERM why", "+TERM", "+WPI", "junk", "+NXT", "+NXT 2"]
ACKS += ['-NAK {"delay": 900000000000}', '+NXT {"batch": 2, "no_wait": true}']
# Fields that an update may change, while messages are out.
CHANGES: Final = {
    "max_ack_pending": [1, 2, 10],
    "max_deliver": [1, 3, -1],
    "filter_subject": ["a.1", "b", "a.>"],
    "headers_only": [True, False],
    "description": ["other"],
    "ack_wait": [50 * S, 90 * S],
    "sample_freq": ["0", "100"],
    "metadata": [{"k": "v"}],
    "max_batch": [1, 5],
}

# Limits of the stream, which take what is out.
LIMITS: Final = [{"max_msgs": 5}, {"max_msgs_per_subject": 2}, {"max_msgs_per_subject": 1}]

Operation = tuple[str, Any]


def operations(chance: Random) -> tuple[dict[str, Any], dict[str, Any], list[Operation]]:
    """Return a stream's configuration, a consumer's, and what is done with them."""
    stream = {
        "name": "S",
        "subjects": ["a.>", "b"],
        "storage": chance.choice(["file", "memory"]),
        "retention": chance.choice(["limits", "limits", "interest", "workqueue"]),
    }
    config = dict(chance.choice(LIVE)) | {"durable_name": "C"}
    if stream["retention"] == "workqueue":
        config["deliver_policy"] = "all"
        if config["ack_policy"] in {"none", "all"}:
            config["ack_policy"] = "explicit"
    ops: list[Operation] = [("publish", _messages(chance)) for _ in range(chance.choice([1, 2]))]
    if chance.random() < 0.7:
        ops.insert(0, ("create", config))
    else:
        ops.append(("create", config))
    pushes = bool(config.get("deliver_subject"))
    if pushes:
        ops.append(("listen", chance.choice(["g", config.get("deliver_group", "")])))
    for _ in range(chance.randint(4, 9)):
        ops.append(_operation(chance, config, pushes=pushes))
    if chance.random() < 0.4:
        stream |= chance.choice(LIMITS)
    return stream, config, [*ops, ("info", None)]


def _messages(chance: Random) -> list[tuple[str, str, str]]:
    """Return (subject, header value or nothing, payload) of some messages."""
    return [
        (chance.choice(["a.1", "a.2", "a.2.x", "b"]), chance.choice(["", "v"]), "x" * size)
        for size in chance.choices([0, 1, 40, 200], k=chance.randint(1, 5))
    ]


def _operation(chance: Random, config: dict[str, Any], *, pushes: bool) -> Operation:
    draw = chance.random()
    if draw < 0.15:
        return "publish", _messages(chance)
    if draw < 0.45:
        return ("received", None) if pushes else ("fetch", _request(chance, config))
    if draw < 0.75:
        return "ack", (chance.randrange(8), chance.choice(ACKS))
    if draw < 0.8:
        return "info", None
    if draw < 0.87:
        name = chance.choice(sorted(CHANGES))
        return "update", {name: chance.choice(CHANGES[name])}
    if draw < 0.9:
        return "reset", chance.choice([{}, {"seq": 1}, {"seq": 2}])
    if draw < 0.93:
        return "delete", chance.randint(1, 6)
    if draw < 0.96:
        return "purge", chance.choice([{}, {"filter": "a.1"}, {"seq": 3}, {"keep": 1}])
    if draw < 0.98:
        return "unpin", {"group": chance.choice(["g", "h", ""])}
    return "pause", chance.choice(["2090-01-01T00:00:00Z", "2020-01-01T00:00:00Z"])


def _request(chance: Random, config: dict[str, Any]) -> Any:
    """Return a pull request that ends by itself: with its batch, or with a status."""
    if chance.random() < 0.1:
        return chance.choice(
            ["1", "2", "x", '{"batch": "x"}', "{", '{"bogus": 1, "no_wait": true}']
        )
    request: dict[str, Any] = {"batch": chance.choice([1, 1, 2, 3, 5, 10]), "expires": 800 * MS}
    if chance.random() < 0.4:
        request["no_wait"] = True
    if chance.random() < 0.15:
        request["max_bytes"] = chance.choice([1, 60, 150, 500, 5000])
    if chance.random() < 0.1:
        request["idle_heartbeat"] = chance.choice([150 * MS, 300 * MS])
    if chance.random() < 0.05:
        request["expires"] = 2 * S
    policy = config.get("priority_policy", "")
    if chance.random() < (0.9 if policy else 0.05):
        request["group"] = chance.choice(["g", "g", "g", "h"])
    if chance.random() < (0.5 if policy == "overflow" else 0.02):
        request[chance.choice(["min_pending", "min_ack_pending"])] = chance.choice([1, 3, 50])
    if chance.random() < (0.5 if policy == "prioritized" else 0.02):
        request["priority"] = chance.choice([0, 1, 9, 10, -1])
    if chance.random() < (0.3 if policy == "pinned_client" else 0.02):
        request["id"] = chance.choice(["wrong", "pin", "pin"])
    return request
