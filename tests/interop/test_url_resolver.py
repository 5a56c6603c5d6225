"""Account JWTs from an HTTP server: this server and the real one ask, and take, the same."""

from __future__ import annotations

import gzip
import http.server
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import nkeys
import pytest

from tests.hub.jwt import Key
from tests.hub.process import end_process
from tests.interop.test_operator_mode import NATS_SERVER, NO_LIMITS, SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class AccountServer(http.server.ThreadingHTTPServer):
    """Redirects twice, and answers with what is in `accounts`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accounts: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []  # paths, and who it is
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()

    def end(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: AccountServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        first, _, name = self.path[1:].partition("/")
        there = {
            "jwt": f"/moved/{name}",
            "moved": f"http://127.0.0.1:{self.server.server_port}/here/{name}",
        }
        if first in there:
            self.send_response(302)
            self.send_header("Location", there[first])
            body = b""
        elif name and name not in self.server.accounts:
            self.send_response(404)
            body = b""
        else:
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            body = gzip.compress(self.server.accounts.get(name, "").encode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def accounts() -> Iterator[AccountServer]:
    server = AccountServer()
    yield server
    server.end()


@pytest.fixture(params=SERVERS)
def command(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "nats-server" and not NATS_SERVER.exists():
        pytest.skip("nats-server is not installed")
    return SERVERS[request.param]


class Started:
    """A server that asks there, and what it logs."""

    def __init__(self, directory: Path, command: list[str], url: str) -> None:
        operator, self.system = Key(nkeys.PREFIX_BYTE_OPERATOR), Key(nkeys.PREFIX_BYTE_ACCOUNT)
        now_s = int(time.time())
        body = {"type": "operator", "version": 2, "system_account": self.system.public}
        account = {"type": "account", "version": 2, "limits": NO_LIMITS | {"wildcards": True}}
        token = operator.sign(operator.public, "OP", body, issued_s=now_s)
        self.system_jwt = operator.sign(self.system.public, "S", account, issued_s=now_s)
        self._log = directory / "server.log"
        conf = directory / "server.conf"
        conf.write_text(f"listen: 127.0.0.1:-1\noperator: {token}\nresolver: URL({url})\n")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([*command, "-c", str(conf)], stdout=log, stderr=log)

    def logged(self, text: str) -> bool:
        return text in self._log.read_text()

    def until_logged(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while not self.logged(text):
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)


def test_redirects_and_gzip_are_taken_and_a_system_account_may_come_later(
    accounts: AccountServer, command: list[str], tmp_path: Path
) -> None:
    url = f"http://u:pw@127.0.0.1:{accounts.server_port}/jwt"
    started = Started(tmp_path, command, url)
    try:
        started.until_logged("Using bootstrapping system account")
        accounts.accounts[started.system.public] = started.system_jwt
        started.until_logged("System account fetched and updated")
    finally:
        end_process(started.process, signal.SIGTERM)

    proof = "Basic dTpwdw=="  # goes with the redirect that names no host
    assert accounts.asked[:3] == [("/jwt/", proof), ("/moved/", proof), ("/here/", "")]
    assert accounts.asked[3] == (f"/jwt/{started.system.public}", proof)


def test_a_server_whose_resolver_does_not_answer_does_not_start(
    command: list[str], tmp_path: Path
) -> None:
    started = Started(tmp_path, command, "http://127.0.0.1:1")

    assert started.process.wait(30) == 1
    assert started.logged("could not fetch <")
