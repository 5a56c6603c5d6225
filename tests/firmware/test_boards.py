"""firmware/boards: each board's pins are opened as its module says, under the names of settings.

Runs on CPython and MicroPython.
"""

from boards import esp32_s3, on_micropython, pico, pico_w, samd21, wired
from sensors.analog import Analog, CurrentLoop

from leafnode import __version__
from leafnode.link import const
from leafnode.link.gateway import GatewaySession
from tests.firmware import paper_machine
from tests.firmware.buses import OneWire, Thermometer
from tests.unit.link.wire import raises

MICROPYTHON_BOARDS = (pico, pico_w, esp32_s3)
ALL_NAMES = " ".join(wired.NAMES)


def test_every_name_of_the_settings_is_opened_on_each_micropython_board():
    for board in MICROPYTHON_BOARDS:
        paper_machine.install()

        sensors = wired.wired(ALL_NAMES, board, on_micropython)

        subjects = [subject for subject, _ in sensors]
        assert len(subjects) == len(set(subjects)) == 15
        assert ("i2c", board.I2C, board.SDA, board.SCL) in paper_machine.opened
        assert ("adc", board.ANALOG) in paper_machine.opened
        assert ("onewire", board.ONE_WIRE) in paper_machine.opened
        uart = ("uart", board.SENSOR_UART, 9600, board.SENSOR_TX, board.SENSOR_RX, 0)
        assert uart in paper_machine.opened
        assert ("irq", board.PULSE, paper_machine.Pin.IRQ_FALLING) in paper_machine.opened


def test_two_sensors_on_one_bus_open_it_once():
    paper_machine.install()
    wired.wired("bme280 scd4x", pico, on_micropython)

    assert [entry[0] for entry in paper_machine.opened].count("i2c") == 1


def test_no_two_things_of_a_board_have_one_pin():
    names = "LINE_TX LINE_RX SDA SCL SENSOR_TX SENSOR_RX ONE_WIRE ANALOG PULSE CONTACT"
    for board in MICROPYTHON_BOARDS:
        pins = [getattr(board, name) for name in names.split()]

        assert len(set(pins)) == len(pins), board


def test_a_name_that_is_no_sensor_is_refused_with_those_that_are():
    err = raises(ValueError, wired.wired, "cpu dht22", pico, on_micropython)

    assert "dht22" in str(err)
    assert ALL_NAMES in str(err)
    raises(ValueError, wired.wired, "", pico, on_micropython)


def test_the_chips_temperature_is_the_datasheets():
    assert on_micropython.rp2040_celsius(14025) == 26.9  # 0.7062 V; 0.706 V are 27 degrees
    paper_machine.install()
    assert on_micropython.cpu(esp32_s3)() == 41
    assert on_micropython.cpu(pico)() == 26.9


def test_an_analog_input_says_its_voltage_on_each_kind_of_converter():
    paper_machine.install()
    import machine

    assert Analog(on_micropython.analog(pico)).value() == 0.706
    machine.ADC = paper_machine.Esp32Adc
    try:
        for millivolts, value in ((0, 0.0), (600, 0.6), (1650, 1.65), (3000, 3.0)):
            machine.ADC.millivolts = millivolts
            assert abs(Analog(on_micropython.analog(esp32_s3)).value() - value) < 0.001
        machine.ADC.millivolts = 600
        loop = CurrentLoop(on_micropython.analog(esp32_s3), 0, 100)
        assert abs(loop.milliamperes() - 4) < 0.01
    finally:
        machine.ADC = paper_machine.ADC


def test_a_loop_is_read_over_the_resistor_that_the_boards_page_names():
    paper_machine.install()
    import machine

    machine.ADC = paper_machine.Esp32Adc
    try:
        for millivolts, percent in ((520, 0), (1560, 50), (2600, 100)):  # 4, 12 and 20 mA
            machine.ADC.millivolts = millivolts
            sensors = wired.wired("loop", esp32_s3, on_micropython)
            assert abs(dict(sensors)["loop"]() - percent) < 0.1
    finally:
        machine.ADC = paper_machine.ADC
    assert [board.LOOP_OHMS for board in (pico, pico_w, samd21)] == [150, 150, 150]


def test_a_closed_contact_is_1():
    paper_machine.install()

    assert on_micropython.contact(pico)() == 0  # the pull-up reads 1 while it is open


def test_the_link_is_on_the_uart_of_the_board():
    paper_machine.install()

    hal = on_micropython.line(pico, "uart")

    assert ("uart", 0, 115200, 0, 1, 0) in paper_machine.opened
    assert (hal.read(), hal.write(memoryview(b"abc"))) == (b"", 3)
    raises(ValueError, on_micropython.line, pico, "radio")


class Opened:
    """What opens pins, where only a 1-Wire bus is asked for."""

    def __init__(self, devices):
        self.bus = OneWire(devices)

    def one_wire(self, board):
        return self.bus

    def ticks(self):
        return lambda: 0


def test_each_thermometer_of_a_wire_has_its_serial_number_as_a_subject():
    from tests.firmware.test_sensors_wire import rom

    sensors = wired.wired("ds18b20", pico, Opened([Thermometer(rom(0x0A), b"")]))
    assert [subject for subject, _ in sensors] == ["ds18b20.0a0000000000.temperature"]

    sensors = wired.wired("ds18b20", pico, Opened([]))
    assert [subject for subject, _ in sensors] == ["ds18b20.temperature"]


def test_the_link_takes_what_each_board_says_of_it():
    from node.node import Node

    from tests.firmware.test_node import PaperHal, run

    for board in (pico, pico_w, esp32_s3, samd21):  # samd21: where it is frozen
        hal = PaperHal()
        node = Node(hal, [("t", lambda: 1)], "dev-1", 100, 20, **board.LINK)

        run(node, hal, GatewaySession(), 60000)

        assert node.session.counters.acked == 20, board


def test_a_board_with_a_clock_says_when_each_reading_was_measured():
    from link.clock import DeviceClock
    from node.node import Node

    from tests.firmware.test_node import PaperHal, run

    hal = PaperHal()
    gateway = GatewaySession(wall_ms=lambda: 1795816800000 + hal.now_ms)
    node = Node(hal, [("t", lambda: 1)], "dev-1", 100, 30, clock=DeviceClock(), **pico.LINK)

    events = run(node, hal, gateway, 60000)

    stamps = [event.stamp_ms for event in events if hasattr(event, "stamp_ms")]
    known = [stamp for stamp in stamps if stamp is not None]
    assert len(stamps) == 30
    assert len(known) > 20  # the first may leave before the time is known
    steps = [known[at + 1] - known[at] for at in range(len(known) - 1)]
    # Each some milliseconds late, as the node is; half a round trip when the clock is set anew.
    assert min(steps) > 50
    assert max(steps) < 150
    assert abs(known[-1] - 1795816800000 - 1000 - 29 * 100) < 200


def test_boards_on_the_link_say_which_they_are_and_the_version():
    for name, board in (("pico", pico), ("pico_w", pico_w), ("esp32_s3", esp32_s3)):
        assert board.LINK["about"] == f"{name} {__version__}"
        assert len(board.LINK["about"]) <= const.ABOUT_BYTES_MAX
