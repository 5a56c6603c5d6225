"""A board's own clock against this computer's: `leafnode device time`.

Knows what to run on a MicroPython board and how to read its answer; runs nothing itself. A node
does not need this: the link tells it the time. Truth: docs.micropython.org, time (epochs differ:
2000 on some ports, 1970 on others) and machine.RTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from leafnode.errors import LeafnodeError

MARK: Final = "leafnode-clock"
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_EPOCH_SECONDS: Final = {1970: 0, 2000: 946_684_800}

# Whole seconds of a clock turn over at the moment that is asked for: wait for it, a second at most.
READ: Final = f"""\
import time
s = time.time()
while time.time() == s: pass
print({MARK!r}, time.gmtime(0)[0], time.time())
"""


class NoClock(LeafnodeError):  # noqa: N818 -- a condition of the board, not of the program
    """The board's answer holds no time."""


def offset_ms(printed: str, answered_ns: int) -> int:
    """Return by how many milliseconds the board is ahead. Raises NoClock.

    `answered_ns`: this computer's time when the answer was there. The board answers as its second
    turns over, so what is missing is the way of the answer: some milliseconds on USB.
    """
    words = next((line.split() for line in printed.splitlines() if line.startswith(MARK)), [])
    if len(words) != 3 or not all(word.lstrip("-").isdecimal() for word in words[1:]):
        raise NoClock("the board did not say its time")
    epoch = _EPOCH_SECONDS.get(int(words[1]))
    if epoch is None:
        raise NoClock(f"the board counts from {words[1]}, which no port does")
    return (int(words[2]) + epoch) * 1000 - answered_ns // _NS_PER_MS


def setting(aim_ns: int) -> str:
    """Return what sets the board's clock, when it starts to run at the time `aim_ns` (UTC).

    Clocks of boards are set to whole seconds: the board waits for the next one.
    """
    second, rest_ns = divmod(aim_ns, _NS_PER_S)
    now = datetime.fromtimestamp(second + 1, UTC)
    # The last value is a fraction of a second in units that differ between ports.
    moment = (now.year, now.month, now.day, now.weekday(), now.hour, now.minute, now.second, 0)
    wait_s = (_NS_PER_S - rest_ns) / _NS_PER_S
    return f"import machine, time\ntime.sleep({wait_s:.3f})\nmachine.RTC().datetime({moment!r})\n"
