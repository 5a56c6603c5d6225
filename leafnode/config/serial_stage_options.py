"""What the stages of a serial port may be told: framing, check, codec, mapping. Plain data.

Knows defaults; not what an option does. Truth: docs/serial/framing.md, codecs.md and mapping.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from leafnode.config.crc_catalog import CrcOptions

_BITS_MAX: Final = 12  # of a character: start, 8 data, parity, 2 stop


@dataclass(frozen=True, slots=True)
class FramingOptions:
    """`framing`: a word, or a block with a `type`. Which of the options it may have, its type says.

    `start` and `end` are the bytes that mark a frame, `after_end` how many follow the end mark.
    `length` is the size of a fixed frame; `length_at`, `length_bytes`, `length_big` and
    `length_add` say where the field with the length stands and what to add to it for the whole
    frame. `escape`: how STX/ETX stand in the content. `gap_ns` 0: 3.5 characters.
    """

    type: str = "line"
    max_frame_bytes: int = limits.FRAME_BYTES_MAX
    keep_first: bool = False
    strip: bool = True
    start: bytes = b""
    end: bytes = b""
    after_end: int = 0
    length: int = 0
    length_at: int = 0
    length_bytes: int = 1
    length_big: bool = True
    length_add: int = 0
    length_min: int = 0
    escape: str = "escape"
    gap_ns: int = 0
    gap_chars: float = 3.5
    every_ns: int = 100 * NS_PER_MS
    poll: bytes = b""
    poll_every_ns: int = 0

    def ends_ns(self, baud: int) -> int:
        """Return how long behind its bytes a frame ends at most, at this speed; 0: they end it."""
        if self.type == "raw":
            return self.every_ns
        if self.type != "idle":
            return 0
        return self.gap_ns or math.ceil(self.gap_chars * _BITS_MAX * NS_PER_S / baud)


@dataclass(frozen=True, slots=True)
class MessageOptions:
    """`messages`: what boards of a port may subscribe to and ask; nothing where it is empty.

    Templates that end in `{name}`, which is the board's own word; {port} and {device} may stand
    before. `timeout_ns`: how long a request waits for a board's answer.
    """

    subscribe: tuple[str, ...] = ()
    request: str = ""
    timeout_ns: int = limits.BOARD_ANSWER_NS


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """One of `commands`: what is sent for a message to `subject`, and what the device answers.

    `send` has places in braces: the payload, or groups of the pattern `payload` that it must match.
    `framed`: the port's framing and check come around it. `starts`: how its answer may begin.
    `echo`: the device repeats what it is sent before it answers.
    """

    subject: str
    send: bytes = b"{payload}"
    payload: str = ""
    framed: bool = True
    line_end: bytes = b"\r\n"
    answer: bool = True
    starts: tuple[bytes, ...] = ()
    decode: bool = False
    echo: bool = False
    timeout_ns: int = 2 * NS_PER_S


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """`check`: what is calculated, where its value stands and in which form, over which bytes.

    Offsets are in the whole frame with its marks; below zero they count from its end. None: `at`
    the end of the content, `over_from` behind the start mark, `over_to` where the value begins.
    `over_hex`: the bytes are hexadecimal digits, and it is calculated over what they stand for.
    """

    type: str = "none"
    crc: CrcOptions | None = None
    form: str = "big"
    at: int | None = None
    over_from: int | None = None
    over_to: int | None = None
    over_hex: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class CodecOptions:
    """`codec`. `fields` names columns of csv, values of struct and groups of regex.

    `pattern` is as it was understood, see config/pattern.py. `separator` and `assign` empty: what
    the codec takes by itself. `function` and the limits are of exec; `digest` is that of its file,
    so that a reload takes a file that changed.
    """

    type: str = "text"
    fields: tuple[str, ...] = ()
    pattern: str = ""
    max_input: int = 256
    layout: str = ""
    separator: str = ""
    assign: str = ""
    function: str = ""
    digest: str = ""
    timeout_ns: int = NS_PER_S
    memory_bytes: int = 128 * limits.MIB
    cpu_s: int = 600


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """One field of `mapping { fields }`: its value times `scale`, plus `offset`, to `digits`."""

    name: str
    rename: str = ""
    unit: str = ""
    scale: float = 1
    offset: float = 0
    digits: int | None = None
    deadband: float | None = None


@dataclass(frozen=True, slots=True)
class MappingOptions:
    """`mapping`. An empty `select` is every field; `every_ns` 0: readings are not gathered."""

    select: tuple[str, ...] = ()
    fields: tuple[FieldOptions, ...] = ()
    min_interval_ns: int = 0
    max_silence_ns: int = 0
    ignore_repeats_ns: int = 0
    every_ns: int = 0
    functions: tuple[str, ...] = ("mean",)
    timestamp: str = ""
    headers: tuple[tuple[str, str], ...] = ()
