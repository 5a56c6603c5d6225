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


def ends_after(before, silences, data):
    """Return whether a program ends by bytes, looks that found nothing at these times, bytes."""
    interrupt = Interrupt()
    assert not any(interrupt.take(byte) for byte in before)
    for now_ms in silences:
        interrupt.quiet(now_ms)
    return any(interrupt.take(byte) for byte in data)


def test_behind_a_silence_stray_bytes_are_no_frame():
    for stray in (b"\r", b"AT\r", b"S\r\n", b"\x01\x03\x00\x00\x00\x01\x84\x0a", b"\x07\r\x03\x03"):
        for data in (b"\r\x03", b"\x03\x03"):
            assert ends_after(stray, (1000, 1500), data), (stray, data)
            assert ends_after(stray, (0x3FFFFF00, 0xF4), data)  # MicroPython's ticks wrap at 2^30


def test_a_person_may_press_ctrl_c_slowly():
    assert ends_after(b"\x03", (0, 2000), b"\x03")


def test_a_frame_that_comes_in_parts_ends_no_program():
    for silences in ((), (1000,), (1000, 1499), (1000, 1200, 1499)):
        assert not ends_after(b"\x07\r\x01", silences, b"\x03\x03"), silences


def test_silence_is_counted_from_the_last_byte():
    interrupt = Interrupt()
    for now_ms in range(0, 2000, 400):
        interrupt.quiet(now_ms)
        interrupt.take(7)

    assert not any(interrupt.take(byte) for byte in b"\x03\x03")


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
