"""The sensors that settings name, on the board's usual pins.

Knows names and which adapter each is; a board and what opens its pins are passed in. Imports a
sensor's module when it is named. Truth: firmware/README.md, "Settings".
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Sensor = tuple[str, Callable[[], "int | float | None"]]

NAMES = ("analog", "bme280", "contact", "cpu", "ds18b20", "loop", "pulses", "scd4x", "sds011")


def wired(names: str, board: "Any", opened: "Any") -> "list[Sensor]":
    """Return what a node reads of the sensors in `names`, which blanks separate.

    Raises ValueError on another name, OSError where a 1-Wire bus cannot be searched. A sensor that
    does not answer is told at each measurement, not here: the node works without it.
    """
    found: "list[Sensor]" = []
    shared: "dict[str, Any]" = {}  # two sensors on one bus
    for name in names.split():
        found += _sensor(name, board, opened, shared)
    if not found:
        raise ValueError("NODE_SENSORS: no sensor")
    return found


def _sensor(name: str, board: "Any", opened: "Any", shared: "dict[str, Any]") -> "list[Sensor]":
    # No table: each import costs memory.
    if name in ("bme280", "scd4x"):
        if "i2c" not in shared:
            shared["i2c"] = opened.i2c(board)
        return _on_i2c(name, shared["i2c"], opened)
    if name in ("analog", "loop"):
        return [(name, _voltage(name, opened.analog(board), board))]
    if name == "cpu":
        return [("cpu.temperature", opened.cpu(board))]
    if name == "ds18b20":
        return _thermometers(opened.one_wire(board), opened.ticks())
    if name == "sds011":
        from sensors.sds011 import Sds011

        dust = Sds011(opened.sensor_line(board, 9600))
        return [("sds011.pm25", dust.pm25), ("sds011.pm10", dust.pm10)]
    if name == "contact":
        from sensors.gpio import Input

        return [("contact", Input(opened.contact(board), stable=2).value)]
    if name == "pulses":
        from sensors.counter import Counter

        count, modulus = opened.pulses(board)
        counter = Counter(count, opened.ticks(), modulus=modulus)
        return [("pulses.total", counter.total), ("pulses.rate", counter.rate)]
    raise ValueError("NODE_SENSORS: {}: not one of {}".format(name, " ".join(NAMES)))


def _on_i2c(name: str, bus: "Any", opened: "Any") -> "list[Sensor]":
    found: "list[Sensor]" = []
    if name == "bme280":
        from sensors.bme280 import Bme280

        found += Bme280(bus).sensors("bme280.")
    else:
        from sensors.scd4x import Scd4x

        found += Scd4x(bus, opened.wait()).sensors("scd4x.")
    return found


def _voltage(name: str, read_u16: "Callable[[], int]", board: "Any") -> "Callable[[], float]":
    from sensors.analog import Analog, CurrentLoop

    input_: "Any"
    if name == "analog":
        input_ = Analog(read_u16)
    else:  # in percent: what 4 and 20 mA mean, the gateway's mapping says
        input_ = CurrentLoop(read_u16, 0, 100, ohms=board.LOOP_OHMS)
    value: "Callable[[], float]" = input_.value
    return value


def _thermometers(bus: "Any", ticks_ms: "Callable[[], int]") -> "list[Sensor]":
    """Return each DS18B20 of a wire under its serial number; without one, one that may come."""
    from sensors.ds18b20 import FAMILY, Ds18b20, search

    roms = [rom for rom in search(bus) if rom[0] == FAMILY]
    if not roms:
        return [("ds18b20.temperature", Ds18b20(bus, ticks_ms).temperature)]
    return [
        ("ds18b20.{}.temperature".format(rom[1:7].hex()), Ds18b20(bus, ticks_ms, rom).temperature)
        for rom in roms
    ]
