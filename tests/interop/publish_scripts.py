"""Random messages on random streams, by themselves and in atomic batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from random import Random

HOUR: Final = 3600 * 1_000_000_000
SUBJECTS: Final = ["s.a", "s.a", "s.b", "s.c"]
# What may be said of a stream, each with values.
OPTIONS: Final[dict[str, list[Any]]] = {
    "storage": ["memory"],
    "retention": ["interest", "workqueue"],
    "max_msgs": [1, 3, 5],
    "max_bytes": [100, 200, 400],
    "max_msgs_per_subject": [1, 2, 3],
    "discard": ["new"],
    "max_msg_size": [30, 60, 120],
    "allow_rollup_hdrs": [True],
    "deny_purge": [True],
    "deny_delete": [True],
    "sealed": [True],
    "allow_msg_ttl": [True],
    "subject_delete_marker_ttl": [HOUR],
    "allow_msg_counter": [True],
    "allow_msg_schedules": [True],
    "allow_atomic": [True, True, True],
    "duplicate_window": [100_000_000_000],
    "first_seq": [10],
    "subject_transform": [{"src": "s.*", "dest": "t.{{wildcard(1)}}"}],
    "max_consumers": [5],
}
# What goes together.
SHAPES: Final[list[dict[str, Any]]] = [
    {},
    {"discard": "new", "max_msgs": 3, "allow_rollup_hdrs": True},
    {"discard": "new", "max_bytes": 200, "allow_rollup_hdrs": True},
    {
        "discard": "new",
        "discard_new_per_subject": True,
        "max_msgs_per_subject": 2,
        "allow_rollup_hdrs": True,
    },
    {
        "discard": "new",
        "discard_new_per_subject": True,
        "max_msgs_per_subject": 1,
        "max_msgs": 2,
        "allow_rollup_hdrs": True,
    },
    {"max_msgs": 3, "allow_rollup_hdrs": True},
    {"max_msgs_per_subject": 1, "max_msgs": 3, "allow_rollup_hdrs": True},
    {"max_bytes": 200, "allow_rollup_hdrs": True},
    {"allow_msg_counter": True},
    {"allow_msg_counter": True, "max_msg_size": 60},
    {"allow_msg_schedules": True, "allow_msg_ttl": True, "allow_rollup_hdrs": True},
    {"allow_msg_schedules": True, "discard": "new", "max_msgs": 3, "allow_rollup_hdrs": True},
    {"allow_msg_ttl": True, "subject_delete_marker_ttl": HOUR, "allow_rollup_hdrs": True},
    {"retention": "interest", "allow_rollup_hdrs": True},
    {"retention": "interest", "allow_rollup_hdrs": True, "allow_msg_schedules": True},
    {"retention": "interest", "allow_rollup_hdrs": True, "max_msgs": 2},
]
# Header lines and what they may say.
LINES: Final[dict[str, list[str]]] = {
    "Nats-Msg-Id": ["one", "two", "three", ""],
    "Nats-Expected-Stream": ["S", "S", "T"],
    "Nats-Expected-Last-Sequence": ["0", "1", "2", "3", "x", ""],
    "Nats-Expected-Last-Subject-Sequence": ["0", "0", "1", "2", "x", ""],
    "Nats-Expected-Last-Subject-Sequence-Subject": ["s.a", "s.b", "s.*", "s..x", "s.>.x", ""],
    "Nats-Expected-Last-Msg-Id": ["one", "two", ""],
    "Nats-Rollup": ["sub", "sub", "SUB", "all", "bogus", ""],
    "Nats-TTL": ["1h", "2", "never", "zz", "0", "-1", ""],
    "Nats-Incr": ["1", "+5", "-2", "x", "", "99999999999999999999"],
    "Nats-Schedule": ["@at 2099-01-01T00:00:00Z", "@every 1h", "@every 1", "@bogus", ""],
    "Nats-Schedule-Target": ["s.t", "s.t", "s.a", "s..x", "t.x", "s.*", ""],
    "Nats-Schedule-Source": ["s.b", "s.t", "s..x", "t.x", ""],
    "Nats-Schedule-TTL": ["1h", "zz", ""],
    "Nats-Schedule-Rollup": ["sub", "all", ""],
    "Nats-Schedule-Time-Zone": ["UTC", "No/Where", ""],
    "Nats-Schedule-Next": ["purge", "purge", "2099-01-01T00:00:00Z", ""],
    "Nats-Scheduler": ["s.a", "s.b", "s..x", ""],
    "Nats-Required-Api-Level": ["1", "99"],
    "Nats-Stream-Source": ["T 1 s.a > s.a", ""],
    "Nats-Marker-Reason": ["MaxAge"],
    "KV-Operation": ["DEL", "PURGE"],
    "X": ["y", "y" * 40],
}
# A message in a batch that is as it should be, for each kind of stream.
BATCH: Final = "Nats-Batch-Id"
MESSAGES: Final = 14


@dataclass(frozen=True)
class Published:
    """One message."""

    subject: str
    lines: tuple[tuple[str, str], ...]
    payload: str

    @property
    def header(self) -> bytes:
        text = "".join(f"{name}: {value}\r\n" for name, value in self.lines)
        return f"NATS/1.0\r\n{text}\r\n".encode() if text else b""


def script(chance: Random) -> tuple[dict[str, Any], list[Published]]:
    """Return a stream, and what is published on it."""
    config: dict[str, Any] = {"subjects": ["s.>"], **chance.choice(SHAPES)}
    for name in chance.sample(sorted(OPTIONS), chance.choice([0, 0, 1, 2])):
        config.setdefault(name, chance.choice(OPTIONS[name]))
    if chance.random() < 0.6:
        config["allow_atomic"] = True
    messages: list[Published] = []
    while len(messages) < MESSAGES:
        if config.get("allow_atomic") and chance.random() < 0.4:
            messages += _batch(chance, config, f"b{len(messages)}")
        else:
            messages.append(_message(chance, config))
    return config, messages


def _message(
    chance: Random, config: dict[str, Any], *more: tuple[str, str], wild: float = 0.35
) -> Published:
    lines: dict[str, str] = {}
    payload = "x" * chance.choice([0, 1, 5, 40])
    if config.get("allow_msg_counter") and chance.random() < 0.9:
        lines["Nats-Incr"] = chance.choice(LINES["Nats-Incr"][:3])
        payload = payload if chance.random() < 0.1 else ""
    if config.get("allow_msg_schedules") and chance.random() < 0.5:
        lines |= chance.choice(
            [
                {"Nats-Schedule": "@every 1h", "Nats-Schedule-Target": "s.t"},
                {"Nats-Schedule-Next": "purge", "Nats-Scheduler": "s.a"},
            ]
        )
    if config.get("allow_rollup_hdrs") and chance.random() < 0.25:
        lines["Nats-Rollup"] = chance.choice(["sub", "sub", "all"])
    if chance.random() < wild:
        for name in chance.sample(sorted(LINES), chance.choice([1, 1, 2, 3])):
            lines[name] = chance.choice(LINES[name])
    names = list(lines)
    chance.shuffle(names)
    ordered = [(name, lines[name]) for name in names] + list(more)
    return Published(chance.choice(SUBJECTS), tuple(ordered), payload)


def _batch(chance: Random, config: dict[str, Any], name: str) -> list[Published]:
    """Return an atomic batch, which in one of ten is not as it should be."""
    size = chance.choice([1, 2, 2, 3, 4])
    # Where `eob` makes the last message too large for what is left, nats-server stores the others.
    is_tight = {"max_bytes", "discard"} <= config.keys()
    ends = chance.choice(["1", "1", "1", "1" if is_tight else "eob"])
    wild = chance.choice([0.0, 0.0, 0.3])
    found = []
    for seq in range(1, size + 1 + (ends == "eob")):
        shown = seq + chance.choice([0, 1, -1]) if chance.random() < 0.02 else seq
        more = [(BATCH, name), ("Nats-Batch-Sequence", str(shown))]
        if seq == size + (ends == "eob"):
            more.append(("Nats-Batch-Commit", ends if chance.random() < 0.97 else "bogus"))
        found.append(_message(chance, config, *more, wild=wild))
    return found
