"""The demo's story: two devices, a gateway, a hub; both outages; then the hub's stream is read.

Real parts only: nats-server in operator mode as the hub, the `leafnode` process, the firmware under
MicroPython. The hub's duplicate window is shorter than the outages, so that it hides nothing: what
is single at the end is so because the uplink asked where to go on.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import nats
from nats.js.api import ConsumerConfig, StreamConfig
from sqlite_utils import Database

from tests.demo.parts import Cable, Gateway, LineSensor, Microcontroller
from tests.demo.verdict import Account
from tests.hub.jwt import Operator
from tests.hub.process import Hub, free_ports

if TYPE_CHECKING:
    from pathlib import Path

EDGE: Final = "edge-demo"
LOCAL_STREAM: Final = "SENSORS"
HUB_STREAM: Final = "EDGE"
DUPLICATE_WINDOW_S: Final = 1.0
NODE: Final = "pico"
NODE_INTERVAL_MS: Final = 50
NODE_COUNT: Final = 500
NODE_WINDOW: Final = 8  # readings on their way at a time: 8 in 200 ms keep up with 20 a second
LINE: Final = "press"
STEADY_S: Final = 4.0
HUB_DOWN_S: Final = 6.0
GATEWAY_DOWN_S: Final = 2.5
START_S: Final = 30.0
DRAIN_S: Final = 20.0

_CONFIG: Final = """
listen: 127.0.0.1:{port}
http: 127.0.0.1:{http_port}
server_name: {edge}
jetstream {{ store_dir: "{store}", domain: {edge} }}

# Batches are stretched to spare a card. Acknowledgements wait for their COMMIT all the same: what
# were acknowledged earlier would be lost by the SIGKILL below.
store {{ commit_interval: "200ms" }}

