"""leafnode.cli.running: the status of a command, and errors as one line."""

from __future__ import annotations

import signal
import sqlite3
from typing import TYPE_CHECKING

import click
import pytest

from leafnode.cli.ports.errors import PortError
from leafnode.cli.running import hold_off_interrupts, run_command

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("err", "said"),
    [
        (PortError("no such\x1b[2J thing"), "x: no such\\x1b[2J thing\n"),
        (FileNotFoundError(2, "No such file or directory", "/x"), "x: /x: No such file or"),
        (ValueError("Invalid baud rate: -1"), "x: Invalid baud rate: -1\n"),
        (click.UsageError("Missing argument"), "x: Missing argument\n"),
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


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def asks_sqlite() -> None:
    """SQLite says of what its functions raise only that they did."""
    conn = sqlite3.connect(":memory:")
    conn.create_function("interrupt", 0, interrupt)
    conn.execute("SELECT interrupt()").fetchall()


@pytest.mark.parametrize("body", [interrupt, asks_sqlite])
def test_an_interrupt_is_one_word_and_a_shells_status(
    body: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT)

    assert run_command(click.command(body), [], "x", errors=(sqlite3.Error,)) == 130

    assert capfd.readouterr().err.strip() == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before


def test_what_is_all_but_done_is_not_interrupted(capfd: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def restores() -> None:
        hold_off_interrupts()
        interrupt()
        click.echo("restored")

    assert run_command(restores, [], "x") == 0

    assert capfd.readouterr() == ("restored\n", "")


def test_a_command_has_the_status_that_it_wants() -> None:
    @click.command()
    @click.argument("status", type=int)
    def gives(status: int) -> int | None:
        return status or None

    assert run_command(gives, ["3"], "x") == 3
    assert run_command(gives, ["0"], "x") == 0
