"""What passes between the stages of a port: a reading, how a framing hands it over, why one is bad.

Knows neither ports nor subjects nor streams. Truth: docs/serial.md.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple, Protocol

from leafnode.errors import LeafnodeError
from leafnode.link import events


class BadReading(LeafnodeError):  # noqa: N818 -- a condition of the reading, not of the program
    """A reading that will be as wrong on the next attempt. `reason` never holds its payload."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# Which boot of which board: by its name and number it is known on every port.
Life = tuple[bytes, int]


class Receipt(NamedTuple):
    """What a device needs to hear once the reading is stored. Two may have the same boot id."""

    life: Life
    seq: int


class Reading(NamedTuple):
    """One measurement as it came off the wire.

    `msg_id` names it once and for ever; `device` and `name` are empty, and `receipt` is None, where
    the framing has none. `time_ms`: when it was measured, in milliseconds since 1970, where the
    board says so. `wrong`: why nothing can be made of it, and its device shall go on all the same.
    """

    msg_id: bytes
    payload: bytes
    device: bytes = b""
    name: bytes = b""
    receipt: Receipt | None = None
    time_ms: int | None = None
    wrong: str = ""

    @property
    def life(self) -> Life | None:
        """Who keeps it until it is stored, None for nobody."""
        return None if self.receipt is None else self.receipt.life


class DeviceHello(NamedTuple):
    """A board said who it is. `resumed`: it is the one that was here before, in the same boot.

    `window` and `frame_bytes`: what it takes at once, 0 where it does not say; `capabilities` in
    words.
    """

    device: str
    boot_id: int
    resumed: bool
    window: int = 0
    frame_bytes: int = 0
    capabilities: tuple[str, ...] = ()
    about: str = ""  # which board and firmware it is, in its own words


class Presence(NamedTuple):
    """A board that said hello on a port, and when it was heard (monotonic ms). `is_there`: it is
    taken to be there yet.
    """

    device: str
    heard_at_ms: int
    is_there: bool


class DeviceLog(NamedTuple):
    """A line that a board wants in the log. `level` as in syslog; `text` is printable ASCII."""

    device: str
    level: int
    text: str


class WrongLine(NamedTuple):
    """A line of the text dialect that is not taken. `reason` never repeats what stood in it."""

    device: str
    reason: str


class SlaveNews(NamedTuple):
    """A slave of a bus answers (again), or does not; an empty `reason`: all is well.

    With a `group` it is about that: the slave answers, and will not have that read.
    """

    slave: str
    reason: str
    group: str = ""


class SlaveAnswer(NamedTuple):
    """What became of a job that somebody asked a bus for: what was read, or why it was not done.

    `exception`: the code of the slave's refusal, 0 where it did not refuse.
    """

    number: int
    values: list[list[int]]
    exception: int
    reason: str


class More(Enum):
    """Nothing happened yet, and there is work left for which no bytes are needed."""

    MORE = auto()


MORE: Final = More.MORE
# What a board wants besides: the link's words, whichever framing it speaks.
BoardEvent = events.Subscribe | events.Unsubscribe | events.Request | events.Answer | events.Gone
# All that a board says but readings.
BoardNews = DeviceHello | DeviceLog | WrongLine | BoardEvent
Event = Reading | SlaveNews | SlaveAnswer | BoardNews


def is_of(event: Event, life: Life) -> bool:
    """Say whether it is a reading that this life keeps."""
    return isinstance(event, Reading) and event.life == life


class FrameCounts(NamedTuple):
    """What a framing saw since start.

    `noise_bytes` belong to no frame (boot banners), `missing` readings were given up by the board.
    `resyncs`: times that the place was found again, after noise or a wrong frame.
    """

    bytes_in: int
    frames: int
    bad: int = 0
    overlong: int = 0
    noise_bytes: int = 0
    missing: int = 0
    resyncs: int = 0


class Framing(Protocol):
    """Turns bytes into events. Sans-IO: bytes in, events and bytes out; time is a parameter."""

    def opened(self, now_ms: int) -> None:
        """Forget the half-received frame: the port was opened anew."""
        ...

    def receive(self, data: bytes, now_ms: int) -> None:
        """Take what was read; b"" where only time has passed. Whatever the bytes are, nothing is
        raised.
        """
        ...

    def next_event(self) -> Event | More | None:
        """Return what happened next, MORE after a bounded amount of work without an event, or None
        when more bytes are needed.
        """
        ...

    def committed(self, receipt: Receipt) -> None:
        """The readings up to this one are on disk, and those behind it are not known to be."""
        ...

    def data_to_send(self, now_ms: int) -> bytes:
        """Return what the device shall get now; b"" when that is nothing. Ask again until then."""
        ...

    def next_timeout_ms(self, now_ms: int) -> int | None:
        """Return in how many milliseconds `data_to_send` wants to be asked again, or None."""
        ...

    def counts(self) -> FrameCounts: ...
