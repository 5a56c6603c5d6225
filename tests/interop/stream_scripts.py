"""Random stream configurations and operations, the same for every server that plays them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from random import Random

S: Final = 1_000_000_000
MS: Final = 1_000_000
HOUR: Final = 3600 * S
_TRANSFORMS: Final[list[Any]] = [
    {"src": "a.*", "dest": "t.{{wildcard(1)}}"},
    {"src": "a.*", "dest": "t.{{wildcard(2)}}"},
    {"src": ">", "dest": "t.>"},
    {"src": "a..b", "dest": "x"},
    {"src": "", "dest": "t.>"},
    {"src": "a.1", "dest": ""},
    {"src": "a.*", "dest": "t.{{partition(3,1)}}"},
    {"src": "a.*", "dest": "t.{{nope(1)}}"},
    {"src": "a.*.*", "dest": "t.$2.$1"},
]
_ORIGINS: Final[list[Any]] = [
    {"name": "O"},
    {"name": "none"},
    {"name": ""},
    {"name": "a.b"},
    {"name": "S"},
    {"name": "O", "opt_start_seq": 2},
    {"name": "O", "opt_start_seq": 2, "opt_start_time": "2020-01-01T00:00:00Z"},
    {"name": "O", "filter_subject": "o.1"},
    {"name": "O", "filter_subject": "o..1"},
    {"name": "O", "filter_subject": "other"},
    {"name": "O", "filter_subject": "o.1", "subject_transforms": [{"src": "o.1", "dest": "x"}]},
    {"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x.{{wildcard(1)}}"}]},
    {"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x.{{wildcard(3)}}"}]},
    {"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x"}, {"src": "o.>", "dest": "y"}]},
    {"name": "O", "subject_transforms": [{"src": "o..*", "dest": "x"}]},
    {"name": "O", "external": {"api": "", "deliver": ""}},
    {"name": "O", "external": {"api": "$JS.API", "deliver": "d"}},
    {"name": "O", "external": {"api": "$JS.X.API", "deliver": "a.1"}},
    {"name": "O", "external": {"api": "$JS.X.API", "deliver": "d.*"}},
    {"name": "O", "consumer": {"name": "a.b", "deliver_subject": "x"}},
    {"name": "O", "consumer": {"name": "C"}},
]
# Every field of a stream's configuration with values, good and bad.
FIELDS: Final[dict[str, list[Any]]] = {
    "name": ["S", "T", "", "a b", "a.b", "x*", "x" * 255, "x" * 256],
    "description": ["words", "x" * 4096, "x" * 4097],
    "subjects": [
        ["a.>"],
        ["a.*", "b"],
        ["a.>", "b", "c.*.d"],
        ["a.>", "a.1"],
        ["b", "b"],
        ["a..b"],
        [""],
        [">"],
        ["*"],
        ["$JS.>"],
        ["$JS.API.>"],
        ["$JS.EVENT.>"],
        ["$SYS.>"],
        ["$KV.b.>"],
        ["o.1"],
        ["a.>.b"],
        ["a b"],
    ],
    "retention": ["limits", "interest", "workqueue", "bogus"],
    "max_consumers": [0, -1, 1, 5, -2],
    "max_msgs": [0, -1, 2, 100, -2],
    "max_bytes": [0, -1, 100, 10_000, -2],
    "max_age": [0, MS, 100 * MS, HOUR, -1, "1h"],
    "max_msgs_per_subject": [0, -1, 1, 3, -2],
    "max_msg_size": [0, -1, 10, 1000, -2, 1 << 31],
    "discard": ["old", "new", "bogus"],
    "storage": ["file", "memory", "bogus"],
    "num_replicas": [0, 1, 2, 3, 5, 6, -1],
    "no_ack": [True, False],
    "duplicate_window": [0, MS, 100 * MS, 60 * S, 2 * HOUR, -1],
    "placement": [{}, {"cluster": "c"}, {"tags": ["t"]}, {"preferred": "p"}],
    "compression": ["none", "s2", "bogus"],
    "first_seq": [0, 1, 10, -1],
    "subject_transform": _TRANSFORMS,
    "republish": [
        {"src": ">", "dest": "r.>"},
        {"src": "a.>", "dest": "r.>", "headers_only": True},
        {"src": "a.>", "dest": "a.x.>"},
        {"src": "a.*", "dest": "r.>"},
        {"src": "", "dest": "r.>"},
        {"src": "a.1", "dest": ""},
        {"src": "zzz", "dest": "r"},
        {"src": "a.*", "dest": "r.{{wildcard(1)}}"},
    ],
    "allow_direct": [True, False],
    "mirror_direct": [True, False],
    "discard_new_per_subject": [True, False],
    "sealed": [True, False],
    "deny_delete": [True, False],
    "deny_purge": [True, False],
    "allow_rollup_hdrs": [True, False],
    "consumer_limits": [
        {},
        {"inactive_threshold": 60 * S},
        {"max_ack_pending": 10},
        {"inactive_threshold": -1},
        {"max_ack_pending": -2},
    ],
    "allow_msg_ttl": [True, False],
    "subject_delete_marker_ttl": [0, 1, S, 60 * S, -1],
    "allow_msg_counter": [True, False],
    "allow_atomic": [True, False],
    "allow_msg_schedules": [True, False],
    "allow_batched": [True, False],
    "persist_mode": ["default", "async", "bogus"],
    "metadata": [{"a": "b"}, {}, {"_nats.level": "9", "k": ""}, {"k": "x" * 131_072}],
    "mirror": _ORIGINS,
    "sources": [*([one] for one in _ORIGINS), [{"name": "O"}, {"name": "O"}]],
    "template_owner": ["x"],
    "bogus": [1],
}
# What goes together.
SHAPES: Final[list[dict[str, Any]]] = [
    {"subjects": ["a.>", "b"]},
    {"subjects": ["a.>", "b"], "storage": "memory"},
    {"subjects": ["a.>"], "allow_direct": True, "max_msgs_per_subject": 2},
    {"subjects": ["a.>"], "max_msgs": 4},
    {"subjects": ["a.>"], "discard": "new", "max_msgs": 3},
    {
        "subjects": ["a.>"],
        "discard": "new",
        "discard_new_per_subject": True,
        "max_msgs_per_subject": 1,
    },
    {"subjects": ["a.>"], "retention": "workqueue"},
    {"subjects": ["a.>"], "retention": "interest"},
    {"subjects": ["a.>"], "allow_msg_ttl": True, "subject_delete_marker_ttl": 60 * S},
    {"subjects": ["a.>"], "allow_msg_counter": True},
    {"subjects": ["a.>"], "allow_msg_schedules": True},
    {"subjects": ["a.>"], "allow_rollup_hdrs": True, "deny_delete": True},
    {"subjects": ["a.>"], "deny_purge": True},
    {"subjects": ["a.>"], "max_age": HOUR, "duplicate_window": 60 * S},
    {"subjects": ["a.>"], "first_seq": 10},
    {"mirror": {"name": "O"}},
    {"sources": [{"name": "O"}]},
    {"subjects": ["a.>"], "sources": [{"name": "O", "filter_subject": "o.1"}]},
    {},
]
SUBJECTS: Final = ["a.1", "a.1", "a.2", "a.2.x", "b", "zzz"]
FILTERS: Final = ["a.1", "a.*", "a.>", ">", "b", "nope", "a..b", "*.1", ""]

Operation = tuple[str, str, Any]  # subject, header value or nothing, body or payload


def configurations(chance: Random) -> list[Operation]:
    """Return requests: a stream is created, used, changed field by field and deleted."""
    config: dict[str, Any] = {"name": "S", **chance.choice(SHAPES)}
    for name in chance.sample(sorted(FIELDS), chance.choice([0, 1, 1, 2])):
        config[name] = chance.choice(FIELDS[name])
    steps: list[Operation] = [_api("STREAM.CREATE.S", config | _pedantic(chance))]
    if chance.random() < 0.2:
        name = chance.choice(sorted(FIELDS))
        steps.append(_api("STREAM.CREATE.S", config | {name: chance.choice(FIELDS[name])}))
    if chance.random() < 0.5 and not {"mirror", "sources"} & config.keys():
        steps += _messages(chance)
    for _ in range(chance.choice([0, 1, 2, 3])):
        name = chance.choice(sorted(FIELDS))
        config = config | {name: chance.choice(FIELDS[name])}
        steps.append(_api("STREAM.UPDATE.S", config | _pedantic(chance)))
    steps.append(_api("STREAM.INFO.S", None))
    return steps + _removed()


def operations(chance: Random) -> list[Operation]:
    """Return requests: a good stream, and what is done with its messages."""
    shapes = [one for one in SHAPES if "mirror" not in one and "sources" not in one]
    config = {"name": "S", **chance.choice(shapes)}
    if chance.random() < 0.5:
        config |= {"allow_direct": True}
    steps = [_api("STREAM.CREATE.S", config), *_messages(chance), *_messages(chance)]
    for _ in range(chance.randint(4, 10)):
        steps += _operation(chance)
    steps.append(_api("STREAM.INFO.S", {"deleted_details": True, "subjects_filter": ">"}))
    return steps + _removed()


def _pedantic(chance: Random) -> dict[str, Any]:
    return {"pedantic": True} if chance.random() < 0.1 else {}


def _removed() -> list[Operation]:
    return [_api(f"STREAM.DELETE.{name}", None) for name in ("S", "T")]


def _api(endpoint: str, body: Any) -> Operation:
    return f"$JS.API.{endpoint}", "", body


def _messages(chance: Random) -> list[Operation]:
    return [
        (chance.choice(SUBJECTS), chance.choice(["", "", "v"]), "x" * chance.choice([0, 5, 40]))
        for _ in range(chance.randint(1, 5))
    ]


def _operation(chance: Random) -> list[Operation]:
    draw = chance.random()
    if draw < 0.2:
        return _messages(chance)
    if draw < 0.35:
        return [_api("STREAM.PURGE.S", _purge(chance))]
    if draw < 0.45:
        body = {"seq": chance.choice([0, 1, 2, 3, 5, 99])}
        body |= chance.choice([{}, {"no_erase": True}, {"no_erase": False}])
        return [_api("STREAM.MSG.DELETE.S", chance.choice([body, body, body, {}, None]))]
    if draw < 0.6:
        return [_api("STREAM.MSG.GET.S", _get(chance, more=0.1))]
    if draw < 0.75:
        return [_api(*_direct(chance))]
    if draw < 0.85:
        return [_api("STREAM.INFO.S", _info(chance))]
    return [_api(chance.choice(["STREAM.NAMES", "STREAM.LIST"]), _page(chance))]


def _purge(chance: Random) -> Any:
    found: dict[str, Any] = {}
    if chance.random() < 0.5:
        found["filter"] = chance.choice(FILTERS)
    if chance.random() < 0.4:
        found["seq"] = chance.choice([0, 1, 3, 5, 99])
    if chance.random() < 0.4:
        found["keep"] = chance.choice([0, 1, 2, 50])
    return chance.choice([found, found, found, found, None, {"bogus": 1}, {"seq": -1}])


def _get(chance: Random, *, more: float) -> Any:
    kinds: list[dict[str, Any]] = [
        {"seq": chance.choice([0, 1, 2, 4, 6, 99])},
        {"last_by_subj": chance.choice(FILTERS)},
        {"next_by_subj": chance.choice(FILTERS)},
        {"seq": chance.choice([1, 3, 99]), "next_by_subj": chance.choice(FILTERS)},
        {"start_time": chance.choice(["2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"])},
    ]
    found = chance.choice(kinds)
    if chance.random() < more:
        found = found | chance.choice(kinds)
    return found


def _direct(chance: Random) -> tuple[str, Any]:
    draw = chance.random()
    if draw < 0.15:
        return f"DIRECT.GET.S.{chance.choice(['a.1', 'a.2', 'b', 'nope', 'a.2.x'])}", None
    found = _get(chance, more=0.1)
    if draw < 0.5:
        return "DIRECT.GET.S", found
    if draw < 0.75:
        found |= {"batch": chance.choice([0, 1, 2, 50, -1])}
        found |= chance.choice([{}, {"max_bytes": 60}, {"seq": 1, "next_by_subj": "a.>"}])
        return "DIRECT.GET.S", found
    many: dict[str, Any] = {
        "multi_last": chance.choice([["a.>"], ["a.1", "b"], ["nope"], [], [">"]])
    }
    many |= chance.choice([{}, {"batch": 1}, {"up_to_seq": 3}, {"max_bytes": 60}, {"seq": 2}])
    return "DIRECT.GET.S", many


def _info(chance: Random) -> Any:
    found: dict[str, Any] = {}
    if chance.random() < 0.5:
        found["deleted_details"] = chance.choice([True, False])
    if chance.random() < 0.6:
        found["subjects_filter"] = chance.choice(FILTERS)
    if chance.random() < 0.3:
        found["offset"] = chance.choice([0, 1, 99, -1])
    return chance.choice([found, found, found, None, {"bogus": 1}])


def _page(chance: Random) -> Any:
    found: dict[str, Any] = {}
    if chance.random() < 0.5:
        found["offset"] = chance.choice([0, 1, 2, 99, -1])
    if chance.random() < 0.5:
        found["subject"] = chance.choice([*FILTERS, "o.1", "o.>"])
    return chance.choice([found, found, found, None, {"bogus": 1}])
