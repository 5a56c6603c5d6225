"""A node beside other tasks, where the port has asyncio; poll() does the work as without it.

Knows asyncio's sleep only. Truth: firmware/README.md, "Beside other tasks".
"""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .node import Node

_STEP_MS = 10  # how late a node may see bytes that came


async def run(node: "Node") -> None:
    """Poll until the work is done or the line is gone, and let others run in between."""
    while not node.hal.closed:
        wait_ms = node.poll()
        if node.done:
            return
        # Not every port can wait for a line's bytes: look for them in small steps.
        await asyncio.sleep(min(wait_ms, _STEP_MS) / 1000)
