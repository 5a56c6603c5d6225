"""The ttys of a machine, of a made-up /sys and /dev."""

from __future__ import annotations

import os
from pathlib import Path

from leafnode.bridge import port_bounds
from leafnode.bridge.sysfs import Machine, Tty
from tests.sim.machine import FakeMachine


def test_a_usb_tty_says_what_it_is_and_how_it_is_called(tmp_path: Path) -> None:
    fake = FakeMachine(tmp_path)
    fake.usb_tty("ttyUSB0", by_id="usb-FTDI_A1-if00-port0", by_path="pci-0-usb-0:1:1.0-port0")

    [tty] = fake.machine.ttys()

    assert tty == Tty(
        name="ttyUSB0",
        path=str(tmp_path / "dev" / "ttyUSB0"),
        driver="ftdi_sio",
        vendor="0403",
        product="6001",
        serial="A1",
        interface="00",
        maker="FTDI",
        model="FT232R USB UART",
        by_id="usb-FTDI_A1-if00-port0",
        by_path="pci-0-usb-0:1:1.0-port0",
    )
    assert (tty.usb_id, tty.stable_name) == ("0403:6001", "by-id:usb-FTDI_A1-if00-port0")


def test_a_name_that_stays_is_found_where_udev_made_none(tmp_path: Path) -> None:
    fake = FakeMachine(tmp_path)
    fake.usb_tty("ttyUSB0", serial="", by_path="pci-1")
    fake.usb_tty("ttyUSB1", serial="S1", bus="1-2")
    fake.usb_tty("ttyUSB2", serial="", bus="1-3")

    names = [tty.stable_name for tty in fake.machine.ttys()]

    assert names == ["by-path:pci-1", "usb:0403:6001:S1", str(tmp_path / "dev" / "ttyUSB2")]


def test_ports_that_a_board_does_not_have_and_consoles_are_no_ttys_of_ours(tmp_path: Path) -> None:
    fake = FakeMachine(tmp_path)
    fake.builtin_tty("ttyAMA0")
    fake.builtin_tty("ttyS9", uart="0")
    fake.console("tty1")

    [tty] = fake.machine.ttys()

    assert (tty.name, tty.driver, tty.usb_id) == ("ttyAMA0", "uart-pl011", "")


def test_what_a_device_says_of_itself_is_bounded_and_has_no_control_character(
    tmp_path: Path,
) -> None:
    fake = FakeMachine(tmp_path)
    fake.usb_tty("ttyUSB0", serial="A\x1b[2J\x07" + "x" * 10_000)

    [tty] = fake.machine.ttys()

    assert tty.serial.startswith("A[2Jxxx")
    assert len(tty.serial) < port_bounds.SYSFS_BYTES_MAX


def test_a_machine_without_any_of_it_has_no_ttys(tmp_path: Path) -> None:
    assert Machine(tmp_path).ttys() == []


def test_a_terminal_is_told_from_other_devices_without_opening_it(tmp_path: Path) -> None:
    keep, slave = os.openpty()
    chars = tmp_path / "sys" / "dev" / "char"
    chars.mkdir(parents=True)
    machine = Machine(tmp_path)
    file = tmp_path / "file"
    file.write_bytes(b"")

    assert machine.is_tty(os.ttyname(slave))
    assert not machine.is_tty("/dev/null")  # nothing says that it is one
    assert not machine.is_tty(str(file))
    null = Path("/dev/null").stat().st_rdev
    (tmp_path / "sys" / "class" / "tty").mkdir(parents=True)
    entry = chars / f"{os.major(null)}:{os.minor(null)}"
    entry.mkdir()
    (entry / "subsystem").symlink_to(tmp_path / "sys" / "class" / "tty")
    assert machine.is_tty("/dev/null")
    os.close(keep)
    os.close(slave)
