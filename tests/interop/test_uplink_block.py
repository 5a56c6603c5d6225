"""What the options of `uplink {}` do against a real nats-server 2.15.1."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from typing import TYPE_CHECKING, Any

import nats
import pytest
from nats.js.api import RetentionPolicy, StreamConfig

from tests.hub.process import Hub, nats_server_path, running_hub
from tests.interop.edge import until
from tests.interop.gateway import Gateway, running_gateway
from tests.interop.uplinking import (
    HUB,
    PATIENCE_S,
    WINDOW_S,
    at_hub,
    drained,
    gateway_config,
    jetstream_of,
    make_streams,
    publish,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]


def row(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = gateway.get("uplinkz")["streams"][0]
    return found


def held_here(gateway: Gateway) -> tuple[int, int]:
    """Return messages and bytes of the gateway's stream."""
    (account,) = gateway.get("jsz?accounts=true&streams=true")["account_details"]
    (state,) = (one["state"] for one in account["stream_detail"] if one["name"] == "EV")
    return state["messages"], state["bytes"]


@pytest.mark.parametrize("retention", [RetentionPolicy.WORK_QUEUE, RetentionPolicy.INTEREST])
async def test_a_local_copy_goes_after_the_hubs_pub_ack_and_not_before(
    tmp_path: Path, retention: RetentionPolicy
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway, local={"retention": retention})
        await until(lambda: row(gateway)["state"] == "running", timeout_s=PATIENCE_S)
        hub.kill()
        await publish(gateway, 1, 100)
        assert held_here(gateway)[0] == 100

        hub.start()
        await drained(gateway)

        assert await at_hub(hub) == list(range(1, 101))
        await until(lambda: held_here(gateway) == (0, 0), timeout_s=PATIENCE_S)


async def test_what_the_hub_refuses_for_good_is_a_dead_letter_and_the_rest_arrives(
    tmp_path: Path,
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub, "dead_letter: DEAD")) as gateway,
    ):
        await make_streams(hub, gateway, max_msg_size=1000)
        async with jetstream_of(gateway.client_url) as jetstream:
            await jetstream.publish("ev.reading", b"1")
            await jetstream.publish("ev.reading", b"x" * 2000, headers={"Unit": "C"})
            await jetstream.publish("ev.reading", b"2")
            await drained(gateway)

            letter = await jetstream.get_msg("DEAD", 1)

        assert await at_hub(hub) == [1, 2]
        assert letter.subject == "DEAD.EV.ev.reading"
        assert letter.data == b"x" * 2000
        assert letter.headers is not None
        assert letter.headers["Leafnode-Refused-Code"] == "10054"
        assert letter.headers["Unit"] == "C"
        assert row(gateway)["dead_letters"] == 1


async def test_headers_that_fill_the_hubs_bound_become_a_dead_letter(tmp_path: Path) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub, "dead_letter: DEAD")) as gateway,
    ):
        await make_streams(hub, gateway)
        async with jetstream_of(gateway.client_url) as jetstream:
            await jetstream.publish("ev.reading", b"", headers={"Big": "x" * 65_500})
            await jetstream.publish("ev.reading", b"1")
            await drained(gateway)

            letter = await jetstream.get_msg("DEAD", 1)

        assert await at_hub(hub) == [1]
        assert letter.headers is not None
        assert letter.headers["Leafnode-Refused-Code"] == "10097"
        assert letter.data is not None
        assert int(letter.headers["Leafnode-Headers-In-Payload"]) == len(letter.data)


async def test_the_ledger_is_a_bucket_that_any_client_reads(tmp_path: Path) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway)
        await publish(gateway, 1, 20)
        await drained(gateway)
        (spent,) = gateway.get("uplinkz")["uplinks"]
        assert spent["bytes_today"] > 20 * len("edge.ev.reading")
        (readings,) = [line for line in spent["today"] if line["subject"] == "ev"]

        gateway.stop()
        gateway.start()

        async with jetstream_of(gateway.client_url) as jetstream:
            bucket = await jetstream.key_value("LEAFNODE_UPLINK")
            entry = await bucket.get(f"main.{spent['day']}")
        assert entry.value is not None
        assert json.loads(entry.value)["ev"]["messages"] == 20
        await until(
            lambda: readings in gateway.get("uplinkz")["uplinks"][0]["today"],
            timeout_s=PATIENCE_S,
        )


