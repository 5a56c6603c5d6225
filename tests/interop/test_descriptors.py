"""A server that cannot open one more file goes on: what it is asked for is loaded before."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from leafnode.auth.nkey import Signer
from leafnode.monitor.monitor import ENDPOINTS
from tests.hub.jwt import user_key
from tests.hub.process import end_process, free_ports
from tests.sim.certificates import LOCALHOST, Authority
from tests.sim.websocket import request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

PATIENCE_S = 30
PATHS = (
    *("/", "/varz", "/connz", "/connz?auth=1&subs=detail&state=all", "/routez", "/gatewayz"),
    *("/leafz?subs=1", "/subsz?subs=1", "/accountz", "/accountz?acc=A", "/accstatz?unused=1"),
    *("/jsz?streams=1&consumers=1&config=1", "/healthz", "/ipqueuesz", "/stacksz", "/debug/vars"),
    *("/metrics", "/metrics?connz_detailed=true", "/uplinkz", "/serialz"),
)


class Exhausted:
    """A server with everything on, connections to it that are open, and then no descriptor left."""

    def __init__(self, directory: Path) -> None:
        authority = Authority(directory)
        certificate, key = authority.issue("server", *LOCALHOST)
        self.port, self.http_port, self.wss_port = free_ports(3)
        public, seed = user_key()
        self.signer = Signer(seed.encode(), source="a test")
        hashed = bcrypt.hashpw(b"pw", bcrypt.gensalt(4)).decode()
        self.tls = authority.client()
        conf = directory / "server.conf"
        conf.write_text(
            f"listen: 127.0.0.1:{self.port}\nhttp: 127.0.0.1:{self.http_port}\n"
            f"websocket {{listen: 127.0.0.1:{self.wss_port}, handshake_timeout: 60s\n"
            f"tls {{cert_file: '{certificate}', key_file: '{key}', timeout: 60}}}}\n"
            "authorization {timeout: 60}\n"
            f"jetstream {{store_dir: '{directory}/js'}}\n"
            "accounts {\n"
            "  $SYS {users [{user: sys, password: sys}]}\n"
            "  A {jetstream: true, "
            f"users [{{user: a, password: '{hashed}'}}, {{nkey: {public}}}]}}\n"
            "}\n"
        )
        log = directory / "server.log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leafnode", "-c", str(conf)], stdout=output, stderr=output
            )
        self._open = contextlib.ExitStack()
        self._log = log

    def wait(self) -> None:
        self._until(lambda: b"Server is ready" in self._log.read_bytes())

    def connections(self, port: int, count: int) -> list[socket.socket]:
        """Connections that the server has taken."""
        before = self._descriptors()
        found = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        for one in found:
            self._open.enter_context(one).settimeout(PATIENCE_S)
        self._until(lambda: self._descriptors() >= before + count)
        return found

    def exhaust(self) -> None:
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (3, hard))

    def end(self) -> None:
        self._open.close()
        end_process(self.process, signal.SIGTERM)

    def _descriptors(self) -> int:
        """Sockets only: files come and go."""
        links = Path(f"/proc/{self.process.pid}/fd")
        found = 0
        for link in links.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found += str(link.readlink()).startswith("socket:")
        return found

    @staticmethod
    def _until(happened: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Exhausted]:
    if not hasattr(resource, "prlimit"):
        pytest.skip("another process is bounded on Linux only")
    server = Exhausted(tmp_path)
    try:
        server.wait()
        yield server
    finally:
        server.end()


def test_every_endpoint_answers_without_a_free_descriptor(server: Exhausted) -> None:
    asking = dict(zip(PATHS, server.connections(server.http_port, len(PATHS)), strict=True))
    server.exhaust()

    for path, connection in asking.items():  # all at once: they have 5 s for it
        head = f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
    answers = {path: received(connection, None).decode() for path, connection in asking.items()}

    assert {path: text for path, text in answers.items() if "200 OK" not in text} == {}
    assert "gnatsd_varz_connections" in answers["/metrics"]
    assert '"account_name": "A"' in answers["/accountz?acc=A"]


def test_every_request_to_the_server_is_answered_without_a_free_descriptor(
    server: Exhausted,
) -> None:
    (client,) = server.connections(server.port, 1)
    login(client, user="sys", **{"pass": "sys"})
    server.exhaust()

    names = {*ENDPOINTS, "STATSZ", "IDZ"} - {"ACCSTATZ"}  # which is an account's
    subjects = ["$SYS.REQ.ACCOUNT.PING.STATZ", *(f"$SYS.REQ.SERVER.PING.{name}" for name in names)]
    for subject in subjects:
        assert "error" not in json.loads(asked(client, subject)), subject
    for body in ('{"subs": 1, "Auth": true}', "{not json"):
        assert asked(client, "$SYS.REQ.SERVER.PING.CONNZ", body).startswith(b'{"')
    assert asked(client, "$SYS.REQ.ACCOUNT.A.INFO")
    assert asked(client, "$SYS.DEBUG.SUBSCRIBERS", "foo") == b"0"
    for packed in ("gzip", "snappy"):
        header = f"Accept-Encoding: {packed}"
        assert packed.encode() in asked(client, "$SYS.REQ.SERVER.PING.VARZ", header=header)


def test_logins_and_handshakes_succeed_without_a_free_descriptor(server: Exhausted) -> None:
    hashed, keyed = server.connections(server.port, 2)
    (sealed,) = server.connections(server.wss_port, 1)
    server.exhaust()

    login(hashed, user="a", **{"pass": "pw"})
    info = json.loads(received(keyed, b"\r\n")[5:])
    login(keyed, nkey=server.signer.public_key, sig=server.signer.sign(info["nonce"]))
    with server.tls.wrap_socket(sealed, server_hostname="localhost") as stream:
        stream.sendall(request())
        assert b"101 Switching Protocols" in received(stream, b"\r\n\r\n")


def received(connection: socket.socket | ssl.SSLSocket, until: bytes | None) -> bytes:
    """What comes until these bytes, or the end."""
    found = b""
    while (until is None or until not in found) and (data := connection.recv(65536)):
        found += data
    return found


def login(client: socket.socket, **credentials: str) -> None:
    options = {"verbose": False, "headers": True, "no_responders": True} | credentials
    client.sendall(f"CONNECT {json.dumps(options)}\r\nSUB inbox 1\r\nPING\r\n".encode())
    assert b"-ERR" not in received(client, b"PONG\r\n")


def asked(client: socket.socket, subject: str, body: str = "", header: str = "") -> bytes:
    """The answer to a request, as it comes."""
    if header:
        block = f"NATS/1.0\r\n{header}\r\n\r\n"
        line = f"HPUB {subject} inbox {len(block)} {len(block) + len(body)}\r\n{block}{body}\r\n"
    else:
        line = f"PUB {subject} inbox {len(body)}\r\n{body}\r\n"
    client.sendall(line.encode())
    head, rest = b"PING", b""
    while head == b"PING":  # the server's own, which nobody answers
        while b"\r\n" not in rest:
            rest += received(client, b"\r\n")
        head, _, rest = rest.partition(b"\r\n")
    size = int(head.split(b" ")[-1])
    while len(rest) < size + 2:
        rest += client.recv(65536)
    return rest[:size]
