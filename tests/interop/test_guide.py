"""The patterns of NATS' guide, as nats-py's users write them, on this server and on nats-server.

One test for each pattern or sample: core publish/subscribe, requests, queue groups, wildcards;
streams, consumers, acknowledgement, replay and retention policies; discovery, telemetry and
commands, event sourcing, a saga, trace context in headers. What both servers do is proved by
running on both.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    ReplayPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from tests.hub.process import nats_server_path
from tests.interop.barrier import settled
from tests.interop.both import BOTH, WAIT_S, client, new_login, running_both
from tests.interop.talk import answering, ask, fetched, fill, listening, until, until_true

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nats.aio.msg import Msg

    from tests.hub.process import Hub
    from tests.interop.gateway import Gateway

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

LOGIN: Final[dict[str, str]] = {}  # of the test that runs
TRACEPARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Gateway | Hub]]:
    with running_both(tmp_path_factory.mktemp("guide")) as started:
        yield started


@pytest.fixture(params=BOTH)
def server(request: pytest.FixtureRequest, servers: dict[str, Gateway | Hub]) -> Gateway | Hub:
    LOGIN.update(new_login())
    return servers[request.param]


# --- core


async def test_every_subscriber_gets_a_copy(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        one, two = await listening(nc, "updates"), await listening(nc, "updates")
        for number in range(5):
            await nc.publish("updates", b"Message %d" % number)
        await settled(nc)

        expected = [b"Message %d" % number for number in range(5)]
        await until(lambda: one.data == two.data == expected)


async def test_a_message_without_subscribers_is_dropped(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        await nc.publish("updates", b"nobody hears this")
        await settled(nc)
        late = await listening(nc, "updates")
        await settled(nc)
        await nc.publish("updates", b"this")

        await until(lambda: late.data == [b"this"])


async def test_a_request_gets_its_reply(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:

        async def respond(message: Msg) -> None:
            await message.respond(b"Help for: " + message.data)

        await nc.subscribe("help.request", cb=respond)
        answer = await nc.request("help.request", b"How do I...", timeout=WAIT_S)

        assert answer.data == b"Help for: How do I..."


async def test_a_request_that_nobody_serves_is_told_at_once(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        with pytest.raises(NoRespondersError):
            await nc.request("help.request", b"", timeout=WAIT_S)


async def test_a_queue_group_shares_the_work(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        workers = [await listening(nc, "tasks", "workers") for _ in range(3)]
        audit = await listening(nc, "tasks")
        await settled(nc)
        for number in range(300):
            await nc.publish("tasks", b"%d" % number)

        await until(lambda: sum(len(worker.heard) for worker in workers) == 300)
        await until(lambda: len(audit.heard) == 300)

        done = Counter(data for worker in workers for data in worker.data)
        assert set(done.values()) == {1}
        assert all(len(worker.heard) > 0 for worker in workers)


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("orders.us.*", ["orders.us.east", "orders.us.west"]),
        ("orders.>", ["orders.us", "orders.us.east", "orders.us.west", "orders.us.east.nyc"]),
        ("orders.*.created", ["orders.us.created", "orders.eu.created"]),
        ("*.orders.>", ["us.orders.created", "eu.orders.updated.processed"]),
    ],
)
async def test_wildcards_match_tokens(
    server: Gateway | Hub, pattern: str, matching: list[str]
) -> None:
    others = ["orders", "orders.us.east.created", "us.orders", "other.us.east"]
    if pattern == "orders.>":
        others.remove("orders.us.east.created")
    async with client(server, **LOGIN) as nc:
        listener = await listening(nc, pattern)
        for subject in [*others, *matching]:
            await nc.publish(subject, b"")
        await settled(nc)

        await until(lambda: listener.subjects == matching)


# --- streams and consumers


async def test_a_stream_keeps_what_is_published(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        config = StreamConfig(
            name="ORDERS",
            subjects=["orders.*"],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            max_msgs=1_000_000,
            max_bytes=10 * 1024 * 1024,
            num_replicas=1,
        )
        await js.add_stream(config)

        ack = await js.publish("orders.us", b'{"id": "123", "total": 99.99}')

        assert (ack.stream, ack.seq) == ("ORDERS", 1)
        stored = await js.get_msg("ORDERS", 1)
        assert (stored.subject, stored.data) == ("orders.us", b'{"id": "123", "total": 99.99}')


async def test_a_durable_push_consumer_delivers_until_it_is_acknowledged(
    server: Gateway | Hub,
) -> None:
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        await js.add_stream(name="ORDERS", subjects=["orders.*"])
        seen: list[tuple[bytes, int]] = []

        async def process(message: Msg) -> None:
            seen.append((message.data, message.metadata.num_delivered))
            if message.data == b"fails" and message.metadata.num_delivered < 3:
                await message.nak()
            else:
                await message.ack()

        config = ConsumerConfig(max_deliver=3, ack_wait=30)
        await js.subscribe(
            "orders.*", durable="order-processor", manual_ack=True, config=config, cb=process
        )
        await js.publish("orders.us", b"works")
        await js.publish("orders.us", b"fails")

        expected = [(b"fails", 1), (b"fails", 2), (b"fails", 3), (b"works", 1)]
        await until(lambda: sorted(seen) == expected)

        async def is_done() -> bool:
            info = await js.consumer_info("ORDERS", "order-processor")
            return info.num_ack_pending == 0 and info.num_pending == 0

        await until_true(is_done)


async def test_a_pull_consumer_is_read_in_batches_and_remembers(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        await js.add_stream(name="ORDERS", subjects=["orders.*"])
        await fill(js, "orders.us", 100)
        sub = await js.pull_subscribe("orders.*", "batch-processor")
        for message in await fetched(sub, 60):
            await message.ack_sync(timeout=WAIT_S)
        await sub.unsubscribe()

        again = await js.pull_subscribe("orders.*", "batch-processor")
        rest = await fetched(again, 40)

        assert [message.data for message in rest] == [b"%d" % n for n in range(60, 100)]


@pytest.mark.parametrize(
    ("policy", "pending"),
    [(AckPolicy.EXPLICIT, 9), (AckPolicy.ALL, 5), (AckPolicy.NONE, 0)],
)
async def test_ack_policies(server: Gateway | Hub, policy: AckPolicy, pending: int) -> None:
    """One acknowledgement of the fifth of ten messages."""
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        await js.add_stream(name="ORDERS", subjects=["orders.*"])
        await fill(js, "orders.us", 10)
        config = ConsumerConfig(durable_name="C", ack_policy=policy)
        sub = await js.pull_subscribe("orders.*", "C", config=config)
        messages = await fetched(sub, 10)
        if policy is not AckPolicy.NONE:
            await messages[4].ack_sync(timeout=WAIT_S)

        assert (await js.consumer_info("ORDERS", "C")).num_ack_pending == pending


async def test_deliver_policies(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        await js.add_stream(name="ORDERS", subjects=["orders.*"])
        await fill(js, "orders.us", 10)
        fifth = await js.get_msg("ORDERS", 5)
        assert fifth.time is not None

        async def first_of(**config: Any) -> bytes:
            sub = await js.pull_subscribe("orders.*", config=ConsumerConfig(**config))
            (message,) = await fetched(sub, 1)
            await sub.unsubscribe()
            return message.data

        from_time = fifth.time.astimezone(UTC).isoformat().replace("+00:00", "Z")
        assert await first_of(deliver_policy=DeliverPolicy.ALL) == b"0"
        assert await first_of(deliver_policy=DeliverPolicy.LAST) == b"9"
        start = DeliverPolicy.BY_START_SEQUENCE
        assert await first_of(deliver_policy=start, opt_start_seq=8) == b"7"
        by_time = DeliverPolicy.BY_START_TIME
        started_at = await first_of(deliver_policy=by_time, opt_start_time=from_time)
        assert int(started_at) <= 4  # nats-py rounds the time of a message down to microseconds
        new = await js.pull_subscribe(
            "orders.*", config=ConsumerConfig(deliver_policy=DeliverPolicy.NEW)
        )
        await js.publish("orders.us", b"new")
        assert [message.data for message in await fetched(new, 1)] == [b"new"]


@pytest.mark.parametrize("policy", [ReplayPolicy.ORIGINAL, ReplayPolicy.INSTANT])
async def test_a_replay_has_every_event_in_order(
    server: Gateway | Hub, policy: ReplayPolicy
) -> None:
    """That the original one keeps the rhythm: tests/unit/jetstream/test_pace.py, in time."""
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        await js.add_stream(name="EVENTS", subjects=["events.>"])
        await fill(js, "events.order.created", 20)
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, replay_policy=policy)
        sub = await js.pull_subscribe("events.order.>", "C", config=config)

        replayed = await fetched(sub, 20)

        assert [message.data for message in replayed] == [b"%d" % number for number in range(20)]
        assert (await js.consumer_info("EVENTS", "C")).config.replay_policy == policy


async def test_limits_retention_lets_the_oldest_go(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        config = StreamConfig(name="EVENTS", subjects=["events"], max_msgs=5)
        await js.add_stream(config)
        await fill(js, "events", 8)

        async def is_within() -> bool:
            state = (await js.stream_info("EVENTS")).state
            return (state.first_seq, state.last_seq, state.messages) == (4, 8, 5)

        await until_true(is_within)


async def test_interest_retention_keeps_until_every_consumer_has_it(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        interest = RetentionPolicy.INTEREST
        await js.add_stream(StreamConfig(name="COMMANDS", subjects=["cmd.*"], retention=interest))
        await js.publish("cmd.stop", b"nobody is interested")
        one, two = [await js.pull_subscribe("cmd.*", name) for name in ("one", "two")]
        await js.publish("cmd.start", b"both are")

        async def messages() -> int:
            return (await js.stream_info("COMMANDS")).state.messages

        assert await messages() == 1
        await (await fetched(one, 1))[0].ack_sync(timeout=WAIT_S)
        assert await messages() == 1
        await (await fetched(two, 1))[0].ack_sync(timeout=WAIT_S)
        assert await messages() == 0


async def test_a_work_queue_gives_each_job_to_one_worker(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        queue = RetentionPolicy.WORK_QUEUE
        await js.add_stream(StreamConfig(name="JOBS", subjects=["jobs.*"], retention=queue))
        await fill(js, "jobs.resize", 20)
        workers = [await js.pull_subscribe("jobs.*", "workers") for _ in range(2)]
        done: list[bytes] = []
        for worker in workers:
            for message in await fetched(worker, 10):
                done.append(message.data)
                await message.ack_sync(timeout=WAIT_S)

        assert sorted(done, key=int) == [b"%d" % number for number in range(20)]
        assert (await js.stream_info("JOBS")).state.messages == 0
        with pytest.raises(NatsTimeoutError):
            await workers[0].fetch(1, timeout=0.2)


# --- use cases


async def test_services_register_and_share_their_requests(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc, client(server, **LOGIN) as other:
        registry = await listening(nc, "discovery.register")
        paid = [await answering(other, "payments.process", lambda _: {"ok": True})]
        caches = await listening(nc, "inventory.updated")
        search = await listening(nc, "inventory.updated")
        await settled(nc, other)
        await other.publish("discovery.register", b'{"name": "payments", "version": "1.0.0"}')

        assert await ask(nc, "payments.process", {"amount": 12}) == {"ok": True}
        await nc.publish("inventory.updated", b"{}")

        await until(lambda: len(registry.heard) == 1)
        await until(lambda: len(caches.heard) == len(search.heard) == 1)
        assert paid == [[{"amount": 12}]]


async def test_devices_send_telemetry_take_commands_and_raise_alerts(
    server: Gateway | Hub,
) -> None:
    async with client(server, **LOGIN) as nc, client(server, **LOGIN) as device:
        js = nc.jetstream()
        await js.add_stream(name="ALERTS", subjects=["alerts.>"])
        dashboard = await listening(nc, "telemetry.*")
        await answering(device, "commands.sensor-001", lambda body: {"did": json.loads(body)})
        await settled(nc, device)

        reading = {"temperature": 23.5, "humidity": 65, "at": datetime.now(UTC).isoformat()}
        await device.publish("telemetry.sensor-001", json.dumps(reading).encode())
        done = await ask(nc, "commands.sensor-001", {"action": "reboot"})
        alert = {"device": "sensor-001", "alert": "temperature_exceeded", "value": 85.2}
        await device.jetstream().publish("alerts.critical", json.dumps(alert).encode())

        await until(lambda: [json.loads(data) for data in dashboard.data] == [reading])
        assert done == {"did": {"action": "reboot"}}
        assert json.loads((await js.get_last_msg("ALERTS", "alerts.critical")).data or b"") == alert


async def test_a_read_model_is_built_from_events_and_built_again(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        await js.add_stream(name="EVENTS", subjects=["events.order.>"])
        history = [("created", "7"), ("created", "8"), ("shipped", "7")]
        for kind, order in history:
            await js.publish(f"events.order.{kind}", order.encode())

        async def project(**options: Any) -> dict[str, str]:
            model: dict[str, str] = {}
            seen: list[int] = []

            async def apply(message: Msg) -> None:
                model[message.data.decode()] = message.subject.rpartition(".")[2]
                seen.append(message.metadata.sequence.stream)
                await message.ack()

            sub = await js.subscribe("events.order.>", cb=apply, **options)
            await until(lambda: seen == [1, 2, 3])
            await sub.unsubscribe()
            return model

        expected = {"7": "shipped", "8": "created"}
        assert await project(durable="order-projection") == expected
        assert await project(ordered_consumer=True) == expected


@pytest.mark.parametrize(
    ("fails", "undone"),
    [("", []), ("shipping.ship", ["payment.refund", "inventory.release"]),
     ("payment.process", ["inventory.release"])],
)  # fmt: skip
async def test_a_saga_undoes_what_it_did_when_a_step_fails(
    server: Gateway | Hub, fails: str, undone: list[str]
) -> None:
    steps = [
        ("inventory.reserve", "inventory.release"),
        ("payment.process", "payment.refund"),
        ("shipping.ship", "shipping.recall"),
    ]
    async with client(server, **LOGIN) as nc, client(server, **LOGIN) as services:
        done: list[str] = []

        def serving(name: str) -> Callable[[bytes], bool]:
            def serve(_: bytes) -> bool:
                done.append(name)
                return name != fails

            return serve

        for name in [name for step in steps for name in step]:
            await answering(services, f"saga.{name}", serving(name))
        await settled(services)

        completed: list[str] = []
        for action, compensation in steps:
            if not await ask(nc, f"saga.{action}", {"order": 1}):
                for name in reversed(completed):
                    assert await ask(nc, f"saga.{name}", {"order": 1})
                break
            completed.append(compensation)

        actions = [action for action, _ in steps]
        tried = actions[: actions.index(fails) + 1] if fails else actions
        assert done == [*tried, *undone]


async def test_trace_context_travels_in_headers(server: Gateway | Hub) -> None:
    async with client(server, **LOGIN) as nc:
        js = nc.jetstream()
        await js.add_stream(name="ORDERS", subjects=["orders.>"])
        headers = {"traceparent": TRACEPARENT, "tracestate": "vendor=1"}
        live = await listening(nc, "orders.>")
        await settled(nc)
        await js.publish("orders.us", b"1", headers=headers)
        sub = await js.pull_subscribe("orders.>", "C")
        (stored,) = await fetched(sub, 1)

        await until(lambda: len(live.heard) == 1)
        for message in (live.heard[0], stored):
            assert message.headers is not None
            assert {name: message.headers[name] for name in headers} == headers
