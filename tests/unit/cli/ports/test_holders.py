"""Who has a port, of a made-up /proc."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from leafnode.cli.ports.holders import Holder, Holders

if TYPE_CHECKING:
    from pathlib import Path


class Proc:
    """A made-up /proc and a directory of lock files."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "proc"
        self.root.mkdir()
        self.locks = directory / "locks"
        self.locks.mkdir()
        self.device = directory / "ttyUSB0"
        self.device.write_bytes(b"")
        self.lines: list[str] = []

    def process(self, pid: int, name: str, *opens: str) -> None:
        fds = self.root / str(pid) / "fd"
        fds.mkdir(parents=True)
        (self.root / str(pid) / "comm").write_text(f"{name}\n")
        for number, target in enumerate(opens):
            (fds / str(number)).symlink_to(target)

    def flock(self, pid: int) -> None:
        status = self.device.stat()
        major, minor = os.major(status.st_dev), os.minor(status.st_dev)
        self.lines.append(
            f"1: FLOCK  ADVISORY  WRITE {pid} {major:02x}:{minor:02x}:{status.st_ino} 0 EOF"
        )

    def of(self, path: str) -> list[Holder]:
        (self.root / "locks").write_text("\n".join(["1: POSIX x", "nonsense", *self.lines, ""]))
        return Holders(self.root, self.locks).of(path)


def test_a_lock_of_the_kernel_and_a_lock_file_name_their_process(tmp_path: Path) -> None:
    proc = Proc(tmp_path)
    proc.process(77, "leafnode")
    proc.process(78, "gpsd")
    proc.flock(77)
    proc.flock(-1)  # of another machine or namespace
    name = str(proc.device).strip("/").replace("/", "_")
    (proc.locks / f"LCK..{name}").write_text("        78\n")

    assert proc.of(str(proc.device)) == [
        Holder(77, "leafnode", ("flock",)),
        Holder(78, "gpsd", ("lock file",)),
    ]


def test_who_has_it_open_is_found_and_all_that_is_known_is_said_at_once(tmp_path: Path) -> None:
    proc = Proc(tmp_path)
    proc.process(77, "minicom", "/dev/null", "/dev/ttyX7", "/home/x")
    proc.process(78, "other", "/dev/pts/9")

    assert proc.of("/dev/ttyX7") == [Holder(77, "minicom", ("open",))]


def test_a_stale_lock_file_holds_nothing_and_without_proc_nobody_is_known(tmp_path: Path) -> None:
    proc = Proc(tmp_path)
    name = str(proc.device).strip("/").replace("/", "_")
    (proc.locks / f"LCK..{name}").write_text("99\n")

    assert proc.of(str(proc.device)) == []
    assert proc.of("/dev/not-there") == []


def test_this_process_is_found_with_its_terminal() -> None:
    keep, slave = os.openpty()

    found = Holders().of(os.ttyname(slave))

    assert any(holder.pid == os.getpid() and "open" in holder.how for holder in found)
    os.close(keep)
    os.close(slave)
