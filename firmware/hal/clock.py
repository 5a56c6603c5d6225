"""MicroPython's ticks_ms and sleep_ms, also where a node is tried under CPython.

The one place of the firmware that reads a clock. Truth: docs.micropython.org, time.
"""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:

    def ticks_ms() -> int: ...

    def sleep_ms(ms: int) -> None: ...
elif hasattr(time, "ticks_ms"):
    ticks_ms = time.ticks_ms
    sleep_ms = time.sleep_ms
else:

    def ticks_ms():
        return time.monotonic_ns() // 1000000

    def sleep_ms(ms):
        time.sleep(ms / 1000)
