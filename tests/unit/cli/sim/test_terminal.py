"""A pseudo-terminal of one's own, and its name that stays."""

from __future__ import annotations

import os
import threading
import tty
from typing import TYPE_CHECKING

import pytest

from leafnode.bridge.uucp_lock import HeldError
from leafnode.cli.sim.errors import SimError
from leafnode.cli.sim.terminal import Pty, Tty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def terminal() -> Iterator[Pty]:
    one = Pty(None)
    yield one
    one.close()


def test_it_knows_whether_somebody_has_it_open(terminal: Pty) -> None:
    assert not terminal.is_heard

    fd = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
    assert terminal.is_heard
    os.close(fd)

    assert not terminal.is_heard
    assert terminal.read() == b""


def test_bytes_go_both_ways_as_they_are(terminal: Pty) -> None:
    data = bytes(range(256))
    fd = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
    try:
        assert terminal.write(data) == 256
        assert os.read(fd, 1000) == data
        os.write(fd, data)
        terminal.wait(10**9)
        assert terminal.read() == data
        assert terminal.read() == b""
    finally:
        os.close(fd)


def test_what_nobody_reads_is_taken_up_to_a_bound(terminal: Pty) -> None:
    fd = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
    try:
        taken = [terminal.write(bytes(4096)) for _ in range(100)]
    finally:
        os.close(fd)

    assert taken[-1] == 0


def test_what_was_said_last_is_read_before_it_goes() -> None:
    one = Pty(None)
    fd = os.open(one.path, os.O_RDWR | os.O_NOCTTY)
    heard: list[bytes] = []
    one.write(b"last words")
    reader = threading.Timer(0.1, lambda: heard.append(os.read(fd, 100)))
    reader.start()

    one.close()

    reader.join()
    os.close(fd)
    assert heard == [b"last words"]


def test_a_link_leads_to_it_while_it_is_there(tmp_path: Path) -> None:
    link = tmp_path / "scale"
    one = Pty(str(link))

    assert str(link.readlink()) == one.path
    one.close()

    assert not link.is_symlink()


def test_a_link_of_a_run_before_is_replaced_and_no_other(tmp_path: Path) -> None:
    link = tmp_path / "scale"
    link.symlink_to("/dev/pts/9999")
    one = Pty(str(link))
    link.unlink()
    link.symlink_to("/dev/pts/77")
    one.close()
    assert str(link.readlink()) == "/dev/pts/77"  # somebody else's by now

    link.unlink()
    link.symlink_to("/etc/passwd")
    with pytest.raises(SimError, match="none of ours"):
        Pty(str(link))
    link.unlink()
    link.write_text("precious")
    with pytest.raises(SimError, match="is there already"):
        Pty(str(link))
    assert link.read_text() == "precious"


def test_a_port_that_is_there_is_opened_alone(tmp_path: Path) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    try:
        one = Tty(path, 9600)
        assert one.path == path
        assert one.is_heard
        assert one.write(b"x") == 1
        assert os.read(master, 10) == b"x"
        os.write(master, b"y")
        one.wait(10**9)
        assert one.read() == b"y"
        with pytest.raises((HeldError, OSError)):
            Tty(path, 9600)
        one.close()
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("device", ["socket://h:1", "by-id:../x"])
def test_what_is_no_tty_is_refused(device: str) -> None:
    with pytest.raises(SimError, match="expected"):
        Tty(device, 9600)
