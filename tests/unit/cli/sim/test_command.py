"""leafnode sim: the list, the help texts, errors as one line, and whole runs of the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from leafnode.cli.device.plan import checked_name
from leafnode.cli.main import main
from leafnode.cli.sim.command import _board_name, commands
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from tests.unit.cli.sim.read import readings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]


def test_every_sensor_has_a_help_text_and_is_in_the_documentation() -> None:
    document = (ROOT / "docs" / "serial" / "sim.md").read_text()

    for name, command in commands.commands.items():
        assert command.help, name
        assert f"`{name}`" in document, name
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (name, option.name)
                assert f"`{option.opts[0]}" in document, (name, option.name)


def test_help_is_the_program_with_its_sensors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "--help"], called="leafnode") == 0

    shown = capsys.readouterr().out
    assert shown.startswith("Usage: leafnode sim [OPTIONS] COMMAND")
    assert all(name in shown for name in ("nmea", "scale", "modbus", "pms5003", "link"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["modbus", "--every", "1s"], "this sensor answers only"),
        (["nmea", "--port", "/dev/nothing"], "/dev/nothing is not there"),
        (["nmea", "--port", "/dev/nothing", "--link", "/tmp/x"], "--link names a pseudo-terminal"),
        (["nmea", "--link", "/etc/passwd"], "/etc/passwd is there already"),
        (["nmea", "--link", "/nowhere/x"], "/nowhere/x: No such file or directory"),
        (["nmea", "--bad", "101"], "Invalid value for '--bad'"),
        (["nmea", "--for", "soon"], "Invalid value for '--for'"),
        (["link", "--name", "a b"], "'a b': a name is"),
        (["link", "--name", "a\udcffb"], "'a\\udcffb': a name is"),
        (["link", "--link", "/tmp/a\udcffb"], "/tmp/a\\udcffb: no port's entry can say this"),
        (["link", "--link", "/tmp/a\nb"], "/tmp/a\\nb: no port's entry can say this"),
        (["link", "--link", '/tmp/a"b'], "/tmp/a\"b: no port's entry can say this"),
        (["nmea", "--port", "socket://h:1"], "socket://h:1: expected a tty"),
        (["theremin"], "No such command 'theremin'."),
    ],
)
def test_an_error_is_one_line_with_status_1(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sim", *words], called="leafnode") == 1

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"leafnode sim: {said}")
    assert shown.err.count("\n") == 1


@contextmanager
def started(*words: str, where: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would ignore it, too
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "leafnode", "sim", *words],
            cwd=where,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        try:
            yield process
        except BaseException:
            process.kill()  # nobody waits for one that does not end
            raise


def test_it_prints_where_it_speaks_and_what_it_said(tmp_path: Path) -> None:
    link = tmp_path / "air"
    with started("pms5003", "--count", "3", "--every", "20ms", "--link", str(link)) as process:
        assert process.stdout is not None
        path = process.stdout.readline().decode().strip()
        fd = os.open(link, os.O_RDONLY | os.O_NOCTTY)
        heard = b""
        while len(heard) < 96:
            heard += os.read(fd, 1000)
        os.close(fd)
        _, said = process.communicate(timeout=30)

    assert path.startswith("/dev/pts/")
    assert len(readings("preset: pms5003", heard)) == 3
    assert process.returncode == 0
    assert f'device: "{link}", subject: "sim.{{port}}", preset: pms5003 }}' in said.decode()
    assert "spoke 3 times, answered 0 times, sent 96 bytes, 0 with a wrong bit" in said.decode()
    assert not link.is_symlink()


def test_a_link_that_is_relative_is_said_as_a_configuration_takes_it(tmp_path: Path) -> None:
    with started("nmea", "--count", "1", "--link", "./gps", where=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        fd = os.open(tmp_path / "gps", os.O_RDONLY | os.O_NOCTTY)
        _, said = process.communicate(timeout=30)
        os.close(fd)

    assert f'device: "{tmp_path}/gps", subject:' in said.decode()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("sensor", ["modbus", "link"])
def test_an_interrupt_ends_it_and_takes_the_link_away(
    tmp_path: Path, sensor: str, how: signal.Signals
) -> None:
    link = tmp_path / "line"
    with started(sensor, "--link", str(link)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stderr.readline()
        fd = os.open(link, os.O_RDWR | os.O_NOCTTY)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
        os.close(fd)

    assert process.returncode == 0, said
    assert b"Traceback" not in said
    assert not link.is_symlink()


@pytest.mark.parametrize(
    "words", [["nmea"], ["scale"], ["scale", "--sics"], ["pms5003"], ["modbus"], ["link"],
              ["link", "--text"]]
)  # fmt: skip
def test_the_entry_that_it_prints_is_one_of_a_configuration(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sim", *words, "--for", "1ms"], called="leafnode") == 0

    shown = capsys.readouterr()
    entry = shown.err[: shown.err.rindex("}") + 1]
    serial = bind(parse(f"serial {{ ports [ {entry} ] }}", "sim")).serial
    assert serial is not None
    assert serial.ports[0].device == shown.out.strip()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/dev/pts/5", "sim-5"),
        ("/tmp/attic", "sim-attic"),
        ("/dev/serial/by-id/usb-FTDI_FT232R.A B-port0", "sim-DI_FT232R-A-B-port0-800e4f15"),
        ("/tmp/" + 40 * "x", "sim-" + 19 * "x" + "-c41a71f0"),
    ],
)
def test_a_board_without_a_name_is_called_as_its_terminal(path: str, name: str) -> None:
    assert checked_name(_board_name(path)) == name


def test_names_that_differ_only_in_what_a_board_cannot_have_are_told_apart() -> None:
    paths = ["/tmp/a.b", "/tmp/a b", "/tmp/a-b", "/tmp/a\udcffb", "/tmp/a\udcfeb"]

    assert len({checked_name(_board_name(path)) for path in paths}) == len(paths)
