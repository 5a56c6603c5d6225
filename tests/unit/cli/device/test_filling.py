"""leafnode.cli.device.filling: what deploy, time and bundle do with what they find.

tests/firmware/test_deploy.py runs deploy and time on a MicroPython.
"""

import stat
import sys
from pathlib import Path

import pytest

from leafnode.cli.device import borrowing, filling, remote
from leafnode.cli.device.command import run


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(borrowing, "_server", lambda _where: None)


def test_a_dry_run_lists_and_copies_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "command", lambda: pytest.fail("it must not start"))

    assert run(["deploy", "esp32_s3", "--dry-run", "--port", "/dev/x"], "leafnode") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "bytes"]
    assert any(line.startswith("lib/link/device.py ") for line in lines)
    assert lines[-2].startswith("main.py")
    sizes = [int(line.split()[-1]) for line in lines[1:]]
    assert sizes[-1] == sum(sizes[:-1])


def cross(tmp_path: Path) -> str:
    """Return a program in place of CircuitPython's mpy-cross."""
    path = tmp_path / "mpy-cross"
    path.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "open(sys.argv[sys.argv.index('-o') + 1], 'wb').write(b'C\\x06')\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_circuitpython_board_is_filled_over_its_drive(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    drive = tmp_path / "CIRCUITPY"
    drive.mkdir()
    (drive / "boot_out.txt").write_text("Adafruit CircuitPython 9.2.1; Feather M0 Express\n")
    words = ["deploy", "samd21", "--drive", str(drive), "--name", "f-1", "--interval", "2s"]

    assert run([*words, "--mpy-cross", cross(tmp_path)], "leafnode") == 0

    shown = capsys.readouterr().out
    assert "Feather M0 Express" in shown
    assert "press reset" in shown
    assert (drive / "lib/node/text.mpy").read_bytes() == b"C\x06"
    settings = (drive / "settings.toml").read_text()
    assert 'NODE_NAME = "f-1"' in settings
    assert "NODE_INTERVAL_MS = 2000" in settings
    assert (drive / "boot.py").is_file()
    assert not (drive / "lib/sensors/counter.mpy").exists()


def test_a_board_that_takes_bytecode_only_needs_its_compiler(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["deploy", "samd21", "--drive", str(tmp_path)], "leafnode") == 1

    assert "--mpy-cross" in capsys.readouterr().err


def test_a_dry_run_of_such_a_board_needs_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", "samd21", "--dry-run"], "leafnode") == 0

    told = capsys.readouterr()
    assert told.err.startswith("listed as sources: CircuitPython loads modules of its own")
    assert "lib/link/ticks.py " in told.out


def test_a_bundle_is_told_file_by_file_and_what_it_lacks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["bundle", str(tmp_path / "out")], "leafnode") == 0

    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == len(list((tmp_path / "out").iterdir()))
    assert shown.err.startswith("circuitpython: sources only:")


def test_a_clock_that_is_far_off_is_set_a_second_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets = [-700, 20]
    codes: list[str] = []
    monkeypatch.setattr(remote, "run_code", lambda _port, code, _on_line: codes.append(code))
    monkeypatch.setattr(filling, "_offset_ms", lambda *_: offsets.pop(0))

    assert run(["time", "--port", "/dev/x", "--set"], "leafnode") == 0

    told = capsys.readouterr()
    assert told.out == "/dev/x: 0.020 s ahead\n"
    assert told.err == "the board's program was ended: it starts again with a reset\n"
    assert len(codes) == 2


@pytest.mark.parametrize("arguments", [["deploy", "pico"], ["time"]])
def test_no_server_closes_a_port_for_a_program_that_is_not_there(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> list[str]:
        raise remote.RemoteError("mpremote is not installed")

    monkeypatch.setattr(remote, "command", missing)
    monkeypatch.setattr(filling, "borrowed", lambda *_: pytest.fail("it must not be lent"))
    command = filling.deploy_command if arguments[0] == "deploy" else filling.time_command

    with pytest.raises(remote.RemoteError):
        command.main([*arguments[1:], "--port", "/dev/ttyACM0"], standalone_mode=False)
