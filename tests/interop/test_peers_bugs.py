"""Faults that users of other gateways, brokers and bridges reported: they do not happen here.

Each test has the name of the report. Those that the rest of the suite shows are listed by theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import nats
import nats.errors
import nats.js.errors
import pytest
from nats.js.api import RetentionPolicy, StreamConfig

from leafnode.config.serial_options import SerialPort
from tests.hub.process import Hub, nats_server_path
from tests.interop.edge import until
from tests.interop.gateway import Gateway, running_gateway
from tests.interop.partition import way_to
from tests.interop.scenarios.streams import eventually
from tests.interop.test_bridge_pty import Cable, World, line_port
from tests.interop.uplinking import (
    HUB,
    PATIENCE_S,
    at_hub,
    drained,
    gateway_config,
    jetstream_of,
    make_streams,
    publish,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

# What stands elsewhere: the report, and the test that shows it.
ELSEWHERE: Final = {
    "node-red#111, pymodbus#2326: unplugged and plugged again, a hundred times": (
        "tests.interop.test_bridge_pty",
        "test_a_hundred_unpluggings_lose_no_descriptor_no_task_and_no_callback",
    ),
    "zenoh-pico#823: a board that resets in the middle shakes hands again": (
        "tests.unit.link.test_exchange",
        "test_a_device_that_reboots_starts_anew_under_another_boot_id",
    ),
    "vector#17644: killed at any moment": (
        "tests.faults.test_kill9",
        "test_no_acked_message_is_lost_by_sigkill",
    ),
    "vector#17644: the power goes at any write": (
        "tests.faults.test_powercut",
        "test_no_acknowledged_message_is_lost_by_a_power_cut",
    ),
    "nats-server, connect_error_reports 3600: a wrong address is told at once": (
        "tests.interop.test_honest_health",
        "test_a_wrong_address",
    ),
}


@pytest.mark.parametrize("report", ELSEWHERE)
def test_the_test_of_a_report_is_where_it_is_said_to_be(report: str) -> None:
    module, name = ELSEWHERE[report]
    assert callable(getattr(importlib.import_module(module), name))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub that is not started yet."""
    hub = Hub(tmp_path / "hub", HUB)
    yield hub
    hub.stop()


@contextlib.contextmanager
def edge_of(hub: Hub, directory: Path, more: str = "") -> Iterator[Gateway]:
    with running_gateway(directory / "edge", gateway_config(hub) + more) as gateway:
        yield gateway


async def local_stream(gateway: Gateway, **options: Any) -> None:
    async with jetstream_of(gateway.client_url) as jetstream:
        await jetstream.add_stream(StreamConfig(name="EV", subjects=["ev.>"], **options))


async def waiting(gateway: Gateway) -> int:
    async with jetstream_of(gateway.client_url) as jetstream:
        return (await jetstream.stream_info("EV")).state.messages


async def aggregate(hub: Hub) -> None:
    async with jetstream_of(hub.client_url) as jetstream:
        await jetstream.add_stream(StreamConfig(name="AGG", subjects=["edge.>"]))


@pytest.mark.real_loop
async def test_nanomq_2432_a_message_goes_only_after_the_hub_acknowledged_it(
    hub: Hub, tmp_path: Path
) -> None:
    hub.start()
    impatient = gateway_config(hub).replace("domain: hub }", "domain: hub, ack_timeout: 1s }")
    with running_gateway(tmp_path / "edge", impatient) as gateway:
        await make_streams(hub, gateway, local={"retention": RetentionPolicy.WORK_QUEUE})
        await publish(gateway, 1, 5)
        await drained(gateway)
        # Its kernel takes what is sent from here on, and nobody reads it: sent is not arrived.
        assert hub.process is not None
        hub.process.send_signal(signal.SIGSTOP)
        await publish(gateway, 6, 20)
        await until(lambda: uplink(gateway)["last_error"], timeout_s=PATIENCE_S)
        assert uplink(gateway)["uplinked"] == 5
        assert await waiting(gateway) == 15

        hub.kill()
        hub.start()
        await drained(gateway)
        assert await at_hub(hub) == list(range(1, 21))
        assert await waiting(gateway) == 0


def uplink(gateway: Gateway) -> dict[str, Any]:
    row: dict[str, Any] = gateway.get("uplinkz")["streams"][0]
    return row


@pytest.mark.real_loop
async def test_nanomq_2423_what_waits_goes_when_the_link_is_back_without_another_publish(
    hub: Hub, tmp_path: Path
) -> None:
    hub.start()
    with edge_of(hub, tmp_path) as gateway:
        await make_streams(hub, gateway)
        hub.kill()
        await publish(gateway, 1, 100)
        hub.start()
        await drained(gateway)
        assert await at_hub(hub) == list(range(1, 101))


