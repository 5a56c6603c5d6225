"""What `serial { … }` says, as frozen dataclasses.

Knows names, types and defaults; not what an option does. Truth: docs/serial.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from leafnode import limits


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One entry of `serial { ports }`.

    `subject` may use {port}, {device} and {name}; `framing` is line or link, `codec` text, json or
    csv. `fields` names the columns of csv. `stream`: only this stream's PubAck counts as stored
    (empty: whichever stream captures the subject). `keep_first`: the bytes before the first line
    end after the port was opened are a whole reading, not the tail of one.
    """

    device: str
    name: str
    subject: str
    baud: int = 115_200
    framing: str = "line"
    codec: str = "text"
    fields: tuple[str, ...] = ()
    max_frame_bytes: int = limits.LINE_FRAME_BYTES_MAX
    stream: str = ""
    keep_first: bool = False


@dataclass(frozen=True, slots=True)
class SerialOptions:
    """`serial { … }`."""

    ports: tuple[SerialPort, ...] = ()
    account: str = "$G"
