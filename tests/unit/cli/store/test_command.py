"""leafnode.cli.store.command: the list, the help texts, and errors as one line."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from leafnode.cli.main import main
from leafnode.cli.store.command import commands, run
from tests.sim.stored import fill

ROOT = Path(__file__).parents[4]


def test_every_command_has_a_help_text_and_is_in_the_documentation() -> None:
    document = (ROOT / "docs" / "store.md").read_text()

    for name, command in commands.commands.items():
        assert command.help, name
        assert f"`{name}" in document, name
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (name, option.name)


def test_help_is_the_program_with_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "--help"], called="leafnode") == 0

    shown = capsys.readouterr().out
    assert shown.startswith("Usage: leafnode store [OPTIONS] COMMAND")
    assert all(name in shown for name in commands.commands)
    assert "leafnode store ls -s /var/lib/leafnode" in shown


def test_the_server_s_help_names_it_and_nats_server_s_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--help"], called="leafnode")
    assert "leafnode store --help" in capsys.readouterr().out

    main(["--help"], called="nats-server")
    assert "store --help" not in capsys.readouterr().out


def test_no_command_is_answered_with_the_list_and_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([], "leafnode") == 1

    assert capsys.readouterr().err.startswith("Usage: leafnode store")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ls"], "which store? Name it with --store <directory> or --config <file>"),
        (["ls", "-s", "a", "-c", "b"], "expected --store or --config, not both"),
        (["ls", "-s", "/nowhere/at/all"], "/nowhere/at/all: No such file or directory"),
        (["info", "-s", "{store}", "T"], "{store}/leafnode.db: has no stream T"),
        (["info", "-s", "{store}", "-a", "B", "S"],
         "{store}/leafnode.db: has no stream S in account B"),
        (["query", "-s", "{store}", "SELEC"], 'near "SELEC": syntax error'),
        (["export", "-s", "{store}", "S", "-o", "x.txt"],
         "x.txt: which format? Give --format csv, jsonl or parquet"),
        (["export", "-s", "{store}", "S", "--subject", "a..b"], "--subject a..b: is no subject"),
        (["backup", "-s", "{store}", "{store}"], "{store}: is a directory"),
        (["restore", "-s", "{store}", "/nowhere"], "/nowhere: is no file"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_with_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    fill(tmp_path)

    assert run([word.format(store=tmp_path) for word in words], "leafnode") == 1

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"leafnode store: {said.format(store=tmp_path)}\n"


@pytest.mark.parametrize("words", [["look"], ["ls", "--colour"], ["query"], ["ls", "-s"]])
def test_a_wrong_command_line_is_one_line_too(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words, "leafnode") == 1

    shown = capsys.readouterr()
    assert shown.err.startswith("leafnode store: ")
    assert (shown.out, shown.err.count("\n")) == ("", 1)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    fill(tmp_path, 3000)
    command = f"{sys.executable} -m leafnode store export -s {tmp_path} S | head -1"

    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
