"""`--signal`: whom it means and what it sends; texts as nats-server server/signal.go has them."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from leafnode.cli.flags import FlagError
from leafnode.cli.send_signal import send_signal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with three servers, one of them started as a module, and a shell."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("")
    run(tmp_path / "proc", 31, "leafnode", "/v/bin/python /v/bin/leafnode -c x")
    run(tmp_path / "proc", 325, "python3.11", "/v/bin/python3.11 -X dev -u -m leafnode")
    run(tmp_path / "proc", 40, "nats-server", "/usr/bin/nats-server -p leafnode")
    run(tmp_path / "proc", 50, "sh", "sh -c leafnode")
    return tmp_path / "proc"


def run(proc: Path, pid: int, comm: str, line: str) -> None:
    """Let a process be there: what the kernel calls it, and its arguments."""
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "comm").write_text(f"{comm}\n")
    (proc / str(pid) / "cmdline").write_text("".join(f"{word}\0" for word in line.split(" ")))


def sent(parameter: str, proc: Path, program: str = "leafnode") -> list[tuple[int, int]]:
    kills: list[tuple[int, int]] = []
    send_signal(parameter, program, kill=lambda pid, number: kills.append((pid, number)), proc=proc)
    return kills


def refused(parameter: str, proc: Path, program: str = "leafnode") -> str:
    with pytest.raises(FlagError) as caught:
        sent(parameter, proc, program)
    return str(caught.value)


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("stop", signal.SIGKILL),
        ("quit", signal.SIGINT),
        ("term", signal.SIGTERM),
        ("reopen", signal.SIGUSR1),
        ("reload", signal.SIGHUP),
        ("ldm", signal.SIGUSR2),
    ],
)
def test_each_word_is_a_signal(word: str, number: int, proc: Path) -> None:
    assert sent(f"{word}=7", proc) == [(7, number)]


def test_a_pid_file_names_the_process(proc: Path, tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("77")

    assert sent(f"reload={tmp_path}/pid", proc) == [(77, signal.SIGHUP)]


def test_the_one_process_of_that_name_needs_no_pid(proc: Path) -> None:
    assert sent("reload", proc, "nats-server") == [(40, signal.SIGHUP)]


@pytest.mark.parametrize(
    ("comm", "line"),
    [
        ("less", "less /var/log/leafnode"),
        ("vi", "vi leafnode"),
        ("ls", "ls -l /etc/leafnode"),
        ("sudo", "sudo leafnode -c x"),
        ("timeout", "timeout 5 leafnode"),
        ("bash", "/bin/bash /v/bin/leafnode"),
        ("bash", "leafnode"),
        ("python3", "python3 -c leafnode"),
        ("python3", "python3 -m pdb leafnode"),
        ("python3", "python3 -m leafnode_tool"),
        ("python3", "python3 -m leafnode store query"),
        ("leafnode", "/v/bin/python /v/bin/leafnode store backup x"),
        ("leafnode", "leafnode store ls"),
        ("leafnode", "leafnode port monitor scale"),
        ("leafnode", "leafnode ports"),
        ("python3", "python3 -"),
        ("python3", "python3"),
        ("kworker", ""),
    ],
)
def test_who_only_names_the_server_is_not_it(tmp_path: Path, comm: str, line: str) -> None:
    run(tmp_path, 13, comm, line)

    assert refused("stop", tmp_path) == "no leafnode processes running"
    assert refused("stop=1*", tmp_path) == "no leafnode processes running"


@pytest.mark.parametrize(
    ("comm", "line"),
    [
        ("leafnode", "/v/bin/python /v/bin/leafnode"),
        ("leafnode", "/v/bin/python -I /v/bin/leafnode -c x"),
        ("python3", "python3 bin/leafnode"),
        ("pypy3.10", "pypy3.10 -m leafnode"),
        ("leafnode", "leafnode -js"),
    ],
)
def test_the_server_is_found_however_it_was_started(tmp_path: Path, comm: str, line: str) -> None:
    run(tmp_path, 12, "sudo", "sudo leafnode")
    run(tmp_path, 13, comm, line)

    assert sent("reload", tmp_path) == [(13, signal.SIGHUP)]


def test_a_star_means_each_whose_pid_begins_so(proc: Path) -> None:
    assert sorted(sent("ldm=3*", proc)) == [(31, signal.SIGUSR2), (325, signal.SIGUSR2)]
    assert sent("ldm=32*", proc) == [(325, signal.SIGUSR2)]


def test_what_cannot_be_sent_is_refused(proc: Path) -> None:
    assert refused("reload", proc, "other") == "no other processes running"
    assert refused("reload", proc) == "multiple leafnode processes running:\n31\n325"
    assert refused("foo=1", proc) == 'unknown signal "foo"'
    assert refused("stop=/no/file", proc) == "invalid pid: /no/file"
    assert refused(f"stop={'9' * 20}", proc) == f"invalid pid: {'9' * 20}"
    assert refused("stop=0", proc) == "invalid pid: 0"
    assert refused("stop=1=2", proc) == "invalid signal parameters: ['2']"


def test_a_process_that_is_not_there_is_named(proc: Path) -> None:
    def gone(pid: int, number: int) -> None:
        raise ProcessLookupError(3, os.strerror(3))

    with pytest.raises(FlagError) as caught:
        send_signal("stop=999999", "nats-server", kill=gone, proc=proc)

    assert str(caught.value) == '\nsignal "stop" 999999: no such process'
