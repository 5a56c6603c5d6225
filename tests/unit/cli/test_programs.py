"""A program that runs for a command, and the signals that are for both."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from leafnode.cli.programs import Ended, Program, ended_by_signals

SLEEPS = ("sleep", "600")
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


pytestmark = pytest.mark.usefixtures("heeds_signals")


@pytest.mark.parametrize(("words", "status"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_its_status_is_as_a_shell_says_it(words: str, status: int) -> None:
    with Program(["sh", "-c", words]) as program:
        assert program.wait() == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_is_raised_afterwards(number: signal.Signals) -> None:
    with ended_by_signals():
        with Program(SLEEPS) as program:
            os.kill(os.getpid(), number)
            assert program.wait() == 128 + number
        with pytest.raises(Ended) as ended:
            program.end_with_it()

    assert ended.value.code == 128 + number
    assert program.process.returncode == -number


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_signal_while_it_is_started_leaves_nothing_running(
    number: signal.Signals, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Popen(subprocess.Popen[str]):
        def __init__(self, *words: Any, **how: Any) -> None:
            if when == "before":
                signal.raise_signal(number)
            super().__init__(*words, **how)
            if when == "after":
                signal.raise_signal(number)

    monkeypatch.setattr("leafnode.cli.programs._is_in_front", lambda: False)
    monkeypatch.setattr(subprocess, "Popen", Popen)

    with Program(SLEEPS) as program:
        assert program.wait() == 128 + number


def test_an_interrupt_of_a_terminal_is_for_the_program_which_may_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("leafnode.cli.programs._is_in_front", lambda: True)

    with Program(["sh", "-c", "read line; exit 4"], stdin=subprocess.PIPE) as program:
        signal.raise_signal(signal.SIGINT)
        assert program.process.stdin is not None
        program.process.stdin.write("x\n")
        program.process.stdin.flush()
        assert program.wait() == 4

    with pytest.raises(KeyboardInterrupt):
        program.end_with_it()


def test_what_fails_beside_it_ends_it() -> None:
    with pytest.raises(ValueError, match="beside"), Program(SLEEPS) as program:
        raise ValueError("beside")

    assert program.process.returncode == -signal.SIGTERM


def test_one_that_cannot_be_started_leaves_signals_as_they_were() -> None:
    before = [signal.getsignal(one) for one in ENDS]

    with pytest.raises(FileNotFoundError):
        Program(["/no/such/program"])

    assert [signal.getsignal(one) for one in ENDS] == before


def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with ended_by_signals(), Program(["true"]) as program:
        signal.raise_signal(signal.SIGHUP)
        assert program.wait() == 0

    assert program.ended_by == 0