leafnodes {{
  reconnect: "250ms"
  remotes [ {{ url: "{leaf_url}", credentials: "{creds}" }} ]
}}
uplink {{
  streams [ {{ stream: {local}, hub_stream: {hub_stream}, domain: hub }} ]
}}
serial {{
  ports [
    {{ name: mcu, device: "{node_path}", framing: link, codec: json
      subject: "sensors.{{device}}.{{name}}" }}
    {{ name: {line}, device: "{line_path}", framing: line, codec: csv, fields: [n, v]
      subject: "sensors.{{port}}.pressure", keep_first: true }}
  ]
}}
"""


class Story:
    """One run. `tell` prints what happens, with the seconds since the start."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started = time.monotonic()
        self._creds = directory / "edge.creds"
        operator = Operator(now_s=int(time.time()))
        operator.write_creds(self._creds, EDGE)
        config = operator.config() + '\njetstream { store_dir: "{dir}/jetstream", domain: hub }\n'
        self._hub = Hub(directory / "hub", config)
        self._port, self._http_port = free_ports(2)
        self._cables = [Cable(), Cable()]
        self._gateway = Gateway(directory / "leafnode.conf", directory / "leafnode.log")
        self._node = Microcontroller(
            self._cables[0],
            name=NODE,
            interval_ms=NODE_INTERVAL_MS,
            count=NODE_COUNT,
            window=NODE_WINDOW,
        )
        self._sensor = LineSensor(self._cables[1])
        self._clients: list[Any] = []

    def tell(self, text: str) -> None:
        print(f"[{time.monotonic() - self._started:5.1f} s] {text}", flush=True)

    async def run(self) -> list[Account]:
        """Play it and return each device's account. Raises TimeoutError when something hangs."""
        try:
            async with asyncio.TaskGroup() as tasks:
                return await self._play(tasks)
        finally:
            await self._clear_up()

    async def _play(self, tasks: asyncio.TaskGroup) -> list[Account]:
        await self._start_hub()
        await self._start_gateway()
        stop = asyncio.Event()
        await self._node.start()
        sensor = tasks.create_task(self._sensor.run(stop))
        try:
            self.tell(
                f"devices: {NODE} (firmware under MicroPython, 20 readings/s) and {LINE} (ASCII)"
            )
            await asyncio.sleep(STEADY_S)
            await self._hub_outage()
            await asyncio.sleep(STEADY_S)
            await self._gateway_outage()
            counters = await self._node.finish()
            self.tell(
                f"{NODE}: measured {counters['measured']}, sent {counters['sent']} frames of which "
                f"{counters['resent']} again, dropped {counters['dropped']}"
            )
        finally:
            stop.set()
            await sensor
        return await self._account(counters["measured"])

    # the parts

    async def _start_hub(self) -> None:
        await asyncio.to_thread(self._hub.start)
        client = await self._hub_client()
        await client.jetstream().add_stream(
            StreamConfig(
                name=HUB_STREAM,
                subjects=[f"{EDGE}.>"],
                duplicate_window=DUPLICATE_WINDOW_S,
            )
        )
        await client.close()
        self.tell("hub: nats-server with operator-mode JWT accounts, JetStream, leaf node port")

    async def _start_gateway(self) -> None:
        (self._directory / "leafnode.conf").write_text(
            _CONFIG.format(
                port=self._port,
                http_port=self._http_port,
                edge=EDGE,
                store=self._directory / "store",
                leaf_url=self._hub.leaf_url,
                creds=self._creds,
                local=LOCAL_STREAM,
                hub_stream=HUB_STREAM,
                node_path=self._cables[0].path,
                line=LINE,
                line_path=self._cables[1].path,
            )
        )
        await self._gateway.start()
        client = await self._local_client()
        await client.jetstream().add_stream(StreamConfig(name=LOCAL_STREAM, subjects=["sensors.>"]))
        await client.close()
        self.tell("gateway: leafnode, dialing the hub with .creds; local stream on SQLite")

    async def _hub_outage(self) -> None:
        await asyncio.to_thread(self._hub.kill)
        self.tell(f"hub: SIGKILL; it stays away for {HUB_DOWN_S:.0f} s, the devices go on")
        await asyncio.sleep(HUB_DOWN_S)
        await asyncio.to_thread(self._hub.start)
        self.tell("hub: back")

    async def _gateway_outage(self) -> None:
        await self._sensor.quiet()
        await self._gateway.kill(signal.SIGKILL)
        self.tell(f"gateway: SIGKILL, readings on their way; away for {GATEWAY_DOWN_S:.1f} s")
        await asyncio.sleep(GATEWAY_DOWN_S)
        await self._gateway.start()
        client = await self._local_client()
        await client.close()
        self.tell("gateway: back")

    async def _local_client(self) -> Any:
        """Connect to the gateway as soon as it listens; it may be as slow to say INFO."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                writer.close()
                url = f"nats://127.0.0.1:{self._port}"
                return await nats.connect(url, allow_reconnect=False, connect_timeout=START_S)

    async def _hub_client(self) -> Any:
        return await nats.connect(
            self._hub.client_url,
            user_credentials=str(self._creds),
            allow_reconnect=False,
            connect_timeout=START_S,
        )

    async def _clear_up(self) -> None:
        await self._node.kill()
        await self._gateway.kill(signal.SIGTERM)
        await asyncio.to_thread(self._hub.stop)
        for cable in self._cables:
            cable.close()

    # the proof

    async def _account(self, measured: int) -> list[Account]:
        local = await self._local_client()
        hub = await self._hub_client()
        try:
            await self._wait_until_drained(local, hub)
            stored = await asyncio.to_thread(read_store, self._directory / "store", LOCAL_STREAM)
            uplinked = await _read(hub, HUB_STREAM)
        finally:
            await local.close()
            await hub.close()
        sent = {NODE: measured, LINE: self._sensor.sent}
        return [
            Account(
                device,
                count,
                stored[f"sensors.{device}"],
                uplinked[f"{EDGE}.sensors.{device}"],
            )
            for device, count in sent.items()
        ]

    async def _wait_until_drained(self, local: Any, hub: Any) -> None:
        """Wait until the hub holds as much as the gateway; a loss is for the verdict to tell."""
        deadline = time.monotonic() + DRAIN_S
        while True:
            here = (await local.jetstream().stream_info(LOCAL_STREAM)).state.messages
            there = (await hub.jetstream().stream_info(HUB_STREAM)).state.messages
            if (there >= here >= NODE_COUNT + self._sensor.sent) or time.monotonic() > deadline:
                self.tell(f"drained: {here} messages in the gateway's stream, {there} in the hub's")
                return
            await asyncio.sleep(0.2)


def read_store(directory: Path, stream: str) -> dict[str, list[int]]:
    """Return the numbers of a stream's readings in the gateway's own file, as `_read` does.

    The file is opened by others while the gateway runs: it is an ordinary SQLite database.
    """
    numbers: dict[str, list[int]] = defaultdict(list)
    file = f"file:{directory / 'leafnode.db'}?mode=ro"
    with closing(sqlite3.connect(file, uri=True)) as connection:
        database = Database(connection)
        (own,) = (row["id"] for row in database["stream"].rows_where("name = ?", [stream]))
        subjects = database["subject"].rows_where("stream = ?", [own])
        names = {row["sid"]: row["name"].decode() for row in subjects}
        for segment in database["segment"].rows_where("stream = ?", [own], order_by="no"):
            table = database[f"m{own}_{segment['no']}"]
            for row in table.rows_where(order_by="seq"):
                device = names[row["sid"]].rsplit(".", 1)[0]
                numbers[device].append(json.loads(row["body"][row["hl"] :])["n"])
    return numbers


async def _read(client: Any, stream: str) -> dict[str, list[int]]:
    """Return the numbers of all readings as stored, by subject without its last token."""
    jetstream = client.jetstream()
    total = (await jetstream.stream_info(stream)).state.messages
    numbers: dict[str, list[int]] = defaultdict(list)
    subscription = await jetstream.pull_subscribe(
        "", stream=stream, config=ConsumerConfig(ack_policy="none", inactive_threshold=5.0)
    )
    read = 0
    while read < total:
        for message in await subscription.fetch(min(100, total - read), timeout=5):
            device = message.subject.rsplit(".", 1)[0]
            numbers[device].append(json.loads(message.data)["n"])
            read += 1
    return numbers
