"""firmware/boards under CircuitPython: pins are opened by their names on the board.

Runs on CPython and MicroPython.
"""

import os

from boards import on_circuitpython, samd21, wired

from tests.firmware import paper_circuitpython
from tests.unit.link.wire import raises

ALL_BUT_PULSES = " ".join([name for name in wired.NAMES if name != "pulses"])


def test_every_name_but_pulses_is_opened_on_a_samd21():
    paper_circuitpython.install()

    sensors = wired.wired(ALL_BUT_PULSES, samd21, on_circuitpython)

    subjects = [subject for subject, _ in sensors]
    assert len(subjects) == len(set(subjects)) == 13
    opened = paper_circuitpython.opened
    assert ("i2c", "pin SCL", "pin SDA") in opened
    assert ("onewire", "pin D5") in opened
    assert ("analog", "pin A0") in opened
    assert ("digital", "pin D6", "up") in opened
    assert ("uart", "pin TX", "pin RX", 9600, 0, 256) in opened


def test_a_board_that_counts_no_pulses_says_so():
    paper_circuitpython.install()

    raises(OSError, wired.wired, "pulses", samd21, on_circuitpython)


def test_pulses_are_countios_where_a_board_has_a_pin_for_them():
    class Board:
        PULSE = "D9"

    paper_circuitpython.install()
    count, modulus = on_circuitpython.pulses(Board)

    assert (count(), modulus) == (7, 0)
    assert paper_circuitpython.opened == [("counter", "pin D9", "fall")]


def test_values_come_from_the_pins():
    paper_circuitpython.install()

    assert on_circuitpython.cpu(samd21)() == 21.5
    assert on_circuitpython.contact(samd21)() == 1
    assert on_circuitpython.analog(samd21)() == 32768
    assert on_circuitpython.ticks()() == 1234
    paper_circuitpython.install(temperature=None)
    assert on_circuitpython.cpu(samd21)() is None


def test_the_link_is_on_the_second_usb_port_and_never_waits():
    usb_cdc = paper_circuitpython.install()

    hal = on_circuitpython.line(samd21, "usb")

    usb_cdc.data.incoming = b"abc"
    assert hal.read() == b"abc"
    assert hal.write(memoryview(b"x" * 100)) == 32
    assert usb_cdc.data.write_timeout == 0
    assert (hal.ticks_ms(), hal.closed) == (1234, False)


def test_without_a_second_port_the_board_says_what_is_missing():
    paper_circuitpython.install(second_port=False)

    err = raises(OSError, on_circuitpython.line, samd21, "usb")

    assert "boot.py" in str(err)


def test_the_link_may_be_on_the_uart():
    paper_circuitpython.install()
    on_circuitpython.line(samd21, "uart")

    assert paper_circuitpython.opened == [("uart", "pin TX", "pin RX", 115200, 0, 256)]
    raises(ValueError, on_circuitpython.line, samd21, "radio")


def test_a_board_without_random_numbers_counts_its_boots():
    from hal import boot_id

    def no_random(_count):
        raise NotImplementedError

    class WithoutRandom:
        urandom = no_random

    paper_circuitpython.install()
    os_of_the_hal = boot_id.os
    boot_id.os = WithoutRandom
    try:
        first = on_circuitpython.boot_id()
        second = on_circuitpython.boot_id()
    finally:
        boot_id.os = os_of_the_hal

    assert second == first + 1
    assert os.urandom(1)


def test_a_node_of_that_board_starts_with_what_its_settings_say():
    from node.text import TextNode

    usb_cdc = paper_circuitpython.install()
    node = TextNode(
        on_circuitpython.line(samd21, "usb"),
        wired.wired("cpu contact", samd21, on_circuitpython),
        "feather-1",
        1000,
        **samd21.TEXT,
    )

    node.poll()

    assert usb_cdc.data.outgoing.startswith(b"hello feather-1 ")
    assert node.n == 1  # the contact is told once two reads agree
