"""Ctrl-C on the link's line. Runs on CPython and MicroPython."""

from hal.interrupt import Interrupt

from leafnode.link import const
from leafnode.link.gateway import GatewaySession
from tests.unit.link.wire import from_device, from_gateway, hello_body


def ends_at(data):
    """Return behind how many bytes a program ends, 0 when it does not."""
    interrupt = Interrupt()
    for index in range(len(data)):
        if interrupt.take(data[index]):
            return index + 1
    return 0


def test_what_mpremote_and_a_person_send_ends_a_program_at_once():
    # transport_serial.py: \r 0x03, then \r 0x01 for the raw REPL, which must not be read here.
    assert ends_at(b"\r\x03\r\x01") == 2
    assert ends_at(b"\x03\x03") == 2
    assert ends_at(b"\x00\x05abcd\x00\r\x03\r\x01") == 9


def test_in_the_middle_of_a_frame_nothing_ends_a_program():
    assert ends_at(b"\x07\r\x03\x03\x03\x03\x00") == 0
    assert ends_at(b"\r\x01") == 0
    assert ends_at(b"\x03") == 0
    assert ends_at(b"\r\r\x03") == 0


def test_no_frame_of_a_gateway_ends_a_program():
    for kind in range(1, 32):
        if kind == const.PUB:
            continue
        for number in list(range(300)) + [0x030303, 0x03030303, 0x0D0D0D0D & const.SEQ_MAX]:  # noqa: RUF005
            for body in (b"", b"\x03\x03", b"\r\x03\r\x03", b"\x00\r\x03\x00\x03\x03"):
                data = from_gateway(kind, 0x03030303, number, 0x0303, body)
                assert ends_at(data + data) == 0, (kind, number)


def test_a_gateway_that_serves_a_device_does_not_end_its_program():
    gateway = GatewaySession()
    sent = b""
    for seq in range(1, 400):
        data = from_device(const.HELLO, 3, 0, 0, hello_body()) if seq == 1 else b""
        data += from_device(const.PUB, 3, seq, 0, b"\x01t\x03\x03")
        for event in gateway.receive(data, seq):
            if hasattr(event, "payload"):
                gateway.committed(event.seq, event.boot_id)
        sent += gateway.data_to_send(seq)

    assert len(sent) > 5000
    assert ends_at(sent) == 0
