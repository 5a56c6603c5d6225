"""code.py of a node: what settings.toml names, measured and sent as text (framing: text_link).

Truth: firmware/README.md, "Settings".
"""

from boards import on_circuitpython as opened
from boards import samd21 as board
from boards.wired import wired
from node.settings import number_of, read_settings, text_of
from node.text import TextNode

settings = read_settings()
TextNode(
    opened.line(board, text_of(settings, "NODE_LINE", "usb")),
    wired(text_of(settings, "NODE_SENSORS", "cpu"), board, opened),
    text_of(settings, "NODE_NAME", "node"),
    number_of(settings, "NODE_INTERVAL_MS", 1000),
    **board.TEXT,
).run()
