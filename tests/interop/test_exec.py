"""A user's function behind a port of a real server: reload, a function that hangs, kill -9."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tty
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.bridge.exec import child
from tests.hub.process import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Gateway:
    """A server with one port whose lines go through `decode` of a file; the test is the sensor."""

    def __init__(self, directory: Path, body: str) -> None:
        self.sensor, slave = os.openpty()
        tty.setraw(slave)
        self._file = directory / "convert.py"
        self.write(body)
        nats, http = free_ports(2)
        self._http = f"http://127.0.0.1:{http}"
        self._log = directory / "log"
        config = directory / "x.conf"
        config.write_text(
            f"""listen: 127.0.0.1:{nats}, http: 127.0.0.1:{http}, log_file: "{self._log}"
            jetstream {{ store_dir: "{directory}", domain: x }}
            serial {{ ports: [ {{ name: p, device: "{os.ttyname(slave)}", subject: "s.{{port}}"
              framing {{ type: line, keep_first: true }}
              codec {{ type: exec, function: "convert.py:decode", timeout: 500ms }} }} ] }}"""
        )
        self.server = subprocess.Popen(
            [sys.executable, "-m", "leafnode", "-c", str(config)],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NATS_PASSWORD": "s3cret"},
        )
        self._slave = slave
        self.until(lambda: self.port()["function_running"])

    def write(self, body: str) -> None:
        self._file.write_text(f"import os, time\ndef decode(frame):\n    {body}\n")
        self._file.chmod(0o644)

    def port(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self._http}/serialz", timeout=30) as answer:
                [row] = json.load(answer)["ports"]
        except OSError:
            return {"function_running": 0}
        return dict(row)

    def child(self) -> int:
        """Return the pid of the function's process."""
        own = f"/proc/{self.server.pid}/task"
        children = {
            int(pid)
            for task in Path(own).iterdir()
            for pid in (task / "children").read_text().split()
        }
        found = [
            pid
            for pid in children
            if child.__file__.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(found) == 1
        return found[0]

    def until(self, condition: Callable[[], object]) -> None:
        for _ in range(1200):
            if condition():
                return
            assert self.server.poll() is None, self._log.read_text()
            select.select([], [], [], 0.05)
        pytest.fail(self._log.read_text())

    def log(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        self.server.terminate()
        self.server.wait(30)
        os.close(self.sensor)
        os.close(self._slave)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Gateway]]:
    started: list[Gateway] = []

    def begin(body: str) -> Gateway:
        started.append(Gateway(tmp_path, body))
        return started[-1]

    yield begin
    for gateway in started:
        gateway.close()


def has_ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 30)[0])


def test_a_reload_takes_a_file_that_changed_and_leaves_one_that_did_not(
    start: Callable[[str], Gateway],
) -> None:
    gateway = start("return frame")
    first = gateway.child()
    assert b"s3cret" not in Path(f"/proc/{first}/environ").read_bytes()

    gateway.server.send_signal(signal.SIGHUP)
    gateway.until(lambda: "Reloaded server" in gateway.log())
    assert gateway.child() == first

    gateway.write("return frame * 2")
    gateway.server.send_signal(signal.SIGHUP)
    gateway.until(lambda: gateway.log().count("Reloaded server") == 2)
    gateway.until(lambda: gateway.port()["function_running"])
    assert gateway.child() != first

    gateway.write("return (")
    gateway.server.send_signal(signal.SIGHUP)
    gateway.until(lambda: "cannot be loaded: SyntaxError" in gateway.port().get("last_error", ""))


def test_a_function_that_hangs_is_started_again_and_the_server_goes_on(
    start: Callable[[str], Gateway],
) -> None:
    gateway = start('return frame if frame != b"hang" else time.sleep(3600)')

    os.write(gateway.sensor, b"hang\nafter\n")

    gateway.until(lambda: gateway.port()["function_starts"] == 2)
    gateway.until(lambda: gateway.port()["queued"] == 1)  # no stream takes it, but it was decoded
    row = gateway.port()
    assert (row["poison"], row["function_failures"]) == (1, 1)
    assert "it did not answer within 500 ms" in gateway.log()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_server_however_that_ends(
    start: Callable[[str], Gateway], how: signal.Signals
) -> None:
    gateway = start("\n        ".join(["while True:", "pass"]))
    os.write(gateway.sensor, b"x\n")
    pidfd = os.pidfd_open(gateway.child())

    gateway.server.send_signal(how)

    assert has_ended(pidfd)
    os.close(pidfd)
