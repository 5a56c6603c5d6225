"""JetStream of the other end of a link, reached by its domain with nats-py.

What a program gets is compared with what it gets between two nats-servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import nats.errors
import nats.js.errors
import pytest
from nats.js.api import AckPolicy, ConsumerConfig, KeyValueConfig, StreamConfig

from tests.hub.process import nats_server_path
from tests.interop.barrier import settled
from tests.interop.nodes import (
    OURS,
    PATIENCE_S,
    REAL,
    carries,
    client_of,
    dials,
    linked,
    running,
    wants,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.client import Client

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

KINDS = pytest.mark.parametrize(("hub", "edge"), [(REAL, OURS), (OURS, REAL)])
OFF = "off"  # no JetStream at all
API = ("$JS.API.INFO", "$JS.hub.API.INFO", "$JS.edge.API.INFO", "$JS.same.API.INFO")
# Who answers each of API: asked at the hub, asked at the edge. Measured between two nats-servers.
ANSWERS = {
    ("hub", "edge"): (["hub", "hub", "edge", "503"], ["edge", "hub", "edge", "503"]),
    ("same", "same"): (["same", "503", "503", "same"], ["same", "503", "503", "same"]),
    ("", ""): (["-", "503", "503", "503"], ["-", "503", "503", "503"]),
    ("hub", ""): (["hub", "hub", "503", "503"], ["-", "hub", "503", "503"]),
    ("", "edge"): (["-", "503", "edge", "503"], ["edge", "503", "edge", "503"]),
    ("hub", OFF): (["hub", "hub", "503", "503"], ["503", "hub", "503", "503"]),
    (OFF, "edge"): (["503", "503", "edge", "503"], ["edge", "503", "edge", "503"]),
}


def jetstream(domain: str) -> str:
    """Return the configuration of a server with this domain."""
    if domain == OFF:
        return ""
    named = f", domain: {domain}" if domain else ""
    return f'jetstream {{ store_dir: "{{dir}}/js"{named} }}'


@contextlib.asynccontextmanager
async def two_ends(
    kinds: tuple[str, str], domains: tuple[str, str], directory: Path
) -> AsyncIterator[tuple[Client, Client]]:
    """A client of the hub and one of the edge; all that they announce has come through."""
    with (
        running(kinds[0], directory, "hub", jetstream(domains[0])) as above,
        running(
            kinds[1], directory, "edge", jetstream(domains[1]), leafnodes=dials(above)
        ) as below,
    ):
        await linked(above)
        await linked(below)
        async with client_of(above) as up, client_of(below) as down:
            await carries(up, down, above, "up")
            await carries(down, up, below, "down")
            if domains == ("hub", "edge"):
                await wants(above, "$JS.edge.API.$KV.>", "$JS.edge.API.CONSUMER.>")
                await wants(below, "$JS.hub.API.$KV.>", "$JS.hub.API.CONSUMER.>")
            yield up, down


async def who_answers(client: Client, subject: str) -> str:
    try:
        answer = await client.request(subject, b"", timeout=PATIENCE_S)
    except nats.errors.NoRespondersError:
        return "503"
    domain: str = json.loads(answer.data).get("domain", "-")
    return domain


@KINDS
@pytest.mark.parametrize("domains", ANSWERS)
async def test_each_domain_answers_for_itself_and_the_plain_api_is_ones_own(
    hub: str, edge: str, domains: tuple[str, str], tmp_path: Path
) -> None:
    async with two_ends((hub, edge), domains, tmp_path) as (up, down):
        at_hub = [await who_answers(up, subject) for subject in API]
        at_edge = [await who_answers(down, subject) for subject in API]

    assert (at_hub, at_edge) == ANSWERS[domains]


@KINDS
async def test_what_names_no_domain_never_crosses(hub: str, edge: str, tmp_path: Path) -> None:
    async with two_ends((hub, edge), ("hub", "edge"), tmp_path) as (up, down):
        for near, far, domain in ((down, up, "hub"), (up, down, "edge")):
            # The same bucket and stream on both sides: each publish is stored by its own side.
            js = near.jetstream(timeout=PATIENCE_S)
            await js.create_key_value(bucket=f"B{domain}")
            await far.jetstream(timeout=PATIENCE_S).create_key_value(bucket=f"B{domain}")
            spied = [await far.subscribe(one) for one in ("$JS.API.>", "$KV.>", "$OBJ.>")]
            await settled(far)
            bucket = await js.key_value(f"B{domain}")
            await bucket.put("k", b"near")
            await js.create_object_store(f"O{domain}")
            await (await js.object_store(f"O{domain}")).put("o", b"near")
            # What goes by its domain is behind all of that on the same link.
            await near.request(f"$JS.{domain}.API.INFO", b"", timeout=PATIENCE_S)
            await settled(far)

            far_bucket = await far.jetstream(timeout=PATIENCE_S).key_value(f"B{domain}")
            with pytest.raises(nats.js.errors.KeyNotFoundError):
                await far_bucket.get("k")
            subjects = [m.subject for one in spied for m in one._pending_queue._queue]
            # Requests of the far side's own client, and what came by domain and was mapped.
            assert not [s for s in subjects if s.startswith(("$KV.", "$OBJ."))]
            assert not [s for s in subjects if f"O{domain}" in s]
            for one in spied:
                await one.unsubscribe()


async def bucket_of(near: Client, domain: str) -> list[Any]:
    """Use a bucket of the other side in every way."""
    js = near.jetstream(domain=domain, timeout=PATIENCE_S)
    made = await js.create_key_value(KeyValueConfig(bucket="B", history=3, ttl=0))
    seen: list[Any] = [(await made.status()).values]
    watcher = await made.watchall()

    async def write(key: str, value: bytes, **headers: str) -> dict[str, Any]:
        # Below the domain's prefix: nats-py's own `put` names none, and nobody takes it.
        subject = f"$JS.{domain}.API.$KV.B.{key}"
        answer = await near.request(subject, value, timeout=PATIENCE_S, headers=headers or None)
        ack: dict[str, Any] = json.loads(answer.data)
        return ack

    seen += [await write("a", b"1"), await write("b", b"2"), await write("a", b"3")]
    seen.append(await write("a", b"4", **{"Nats-Expected-Last-Subject-Sequence": "1"}))
    seen.append(await write("a", b"4", **{"Nats-Expected-Last-Subject-Sequence": "3"}))
    bucket = await js.key_value("B")
    entry = await bucket.get("a")
    seen.append((entry.value, entry.revision, entry.delta))
    seen.append([(one.value, one.revision) for one in await bucket.history("a")])
    seen.append(sorted(await bucket.keys()))
    seen.append(await write("b", b"", **{"KV-Operation": "DEL"}))
    with pytest.raises(nats.js.errors.KeyNotFoundError):
        await bucket.get("b")
    updates: list[Any] = []
    while len([one for one in updates if one is not None]) < 5:
        with contextlib.suppress(nats.errors.TimeoutError):
            updates.append(await watcher.updates(timeout=1))
    seen.append([(u.key, u.value, u.revision, u.operation) for u in updates if u is not None])
    await watcher.stop()
    with pytest.raises(nats.js.errors.NoStreamResponseError):
        await bucket.put("a", b"lost")
    await js.delete_key_value("B")
    return seen


async def consumers_of(near: Client, domain: str) -> list[Any]:
    """Publish to a stream of the other side and consume it: pulled, pushed and in order."""
    js = near.jetstream(domain=domain, timeout=PATIENCE_S)
    seen: list[Any] = []
    await js.add_stream(StreamConfig(name="S", subjects=["s.>"], allow_direct=True))
    for number in range(10):
        ack = await near.jetstream().publish(f"s.{number}", b"%d" % number, timeout=PATIENCE_S)
        seen.append((ack.stream, ack.domain, ack.seq))
    explicit = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_deliver=3)
    pulled = await js.pull_subscribe("s.>", "pulled", config=explicit)
    first, second, third = await pulled.fetch(3, timeout=PATIENCE_S)
    await first.ack_sync(timeout=PATIENCE_S)
    await second.nak()
    await third.in_progress()
    await third.term()
    rest: list[Any] = []
    while len(rest) < 8:
        rest += await pulled.fetch(8 - len(rest), timeout=PATIENCE_S)
    for message in rest:
        await message.ack_sync(timeout=PATIENCE_S)
    again = [m.metadata.num_delivered for m in rest if m.subject == "s.1"]
    seen += [sorted(m.subject for m in rest), again]
    meta = first.metadata
    seen.append((meta.stream, meta.consumer, meta.sequence, meta.num_pending, meta.domain))
    await caught_up(js, "pulled")
    info = await js.consumer_info("S", "pulled")
    assert info.ack_floor is not None
    seen.append((info.ack_floor.stream_seq, info.num_pending, info.num_ack_pending))

    # Nothing is left: statuses come back over the link.
    for request in ({"batch": 1, "no_wait": True}, {"batch": 1, "expires": 50_000_000}):
        inbox = near.new_inbox()
        answers = await near.subscribe(inbox)
        subject = f"$JS.{domain}.API.CONSUMER.MSG.NEXT.S.pulled"
        await near.publish(subject, json.dumps(request).encode(), reply=inbox)
        status = await answers.next_msg(timeout=PATIENCE_S)
        seen.append((status.headers or {}).get("Status"))
        await answers.unsubscribe()

    pushed = await js.subscribe("s.>", stream="S", flow_control=True, idle_heartbeat=1)
    ordered = await js.subscribe("s.>", stream="S", ordered_consumer=True)
    for subscription in (pushed, ordered):
        got = [await subscription.next_msg(timeout=PATIENCE_S) for _ in range(10)]
        seen.append([(m.subject, m.data) for m in got])
        await subscription.unsubscribe()

    direct = await js.get_msg("S", subject="s.4", direct=True)
    plain = await js.get_msg("S", 5)
    seen += [(m.subject, m.seq, m.data) for m in (direct, plain)]
    await js.delete_msg("S", 1)
    await js.purge_stream("S", subject="s.2")
    state = (await js.stream_info("S")).state
    seen += [(state.messages, state.first_seq, state.last_seq), await js.delete_stream("S")]
    return seen


async def caught_up(js: Any, consumer: str) -> None:
    """Return when acknowledgements of no answer have been handled, too."""
    async with asyncio.timeout(PATIENCE_S):
        while (await js.consumer_info("S", consumer)).num_ack_pending:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def objects_of(near: Client, far: Client, domain: str) -> list[Any]:
    """Read an object of the other side."""
    store = await far.jetstream(timeout=PATIENCE_S).create_object_store("O")
    await store.put("large", bytes(range(256)) * 1200)
    there = await near.jetstream(domain=domain, timeout=PATIENCE_S).object_store("O")
    result = await there.get("large")
    info = await there.get_info("large")
    await far.jetstream(timeout=PATIENCE_S).delete_object_store("O")
    return [result.data == bytes(range(256)) * 1200, info.size, info.chunks, info.digest]


@KINDS
async def test_programs_see_the_other_sides_jetstream_as_between_nats_servers(
    hub: str, edge: str, tmp_path: Path
) -> None:
    told = {}
    for kinds in ((REAL, REAL), (hub, edge)):
        directory = tmp_path / "-".join(kinds)
        async with two_ends(kinds, ("hub", "edge"), directory) as (up, down):
            told[kinds] = [
                await part
                for near, far, domain in ((down, up, "hub"), (up, down, "edge"))
                for part in (
                    bucket_of(near, domain),
                    consumers_of(near, domain),
                    objects_of(near, far, domain),
                )
            ]

    assert told[hub, edge] == told[REAL, REAL]
