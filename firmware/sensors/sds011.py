"""Nova SDS011: fine dust over a UART at 9600 baud.

Knows frames and the two commands that matter; not the UART. The sensor says its values once a
second; read returns the newest. Its laser lasts 8000 hours: `minutes` lets it sleep between
measurements. Truth: Nova Fitness, Laser Dust Sensor Control Protocol V1.3.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Line(Protocol):
        """A serial line. Neither waits: `read` returns what has come, `write` how many it took."""

        def read(self) -> bytes: ...
        def write(self, data: bytes) -> int: ...


_FRAME_BYTES = 10
_HEAD = 0xAA
_MEASURED = 0xC0
_TAIL = 0xAB
_MINUTES_MAX = 30


class Sds011:
    """One sensor. `pm25` takes what has come; `pm10` tells of the same measurement.

    `minutes` 0: it measures all the time. 1 to 30: it sleeps so long, then measures for 30 s.
    """

    def __init__(self, line: "Line", minutes: int = 0) -> None:
        if not 0 <= minutes <= _MINUTES_MAX:
            raise ValueError("minutes: 0 to 30")
        self.bad_frames = 0
        self._line = line
        self._frame = bytearray(_FRAME_BYTES)
        self._size = 0
        self._pm10: "float | None" = None
        # It is kept by the sensor; said at each start, since the sensor may be another one.
        line.write(command(8, 1, minutes))

    def sensors(self, prefix: str = "") -> "list[tuple[str, Callable[[], int | float | None]]]":
        """Return what a node reads, in the order in which it must."""
        return [(prefix + "pm25", self.pm25), (prefix + "pm10", self.pm10)]

    def pm25(self) -> "float | None":
        """Return micrograms per cubic metre of PM2.5, or None when nothing new has come."""
        pm25 = None
        self._pm10 = None
        for byte in self._line.read():
            if not self._take(byte):
                continue
            frame = self._frame
            pm25 = (frame[3] << 8 | frame[2]) / 10
            self._pm10 = (frame[5] << 8 | frame[4]) / 10
        return pm25

    def pm10(self) -> "float | None":
        """Return micrograms per cubic metre of PM10 of the measurement that `pm25` told of."""
        return self._pm10

    def _take(self, byte: int) -> bool:
        """Add a byte; return whether the frame is a whole measurement."""
        self._frame[self._size] = byte
        self._size += 1
        if self._frame[0] != _HEAD:
            self._size = 0
            return False
        if self._size < _FRAME_BYTES:
            return False
        frame = self._frame
        if frame[9] != _TAIL or sum(frame[2:8]) & 0xFF != frame[8]:
            self.bad_frames += 1
            self._resync()
            return False
        self._size = 0
        return frame[1] == _MEASURED  # else the answer to a command

    def _resync(self) -> None:
        """Go on with the next head inside what was no frame."""
        frame = self._frame
        for at in range(1, _FRAME_BYTES):
            if frame[at] == _HEAD:
                size = _FRAME_BYTES - at
                frame[:size] = frame[at:]
                self._size = size
                return
        self._size = 0


def command(function: int, first: int, second: int) -> bytes:
    """Return a command to whichever sensor hears it."""
    data = bytearray(19)
    data[0] = _HEAD
    data[1] = 0xB4
    data[2] = function
    data[3] = first
    data[4] = second
    data[15] = data[16] = 0xFF
    data[17] = sum(data[2:17]) & 0xFF
    data[18] = _TAIL
    return bytes(data)
