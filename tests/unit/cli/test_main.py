"""leafnode.cli.main: what the command prints and returns when it does not serve."""

from pathlib import Path

import pytest

from leafnode import __version__
from leafnode.cli.flags import parse_flags
from leafnode.cli.main import _options
from leafnode.cli.main import main as run_main
from leafnode.protocol.info import COMPATIBLE_VERSION


def main(argv: list[str], called: str = "leafnode") -> int:
    return run_main(argv, called=called)


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"leafnode: v{__version__}\n"


def test_called_nats_server_the_version_is_the_one_that_suites_look_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["-v"], called="/usr/bin/nats-server") == 0

    assert capsys.readouterr().out == f"nats-server: v{COMPATIBLE_VERSION}\n"


def test_called_nats_server_a_wrong_flag_ends_with_the_usage_and_status_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["-zz"], called="nats-server") == 0

    shown = capsys.readouterr()
    assert shown.err == "flag provided but not defined: -zz\n"
    assert shown.out.startswith("\nUsage: nats-server [options]\n")


def test_called_nats_server_a_wrong_file_is_named_behind_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.conf"
    file.write_text("foo: 1")

    assert main(["-c", str(file)], called="nats-server") == 1

    assert capsys.readouterr().err == f'nats-server: {file}:1:1: unknown field "foo"\n'


def test_called_nats_server_a_file_that_cannot_be_parsed_is_a_parse_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.conf"
    file.write_text('{\n  "port": : "x"\n}')

    assert main(["-c", str(file)], called="nats-server") == 1

    assert f"nats-server: {file}:2:13: Parse error on line 2: '" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("called", "text", "host"),
    [
        ("leafnode", "", "127.0.0.1"),
        ("nats-server", "", "0.0.0.0"),
        ("nats-server", "port: 4222", "0.0.0.0"),
        ("nats-server", "listen: 127.0.0.1:4222", "127.0.0.1"),
        ("nats-server", "host: 127.0.0.1", "127.0.0.1"),
    ],
)
def test_called_nats_server_it_listens_everywhere_unless_told_otherwise(
    tmp_path: Path, called: str, text: str, host: str
) -> None:
    file = tmp_path / "some.conf"
    file.write_text(text)
    flags = parse_flags(["-c", str(file)] if text else [])

    assert _options(flags, called).host == host


def test_a_wrong_flag_is_status_1_by_our_own_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-zz"]) == 1

    assert capsys.readouterr().err.startswith("leafnode: flag provided but not defined: -zz\n")


def test_a_signal_for_a_process_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-sl", f"reload={tmp_path}/none"]) == 1

    assert capsys.readouterr().err == f"leafnode: invalid pid: {tmp_path}/none\n"


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


def test_what_is_valid_and_probably_a_slip_is_told_by_a_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.conf"
    file.write_text("port: 4333\nport: 4334\n")

    assert main(["-t", "-c", str(file)]) == 0

    warning, _ = capsys.readouterr().err.splitlines()
    assert warning == f'leafnode: warning: {file}:2:1: "port" replaces the one of {file}:1:1'


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


def test_the_help_of_tls_names_cipher_suites(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help_tls"]) == 0

    assert "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n" in capsys.readouterr().out