async def test_the_hub_asks_its_gateways_how_they_are_and_hears_of_changes(tmp_path: Path) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        client = await nats.connect(hub.client_url, allow_reconnect=False)
        try:
            changes = await client.subscribe("$LEAFNODE.UPLINK.>")
            await client.flush()
            await make_streams(hub, gateway)
            states = set()
            async with asyncio.timeout(2 * PATIENCE_S):
                while "running" not in states:
                    message = await changes.next_msg(timeout=PATIENCE_S)
                    assert message.subject == "$LEAFNODE.UPLINK.edge.EV"
                    states.add(json.loads(message.data)["state"])

            answer = await client.request("$LEAFNODE.REQ.UPLINKZ", b"", timeout=PATIENCE_S)
        finally:
            await client.close()

        assert json.loads(answer.data)["server"] == "edge"
        assert json.loads(answer.data)["streams"][0]["state"] == "running"


async def test_what_the_account_of_the_hub_does_not_take_keeps_nothing_else_from_it(
    tmp_path: Path,
) -> None:
    small = HUB + (
        "\naccounts { A { jetstream: enabled, limits { max_payload: 2000 }, users [ "
        "{ user: a, password: a } ] } }\nno_auth_user: a\n"
    )
    with (
        running_hub(tmp_path / "hub", small) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub, "dead_letter: DEAD")) as gateway,
    ):
        await make_streams(hub, gateway)
        await publish(gateway, 1, 50)
        async with jetstream_of(gateway.client_url) as jetstream:
            await jetstream.publish("ev.reading", b"0" * 5000)
        await publish(gateway, 51, 100)
        await drained(gateway)

        assert await at_hub(hub) == list(range(1, 101))
        assert row(gateway)["dead_letters"] == 1
        told = row(gateway)  # PubAcks may be lost with the link, and are asked for
        assert told["uplinked"] + told["skipped"] == 100


async def test_what_a_restored_copy_of_the_store_takes_in_anew_arrives_at_the_hub(
    tmp_path: Path,
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway, local={"retention": RetentionPolicy.WORK_QUEUE})
        await publish(gateway, 1, 10)
        await drained(gateway)
        gateway.stop()
        data, kept = gateway.directory / "data", tmp_path / "copy"
        shutil.copytree(data, kept)
        gateway.start()
        await publish(gateway, 11, 20)
        await drained(gateway)

        gateway.stop()
        shutil.rmtree(data)
        shutil.copytree(kept, data)
        gateway.start()
        await publish(gateway, 21, 40)
        await drained(gateway)

        assert await at_hub(hub) == list(range(1, 41))


def two_hubs(one: Hub, two: Hub) -> str:
    return (
        "server_name: edge\n"
        'jetstream { store_dir: "{dir}/data", domain: edge }\n'
        f'leafnodes {{ reconnect: 200ms, remotes [ {{ url: "{one.leaf_url}" }}, '
        f'{{ url: "{two.leaf_url}" }} ] }}\n'
        "uplink [\n"
        f'{{ name: one, remote: "{one.leaf_url}"\n'
        "  streams [ { stream: EV, hub_stream: AGG, domain: hub } ] }\n"
        f'{{ name: two, remote: "{two.leaf_url}"\n'
        "  streams [ { stream: EV, hub_stream: COPY, domain: two } ] }\n"
        "]\n"
    )


async def test_one_of_two_hubs_that_is_down_does_not_hold_the_other_and_gets_it_later(
    tmp_path: Path,
) -> None:
    other = HUB.replace(": hub", ": two")
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_hub(tmp_path / "two", other) as two,
        running_gateway(tmp_path / "edge", two_hubs(hub, two)) as gateway,
    ):
        async with jetstream_of(two.client_url) as jetstream:
            copy = StreamConfig(name="COPY", subjects=["edge.>"], duplicate_window=WINDOW_S)
            await jetstream.add_stream(copy)
        await make_streams(hub, gateway)
        await publish(gateway, 1, 50)
        await drained(gateway)
        await drained(gateway, 1)

        two.kill()
        await publish(gateway, 51, 100)
        await drained(gateway)
        assert await at_hub(hub) == list(range(1, 101))
        await asyncio.sleep(3 * WINDOW_S)  # beyond its duplicate window
        two.start()
        await drained(gateway, 1)

        assert await at_hub(two, "COPY") == list(range(1, 101))
        assert await at_hub(hub) == list(range(1, 101))  # and nothing of what the other got