SLOW_BYTES_S: Final = 40_000
BACKLOG: Final = 150  # messages of 2 kB


@pytest.mark.real_loop
async def test_nats_7615_a_backlog_on_a_slow_link_does_not_starve_its_pings(
    hub: Hub, tmp_path: Path
) -> None:
    hub.config += "\nping_interval: 2s, ping_max: 2"
    hub.start()
    async with way_to(hub.leaf_port, bytes_per_s=SLOW_BYTES_S) as way:
        config = gateway_config(hub).replace(f":{hub.leaf_port}", f":{way.port}")
        with running_gateway(
            tmp_path / "edge", config + "ping_interval: 2s, ping_max: 2\n"
        ) as gateway:
            await make_streams(hub, gateway)
            noise = random.Random(7615)  # nothing that the link could pack
            async with jetstream_of(gateway.client_url) as jetstream:
                for number in range(BACKLOG):
                    payload = b"%d " % number + noise.randbytes(2000)
                    await jetstream.publish("ev.reading", payload)
            await drained(gateway)
            counts = gateway.get("varz")["leafnode"]["leafs"]
            assert (counts["reconnects"], counts["stale_connections"]) == (0, 0)
            assert await at_hub(hub) == list(range(BACKLOG))


async def accepted(gateway: Gateway, number: int) -> bool:
    """Say whether a publish is acknowledged."""
    with contextlib.suppress(nats.js.errors.Error, nats.errors.Error):
        async with jetstream_of(gateway.client_url) as jetstream:
            await jetstream.publish("ev.reading", b"%d" % number)
            return True
    return False


async def resumed(gateway: Gateway, number: int) -> None:
    """Return when this number is stored."""

    async def stored() -> bool:
        return await accepted(gateway, number)

    await eventually(stored, timeout_s=PATIENCE_S, why="it does not store again")


FULL: Final = 16384  # a database is larger, a log is not
STORE: Final = 'server_name: edge\njetstream { store_dir: "{dir}/data", domain: edge }\n'


@pytest.mark.real_loop
async def test_thingsboard_1483_a_disk_that_has_room_again_is_written_to_again(
    tmp_path: Path,
) -> None:
    with running_gateway(tmp_path / "edge", STORE) as gateway:
        await local_stream(gateway)
        await publish(gateway, 1, 50)
        gateway.limit_files(FULL)
        kept = 50
        while await accepted(gateway, 51):
            kept += 1
        gateway.limit_files(-1)
        await resumed(gateway, 52)

        assert await waiting(gateway) == kept + 1
        assert gateway.get("healthz")["status"] == "ok"


@pytest.mark.real_loop
async def test_nats_3641_a_full_stream_comes_up_where_there_is_no_room_for_it_any_more(
    tmp_path: Path,
) -> None:
    with running_gateway(tmp_path / "edge", STORE) as gateway:
        await local_stream(gateway, max_bytes=5_000)
        await publish(gateway, 1, 150)
        before = await waiting(gateway)
        assert before < 150
        gateway.stop()
        # What a server finds on a disk that others have filled: less than its streams may have.
        gateway.config = STORE.replace("domain:", "max_file: 2KB, domain:")
        gateway.start()

        async with jetstream_of(gateway.client_url) as jetstream:
            state = (await jetstream.stream_info("EV")).state
            assert (state.messages, state.last_seq) == (before, 150)
            assert (await jetstream.get_msg("EV", 150)).data == b"150"
            await jetstream.purge_stream("EV", keep=10)
            await jetstream.publish("ev.reading", b"151")


def test_pymodbus_1654_a_dead_device_does_not_stop_the_others(tmp_path: Path) -> None:
    dead = SerialPort(device=str(tmp_path / "nothing"), name="dead", subject="s.{port}", baud=9600)
    cable = Cable(tmp_path / "by-id")
    world = World(dead, line_port(cable))

    async def story() -> None:
        await world.until(lambda: world.status(1).open)
        await world.until(lambda: bool(world.status(0).last_error))
        cable.say(b"first\n21.5\n22.5\n")
        await world.until(lambda: len(world.stream.payloads) >= 2)

    world.run(story)
    cable.unplug()


OFFLINE: Final = 4_000  # two weeks at 10 a second would be 12 million
KEPT: Final = 2_000
BEFORE: Final = 300
PADDING: Final = b" " * 1000


