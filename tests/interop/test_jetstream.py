"""JetStream as nats-py uses it, on this server and on a real nats-server: the same program, the
same answers.

Each test runs on both; what it compares is written once. Refusals are held against each other
literally.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import TYPE_CHECKING, Any

import nats
import pytest
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    KeyValueConfig,
    RetentionPolicy,
    StreamConfig,
)
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError, NotFoundError

from tests.hub.process import Hub, nats_server_path
from tests.interop.both import BOTH, JETSTREAM, LEAFNODE, WAIT_S, client, new_login, running_both
from tests.interop.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from pathlib import Path

    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

pytestmark = pytest.mark.skipif(nats_server_path() is None, reason="nats-server not installed")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Gateway | Hub]]:
    with running_both(tmp_path_factory.mktemp("jetstream")) as started:
        yield started


Program = "Callable[[JetStreamContext, Client], Coroutine[Any, Any, object]]"


def on_both(servers: dict[str, Gateway | Hub], program: Program) -> object:
    """Run a program on both servers, check that both tell the same, and return it."""
    login = new_login()

    async def run(server: Gateway | Hub) -> object:
        async with client(server, **login) as connection:
            return await program(connection.jetstream(timeout=WAIT_S), connection)

    ours, theirs = (asyncio.run(run(servers[name])) for name in BOTH)
    assert ours == theirs
    return ours


async def refusal(awaited: Coroutine[Any, Any, object]) -> tuple[int | None, ...]:
    """Return code, number and text of the refusal that a call ends with."""
    with pytest.raises(APIError) as caught:
        await awaited
    return (caught.value.code, caught.value.err_code, caught.value.description)  # type: ignore[return-value]


async def fill(js: JetStreamContext, count: int, subject: str = "s.a") -> None:
    for number in range(count):
        await js.publish(subject, b"m%d" % number)


async def until(condition: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await condition():  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.01)


def test_publish_acknowledge_and_drop_repeats(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, _: Client) -> object:
        await js.add_stream(name="S", subjects=["s.>"])
        acks = [
            await js.publish("s.a", b"one", headers={"Nats-Msg-Id": "1"}),
            await js.publish("s.a", b"one", headers={"Nats-Msg-Id": "1"}),
            await js.publish("s.b", b"two", headers={"Nats-Expected-Last-Sequence": "1"}),
        ]
        state = (await js.stream_info("S")).state
        return [(ack.stream, ack.seq, bool(ack.duplicate)) for ack in acks], (
            state.messages,
            state.bytes,
            state.first_seq,
            state.last_seq,
        )

    acks, state = on_both(servers, program)  # type: ignore[misc]

    assert acks == [("S", 1, False), ("S", 1, True), ("S", 2, False)]
    assert state[0] == 2


def told(message: Msg) -> tuple[object, ...]:
    """What a delivery says, but for times."""
    meta = message.metadata
    return (
        message.subject,
        message.data,
        meta.sequence.stream,
        meta.sequence.consumer,
        meta.num_delivered,
        meta.num_pending,
    )


def test_fetch_acknowledge_refuse_and_give_up(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, connection: Client) -> object:
        await js.add_stream(name="S", subjects=["s.>"])
        await fill(js, 5)
        config = ConsumerConfig(ack_wait=1.5, max_deliver=3)
        sub = await js.pull_subscribe("s.>", "d", config=config)
        first, second, third, fourth = await sub.fetch(4, timeout=WAIT_S)
        seen = [told(message) for message in (first, second, third, fourth)]
        await first.ack_sync()
        # With a reply, because nats-server takes acks on a thread of its own.
        await connection.request(second.reply, b"-NAK", timeout=WAIT_S)
        await connection.request(third.reply, b"+TERM", timeout=WAIT_S)
        again = (await sub.fetch(1, timeout=WAIT_S))[0]
        seen.append(told(again))
        await again.ack_sync()
        # the fourth is not acknowledged in time
        rest = await sub.fetch(1, timeout=WAIT_S)
        seen.append(told(rest[0]))
        await rest[0].ack_sync()
        late = await sub.fetch(1, timeout=WAIT_S)
        seen.append(told(late[0]))
        await late[0].ack_sync()
        info = await sub.consumer_info()
        assert info.ack_floor is not None
        return seen, info.num_ack_pending, info.ack_floor.stream_seq, info.num_pending

    seen, pending, floor, left = on_both(servers, program)  # type: ignore[misc]

    assert seen[4] == ("s.a", b"m1", 2, 5, 2, 1)
    assert (pending, floor, left) == (0, 5, 0)


def test_a_fetch_of_nothing_ends_with_its_time(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, connection: Client) -> object:
        await js.add_stream(name="S", subjects=["s.>"])
        sub = await js.pull_subscribe("s.>", "d")
        with pytest.raises(nats.errors.TimeoutError):
            await sub.fetch(1, timeout=0.1)
        request = json.dumps({"batch": 1, "no_wait": True}).encode()
        answer = await connection.request("$JS.API.CONSUMER.MSG.NEXT.S.d", request, timeout=WAIT_S)
        return dict(answer.headers or {})

    assert on_both(servers, program) == {"Status": "404", "Description": "No Messages"}


def test_a_push_subscription_gets_all_in_order(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, _: Client) -> object:
        await js.add_stream(name="S", subjects=["s.>"])
        await fill(js, 3)
        sub = await js.subscribe("s.>", durable="p", ordered_consumer=False)
        seen = []
        for _number in range(3):
            message = await sub.next_msg(timeout=WAIT_S)
            seen.append(told(message)[:5])
            await message.ack()
        await js.publish("s.b", b"later")
        seen.append(told(await sub.next_msg(timeout=WAIT_S))[:5])
        return seen

    seen = on_both(servers, program)

    assert [one[1] for one in seen] == [b"m0", b"m1", b"m2", b"later"]  # type: ignore[attr-defined]


def test_an_ordered_consumer_reads_from_the_start(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, _: Client) -> object:
        await js.add_stream(name="S", subjects=["s.>"])
        await fill(js, 20)
        sub = await js.subscribe("s.>", ordered_consumer=True)
        return [(await sub.next_msg(timeout=WAIT_S)).data for _number in range(20)]

    assert on_both(servers, program) == [b"m%d" % number for number in range(20)]


@pytest.mark.parametrize(
    ("policy", "count"),
    [(DeliverPolicy.ALL, 3), (DeliverPolicy.LAST, 1), (DeliverPolicy.LAST_PER_SUBJECT, 2)],
)
def test_a_consumer_starts_where_its_policy_says(
    servers: dict[str, Gateway | Hub], policy: DeliverPolicy, count: int
) -> None:
    async def program(js: JetStreamContext, _: Client) -> object:
        await js.add_stream(name="S", subjects=["s.>"])
        for subject in ("s.a", "s.b", "s.a"):
            await js.publish(subject, subject.encode())
        config = ConsumerConfig(deliver_policy=policy, ack_policy=AckPolicy.NONE)
        sub = await js.pull_subscribe("s.>", "d", config=config)
        got = [told(message) for message in await sub.fetch(count, timeout=WAIT_S)]
        assert (await sub.consumer_info()).num_pending == 0
        return got

    assert on_both(servers, program)


def test_purge_get_and_delete(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, _: Client) -> object:
        await js.add_stream(name="S", subjects=["s.>"], allow_direct=True)
        for subject in ("s.a", "s.b", "s.a", "s.c", "s.a"):
            await js.publish(subject, subject.encode(), headers={"X": "1"})
        got = [
            await js.get_msg("S", 2),
            await js.get_last_msg("S", "s.a"),
            await js.get_msg("S", 2, direct=True),
            await js.get_last_msg("S", "s.a", direct=True),
        ]
        told = [
            (one.subject, one.seq, one.data, (one.headers or one.header or {}).get("X"))
            for one in got
        ]
        await js.delete_msg("S", 2)
        with pytest.raises(NotFoundError):
            await js.get_msg("S", 2)
        refused = await refusal(js.delete_msg("S", 99))
        await js.purge_stream("S", subject="s.a", keep=1)
        after_keep = (await js.stream_info("S")).state
        await js.purge_stream("S")
        state = (await js.stream_info("S")).state
        return told, refused, after_keep.messages, (state.messages, state.first_seq, state.last_seq)

    told, _, kept, state = on_both(servers, program)  # type: ignore[misc]

    assert [seq for _, seq, _, _ in told] == [2, 5, 2, 5]
    assert (kept, state) == (2, (0, 6, 5))


def test_limits_drop_the_oldest_or_refuse_the_newest(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, _: Client) -> object:
        await js.add_stream(name="OLD", subjects=["o.>"], max_msgs=2)
        await js.add_stream(name="NEW", subjects=["n.>"], max_bytes=200, discard=DiscardPolicy.NEW)
        await js.add_stream(name="SUB", subjects=["p.>"], max_msgs_per_subject=1)
        await js.add_stream(name="BIG", subjects=["b.>"], max_msg_size=10)
        await fill(js, 4, "o.a")
        await js.publish("n.a", b"x" * 100)
        too_much = await refusal(js.publish("n.a", b"x" * 100))
        for subject in ("p.a", "p.b", "p.a"):
            await js.publish(subject, b"x")
        too_big = await refusal(js.publish("b.a", b"x" * 11))
        states = [(await js.stream_info(name)).state for name in ("OLD", "NEW", "SUB", "BIG")]
        return (
            too_much,
            too_big,
            [(one.messages, one.bytes, one.first_seq, one.last_seq) for one in states],
        )

    too_much, too_big, states = on_both(servers, program)  # type: ignore[misc]

    assert too_much == (503, 10077, "maximum bytes exceeded")
    assert too_big == (400, 10054, "message size exceeds maximum allowed")
    assert [messages for messages, *_ in states] == [2, 1, 2, 0]


def test_a_work_queue_lets_go_of_what_was_acknowledged(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, _: Client) -> object:
        await js.add_stream(name="S", subjects=["s.>"], retention=RetentionPolicy.WORK_QUEUE)
        await fill(js, 3)
        sub = await js.pull_subscribe("s.>", "d")
        for message in await sub.fetch(2, timeout=WAIT_S):
            await message.ack_sync()
        second = await refusal(js.pull_subscribe("s.>", "e"))
        state = (await js.stream_info("S")).state
        return second, (state.messages, state.first_seq)

    assert on_both(servers, program)[1] == (1, 3)  # type: ignore[index]


def test_refusals_have_the_same_code_number_and_text(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, connection: Client) -> object:
        await js.add_stream(name="S", subjects=["s.>"])
        await js.publish("s.a", b"x")
        wrong_last = {"Nats-Expected-Last-Sequence": "9"}
        told = [
            await refusal(js.stream_info("NONE")),
            await refusal(js.consumer_info("S", "NONE")),
            await refusal(js.add_stream(name="S", subjects=["t.>"])),
            await refusal(js.add_stream(name="T", subjects=["s.a"])),
            await refusal(js.add_stream(name="T", subjects=["t"], num_replicas=3)),
            await refusal(js.publish("s.a", b"x", headers=wrong_last)),
            await refusal(js.publish("s.a", b"x", headers={"Nats-Expected-Stream": "T"})),
            await refusal(
                js.add_consumer(
                    "S", ConsumerConfig(durable_name="d", max_waiting=5, deliver_subject="x")
                )
            ),
        ]
        bad = await connection.request("$JS.API.STREAM.CREATE.T", b"{bad", timeout=WAIT_S)
        return told, json.loads(bad.data)["error"]["err_code"]

    told, bad = on_both(servers, program)  # type: ignore[misc]

    assert told[0] == (404, 10059, "stream not found")
    assert bad == 10025


def test_a_key_value_bucket(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, _: Client) -> object:
        bucket = await js.create_key_value(KeyValueConfig(bucket="B", history=3))
        watcher = await bucket.watch("a")
        revisions = [
            await bucket.put("a", b"1"),
            await bucket.create("b", b"1"),
            await bucket.update("b", b"2", last=2),
        ]
        with pytest.raises(KeyWrongLastSequenceError):
            await bucket.create("b", b"again")
        with pytest.raises(KeyWrongLastSequenceError):
            await bucket.update("b", b"3", last=2)
        got = await bucket.get("b")
        await bucket.delete("a")
        with pytest.raises(KeyNotFoundError):
            await bucket.get("a")
        watched = []
        while len(watched) < 2:
            update = await watcher.updates(timeout=WAIT_S)
            if update is not None:  # the end of what was there before
                watched.append((update.key, update.value, update.revision, update.operation))
        await watcher.stop()
        history = [(one.value, one.revision) for one in await bucket.history("b")]
        keys = await bucket.keys()
        await js.delete_key_value("B")
        return revisions, (got.value, got.revision), watched, history, keys

    revisions, got, watched, history, keys = on_both(servers, program)  # type: ignore[misc]

    assert (revisions, got) == ([1, 2, 3], (b"2", 3))
    assert [one[:3] for one in watched] == [("a", b"1", 1), ("a", b"", 4)]
    assert (history, keys) == ([(b"1", 2), (b"2", 3)], ["b"])


def test_an_object_store(servers: dict[str, Gateway | Hub]) -> None:
    content = bytes(range(256)) * 1200  # three chunks

    async def program(js: JetStreamContext, _: Client) -> object:
        store = await js.create_object_store("O")
        put = await store.put("file", content)
        got = await store.get("file")
        await store.put("small", b"x")
        names = sorted(one.name for one in await store.list())
        await store.delete("file")
        with pytest.raises(nats.js.errors.ObjectNotFoundError):
            await store.get("file")
        left = (await js.stream_info("OBJ_O")).state.messages
        await js.delete_object_store("O")
        return put.size, put.chunks, put.digest, got.data == content, names, left

    size, chunks, _, same, names, _ = on_both(servers, program)  # type: ignore[misc]

    assert (size, chunks, same, names) == (len(content), 3, True, ["file", "small"])


def test_the_description_of_stream_and_consumer_is_the_same(
    servers: dict[str, Gateway | Hub],
) -> None:
    async def program(js: JetStreamContext, connection: Client) -> object:
        await js.add_stream(StreamConfig(name="S", subjects=["s.>"], max_age=60, description="d"))
        await js.add_consumer("S", ConsumerConfig(durable_name="d", filter_subject="s.a"))
        answers = []
        for endpoint in ("STREAM.INFO.S", "CONSUMER.INFO.S.d"):
            answer = await connection.request("$JS.API." + endpoint, b"", timeout=WAIT_S)
            answers.append(timeless(json.loads(answer.data)))
        return answers

    stream, consumer = on_both(servers, program)  # type: ignore[misc]

    assert stream["config"]["description"] == "d"
    assert consumer["config"]["filter_subject"] == "s.a"


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs between any two servers."""
    return {key: value for key, value in answer.items() if key not in {"created", "ts", "cluster"}}


