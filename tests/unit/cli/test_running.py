"""leafnode.cli.running: the status of a command, and errors as one line."""

from __future__ import annotations

import click
import pytest

from leafnode.cli.ports.errors import PortError
from leafnode.cli.running import run_command


@pytest.mark.parametrize(
    ("err", "said"),
    [
        (PortError("no such\x1b[2J thing"), "x: no such\\x1b[2J thing\n"),
        (FileNotFoundError(2, "No such file or directory", "/x"), "x: /x: No such file or"),
        (ValueError("Invalid baud rate: -1"), "x: Invalid baud rate: -1\n"),
        (click.UsageError("Missing argument"), "x: Missing argument\n"),
        (KeyboardInterrupt(), "\ninterrupted\n"),
    ],
)
def test_what_goes_wrong_is_one_line_and_status_1(
    err: BaseException, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def fails() -> None:
        raise err

    assert run_command(fails, [], "x", errors=(ValueError,)) == 1

    assert capfd.readouterr().err.startswith(said)


def test_a_command_has_the_status_that_it_wants() -> None:
    @click.command()
    @click.argument("status", type=int)
    def gives(status: int) -> int | None:
        return status or None

    assert run_command(gives, ["3"], "x") == 3
    assert run_command(gives, ["0"], "x") == 0
