"""The node of firmware/ on a simulated line: a board on the device link, or in text.

Knows how a node is built and what it asks of its board; the node itself is the firmware's, loaded
from where `leafnode device` finds it. Truth: firmware/README.md.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import leafnode.link
from leafnode import __version__
from leafnode.cli.device.boards import firmware_directory
from leafnode.cli.sim.sensor import Walk
from leafnode.clock import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.cli.sim.terminal import Terminal
    from leafnode.cli.sim.wire import Wire
    from leafnode.clock import Clock

BAUD: Final = 115_200
ENTRY: Final = "framing: link, codec: json"
SUBJECT: Final = "sim.{device}.{name}"
TEXT_ENTRY: Final = "framing: text_link, codec: text"
_WAIT_MAX_NS: Final = NS_PER_S // 5
_TICKS: Final = 1 << 29  # as MicroPython's, which come round


class WireHal:
    """A board as a node sees it, on a terminal behind a wire. Ends at `until_ns`, or `stopped`."""

    def __init__(
        self,
        wire: Wire,
        terminal: Terminal,
        clock: Clock,
        *,
        until_ns: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.closed = False
        self.sent_bytes = 0
        self.heard_bytes = 0
        self._wire = wire
        self._terminal = terminal
        self._clock = clock
        self._until_ns = until_ns
        self._stopped = stopped

    def ticks_ms(self) -> int:
        return self._clock.monotonic_ns() // NS_PER_MS % _TICKS

    def boot_id(self) -> int:
        return int.from_bytes(os.urandom(4), "little") % 0x3FFFFFFF + 1

    def read(self) -> bytes:
        data = self._terminal.read()
        self.heard_bytes += len(data)
        return self._wire.damage(data)

    def write(self, data: memoryview) -> int:
        """Take it all, or nothing where the line is far behind, as a UART's buffer does."""
        self._flush()
        taken = self._wire.send(bytes(data), self._clock.monotonic_ns())
        return len(data) if taken else 0

    def wait(self, timeout_ms: int) -> None:
        """Wait for so long, or until something comes; what is due goes out meanwhile."""
        end_ns = self._clock.monotonic_ns() + timeout_ms * NS_PER_MS
        while True:
            self._flush()
            now_ns = self._clock.monotonic_ns()
            if self._stopped() or (self._until_ns is not None and now_ns >= self._until_ns):
                self.closed = True
                return
            left_ns = end_ns - now_ns
            if left_ns <= 0:
                return
            out_ns = self._wire.wait_ns(now_ns)
            wait_ns = min(left_ns, _WAIT_MAX_NS if out_ns is None else out_ns)
            self._terminal.wait(wait_ns)
            if self._clock.monotonic_ns() - now_ns < wait_ns:
                return  # something came, or may have

    def _flush(self) -> None:
        out = self._wire.due(self._clock.monotonic_ns())
        if out:
            self.sent_bytes += self._terminal.write(out)


def new_node(
    hal: WireHal, random: Random, name: str, *, interval_ms: int, count: int, text: bool
) -> Any:
    """Return a node of the firmware that measures a room. Raises LeafnodeError without one."""
    directory = str(firmware_directory())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    _name_the_link()
    temperature, humidity = Walk(random, 18, 26, 0.2), Walk(random, 35, 65, 0.5)
    sensors = [
        ("temperature", lambda: round(temperature.next(), 1)),
        ("humidity", lambda: round(humidity.next(), 1)),
    ]
    if text:
        return importlib.import_module("node.text").TextNode(hal, sensors, name, interval_ms, count)
    kind = importlib.import_module("node.node").Node
    return kind(hal, sensors, name, interval_ms, count, about=f"sim {__version__}")


def _name_the_link() -> None:
    """Let `link` be found, as it is called on a board: a copy, which the gateway's is none of."""
    if "link" not in sys.modules:
        path = Path(leafnode.link.__file__)
        spec = spec_from_file_location("link", path, submodule_search_locations=[str(path.parent)])
        assert spec is not None, "a file of Python has a loader"
        assert spec.loader is not None
        sys.modules["link"] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules["link"])
