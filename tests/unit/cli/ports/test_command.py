"""leafnode ports and leafnode port: the list, the help texts, and errors as one line."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from leafnode.cli.main import main
from leafnode.cli.ports.command import commands
from leafnode.cli.ports.listing import ports

ROOT = Path(__file__).parents[4]


def test_every_command_has_a_help_text_and_is_in_the_documentation() -> None:
    document = (ROOT / "docs" / "serial" / "tools.md").read_text()

    for name, command in {"ports": ports, **commands.commands}.items():
        assert command.help, name
        assert f"`{name}" in document or f"`leafnode port {name}" in document, name
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (name, option.name)


def test_help_is_the_program_with_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["port", "--help"], called="leafnode") == 0

    shown = capsys.readouterr().out
    assert shown.startswith("Usage: leafnode port [OPTIONS] COMMAND")
    assert all(name in shown for name in commands.commands)
    assert main(["ports", "--help"], called="leafnode") == 0
    assert capsys.readouterr().out.startswith("Usage: leafnode ports [OPTIONS]")


def test_the_server_s_help_names_them_and_nats_server_s_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--help"], called="leafnode")
    assert "leafnode port --help" in capsys.readouterr().out

    main(["--help"], called="nats-server")
    assert "port --help" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["port", "monitor", "/dev/nothing"], "leafnode port: /dev/nothing is not there"),
        (["port", "monitor", "by-id:../x"], "leafnode port: by-id:../x: expected the name of one"),
        (["port", "monitor", "/dev/null"], "leafnode port: /dev/null is no serial port"),
        (["port", "lend", "a.b"], "leafnode port: "),
        (["port", "detect", "socket://h:1"], "leafnode port: socket://h:1: expected a tty"),
        (["port", "sing"], "leafnode port: No such command 'sing'."),
        (["ports", "-s", "http://x"], "leafnode ports: expected a server like nats://"),
        (["ports", "-c", "/no/such/file"], "leafnode ports: "),
    ],
)
def test_an_error_is_one_line_with_status_1(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")

    assert main(words, called="leafnode") == 1

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(said)
    assert shown.err.count("\n") == 1


def test_no_command_is_answered_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["port"], called="leafnode") == 1
    assert capsys.readouterr().err.startswith("Usage: leafnode port")


def test_an_interrupt_leaves_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("leafnode.cli.ports.listing.Holders", interrupted)

    assert main(["ports"], called="leafnode") == 130
    assert capsys.readouterr().err.strip().endswith("interrupted")
