"""Which device a port is and how its line is set. Truth: docs/serial/ports.md."""

from __future__ import annotations

import pytest

from leafnode.config.serial_options import Rs485Options, SerialPort
from tests.unit.config.test_serial import options, refused


def port_of(text: str) -> SerialPort:
    serial = options(f"serial {{ ports [ {{ name: p, subject: s.p, {text} }} ] }}").serial
    assert serial is not None
    return serial.ports[0]


def test_a_line_is_8n1_and_fast_unless_it_says_otherwise() -> None:
    port = port_of("device: /dev/ttyAMA0")

    assert (port.baud, port.data_bits, port.parity, port.stop_bits) == (115_200, 8, "none", 1)
    assert (port.flow, port.dtr, port.rts, port.low_latency, port.rs485) == (
        "none",
        True,
        True,
        True,
        None,
    )


def test_a_line_has_all_its_keys() -> None:
    port = port_of(
        """device: "usb:0403:6001", baud: 9600, data_bits: 7, parity: even, stop_bits: 2,
        flow: rtscts, dtr: false, low_latency: false"""
    )

    assert (port.device, port.baud, port.data_bits) == ("usb:0403:6001", 9600, 7)
    assert (port.parity, port.stop_bits, port.flow) == ("even", 2, "rtscts")
    assert (port.dtr, port.low_latency) == (False, False)


def test_rs485_has_its_own_block() -> None:
    port = port_of(
        """device: /dev/ttyAMA0, rs485 { mode: rts, delay_before: 1ms, delay_after: 0s,
        rts_on_send: false, rx_during_tx: true }"""
    )

    assert port.rs485 == Rs485Options("rts", 1_000_000, 0, rts_on_send=False, rx_during_tx=True)
    assert port_of("device: /dev/ttyAMA0, rs485 { mode: adapter }").rs485 == Rs485Options("adapter")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("device: ttyUSB0", "ports[0].device: expected a device: by-id:NAME"),
        ("device: /dev/../etc/x", "ports[0].device: expected a plain path"),
        ("device: 'by-id:../x'", "ports[0].device: expected the name of one link"),
        ("device: 'usb:1:2'", "ports[0].device: expected usb:VID:PID"),
        ("device: 'socket://x'", "ports[0].device: expected socket://host:port"),
        ("device: /dev/x, data_bits: 9", "data_bits: expected data bits from 5 to 8"),
        ("device: /dev/x, parity: some", "parity: expected none or even or odd"),
        ("device: /dev/x, stop_bits: 3", "stop_bits: expected stop bits from 1 to 2"),
        ("device: /dev/x, flow: both", "flow: expected none or rtscts or xonxoff"),
        ("device: /dev/x, dtr: 2", "dtr: expected true or false"),
        ("device: /dev/x, flow: rtscts, rts: true", "rts: expected no rts beside flow rtscts"),
        ("device: /dev/x, rs485 { mode: rts, delay_after: false }", "expected a duration"),
        ("device: /dev/x, rs485 { delay_after: 1ms }", "rs485: expected mode: kernel, rts or"),
        ("device: /dev/x, rs485 { mode: soft }", "mode: expected kernel or rts or adapter"),
        (
            "device: /dev/x, rs485 { mode: rts, delay_after: 2s }",
            "delay_after: expected at most 1s",
        ),
        ("device: /dev/x, rs485 { mode: adapter, delay_after: 1ms }", "an adapter switches by its"),
        ("device: /dev/x, rs485 { mode: rts }, rts: true", "the RS-485 mode rts moves RTS itself"),
        ("device: /dev/x, flow: rtscts, rs485 { mode: kernel }", "the RS-485 mode kernel moves"),
        ("device: 'socket://h:1', baud: 9600", "baud: a socket:// has no line"),
        ("device: 'socket://h:1', preset: nmea, baud: 9600", "baud: a socket:// has no line"),
        ("device: 'rfc2217://h:1', rs485 { mode: kernel }", "rs485: expected a tty beside it"),
        ("device: 'rfc2217://h:1', low_latency: true", "low_latency: expected a tty beside it"),
    ],
)
def test_a_line_is_checked(text: str, error: str) -> None:
    assert error in refused(f"serial {{ ports [ {{ name: p, subject: s.p, {text} }} ] }}")


def test_a_name_that_another_device_may_have_tomorrow_is_a_warning() -> None:
    bare = "serial { ports [ { name: p, subject: s.p, device: /dev/ttyUSB0 } ] }"

    [warning] = options(bare).warnings

    assert warning == (
        "x.conf:1:43: serial.ports[0].device: /dev/ttyUSB0 may be another device tomorrow: "
        "`leafnode ports` shows names that stay"
    )
    assert options(bare.replace("/dev/ttyUSB0", '"by-id:usb-1"')).warnings == ()
