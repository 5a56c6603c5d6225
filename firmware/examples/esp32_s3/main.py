"""main.py of a node: what settings.toml names, measured and sent to the gateway.

Truth: firmware/README.md, "Settings".
"""

from boards import esp32_s3 as board
from boards import on_micropython as opened
from boards.wired import wired
from link.clock import DeviceClock
from node.node import Node
from node.settings import number_of, read_settings, text_of

settings = read_settings()
Node(
    opened.line(board, text_of(settings, "NODE_LINE", "usb")),
    wired(text_of(settings, "NODE_SENSORS", "cpu"), board, opened),
    text_of(settings, "NODE_NAME", "node"),
    number_of(settings, "NODE_INTERVAL_MS", 1000),
    clock=DeviceClock(),
    **board.LINK,
).run()
