"""A node that speaks the text dialect of the link: for boards that have no room for its frames.

`#12 pt temperature 21.5*5d` is kept and said again until `ok 12` comes, which is after the COMMIT.
One line at a time is on its way: `ok 13` speaks for 12, too, also when 12 was never heard. Where
readings are gathered the gateway says `got 12` before: it has the line, so the next one may go.
Knows the dialect's device side; sensors and board are in `measuring`. Truth: docs/device-link.md,
"The text dialect".
"""

from math import isfinite

from .measuring import Measuring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .measuring import Hal, Sensor

    def elapsed_ms(now_ms: int, then_ms: int) -> int: ...
else:
    from link.ticks import elapsed_ms

_KEEP_MAX = 64
_HELLO_MS = 2000
_REPEAT_MS = 1000
_SILENT_MS = 6000  # without an ack that is due: perhaps it forgot us
_ASK_MS = 3000  # that a gateway which has all of ours and stored none is asked
_WRITE_RETRY_MS = 5
_LINE_BYTES_MAX = 64  # of what the gateway says


class TextNode(Measuring):
    """Keeps the newest `keep` readings that are not acknowledged; older ones are `dropped`, but for
    those that a gateway has got.
    """

    def __init__(
        self,
        hal: "Hal",
        sensors: "Sequence[Sensor]",
        name: str,
        interval_ms: int = 1000,
        count: int = 0,
        keep: int = 16,
    ) -> None:
        super().__init__(hal, sensors, interval_ms, count)
        if not 1 <= keep <= _KEEP_MAX:
            raise ValueError("keep: 1 to 64")
        self.dropped = 0
        self.acked = 0
        self.is_up = False
        self._hello = "hello {} {}".format(name, hal.boot_id())
        self._keep = keep
        self._kept: "list[tuple[int, str, int | float]]" = []  # number, subject, value
        self._got = 0  # so many of them, the oldest, the gateway has and did not store yet
        self._is_sent = False  # the next of them is on its way
        self._number = 0
        self._log = ""  # the newest error, said once
        self._said_at_ms = hal.ticks_ms() - _HELLO_MS  # hello, or the line on its way
        # Since when an ack is due, and none was heard. None: all that was said has one.
        self._due_since_ms: "int | None" = None
        self._out = memoryview(b"")
        self._line = bytearray()

    @property
    def done(self) -> bool:
        """Whether `count` readings were measured and all of them are acked or given up."""
        return self._measured() and len(self._kept) == 0 and len(self._out) == 0

    def poll(self) -> int:
        """Do all that is due; return in how many milliseconds to call again, or when bytes come."""
        now_ms = self.hal.ticks_ms()
        for byte in self.hal.read():
            self._take(byte, now_ms)
        self._measure_if_due(now_ms)
        while True:
            if len(self._out) == 0:
                text = self._next_line(now_ms)
                if text == "":
                    break
                self._out = memoryview(sealed(text))
            taken = self.hal.write(self._out)
            self._out = self._out[taken:]
            if len(self._out):
                return self._until_measuring_ms(now_ms, _WRITE_RETRY_MS)
        period_ms = _REPEAT_MS if self.is_up else _HELLO_MS
        wait_ms = max(0, period_ms - elapsed_ms(now_ms, self._said_at_ms))
        return self._until_measuring_ms(now_ms, wait_ms if wait_ms else period_ms)

    def _publish(self, subject: str, value: "int | float", now_ms: int) -> None:  # noqa: ARG002
        if not isfinite(value):
            self.sensor_errors += 1  # the dialect has no such number
            return
        if len(self._kept) == self._keep:
            self._kept.pop(0)
            if self._got:
                self._got -= 1
            else:
                self._is_sent = False
                self.dropped += 1
        self._number += 1
        self._kept.append((self._number, subject, value))

    def _say(self, text: str) -> None:
        self._log = "".join([c if " " <= c <= "~" else "?" for c in text])

    def _next_line(self, now_ms: int) -> str:
        """Return what is to be said now, nothing for an empty text."""
        since_ms = elapsed_ms(now_ms, self._said_at_ms)
        due_ms = self._due_since_ms
        if self.is_up and due_ms is not None and elapsed_ms(now_ms, due_ms) >= _SILENT_MS:
            self.is_up = False
            since_ms = _HELLO_MS
        if not self.is_up:
            if since_ms < _HELLO_MS:
                return ""
            self._said_at_ms = now_ms
            return self._hello
        if self._log:
            text, self._log = self._log, ""
            return "log error " + text
        if not self._kept or (self._is_sent and since_ms < _REPEAT_MS):
            return ""
        if self._got == len(self._kept):
            if since_ms < _ASK_MS:
                return ""
            self._got -= 1  # is it still there, and does it still have them?
        self._is_sent = True
        self._said_at_ms = now_ms
        if self._due_since_ms is None:
            self._due_since_ms = now_ms
        return "#{} pt {} {}".format(*self._kept[self._got])

    def _take(self, byte: int, now_ms: int) -> None:
        if byte not in (10, 13):
            if len(self._line) <= _LINE_BYTES_MAX:
                self._line.append(byte)  # a longer line is none for us: its checksum will not fit
            return
        line, self._line = self._line, bytearray()
        text = unsealed(line)
        if text == "":
            return
        if text == "ok hello":
            self._up()
        elif text == "hello?":
            self.is_up = False
            self._said_at_ms = now_ms - _HELLO_MS
        elif text[:3] == "ok ":
            self._on_ack(text[3:], now_ms, is_stored=True)
        elif text[:4] == "got ":
            self._on_ack(text[4:], now_ms, is_stored=False)

    def _up(self) -> None:
        self.is_up = True
        self._is_sent = False
        self._got = 0  # it may be another gateway, or one that was started anew
        self._due_since_ms = None

    def _on_ack(self, digits: str, now_ms: int, is_stored: bool) -> None:
        if not self.is_up or not digits.isdigit() or len(digits) > 10:
            return
        number = int(digits)
        if number > self._number:
            return
        if self._is_sent and self._kept[self._got][0] <= number:
            self._is_sent = False
        while self._got < len(self._kept) and self._kept[self._got][0] <= number:
            self._got += 1
        while is_stored and self._kept and self._kept[0][0] <= number:
            self._kept.pop(0)
            self._got -= 1
            self.acked += 1
        self._due_since_ms = now_ms if self._is_sent else None


def sealed(text: str) -> bytes:
    """Return a line with its checksum and end."""
    data = text.encode()
    check = 0
    for byte in data:
        check ^= byte
    return data + "*{:02x}\n".format(check).encode()


def unsealed(line: bytearray) -> str:
    """Return the text of a line whose checksum is right, else nothing."""
    size = len(line) - 3
    if size < 1 or size > _LINE_BYTES_MAX or line[size] != 0x2A:
        return ""
    check = 0
    for index in range(size):
        byte = line[index]
        check ^= byte
        if not 0x20 <= byte <= 0x7E:
            return ""
    if bytes(line[size + 1 :]).lower() != "{:02x}".format(check).encode():
        return ""
    return bytes(line[:size]).decode()