@pytest.mark.real_loop
async def test_two_weeks_offline_stay_within_limits_and_memory(hub: Hub, tmp_path: Path) -> None:
    hub.start()
    with edge_of(hub, tmp_path) as gateway:
        await make_streams(hub, gateway, local={"max_msgs": KEPT})
        await many(gateway, 1, BEFORE)  # once around: what comes later is the backlog's alone
        await drained(gateway)
        hub.kill()
        memory = gateway.get("varz")["mem"]

        held = 0
        for first in range(BEFORE + 1, BEFORE + OFFLINE, 500):
            await many(gateway, first, first + 499)
            held = max(held, uplink(gateway)["window_messages"])
        assert 0 < held <= 256
        assert await waiting(gateway) == KEPT

        hub.start()
        await drained(gateway)
        # The oldest are those that it held when the stream let go of them, then there is a gap.
        at, newest = BEFORE + held, BEFORE + OFFLINE
        async with jetstream_of(hub.client_url) as jetstream:
            assert (await jetstream.stream_info("AGG")).state.messages == at + KEPT
            for seq, number in ((at, at), (at + 1, newest - KEPT + 1), (at + KEPT, newest)):
                data = (await jetstream.get_msg("AGG", seq)).data or b""
                assert int(data) == number
        # 6.7 MiB measured; 10 KB kept for each message that passes would be 24 MiB.
        assert gateway.get("varz")["mem"] < memory + 16 * 1024 * 1024


async def many(gateway: Gateway, first: int, last: int) -> None:
    """Publish these numbers, a hundred at a time."""
    async with jetstream_of(gateway.client_url) as jetstream:
        for start in range(first, last + 1, 100):
            async with asyncio.TaskGroup() as group:
                for number in range(start, start + 100):
                    group.create_task(numbered(jetstream, number))


async def numbered(jetstream: Any, number: int) -> None:
    await jetstream.publish("ev.reading", b"%d" % number + PADDING, timeout=PATIENCE_S)


@pytest.mark.real_loop
async def test_thingsboard_2124_a_reload_leaves_what_is_stored_alone(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "edge", STORE) as gateway:
        await local_stream(gateway)
        await publish(gateway, 1, 50)
        async with jetstream_of(gateway.client_url) as jetstream:
            reader = await jetstream.pull_subscribe("", "reader", stream="EV")
            for message in await reader.fetch(10, timeout=PATIENCE_S):
                await message.ack_sync(timeout=PATIENCE_S)
            before = await jetstream.stream_info("EV")
        database = tmp_path / "edge" / "data" / "leafnode.db"
        inode = database.stat().st_ino

        file = gateway.directory / "leafnode.conf"
        file.write_text(file.read_text() + "max_payload: 64KB\n")
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: gateway.get("varz")["max_payload"] == 64 * 1024, timeout_s=PATIENCE_S)

        assert database.stat().st_ino == inode
        async with jetstream_of(gateway.client_url) as jetstream:
            after = await jetstream.stream_info("EV")
            assert (after.created, after.state) == (before.created, before.state)
            floor = (await jetstream.consumer_info("EV", "reader")).ack_floor
            assert floor is not None
            assert floor.stream_seq == 10


def serve_once(directory: Path) -> str:
    """Start the gateway on what is there and return what it says when it ends at once."""
    done = subprocess.run(
        [sys.executable, "-m", "leafnode", "-c", str(directory / "leafnode.conf")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    return (done.stdout + done.stderr).decode()


@pytest.mark.real_loop
async def test_nats_3734_an_empty_database_is_named_and_left_alone(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "edge", STORE) as gateway:
        await local_stream(gateway)
    database = tmp_path / "edge" / "data" / "leafnode.db"
    database.write_bytes(b"")

    said = serve_once(tmp_path / "edge")

    assert "leafnode.db" in said
    assert "Traceback" not in said
    assert database.read_bytes() == b""


@pytest.mark.real_loop
@pytest.mark.parametrize("part", [0, 0.5])
async def test_nats_3734_a_log_that_was_cut_short_costs_at_most_its_own_messages(
    part: float, tmp_path: Path
) -> None:
    with running_gateway(tmp_path / "edge", STORE) as gateway:
        await local_stream(gateway)
        await publish(gateway, 1, 30)
        gateway.kill()
        wal = tmp_path / "edge" / "data" / "leafnode.db-wal"
        data = wal.read_bytes()
        wal.write_bytes(data[: int(len(data) * part)])
        gateway.start()

        async with jetstream_of(gateway.client_url) as jetstream:
            with contextlib.suppress(nats.js.errors.NotFoundError):
                state = (await jetstream.stream_info("EV")).state
                for seq in range(1, state.last_seq + 1):
                    assert (await jetstream.get_msg("EV", seq)).data == b"%d" % seq
            names = [one.config.name for one in await jetstream.streams_info()]
            if "EV" not in names:
                await jetstream.add_stream(StreamConfig(name="EV", subjects=["ev.>"]))
            await jetstream.publish("ev.reading", b"on")
