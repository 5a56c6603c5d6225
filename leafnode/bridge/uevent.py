"""What the kernel says when a device comes or goes: one datagram, parsed within bounds.

Sans-IO. Knows the format; not who cares. Truth: Linux lib/kobject_uevent.c; netlink(7).
"""

from __future__ import annotations

from typing import NamedTuple

from leafnode.bridge import port_bounds


class Uevent(NamedTuple):
    """`action` is add, remove, bind, …; `name` the device's below /dev, or ""."""

    action: str
    subsystem: str
    name: str


def parse(datagram: bytes) -> Uevent | None:
    """Return what a datagram says; None for what is none of the kernel's."""
    if len(datagram) > port_bounds.UEVENT_BYTES_MAX or not datagram.endswith(b"\0"):
        return None
    head, *fields = datagram[:-1].split(b"\0", port_bounds.UEVENT_FIELDS_MAX + 1)
    action, at, path = head.partition(b"@")
    if not at or not path.startswith(b"/") or len(fields) > port_bounds.UEVENT_FIELDS_MAX:
        return None
    values: dict[bytes, str] = {}
    for one in fields:
        key, equals, value = one.partition(b"=")
        if not equals:
            return None
        values[key] = value.decode("utf-8", "replace")
    if values.get(b"ACTION") != action.decode("utf-8", "replace"):
        return None
    return Uevent(values[b"ACTION"], values.get(b"SUBSYSTEM", ""), values.get(b"DEVNAME", ""))
