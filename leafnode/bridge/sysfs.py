"""The ttys of this machine and the USB devices behind them, as sysfs and udev's links show them.

Knows files below a root, which a test may replace; opens no device. Everything that is read is
bounded. Truth: docs/serial/ports.md, "Names"; Linux Documentation/ABI/stable/sysfs-bus-usb.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leafnode.bridge import port_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path("/")
_PTY_MAJORS: Final = range(136, 144)  # Unix98 pseudo-terminals: sysfs does not know them


@dataclass(frozen=True, slots=True)
class Tty:
    """A tty with a device behind it. Empty where nothing says; `links` are of /dev/serial."""

    name: str
    path: str
    driver: str = ""
    vendor: str = ""
    product: str = ""
    serial: str = ""
    interface: str = ""
    maker: str = ""
    model: str = ""
    by_id: str = ""
    by_path: str = ""

    @property
    def usb_id(self) -> str:
        return f"{self.vendor}:{self.product}" if self.vendor else ""

    @property
    def stable_name(self) -> str:
        """The name that a configuration should use, or the path where there is none better."""
        if self.by_id:
            return f"by-id:{self.by_id}"
        if self.by_path:
            return f"by-path:{self.by_path}"
        if self.serial:
            return f"usb:{self.vendor}:{self.product}:{self.serial}"
        return self.path


class Machine:
    """What is below /dev and /sys, or below another root."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self.dev = root / "dev"
        self._sys = root / "sys"

    def ttys(self) -> list[Tty]:
        """Return those with a device behind them, in the order of their names."""
        by_id, by_path = self._links("by-id"), self._links("by-path")
        found = []
        for name in self._names():
            tty = self._tty(name, by_id.get(name, ""), by_path.get(name, ""))
            if tty is not None:
                found.append(tty)
        return found

    def usb(self, vendor: str, product: str, serial: str = "") -> list[Tty]:
        """Return the ttys of one kind of USB device, or of the one with this serial number."""
        return [
            tty
            for tty in self.ttys()
            if (tty.vendor, tty.product) == (vendor, product) and serial in {"", tty.serial}
        ]

    def is_tty(self, path: str) -> bool:
        """Say whether it is a terminal, without opening it: some devices act when opened.

        Raises OSError where there is nothing.
        """
        status = Path(path).stat()
        if not stat.S_ISCHR(status.st_mode):
            return False
        major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        devices = self._sys / "dev" / "char"
        if major in _PTY_MAJORS or not devices.is_dir():
            return True
        subsystem = devices / f"{major}:{minor}" / "subsystem"
        return subsystem.exists() and subsystem.resolve().name == "tty"

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._sys / "class" / "tty") as entries:
                return sorted(entry.name for entry in islice(entries, port_bounds.TTYS_MAX))
        except FileNotFoundError:
            return []

    def _links(self, kind: str) -> dict[str, str]:
        """Return udev's links by the name of the tty that they lead to."""
        found: dict[str, str] = {}
        try:
            with os.scandir(self.dev / "serial" / kind) as entries:
                names = sorted(entry.name for entry in islice(entries, port_bounds.TTYS_MAX))
        except FileNotFoundError:
            return found
        for name in names:
            target = Path(os.path.realpath(self.dev / "serial" / kind / name))
            found.setdefault(target.name, name)
        return found

    def _tty(self, name: str, by_id: str, by_path: str) -> Tty | None:
        entry = self._sys / "class" / "tty" / name
        device = entry / "device"
        # A driver for ports that a board may have lists them all; of type 0 are those it has not.
        if not device.exists() or _attribute(entry / "type") == "0":
            return None
        driver = device / "driver"
        usb, interface = _usb_parents(Path(os.path.realpath(device)), self._sys)
        return Tty(
            name=name,
            path=str(self.dev / name),
            driver=Path(os.path.realpath(driver)).name if driver.exists() else "",
            vendor=_attribute(usb / "idVendor").lower() if usb else "",
            product=_attribute(usb / "idProduct").lower() if usb else "",
            serial=_attribute(usb / "serial") if usb else "",
            interface=_attribute(interface / "bInterfaceNumber") if interface else "",
            maker=_attribute(usb / "manufacturer") if usb else "",
            model=_attribute(usb / "product") if usb else "",
            by_id=by_id,
            by_path=by_path,
        )


def _parents(device: Path, top: Path) -> Iterator[Path]:
    real_top = Path(os.path.realpath(top))
    for directory in islice((device, *device.parents), port_bounds.SYSFS_PARENTS_MAX):
        if not directory.is_relative_to(real_top):
            return
        yield directory


def _usb_parents(device: Path, top: Path) -> tuple[Path | None, Path | None]:
    """Return the USB device that a tty belongs to, and its interface, as far as there are any."""
    interface = None
    for directory in _parents(device, top):
        if interface is None and (directory / "bInterfaceNumber").is_file():
            interface = directory
        if (directory / "idVendor").is_file():
            return directory, interface
    return None, None


def _attribute(path: Path) -> str:
    """Return the first line of a small file; "" where there is none. It comes from the device."""
    try:
        with path.open("rb") as file:
            line = file.read(port_bounds.SYSFS_BYTES_MAX).split(b"\n")[0]
    except OSError:  # it was unplugged just now, or nothing tells
        return ""
    text = line.decode("utf-8", "replace").strip()
    return "".join(char for char in text if char.isprintable())
