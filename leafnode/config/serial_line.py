"""The keys of a port that say which device it is and how its line is set, and their rules.

Knows words and numbers; not what an option does. Truth: docs/serial/ports.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S
from leafnode.config import convert, device_name
from leafnode.config.place import Block, Row
from leafnode.config.serial_options import Rs485Options

if TYPE_CHECKING:
    from leafnode.config.place import Given, Place
    from leafnode.config.serial_options import SerialPort

_DELAY_MAX_NS: Final = 1 * NS_PER_S  # of RS-485; those of devices are microseconds
_BAUD_MAX: Final = 12_000_000  # the fastest USB adapters
_TTY_ONLY: Final = ("low_latency", "rs485")
LINE: Final = ("baud", "data_bits", "parity", "stop_bits", "flow", "dtr", "rts", *_TTY_ONLY)


def check(given: Given, port: SerialPort) -> None:
    """Raise ConfigError where options of the line contradict each other."""
    name = device_name.parse(port.device)
    for key in LINE if device_name.is_socket(port.device) else ():
        if key in given.places:
            raise given.places[key].error("a socket:// has no line: its other end sets it")
    for key in _TTY_ONLY if name.is_network else ():
        if key in given.places:
            raise given.places[key].error("expected a tty beside it, not an address")
    if port.flow == "rtscts" and "rts" in given.places:
        raise given.places["rts"].error("expected no rts beside flow rtscts, which moves it")
    if port.rs485 is None or port.rs485.mode == "adapter":
        return
    if port.flow == "rtscts" or "rts" in given.places:
        later = given.places.get("rts") or given.places["flow"]
        raise later.error(f"the RS-485 mode {port.rs485.mode} moves RTS itself")


def _device(place: Place) -> str:
    text = convert.text(place)
    try:
        device_name.parse(text)
    except ValueError as err:
        raise place.error(str(err)) from None
    if device_name.is_bare(text):
        place.warn(f"{text} may be another device tomorrow: `leafnode ports` shows names that stay")
    return text


def _delay(place: Place) -> int:
    delay_ns = convert.wait(place)
    if delay_ns > _DELAY_MAX_NS:
        raise place.expected(f"at most {_DELAY_MAX_NS // NS_PER_S}s")
    return delay_ns


def _rs485(place: Place) -> Rs485Options:
    given = _RS485.read(place)
    given.need("mode", "mode: kernel, rts or adapter")
    options = Rs485Options(**given.values)
    for key in given.places if options.mode == "adapter" else ():
        if key != "mode":
            raise given.places[key].error("an adapter switches by itself: this has no effect")
    return options


_RS485: Final = Block(
    (
        Row(("mode",), "mode", convert.one_of("kernel", "rts", "adapter")),
        Row(("delay_before",), "delay_before_ns", _delay),
        Row(("delay_after",), "delay_after_ns", _delay),
        Row(("rts_on_send",), "rts_on_send", convert.boolean),
        Row(("rx_during_tx",), "rx_during_tx", convert.boolean),
    )
)
ROWS: Final = (
    Row(("device",), "device", _device),
    Row(("baud",), "baud", convert.number(1, _BAUD_MAX, "a baud rate")),
    Row(("data_bits",), "data_bits", convert.number(5, 8, "data bits")),
    Row(("parity",), "parity", convert.one_of("none", "even", "odd", "mark", "space")),
    Row(("stop_bits",), "stop_bits", convert.number(1, 2, "stop bits")),
    Row(("flow",), "flow", convert.one_of("none", "rtscts", "xonxoff")),
    Row(("dtr",), "dtr", convert.boolean),
    Row(("rts",), "rts", convert.boolean),
    Row(("low_latency",), "low_latency", convert.boolean),
    Row(("rs485",), "rs485", _rs485),
)
TABLES: Final = (_RS485,)
