"""What the kernel says of devices. The datagrams are of a Linux 6.1 machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge import port_bounds
from leafnode.bridge.uevent import Uevent, parse

ADD = (
    b"add@/devices/pci0000:00/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0\0ACTION=add\0"
    b"DEVPATH=/devices/pci0000:00/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0\0SUBSYSTEM=tty\0"
    b"MAJOR=188\0MINOR=0\0DEVNAME=ttyUSB0\0SEQNUM=952\0"
)


def test_a_tty_that_came_is_told() -> None:
    assert parse(ADD) == Uevent("add", "tty", "ttyUSB0")
    assert parse(ADD.replace(b"add", b"remove")) == Uevent("remove", "tty", "ttyUSB0")


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0",
        b"libudev\0\xfe\xed\xca\xfe" + bytes(28) + b"ACTION=add\0SUBSYSTEM=tty\0",
        ADD[:-1],  # its end is missing
        ADD.replace(b"ACTION=add", b"ACTION=remove"),
        ADD.replace(b"add@/", b"add@"),
        ADD + b"no variable\0",
        b"add@/x\0ACTION=add\0" + b"A=b\0" * port_bounds.UEVENT_FIELDS_MAX,
        b"add@/" + b"x" * port_bounds.UEVENT_BYTES_MAX + b"\0ACTION=add\0",
    ],
)
def test_what_is_no_event_of_the_kernel_says_nothing(datagram: bytes) -> None:
    assert parse(datagram) is None


def test_as_many_variables_as_the_bound_are_read() -> None:
    most = b"add@/x\0ACTION=add\0" + b"A=b\0" * (port_bounds.UEVENT_FIELDS_MAX - 1)

    assert parse(most) == Uevent("add", "", "")


@given(st.binary(max_size=300))
def test_whatever_comes_is_an_event_or_nothing(data: bytes) -> None:
    for datagram in (data, b"add@/" + data + b"\0", ADD + data + b"\0"):
        event = parse(datagram)
        assert event is None or isinstance(event, Uevent)
