"""A made-up /sys and /dev below a directory, with ttys of USB devices in it. No root needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.bridge.sysfs import Machine

if TYPE_CHECKING:
    from pathlib import Path


class FakeMachine:
    """Plugs devices in and out. A device's node may be a link to a real pseudo-terminal."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.machine = Machine(root)
        (root / "sys" / "class" / "tty").mkdir(parents=True)
        (root / "dev" / "serial" / "by-id").mkdir(parents=True)
        (root / "dev" / "serial" / "by-path").mkdir()

    def usb_tty(
        self,
        name: str,
        *,
        vendor: str = "0403",
        product: str = "6001",
        serial: str = "A1",
        bus: str = "1-1",
        interface: int = 0,
        driver: str = "ftdi_sio",
        model: str = "FT232R USB UART",
        by_id: str = "",
        by_path: str = "",
        node: str = "",
    ) -> None:
        """Plug one in; with `serial` empty it says no serial number."""
        usb = self.root / "sys" / "devices" / "pci0" / "usb1" / bus
        number = f"{bus}:1.{interface}"
        port = usb / number / name
        port.mkdir(parents=True, exist_ok=True)
        for key, value in (
            ("idVendor", vendor),
            ("idProduct", product),
            ("serial", serial),
            ("manufacturer", "FTDI"),
            ("product", model),
        ):
            if value:
                (usb / key).write_text(f"{value}\n")
        (usb / number / "bInterfaceNumber").write_text(f"{interface:02}\n")
        drivers = self.root / "sys" / "bus" / "usb-serial" / "drivers" / driver
        drivers.mkdir(parents=True, exist_ok=True)
        (port / "driver").symlink_to(drivers)
        self._tty(name, port)
        self._node(name, node)
        self.link("by-id", by_id, name)
        self.link("by-path", by_path, name)

    def builtin_tty(self, name: str, *, uart: str = "4", node: str = "") -> None:
        """Add one of the board's own; of uart 0 are those that only the driver knows."""
        device = self.root / "sys" / "devices" / "platform" / f"{name}.0"
        device.mkdir(parents=True)
        drivers = self.root / "sys" / "bus" / "platform" / "drivers" / "uart-pl011"
        drivers.mkdir(parents=True, exist_ok=True)
        (device / "driver").symlink_to(drivers)
        self._tty(name, device)
        (self.root / "sys" / "class" / "tty" / name / "type").write_text(f"{uart}\n")
        self._node(name, node)

    def console(self, name: str) -> None:
        """Add one that is a terminal of the kernel's own."""
        (self.root / "sys" / "class" / "tty" / name).mkdir()

    def link(self, kind: str, name: str, tty: str) -> None:
        if name:
            (self.root / "dev" / "serial" / kind / name).symlink_to(f"../../{tty}")

    def unplug(self, name: str) -> None:
        for kind in ("by-id", "by-path"):
            for link in (self.root / "dev" / "serial" / kind).iterdir():
                if link.readlink().name == name:
                    link.unlink()
        (self.root / "dev" / name).unlink()
        (self.root / "sys" / "class" / "tty" / name / "device").unlink()
        (self.root / "sys" / "class" / "tty" / name).rmdir()

    def _tty(self, name: str, device: Path) -> None:
        entry = self.root / "sys" / "class" / "tty" / name
        entry.mkdir()
        (entry / "device").symlink_to(device)

    def _node(self, name: str, node: str) -> None:
        path = self.root / "dev" / name
        if node:
            path.symlink_to(node)
        else:
            path.write_bytes(b"")
