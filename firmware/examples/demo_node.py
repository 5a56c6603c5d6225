"""A node for a PC: `micropython firmware/examples/demo_node.py NAME INTERVAL_MS COUNT [PATH]`.

The link is on stdin and stdout, or on PATH (a serial port or one end of a pty). Defaults come from
NODE_NAME, NODE_INTERVAL_MS, NODE_COUNT (0: for ever), NODE_PATH, NODE_RING_MESSAGES,
NODE_RING_BYTES and NODE_WINDOW. It measures whether or not anybody listens, ends when COUNT
readings are acked, and then says on stderr what happened. Knows a made-up thermometer. Truth:
firmware/README.md.
"""

import os
import sys

_FIRMWARE = __file__.rsplit("/", 2)[0] if __file__.count("/") > 1 else ".."
sys.path.insert(0, _FIRMWARE)
sys.path.insert(0, _FIRMWARE + "/../leafnode")

from hal.posix import PosixHal  # noqa: E402
from node.node import Node  # noqa: E402

_REPORTED = ("sent", "resent", "acked", "dropped", "bad_frames", "noise_bytes", "links_lost")


class Thermometer:
    """20.0, 20.1 … 29.9 and again."""

    def __init__(self) -> None:
        self._tenths = 0

    def read(self) -> float:
        self._tenths = (self._tenths + 1) % 100
        return (200 + self._tenths) / 10


def setting(index: int, variable: str, default: str) -> str:
    """Return an argument, else an environment variable, else the default."""
    if len(sys.argv) > index:
        return sys.argv[index]
    return os.getenv(variable) or default


def main() -> None:
    node = Node(
        PosixHal(setting(4, "NODE_PATH", "")),
        [("temperature", Thermometer().read)],
        setting(1, "NODE_NAME", "node"),
        int(setting(2, "NODE_INTERVAL_MS", "1000")),
        int(setting(3, "NODE_COUNT", "0")),
        window=int(setting(5, "NODE_WINDOW", "4")),
        ring_messages=int(setting(6, "NODE_RING_MESSAGES", "4096")),
        ring_bytes=int(setting(7, "NODE_RING_BYTES", "262144")),
    )
    node.run()
    counters = node.session.counters
    values = [("measured", node.n), ("unacked", node.session.unacked)]
    values += [(key, getattr(counters, key)) for key in _REPORTED]
    sys.stderr.write(" ".join(["{}={}".format(key, value) for key, value in values]) + "\n")


main()
