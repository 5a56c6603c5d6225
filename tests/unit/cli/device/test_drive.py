"""leafnode.cli.device.drive: which drive is CircuitPython's, and whole files on it."""

import os
from pathlib import Path

import pytest

from leafnode.cli.device import drive
from leafnode.cli.device.drive import NoDrive, about, copy_to_drive, find_drive
from leafnode.cli.device.plan import Copy

BOOT = "Adafruit CircuitPython 9.2.1 on 2024-11-20; Adafruit Feather M0 Express\nBoard ID:x\n"


def mounted(tmp_path: Path, *names: str) -> Path:
    """Return a /proc/mounts with drives of these names."""
    lines = ["proc /proc proc rw 0 0"]
    for name in names:
        place = tmp_path / name
        place.mkdir()
        (place / "boot_out.txt").write_text(BOOT)
        escaped = str(place).replace(" ", "\\040")
        lines.append(f"/dev/sda1 {escaped} vfat rw 0 0")
    path = tmp_path / "mounts"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_only_drive_is_found_and_says_what_it_is(tmp_path: Path) -> None:
    found = find_drive(None, mounted(tmp_path, "CIRCUITPY"))

    assert found == tmp_path / "CIRCUITPY"
    assert about(found) == BOOT.splitlines()[0]


def test_a_place_with_a_blank_in_its_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "my disks").mkdir()

    assert find_drive(None, mounted(tmp_path, "my disks/CIRCUITPY1")).name == "CIRCUITPY1"


def test_none_and_several_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(NoDrive, match="--drive"):
        find_drive(None, mounted(tmp_path / "a"))
    with pytest.raises(NoDrive, match="several drives"):
        find_drive(None, mounted(tmp_path / "b", "CIRCUITPY", "CIRCUITPY1"))


def test_a_directory_that_is_no_drive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoDrive, match=r"no boot_out\.txt"):
        find_drive(str(tmp_path))


def test_files_are_copied_whole_and_what_is_in_the_way_goes(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/a.py").write_text("old")
    (tmp_path / "mine.py").write_text("mine")
    steps: list[str] = []

    copy_to_drive(tmp_path, [Copy("lib/a.mpy", b"C"), Copy("code.py", b"x")], steps.append)

    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"lib/a.mpy", "code.py", "mine.py"}
    assert steps == ["lib/a.mpy", "code.py"]


def test_a_file_that_is_the_same_is_not_written(tmp_path: Path) -> None:
    copies = [Copy("code.py", b"x")]
    copy_to_drive(tmp_path, copies, lambda _: None)
    before = (tmp_path / "code.py").stat()

    copy_to_drive(tmp_path, copies, lambda _: None)

    assert (tmp_path / "code.py").stat().st_ino == before.st_ino


def test_a_drive_without_room_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        f_frsize = 512
        f_bavail = 3

    monkeypatch.setattr(drive.os, "statvfs", lambda _: Full)

    with pytest.raises(NoDrive, match="512 bytes too little room"):
        copy_to_drive(tmp_path, [Copy("a", b"x" * 1000)], lambda _: None)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").write_bytes(b"y" * 1000)  # what it replaces counts
    copy_to_drive(tmp_path, [Copy("a", b"x" * 1000)], lambda _: None)


def test_a_copy_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code.py").write_bytes(b"old")

    def refuse(_fd: int) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(drive.os, "fsync", refuse)

    with pytest.raises(OSError, match="Input/output error"):
        copy_to_drive(tmp_path, [Copy("code.py", b"new")], lambda _: None)
    assert (tmp_path / "code.py").read_bytes() == b"old"
