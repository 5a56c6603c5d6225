"""leafnode.cli.main: what the command prints and returns when it does not serve."""

from pathlib import Path

import pytest

from leafnode import __version__
from leafnode.cli.main import main


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"leafnode: v{__version__}\n"


def test_help_goes_to_stdout_and_names_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("Usage: leafnode")
    assert "--store_dir" in out


def test_a_valid_configuration_is_reported_with_its_digest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.conf"
    file.write_text("port: 4333\n")

    assert main(["-t", "-c", str(file)]) == 0

    assert f"configuration file {file} is valid (sha256:" in capsys.readouterr().err


def test_a_wrong_configuration_is_one_line_with_its_position(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.conf"
    file.write_text("port: 4333\nleafnodes { reconnect: soon }\n")

    assert main(["-t", "-c", str(file)]) == 1

    line = f'{file}:2:13: leafnodes.reconnect: expected a duration, got "soon"\n'
    assert capsys.readouterr().err == line


def test_a_check_without_a_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-t"]) == 1

    assert "configuration file" in capsys.readouterr().err


def test_a_missing_file_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-c", str(tmp_path / "none.conf")]) == 1

    assert "none.conf" in capsys.readouterr().err


def test_a_flag_of_nats_server_that_is_not_built_is_refused_by_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--cluster", "nats://127.0.0.1:6222"]) == 1

    assert "flag -cluster is not supported" in capsys.readouterr().err


def test_an_unknown_flag_is_answered_with_the_help_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--bogus"]) == 1

    err = capsys.readouterr().err
    assert err.startswith("leafnode: flag provided but not defined: -bogus\n")
    assert "Usage: leafnode" in err
