"""Whatever a driver raises, a port's user sees an OSError."""

from __future__ import annotations

import errno
import struct
import termios

import pytest

from leafnode.bridge.transports.driver import port_errors


@pytest.mark.parametrize(
    ("raised", "number", "text"),
    [
        (termios.error(errno.EIO, "Input/output error"), errno.EIO, "Input/output error"),
        (ValueError("Invalid baud rate: -1"), errno.EINVAL, "Invalid baud rate: -1"),
        (OverflowError("signed integer is greater"), errno.EINVAL, "signed integer is greater"),
        (struct.error("argument out of range"), errno.EINVAL, "argument out of range"),
        (NotImplementedError(), errno.EINVAL, "NotImplementedError()"),
        (FileNotFoundError(errno.ENOENT, "not there"), errno.ENOENT, "not there"),
    ],
)
def test_what_a_driver_raises_is_an_error_of_the_port(
    raised: Exception, number: int, text: str
) -> None:
    with pytest.raises(OSError, match=r".") as caught, port_errors():
        raise raised

    assert (caught.value.errno, caught.value.strerror) == (number, text)


def test_a_bug_stays_one() -> None:
    with pytest.raises(ZeroDivisionError), port_errors():
        raise ZeroDivisionError
