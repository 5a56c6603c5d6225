"""What clients ask of streams and consumers, as strategies: for test_failing_commits.py.

Streams L (limits), I (interest), Q (a work queue), N (counters), O (an origin of mirrors and
sources), T (what ages and what is scheduled), F (fast batches); X and Y come and go.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from leafnode.clock import NS_PER_S

LONG_NS: Final = 1000 * 24 * 3600 * NS_PER_S  # longer than a test
TTL: Final = "150s"
SOON: Final = "soon"  # a schedule's time, to be filled in
RETENTION: Final = dict.fromkeys("LXY", "limits") | {"I": "interest", "Q": "workqueue"}


class Op(NamedTuple):
    """Something that a client asks for."""

    subject: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    reply: str = ""  # where that is part of what is asked


def put(stream: str, letter: str, body: bytes = b"x", /, **headers: str) -> Op:
    named = tuple((f"Nats-{name.replace('_', '-')}", value) for name, value in headers.items())
    return Op(f"{stream}.{letter}", body, named)


def api(endpoint: str, body: Any = None) -> Op:
    return Op(f"$JS.API.{endpoint}", b"" if body is None else json.dumps(body).encode())


def stream(action: str, name: str, **config: Any) -> Op:
    flags = ("allow_rollup_hdrs", "allow_atomic", "allow_direct")
    body = {"name": name, "subjects": [f"{name.lower()}.>"], "retention": RETENTION[name]}
    return api(f"STREAM.{action}.{name}", body | dict.fromkeys(flags, True) | config)


def consumer(name: str, stream: str, action: str, **config: Any) -> Op:
    if stream == "Q":  # no two may want the same
        config["filter_subject"] = {"C": "q.a", "D": "q.b", "E": "q.c"}[name]
    config |= {"name": name, "ack_policy": "explicit", "ack_wait": LONG_NS}
    if name == "E":
        config |= {"mem_storage": True, "inactive_threshold": LONG_NS}
    else:
        config["durable_name"] = name
    body = {"stream_name": stream, "action": action, "config": config}
    return api(f"CONSUMER.CREATE.{stream}.{name}", body)


def batch(stream: str, letters: list[str]) -> list[Op]:
    ops = [
        put(stream, letter, Batch_Id="b", Batch_Sequence=str(number))
        for number, letter in enumerate(letters, start=1)
    ]
    last = ops[-1]
    return [*ops[:-1], last._replace(headers=(*last.headers, ("Nats-Batch-Commit", "1")))]


def fast(name: int, letters: list[str]) -> list[Op]:
    """A fast batch, from its start to its commit."""
    last = len(letters)
    steps = [(number, 2 if number == last else min(number - 1, 1)) for number in range(1, last + 1)]
    return [
        Op(f"f.{letter}", b"x", reply=f"_F.{name}.10.fail.{number}.{step}.$FI")
        for letter, (number, step) in zip(letters, steps, strict=True)
    ]


letters = st.sampled_from("abc")
codes = st.sampled_from([sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_FSYNC])
held = st.sampled_from("LIQ")
names = st.sampled_from("CDE")


def published() -> st.SearchStrategy[Op]:
    of = held.map(str.lower)
    rollups = st.sampled_from(["sub", "sub", "all"])
    return st.one_of(
        st.builds(put, of, letters),
        st.builds(put, of, letters),
        st.builds(put, of, letters, Msg_Id=st.sampled_from(["one", "two", "three"])),
        st.builds(put, of, letters, Expected_Last_Sequence=st.integers(0, 9).map(str)),
        st.builds(put, st.just("l"), st.sampled_from("abc*"), Rollup=rollups),
        st.builds(put, st.just("n"), letters, st.just(b""), Incr=st.integers(1, 9).map(str)),
    )


def aging() -> st.SearchStrategy[Op]:
    """What goes by itself, and what comes: on subjects of their own."""
    purged = {"KV-Operation": "PURGE", "Nats-Rollup": "sub", "Nats-TTL": TTL}
    due = {"Nats-Schedule": SOON, "Nats-Schedule-Target": "due.a"}
    return st.one_of(
        st.builds(put, st.just("t"), letters, TTL=st.just(TTL)),
        st.builds(put, st.just("t"), letters),
        letters.map(lambda letter: Op(f"t.{letter}", b"", tuple(purged.items()))),
        letters.map(lambda letter: Op(f"plan.{letter}", b"x", tuple(due.items()))),
        st.sampled_from(["t.a", "t.*", "plan.b", "due.a"]).map(
            lambda subject: api("STREAM.PURGE.T", {"filter": subject})
        ),
    )


def removed() -> st.SearchStrategy[Op]:
    def purge(stream: str, letter: str, more: dict[str, int]) -> Op:
        only = {"filter": f"{stream.lower()}.{letter}"} if letter else {}
        return api(f"STREAM.PURGE.{stream}", {**only, **more})

    def delete(stream: str, seq: int) -> Op:
        return api(f"STREAM.MSG.DELETE.{stream}", {"seq": seq})

    some = st.sampled_from([{}, {}, {"keep": 1}, {"keep": 3}, {"seq": 6}])
    return st.one_of(
        st.builds(delete, held, st.integers(1, 12)),
        st.builds(purge, held, st.sampled_from(["", "a", "b", "*"]), some),
    )


def streams() -> st.SearchStrategy[Op]:
    config = {
        "max_msgs_per_subject": st.sampled_from([-1, -1, 1, 2]),
        "max_msgs": st.sampled_from([-1, -1, 4]),
        "description": st.sampled_from(["", "one", "two"]),
    }
    return st.one_of(
        st.builds(stream, st.just("CREATE"), st.sampled_from("XY"), **config),
        st.builds(stream, st.just("UPDATE"), st.sampled_from("LIQXY"), **config),
        st.sampled_from("XYLIQ").map(lambda name: api(f"STREAM.DELETE.{name}")),
    )


def consumers() -> st.SearchStrategy[Op]:
    def of(action: str, stream: str, name: str, body: dict[str, Any]) -> Op:
        return api(f"CONSUMER.{action}.{stream}.{name}", body)

    until = [{}, {"pause_until": "2999-01-01T00:00:00Z"}]
    return st.one_of(
        st.builds(
            consumer,
            names,
            held,
            st.sampled_from(["create", "", "update"]),
            filter_subject=st.sampled_from(["", "*.a", "*.b"]),
            max_ack_pending=st.sampled_from([3, 1000]),
            description=st.sampled_from(["", "one"]),
        ),
        st.builds(of, st.just("DELETE"), held, names, st.just({})),
        st.builds(of, st.just("PAUSE"), held, names, st.sampled_from(until)),
        st.builds(of, st.just("RESET"), held, names, st.sampled_from([{}, {"seq": 1}, {"seq": 3}])),
    )


plain = st.builds(put, st.just("o"), letters)
singles = st.one_of(
    published(), published(), removed(), streams(), consumers(), aging(), aging(), plain
)
lists = st.lists(letters, min_size=1, max_size=4)
batches = st.builds(batch, st.sampled_from("lio"), lists)
fast_batches = st.builds(fast, st.integers(1, 1 << 60), lists)
several = st.lists(
    st.one_of(*[singles.map(lambda op: [op])] * 4, batches, fast_batches), min_size=1, max_size=5
)