@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed", "after 250 ms"])
def test_a_durable_consumer_goes_on_after_a_kill(tmp_path: Path, *, confirmed: bool) -> None:
    gateway = Gateway(tmp_path, JETSTREAM)

    async def before() -> None:
        async with connected(gateway) as js:
            await js.add_stream(name="S", subjects=["s.>"])
            await fill(js, 10)
            sub = await js.pull_subscribe("s.>", "d")
            for message in await sub.fetch(4, timeout=WAIT_S):
                await (message.ack_sync() if confirmed else message.ack())
            await until(lambda: is_acknowledged(js, 4))
        if not confirmed:
            await asyncio.sleep(1.5)  # 250 ms to gather, then one COMMIT

    async def after() -> list[bytes]:
        async with connected(gateway) as js:
            sub = await js.pull_subscribe("s.>", "d")
            fetched = [message.data for message in await sub.fetch(6, timeout=WAIT_S)]
            assert (await sub.consumer_info()).num_pending == 0
            return fetched

    try:
        gateway.start()
        asyncio.run(before())
        gateway.kill()
        gateway.start()
        left = asyncio.run(after())
    finally:
        gateway.stop()

    assert left == [b"m%d" % number for number in range(4, 10)]


@pytest.mark.parametrize("name", BOTH)
def test_a_pull_that_waits_hears_that_the_server_stops(tmp_path: Path, name: str) -> None:
    make = Gateway if name == LEAFNODE else Hub
    server = make(tmp_path, JETSTREAM)

    async def program() -> dict[str, str] | None:
        connection = await nats.connect(server.client_url, allow_reconnect=False)
        js = connection.jetstream(timeout=WAIT_S)
        await js.add_stream(name="S", subjects=["s.>"])
        await js.add_consumer("S", durable_name="d", ack_policy=AckPolicy.EXPLICIT)
        heard = await connection.subscribe("heard")
        await connection.publish(
            "$JS.API.CONSUMER.MSG.NEXT.S.d", b'{"expires":60000000000}', "heard"
        )

        async def is_waiting() -> bool:
            return bool((await js.consumer_info("S", "d")).num_waiting)

        await until(is_waiting)
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        status = await heard.next_msg(timeout=WAIT_S)
        await stopping
        await connection.close()
        return status.headers

    try:
        server.start()
        headers = asyncio.run(program())
    finally:
        server.stop()

    assert headers is not None
    assert (headers["Status"], headers["Description"]) == ("409", "Server Shutdown")