async def test_a_reload_with_other_options_goes_on_where_it_was(tmp_path: Path) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub, "max_rate: 200")) as gateway,
    ):
        await make_streams(hub, gateway)
        await publish(gateway, 1, 200)
        await until(lambda: row(gateway)["held"] == "max_rate", timeout_s=PATIENCE_S)

        file = gateway.directory / "leafnode.conf"
        file.write_text(file.read_text().replace("max_rate: 200", "max_rate: 4000000"))
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        await drained(gateway)

        assert await at_hub(hub) == list(range(1, 201))


async def test_subjects_are_transformed_on_the_way_and_a_killed_hub_changes_nothing(
    tmp_path: Path,
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(
            tmp_path / "edge",
            gateway_config(hub).replace(
                "domain: hub }",
                'domain: hub, subject_transforms: { src: "ev.*", dest: "t.{{wildcard(1)}}" } }',
            ),
        ) as gateway,
    ):
        await make_streams(hub, gateway)
        await publish(gateway, 1, 50)
        await drained(gateway)
        hub.kill()
        await publish(gateway, 51, 100)
        await asyncio.sleep(3 * WINDOW_S)
        hub.start()
        await drained(gateway)

        assert await at_hub(hub) == list(range(1, 101))
        async with jetstream_of(hub.client_url) as jetstream:
            assert (await jetstream.get_msg("AGG", 1)).subject == "edge.t.reading"


async def test_newest_first_a_killed_hub_and_a_killed_gateway_lose_and_double_nothing(
    tmp_path: Path,
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(
            tmp_path / "edge",
            gateway_config(hub, "max_rate: 30000").replace(
                "domain: hub }", "domain: hub, order: newest_first }"
            ),
        ) as gateway,
    ):
        await make_streams(hub, gateway)
        await publish(gateway, 1, 20)
        await drained(gateway)
        hub.kill()
        await publish(gateway, 21, 400)
        hub.start()
        await until(lambda: row(gateway)["uplinked"] > 0, timeout_s=PATIENCE_S)
        gateway.kill()
        await asyncio.sleep(3 * WINDOW_S)
        gateway.start()
        await publish(gateway, 401, 420)
        hub.kill()
        await asyncio.sleep(3 * WINDOW_S)
        hub.start()
        await drained(gateway)

        arrived = await at_hub(hub)
        assert sorted(arrived) == list(range(1, 421))
        assert arrived != sorted(arrived)


@pytest.mark.parametrize("retention", [RetentionPolicy.WORK_QUEUE, RetentionPolicy.INTEREST])
async def test_an_uplink_that_gets_a_name_by_a_reload_goes_on_with_its_durable(
    tmp_path: Path, retention: RetentionPolicy
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway, local={"retention": retention})
        await until(lambda: row(gateway)["state"] == "running", timeout_s=PATIENCE_S)
        await publish(gateway, 1, 20)
        await drained(gateway)

        gateway.config = gateway_config(hub, "name: a")
        gateway.write()
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: row(gateway)["uplink"] == "a", timeout_s=PATIENCE_S)
        await publish(gateway, 21, 40)
        await drained(gateway)

        assert await at_hub(hub) == list(range(1, 41))
        await until(lambda: held_here(gateway) == (0, 0), timeout_s=PATIENCE_S)
        async with jetstream_of(gateway.client_url) as jetstream:
            (consumer,) = await jetstream.consumers_info("EV")
        assert consumer.name == "leafnode-uplink-EV"


async def test_a_refused_message_that_is_deleted_holds_nobody_any_more(tmp_path: Path) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway, max_msg_size=1000)
        async with jetstream_of(gateway.client_url) as jetstream:
            await jetstream.publish("ev.reading", b"x" * 2000)
            await until(lambda: row(gateway)["state"] == "refused", timeout_s=PATIENCE_S)
            await publish(gateway, 1, 5)
            await jetstream.delete_msg("EV", 1)
            await drained(gateway)

        assert await at_hub(hub) == [1, 2, 3, 4, 5]
        assert row(gateway)["removed"] == 1
