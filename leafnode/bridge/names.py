"""From a device's name in the configuration to the path of now.

Knows udev's links and USB ids by `sysfs`; opens no device. It is asked each time a port is opened:
what is not there yet is waited for. Truth: docs/serial/ports.md, "Names".
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, assert_never

from leafnode.config.device_name import Kind

if TYPE_CHECKING:
    from leafnode.bridge.sysfs import Machine
    from leafnode.config.device_name import DeviceName


class AmbiguousError(OSError):
    """Several devices go by this name."""


class NoTtyError(OSError):
    """What goes by this name is no terminal, and is not opened."""


def resolve(name: DeviceName, machine: Machine) -> str:
    """Return the path of the tty.

    Raises FileNotFoundError while it is not there, another OSError where it is not what it should.
    """
    path = os.path.realpath(_path(name, machine))
    if not os.path.lexists(path):
        raise FileNotFoundError(errno.ENOENT, f"{_shown(name)} is not there")
    if not machine.is_tty(path):
        raise NoTtyError(errno.ENOTTY, f"{path} is no serial port")
    return path


def _path(name: DeviceName, machine: Machine) -> str:
    match name.kind:
        case Kind.PATH:
            return name.value
        case Kind.BY_ID:
            return str(machine.dev / "serial" / "by-id" / name.value)
        case Kind.BY_PATH:
            return str(machine.dev / "serial" / "by-path" / name.value)
        case Kind.USB:
            return _usb_path(name, machine)
        case Kind.SOCKET | Kind.RFC2217:
            raise AssertionError("an address has no path")
        case _:
            assert_never(name.kind)


def _usb_path(name: DeviceName, machine: Machine) -> str:
    found = machine.usb(name.vendor, name.product, name.value)
    if not found:
        raise FileNotFoundError(errno.ENOENT, f"{_shown(name)} is not there")
    if len(found) > 1:
        ttys = ", ".join(tty.name for tty in found)
        advice = "use by-id: or by-path:, which `leafnode ports` shows"
        raise AmbiguousError(errno.ENOTUNIQ, f"{_shown(name)} are {len(found)}: {ttys}; {advice}")
    return found[0].path


def _shown(name: DeviceName) -> str:
    match name.kind:
        case Kind.BY_ID:
            return f"by-id:{name.value}"
        case Kind.BY_PATH:
            return f"by-path:{name.value}"
        case Kind.USB:
            serial = f":{name.value}" if name.value else ""
            return f"usb:{name.vendor}:{name.product}{serial}"
        case _:
            return name.value