@contextlib.asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[JetStreamContext]:
    connection = await nats.connect(gateway.client_url, allow_reconnect=False)
    try:
        yield connection.jetstream(timeout=WAIT_S)
    finally:
        await connection.close()


async def is_acknowledged(js: JetStreamContext, seq: int) -> bool:
    info = await js.consumer_info("S", "d")
    assert info.ack_floor is not None
    return info.ack_floor.stream_seq == seq


def test_a_used_up_server_refuses_with_the_same_words(tmp_path: Path) -> None:
    config = 'jetstream { store_dir: "{dir}/store", max_file: 100000 }\n'

    async def program(server: Gateway | Hub) -> object:
        async with client(server) as connection:
            js = connection.jetstream(timeout=WAIT_S)
            await js.add_stream(name="S", subjects=["s.>"])
            acks = [await js.publish("s.a", b"x" * 40_000) for _ in range(3)]
            full = await refusal(js.publish("s.a", b"x"))
            await js.delete_msg("S", 1)
            again = await js.publish("s.a", b"x")
            return [ack.seq for ack in acks], full, again.seq

    told = []
    for server in (Gateway(tmp_path / "ours", config), Hub(tmp_path / "theirs", config)):
        server.start()
        try:
            told.append(asyncio.run(program(server)))
        finally:
            server.stop()

    assert told[0] == told[1] == ([1, 2, 3], (503, 10023, "insufficient resources"), 4)


def test_names_made_by_chance_do_not_meet(servers: dict[str, Gateway | Hub]) -> None:
    async def program(js: JetStreamContext, _: Client) -> object:
        name = uuid.uuid4().hex
        await js.add_stream(name=name, subjects=["s.>"])
        first = await js.pull_subscribe("s.>")
        second = await js.pull_subscribe("s.>")
        names = {(await one.consumer_info()).name for one in (first, second)}
        return len(names)

    assert on_both(servers, program) == 2
