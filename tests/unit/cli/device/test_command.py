"""leafnode.cli.device.command: the list, the help texts, and errors as one line."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from leafnode.cli.device.command import commands, run
from leafnode.cli.main import main

ROOT = Path(__file__).parents[4]


def test_every_command_has_a_help_text_and_is_in_the_documentation() -> None:
    document = (ROOT / "docs" / "device-command.md").read_text()

    for name, command in commands.commands.items():
        assert command.help, name
        assert f"`leafnode device {name}" in document, name
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (name, option.name)
                assert f"`{option.opts[-1]}" in document, (name, option.opts)


def test_help_is_the_program_with_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "--help"], called="leafnode") == 0

    shown = capsys.readouterr().out
    assert shown.startswith("Usage: leafnode device [OPTIONS] COMMAND")
    assert all(name in shown for name in commands.commands)


def test_no_command_is_answered_with_the_list_and_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([], "leafnode") == 1

    assert capsys.readouterr().err.startswith("Usage: leafnode device")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deploy", "nano"], "nano: no such board; there are esp32_s3, pico, pico_w, samd21"),
        (["deploy", "pico"], "which port? Name it with --port; `leafnode device ls` lists them"),
        (["deploy", "pico", "--drive", "/media/x"],
         "--drive: a board with MicroPython (pico) has none: name its --port"),
        (["deploy", "pico", "--name", "a.b"], "'a.b': a name is 1 to 32 letters, digits, - and _"),
        (["deploy", "pico", "--interval", "5"],
         "Invalid value for '--interval': expected a duration like 30s or 5m, 1ms to 72h"),
        (["deploy", "pico", "--interval", "100h"],
         "Invalid value for '--interval': expected a duration like 30s or 5m, 1ms to 72h"),
        (["deploy", "pico", "--sensors", "bme280 bme208"], "'bme208': no such sensor; there are "
         "analog bme280 contact cpu ds18b20 loop pulses scd4x sds011"),
        (["deploy", "pico", "--sensors", " "], "no sensor; there are "
         "analog bme280 contact cpu ds18b20 loop pulses scd4x sds011"),
        (["deploy", "pico", "-p", "y", "-s", "nats://127.0.0.1:1"],
         "no server at 127.0.0.1:1: Connection refused"),
        (["monitor", "a", "--count", "99999999999999999999"], "Invalid value for '--count': "
         "99999999999999999999 is not in the range 1<=x<=2147483646."),
        (["monitor", "a b"], "'a b': a name is 1 to 32 letters, digits, - and _"),
        (["monitor", "a", "-s", "nats://127.0.0.1:1"],
         "no server at 127.0.0.1:1: Connection refused"),
        (["ls", "--monitor-url", "http://127.0.0.1:1"],
         "http://127.0.0.1:1/serialz: Connection refused"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_with_status_1(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(words, "leafnode") == 1

    assert capsys.readouterr() == ("", f"leafnode device: {said}\n")


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    code = (
        "import sys; from leafnode.cli.device.command import run;"
        "sys.exit(run(['deploy', 'pico', '--dry-run'], 'leafnode'))"
    )
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | true; exit ${PIPESTATUS[0]}', sys.executable, code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
