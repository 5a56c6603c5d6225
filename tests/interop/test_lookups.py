"""A name server that never answers, and what goes on: other remotes, reloads, the end.

The resolver of these processes hangs for ever over names that begin with `hangs`.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.interop.test_command import START_S, started, wait_until_ready

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

SCRIPT = """\
import socket, sys, threading
known = socket.getaddrinfo
def getaddrinfo(host, *more, **named):
    if str(host).removeprefix("b'").startswith("hangs"):
        threading.Event().wait()
    return known(host, *more, **named)
socket.getaddrinfo = getaddrinfo
from leafnode.cli.main import main
sys.exit(main(["-c", sys.argv[1]]))
"""
REMOTES = ", ".join(f'{{ url: "nats://hangs{number}.example:7422" }}' for number in range(40))


def configured(tmp_path: Path, text: str) -> list[str]:
    config = tmp_path / "leafnode.conf"
    config.write_text(text)
    return [sys.executable, "-c", SCRIPT, str(config)]


def lines_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """Return what is logged up to a line with these words."""
    assert process.stderr is not None
    lines = []
    watch = threading.Timer(START_S, process.kill)
    watch.start()
    try:
        for line in process.stderr:
            lines.append(line.rstrip())
            if words in line:
                return lines
    finally:
        watch.cancel()
    raise AssertionError("\n".join(lines))


def test_a_healthy_remote_is_dialed_beside_forty_whose_names_hang(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        hub.settimeout(START_S)
        port = hub.getsockname()[1]
        healthy = f'{{ url: "nats://localhost:{port}" }}'
        command = configured(
            tmp_path, f'listen: "127.0.0.1:-1"\nleafnodes {{ remotes: [{REMOTES}, {healthy}] }}'
        )
        with started(command):
            for _ in range(2):  # and once more when it is lost
                hub.accept()[0].close()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGQUIT, 2)])
def test_the_process_ends_while_names_hang(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    command = configured(tmp_path, f'listen: "127.0.0.1:-1"\nleafnodes {{ remotes: [{REMOTES}] }}')
    with started(command) as process:
        wait_until_ready(process)
        process.send_signal(number)

        assert process.wait(START_S) == status


def test_a_reload_is_done_while_names_hang(tmp_path: Path) -> None:
    command = configured(tmp_path, f'listen: "127.0.0.1:-1"\nleafnodes {{ remotes: [{REMOTES}] }}')
    with started(command) as process:
        wait_until_ready(process)
        process.send_signal(signal.SIGHUP)

        lines_until(process, "Reloaded server configuration")


@pytest.mark.parametrize(
    "listener",
    [
        'listen: "hangs.example:4222"',
        'listen: "127.0.0.1:-1"\nhttp: "hangs.example:8222"',
        'listen: "127.0.0.1:-1"\nwebsocket { listen: "hangs.example:8080", no_tls: true }',
        'listen: "127.0.0.1:-1"\nleafnodes { listen: "hangs.example:7422" }',
    ],
)
def test_a_start_that_waits_for_the_name_of_a_listener_ends_when_told(
    tmp_path: Path, listener: str
) -> None:
    with started(configured(tmp_path, listener)) as process:
        lines_until(process, "Using configuration file")
        process.send_signal(signal.SIGTERM)

        assert process.wait(START_S) == 0


def test_a_reload_that_waits_for_the_name_of_a_log_host_is_refused(tmp_path: Path) -> None:
    command = configured(tmp_path, 'listen: "127.0.0.1:-1"')
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon,
        started(command) as process,
    ):
        daemon.bind(("127.0.0.1", 0))
        wait_until_ready(process)
        configured(tmp_path, 'listen: "127.0.0.1:-1"\nremote_syslog: "udp://hangs.example:514"')
        process.send_signal(signal.SIGHUP)
        (*_, refusal) = lines_until(process, "Failed to reload server configuration")
        port = daemon.getsockname()[1]
        configured(tmp_path, f'listen: "127.0.0.1:-1"\nremote_syslog: "udp://localhost:{port}"')
        process.send_signal(signal.SIGHUP)
        daemon.settimeout(START_S)

        assert "hangs.example" in refusal
        assert daemon.recv(4096)
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_S) == 0
