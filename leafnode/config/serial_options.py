"""What `serial { … }` says, as frozen dataclasses.

Knows names, types and defaults; not what an option does. Truth: docs/serial.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.config.serial_stage_options import (
    CheckOptions,
    CodecOptions,
    CommandOptions,
    FramingOptions,
    MappingOptions,
    MessageOptions,
)

if TYPE_CHECKING:
    from leafnode.config.modbus_options import ModbusOptions

_LINES: Final = FramingOptions()
_NO_CHECK: Final = CheckOptions()
_TEXT: Final = CodecOptions()
_AS_IT_IS: Final = MappingOptions()
_NO_MESSAGES: Final = MessageOptions()


@dataclass(frozen=True, slots=True)
class Rs485Options:
    """`rs485 { … }` of a port. `mode` is kernel, rts (toggled by us) or adapter (by itself).

    `rts_on_send`: RTS is up while we send. `rx_during_tx`: our own bytes come back and are read.
    """

    mode: str
    delay_before_ns: int = 0
    delay_after_ns: int = 0
    rts_on_send: bool = True
    rx_during_tx: bool = False


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One entry of `serial { ports }`. How `device` is written: config/device_name.

    `subject` may use {port}, {device}, {name}, {field} and fields of the codec. `stream`: only this
    stream's PubAck counts as stored (empty: whichever stream captures the subject). `boards`: the
    names that boards of this port may have (empty: any that no board on another port has).
    """

    device: str
    name: str
    subject: str
    baud: int = 115_200
    framing: FramingOptions = _LINES
    check: CheckOptions = _NO_CHECK
    codec: CodecOptions = _TEXT
    mapping: MappingOptions = _AS_IT_IS
    stream: str = ""
    data_bits: int = 8
    parity: str = "none"
    stop_bits: int = 1
    flow: str = "none"
    dtr: bool = True
    rts: bool = True
    low_latency: bool = True
    rs485: Rs485Options | None = None
    messages: MessageOptions = _NO_MESSAGES
    modbus: ModbusOptions | None = None
    commands: tuple[CommandOptions, ...] = ()
    boards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SerialOptions:
    """`serial { … }`. `control`: whose requests lend and monitor ports: local clients', all (leaf
    links, too), or nobody's (off).
    """

    ports: tuple[SerialPort, ...] = ()
    account: str = "$G"
    control: str = "local"
