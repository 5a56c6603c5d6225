"""Lock files as minicom, gpsd and picocom lay them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leafnode.bridge import uucp_lock
from leafnode.bridge.uucp_lock import HeldError, take

DEVICE = "/dev/ttyUSB0"


def test_a_lock_file_has_our_pid_and_goes_when_it_is_released(tmp_path: Path) -> None:
    lock = take(DEVICE, tmp_path)

    assert lock is not None
    name = Path("/proc/self/comm").read_bytes().strip()
    assert (tmp_path / "LCK..ttyUSB0").read_bytes() == b"%10d %b\n" % (os.getpid(), name)
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_device_below_a_directory_has_a_name_of_one_part(tmp_path: Path) -> None:
    assert uucp_lock.path_of("/dev/pts/3", tmp_path) == tmp_path / "LCK..pts_3"


@pytest.mark.parametrize("text", [b"%10d\n", b"%d\n", b"%d {name} root\n", None])
def test_a_process_that_lives_keeps_its_port(tmp_path: Path, text: bytes | None) -> None:
    pid = os.getppid()
    name = Path(f"/proc/{pid}/comm").read_bytes().strip()
    content = pid.to_bytes(4, "little") if text is None else text.replace(b"{name}", name) % pid
    (tmp_path / "LCK..ttyUSB0").write_bytes(content)

    with pytest.raises(HeldError, match=f"says that process {pid} has it"):
        take(DEVICE, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["LCK..ttyUSB0"]


@pytest.mark.parametrize("pid", [0x2031, 0x0A09, 0x3131, 0x200A31, 7])
def test_a_binary_number_is_one_whatever_letters_its_bytes_are(tmp_path: Path, pid: int) -> None:
    path = tmp_path / "LCK..ttyUSB0"
    path.write_bytes(pid.to_bytes(4, "little"))

    assert uucp_lock.holder(path) == pid
    assert uucp_lock._may_be_its(path, os.getpid())


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"99999999999999\n", b"-1\n"])
def test_a_file_that_names_nobody_keeps_nobody_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "LCK..ttyUSB0").write_bytes(content)

    assert take(DEVICE, tmp_path) is not None


def test_a_number_that_another_program_has_by_now_keeps_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "LCK..ttyUSB0").write_bytes(b"%10d nosuchprogram root\n" % os.getppid())

    assert take(DEVICE, tmp_path) is not None


def test_a_dead_process_keeps_nobody_out(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (tmp_path / "LCK..ttyUSB0").write_bytes(b"%10d\n" % child.pid)

    lock = take(DEVICE, tmp_path)

    assert lock is not None
    assert uucp_lock.holder(tmp_path / "LCK..ttyUSB0") == os.getpid()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("keep\n")
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "LCK..ttyUSB0").symlink_to(secret)

    lock = take(DEVICE, locks)

    assert lock is not None
    assert secret.read_text() == "keep\n"
    assert not (locks / "LCK..ttyUSB0").is_symlink()


def test_without_a_directory_the_kernels_locks_do_it_alone(tmp_path: Path) -> None:
    assert take(DEVICE, tmp_path / "nothing") is None


def test_a_second_name_of_a_port_of_ours_is_refused_and_takes_nothing_away(tmp_path: Path) -> None:
    lock = take(DEVICE, tmp_path)
    assert lock is not None

    with pytest.raises(HeldError, match=f"process {os.getpid()} has it"):
        take(DEVICE, tmp_path)

    assert (tmp_path / "LCK..ttyUSB0").exists()
    lock.release()
    again = take(DEVICE, tmp_path)
    lock.release()  # it is not its any more
    assert again is not None
    assert (tmp_path / "LCK..ttyUSB0").exists()
    again.release()
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_our_number_that_is_not_ours_is_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "LCK..ttyUSB0").write_bytes(b"%10d\n" % os.getpid())

    lock = take(DEVICE, tmp_path)

    assert lock is not None
    lock.release()


def test_another_ones_file_is_not_removed(tmp_path: Path) -> None:
    lock = take(DEVICE, tmp_path)
    assert lock is not None
    (tmp_path / "LCK..ttyUSB0").write_bytes(b"%10d\n" % os.getppid())

    lock.release()

    assert (tmp_path / "LCK..ttyUSB0").exists()
