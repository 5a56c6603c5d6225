"""What a driver raises becomes the port's own error: OSError, whatever it was.

Knows which exceptions are a driver's no, or its end; not what was asked of it. pyserial lets
through termios.error, which is no OSError, and ValueError, OverflowError and struct.error of values
that no driver takes. Truth: pyserial 3.5 serialposix.py.
"""

from __future__ import annotations

import errno
import struct
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def port_errors() -> Iterator[None]:
    """Open, set or close a port within: what that raises is an OSError."""
    try:
        yield
    except termios.error as err:
        raise OSError(*err.args) from err
    except (ValueError, OverflowError, NotImplementedError, struct.error) as err:
        raise OSError(errno.EINVAL, str(err) or repr(err)) from err
