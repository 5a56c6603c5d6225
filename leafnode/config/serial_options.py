"""What `serial { … }` says, as frozen dataclasses.

Knows names, types and defaults; not what an option does. Truth: docs/serial.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from leafnode.config.serial_stage_options import CheckOptions, FramingOptions

_LINES: Final = FramingOptions()
_NO_CHECK: Final = CheckOptions()


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One entry of `serial { ports }`.

    `subject` may use {port}, {device} and {name}; `codec` is text, json or csv. `fields` names the
    columns of csv. `stream`: only this stream's PubAck counts as stored (empty: whichever stream
    captures the subject).
    """

    device: str
    name: str
    subject: str
    baud: int = 115_200
    framing: FramingOptions = _LINES
    check: CheckOptions = _NO_CHECK
    codec: str = "text"
    fields: tuple[str, ...] = ()
    stream: str = ""


@dataclass(frozen=True, slots=True)
class SerialOptions:
    """`serial { … }`."""

    ports: tuple[SerialPort, ...] = ()
    account: str = "$G"
