"""leafnode.server.syslog: lines for a daemon, and none that waits for it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from leafnode.clients import trace
from leafnode.limits import SYSLOG_LINE_CHARS_MAX
from leafnode.server.syslog import Syslog

if TYPE_CHECKING:
    from pathlib import Path


def say(handler: Syslog, text: str, level: int = logging.INFO) -> None:
    handler.handle(logging.LogRecord("x", level, "x.py", 1, text, (), None))


def test_a_line_has_priority_time_host_tag_and_text() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        handler = Syslog(f"udp://127.0.0.1:{daemon.getsockname()[1]}", "leafnode")
        say(handler, "Server is ready")
        handler.close()

        line = daemon.recv(4096).decode()

    host = re.escape(socket.gethostname())
    pattern = (
        r"<5>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d) "
        rf"{host} leafnode\[{os.getpid()}\]: Server is ready\n"
    )
    assert re.fullmatch(pattern, line)


@pytest.mark.parametrize(
    ("level", "severity"),
    [(trace.TRACE, 5), (logging.DEBUG, 7), (logging.WARNING, 4), (logging.ERROR, 3)],
)
def test_levels_become_severities_of_facility_0(tmp_path: Path, level: int, severity: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        handler = Syslog(f"unix://{tmp_path}/log", "leafnode")
        say(handler, "x", level)
        handler.close()

        line = daemon.recv(4096).decode()

    assert re.fullmatch(
        rf"<{severity}>\w{{3}} [ \d]\d \d\d:\d\d:\d\d leafnode\[{os.getpid()}\]: x\n", line
    )


@pytest.mark.parametrize(("offset_s", "zone"), [(0, "Z"), (-12600, "-03:30"), (7200, "+02:00")])
def test_the_time_for_a_remote_daemon_names_its_zone(
    offset_s: int, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = time.struct_time((2026, 3, 4, 5, 6, 7, 0, 0, 0, "X", offset_s))
    monkeypatch.setattr(time, "localtime", lambda _: moment)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(30)
        handler = Syslog(f"udp://127.0.0.1:{daemon.getsockname()[1]}", "leafnode")
        say(handler, "x")
        handler.close()

        assert daemon.recv(4096).startswith(b"<5>2026-03-04T05:06:07%s " % zone.encode())


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("tcp://127.0.0.1:{port}", "dial tcp 127.0.0.1:{port}: connect: connection refused"),
        ("unix:///no/such", "dial unix /no/such: connect: no such file or directory"),
    ],
)
def test_who_is_not_there_is_named(url: str, text: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]

        with pytest.raises(OSError, match="syslog") as refused:
            Syslog(url.format(port=port), "leafnode")

    assert refused.value.strerror == f'error connecting to syslog: "{text.format(port=port)}"'


def test_a_name_that_nobody_knows_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(OSError, match=r"lookup nobody\.example: name or service not known"):
        Syslog("udp://nobody.example:514", "leafnode")


def test_a_remote_daemon_that_hung_up_is_dialed_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as daemon:
        handler = Syslog(f"tcp://127.0.0.1:{daemon.getsockname()[1]}", "leafnode")
        daemon.accept()[0].close()
        daemon.settimeout(0.01)
        deadline = time.monotonic() + 30
        again = None
        while again is None:
            assert time.monotonic() < deadline
            say(handler, "again")
            with contextlib.suppress(TimeoutError):
                again = daemon.accept()[0]
        with again:
            again.settimeout(30)
            say(handler, "last")
            handler.close()
            received = b""
            while chunk := again.recv(4096):
                received += chunk

    assert received.endswith(b": last\n")


def test_lines_that_the_daemon_does_not_take_are_dropped_and_counted(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        handler = Syslog(f"unix://{tmp_path}/log", "leafnode")
        for _ in range(10_000):
            say(handler, "x")
            if handler.dropped:
                break
        handler.close()

    assert handler.dropped == 1


def test_a_long_line_is_cut(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        handler = Syslog(f"unix://{tmp_path}/log", "leafnode")
        say(handler, "x" * (SYSLOG_LINE_CHARS_MAX + 1))
        handler.close()

        assert daemon.recv(65536).count(b"x") == SYSLOG_LINE_CHARS_MAX


def test_a_local_daemon_that_restarts_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as first:
        first.bind(str(path))
        handler = Syslog(f"unix://{path}", "leafnode")
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as second:
        second.bind(str(path))
        say(handler, "again")
        handler.close()

        assert second.recv(4096).endswith(b": again\n")
    assert handler.dropped == 0


def test_a_local_daemon_that_accepts_nobody_costs_lines_and_no_time(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon,
        contextlib.ExitStack() as waiting,
    ):
        daemon.bind(str(tmp_path / "log"))
        daemon.listen(0)
        handler = Syslog(f"unix://{tmp_path}/log", "leafnode")
        daemon.accept()[0].close()
        with contextlib.suppress(BlockingIOError):
            while True:
                other = waiting.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                other.setblocking(False)
                other.connect(str(tmp_path / "log"))

        def lines() -> None:
            for _ in range(3):
                say(handler, "lost")

        logs = threading.Thread(target=lines, daemon=True)
        logs.start()
        logs.join(timeout=20)

        assert not logs.is_alive(), "stuck in connect"
        assert handler.dropped == 3
        handler.close()


def test_without_a_daemon_it_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no such file"):
        Syslog(f"unix://{tmp_path}/none", "leafnode")


def test_a_line_that_a_stream_took_in_part_is_sent_to_its_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as daemon:
        handler = Syslog(f"tcp://127.0.0.1:{daemon.getsockname()[1]}", "leafnode")
        reader = daemon.accept()[0]
    said = 0
    while not handler.dropped:
        say(handler, "y" * 2000)
        said += 1
    received = b""
    with reader:
        reader.settimeout(30)
        dropped = handler.dropped
        while True:
            received += reader.recv(1 << 20)
            say(handler, "last")
            said += 1
            if handler.dropped == dropped:
                break
            dropped = handler.dropped
        handler.close()
        while chunk := reader.recv(1 << 20):
            received += chunk

    *lines, behind = received.decode().split("\n")
    assert behind == ""
    assert all(re.fullmatch(r"<5>.*: (y{2000}|last)", line) for line in lines)
    assert len(lines) + handler.dropped == said


def test_a_line_that_cannot_be_put_together_harms_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        handler = Syslog(f"unix://{tmp_path}/log", "leafnode")
        handler.handle(logging.LogRecord("x", logging.INFO, "x.py", 1, "%d", ("no number",), None))
        say(handler, "next")
        handler.close()

        assert daemon.recv(4096).endswith(b": next\n")
    assert "TypeError" in capsys.readouterr().err
