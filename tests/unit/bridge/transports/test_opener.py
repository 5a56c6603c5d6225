"""What a port's name leads to is opened, each time anew."""

from __future__ import annotations

import os
import socket
import tty
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.bridge.transports import opener as opener_module
from leafnode.bridge.transports.opener import Opener
from leafnode.bridge.transports.rts import RtsPort
from leafnode.bridge.uucp_lock import HeldError
from leafnode.config.serial_options import Rs485Options, SerialPort
from tests.sim.clock import FakeClock
from tests.sim.machine import FakeMachine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class World:
    """A made-up machine with one tty, and a directory for lock files."""

    def __init__(self, directory: Path) -> None:
        self.fake = FakeMachine(directory / "root")
        self.locks = directory / "locks"
        self.locks.mkdir()
        self.open = Opener(FakeClock(), self.fake.machine, self.locks)
        self.keep, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.fake.usb_tty("ttyUSB0", by_id="usb-A1", node=self.path)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    os.close(world.keep)
    os.close(world.slave)


def named(device: str, **options: Any) -> SerialPort:
    return SerialPort(device, "p", "s.p", **options)


def test_a_tty_is_opened_by_its_name_and_its_lock_file_is_laid(world: World) -> None:
    port = world.open(named("by-id:usb-A1", baud=9600, parity="even"))

    assert port.path == world.path
    assert port.describe() == f"path={world.path} baud=9600 line=8E1"
    [lock] = world.locks.iterdir()
    assert int(lock.read_bytes().split()[0]) == os.getpid()
    port.close()
    assert not list(world.locks.iterdir())


def test_who_holds_the_lock_file_keeps_it(world: World) -> None:
    name = world.path.removeprefix("/dev/").replace("/", "_")
    (world.locks / f"LCK..{name}").write_bytes(b"%10d\n" % os.getppid())

    with pytest.raises(HeldError, match="has it"):
        world.open(named("by-id:usb-A1"))


def test_a_failure_to_open_leaves_no_lock_file(world: World) -> None:
    with pytest.raises(OSError, match="no RS-485 mode"):
        world.open(named("by-id:usb-A1", rs485=Rs485Options("kernel")))

    assert not list(world.locks.iterdir())


def test_a_device_that_is_not_there_is_file_not_found(world: World) -> None:
    world.fake.unplug("ttyUSB0")

    with pytest.raises(FileNotFoundError, match="by-id:usb-A1 is not there"):
        world.open(named("by-id:usb-A1"))


def test_where_a_name_leads_to_is_found_without_opening_it(world: World) -> None:
    assert world.open.find(named("by-id:usb-A1")) == world.path
    assert world.open.find(named("socket://10.0.0.7:4001")) == "socket://10.0.0.7:4001"
    world.fake.unplug("ttyUSB0")
    with pytest.raises(FileNotFoundError, match="by-id:usb-A1 is not there"):
        world.open.find(named("by-id:usb-A1"))
    assert not list(world.locks.iterdir())


def test_a_soft_switch_stands_before_the_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pseudo-terminal has no RTS.
    monkeypatch.setattr(opener_module.TtyPort, "set_rts", lambda self, on: None)

    port = world.open(named("by-id:usb-A1", rs485=Rs485Options("rts")))

    assert isinstance(port, RtsPort)
    assert port.path == world.path
    port.stop()
    port.close()


def test_an_address_is_connected_to(world: World) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"socket://127.0.0.1:{listener.getsockname()[1]}"

    port = world.open(named(address))

    assert port.path == address
    port.close()
    listener.close()
