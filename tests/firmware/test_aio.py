"""A node beside other tasks. Runs on CPython and MicroPython (real time, some milliseconds)."""

import asyncio

from node.aio import run
from node.node import Node

from leafnode.link.gateway import GatewaySession
from tests.firmware.test_node import PaperHal, payloads, serve


def test_a_node_lets_other_tasks_run_and_ends_when_all_is_acked():
    hal = PaperHal()
    gateway = GatewaySession()
    events = []
    turns = []

    async def other():
        while not node.done:
            turns.append(hal.now_ms)
            hal.now_ms += 10
            serve(hal, gateway, events)
            await asyncio.sleep(0)

    async def main():
        task = asyncio.create_task(other())
        await run(node)
        await task

    node = Node(hal, [("t", lambda: 1)], "dev-1", 20, 5)
    asyncio.run(main())

    assert len(payloads(events)) == 5
    assert len(turns) >= 5


def test_a_node_ends_with_its_line():
    hal = PaperHal()
    hal.closed = True

    asyncio.run(run(Node(hal, [("t", lambda: 1)], "dev-1")))
