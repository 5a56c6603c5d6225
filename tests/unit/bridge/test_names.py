"""From a device's name to the path of now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from leafnode.bridge.names import AmbiguousError, NoTtyError, resolve
from leafnode.config.device_name import parse
from tests.sim.machine import FakeMachine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


@pytest.fixture
def pty() -> Iterator[str]:
    keep, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(keep)
    os.close(slave)


def found(name: str, fake: FakeMachine) -> str:
    return resolve(parse(name), fake.machine)


def test_a_device_has_many_names(fake: FakeMachine, pty: str) -> None:
    fake.usb_tty("ttyUSB3", by_id="usb-A1", by_path="pci-1", node=pty)

    for name in ("by-id:usb-A1", "by-path:pci-1", "usb:0403:6001", "usb:0403:6001:A1", pty):
        assert found(name, fake) == pty


def test_a_name_follows_its_device_to_another_path(fake: FakeMachine, pty: str) -> None:
    keep, slave = os.openpty()
    fake.usb_tty("ttyUSB0", by_id="usb-A1", node=pty)
    assert found("by-id:usb-A1", fake) == pty

    fake.unplug("ttyUSB0")
    with pytest.raises(FileNotFoundError, match="by-id:usb-A1 is not there"):
        found("by-id:usb-A1", fake)
    with pytest.raises(FileNotFoundError, match="usb:0403:6001:A1 is not there"):
        found("usb:0403:6001:A1", fake)
    fake.usb_tty("ttyUSB1", by_id="usb-A1", node=os.ttyname(slave))

    assert found("by-id:usb-A1", fake) == os.ttyname(slave)
    assert found("usb:0403:6001:A1", fake) == os.ttyname(slave)
    os.close(keep)
    os.close(slave)


def test_one_of_two_equal_devices_is_told_by_its_serial_number_only(
    fake: FakeMachine, pty: str
) -> None:
    fake.usb_tty("ttyUSB0", serial="A1", node=pty)
    fake.usb_tty("ttyUSB1", serial="B2", bus="1-2", node=pty)

    assert found("usb:0403:6001:B2", fake) == pty
    with pytest.raises(AmbiguousError, match="0403:6001 are 2: ttyUSB0, ttyUSB1; use by-id"):
        found("usb:0403:6001", fake)


def test_what_is_no_serial_port_is_not_opened(fake: FakeMachine, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    for path in (file, fifo, tmp_path):
        with pytest.raises(NoTtyError, match="is no serial port"):
            found(str(path), fake)
    with pytest.raises(FileNotFoundError):
        found(str(tmp_path / "nothing"), fake)


def test_a_link_that_leads_nowhere_is_waited_for(fake: FakeMachine) -> None:
    fake.link("by-id", "usb-A1", "ttyUSB7")

    with pytest.raises(FileNotFoundError, match="by-id:usb-A1 is not there"):
        found("by-id:usb-A1", fake)
