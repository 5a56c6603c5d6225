"""This project's server as a process of its own, started and killed like a gateway in the field."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

from tests.hub.process import end_process, free_ports

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence
    from pathlib import Path

START_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.02


class Gateway:
    """One process. `config`: all but the listeners; `{dir}` in it stands for its directory."""

    def __init__(
        self,
        directory: Path,
        config: str,
        *,
        https: ssl.SSLContext | None = None,
        program: Sequence[str] = ("leafnode",),
    ) -> None:
        """With `https`, a client's context, monitoring is encrypted; `config` has `tls` then.

        `program`: a module that takes leafnode's arguments behind those that stand here.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.client_port, self.http_port = free_ports(2)
        self.config = config
        self._https = https
        self._program = program
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def client_url(self) -> str:
        return f"nats://127.0.0.1:{self.client_port}"

    @property
    def log(self) -> str:
        return (self.directory / "gateway.log").read_text()

    def start(self, *, file_size_max: int = -1) -> None:
        """Start and return when it serves. It can write no file beyond that size; -1: any."""
        assert self.process is None
        file = self.write()
        with (self.directory / "gateway.log").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self._program, "-c", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if file_size_max >= 0:
            self.limit_files(file_size_max)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"leafnode did not start:\n{self.log}")
            with contextlib.suppress(OSError):
                self.get("healthz")
                return
            time.sleep(POLL_S)
        self.kill()
        raise RuntimeError(f"leafnode is not ready:\n{self.log}")

    def write(self) -> Path:
        """Write the configuration, which a reload reads again; return the file."""
        file = self.directory / "leafnode.conf"
        scheme = "https" if self._https else "http"
        listeners = f"listen: 127.0.0.1:{self.client_port}\n{scheme}: 127.0.0.1:{self.http_port}\n"
        file.write_text(listeners + self.config.replace("{dir}", str(self.directory)))
        return file

    def limit_files(self, size: int) -> None:
        """Let the process write no file beyond this size, as if its disk were full; -1: any."""
        assert self.process is not None
        _, most = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, most))

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes long. Does nothing when it does not run."""
        self._end(signal.SIGTERM)

    def get(self, path: str) -> Any:
        scheme = "https" if self._https else "http"
        url = f"{scheme}://127.0.0.1:{self.http_port}/{path}"
        with urlopen(url, timeout=5, context=self._https) as response:
            return json.load(response)

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            end_process(process, how)


@contextlib.contextmanager
def running_gateway(
    directory: Path, config: str, *, https: ssl.SSLContext | None = None
) -> Iterator[Gateway]:
    """A gateway for the length of a with block."""
    gateway = Gateway(directory, config, https=https)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()
