"""TLS, WebSocket and PROXY listeners: what a client sees here and on the real nats-server."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.hub.jwt import Operator
from tests.hub.process import end_process, free_ports, nats_server_path
from tests.sim.certificates import LOCALHOST, Authority
from tests.sim.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    DEFLATE,
    PING,
    TEXT,
    Seen,
    frame,
    frames,
    packed,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

HOST = "127.0.0.1"
SERVERS = ["leafnode", "nats-server"]
CONNECT = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
START_S = 30.0
PATIENCE_S = 10.0  # for what must come: on a slow machine it takes its time
QUIET_S = 0.4  # for what must not


class Listeners:
    """One process of either server with one configuration."""

    def __init__(self, kind: str, directory: Path, config: str) -> None:
        self.port, self.ws_port = free_ports(2)
        self._file = directory / f"{kind}.conf"
        self._configure(config)
        path = str(nats_server_path())
        command = [sys.executable, "-m", "leafnode"] if kind == "leafnode" else [path]
        self.log = directory / f"{kind}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "-c", str(self._file)], stdout=output, stderr=subprocess.STDOUT
            )
        self._wait(self.ws_port if "{ws}" in config else self.port)

    def _configure(self, config: str) -> None:
        text = config.replace("{ws}", f'listen: "{HOST}:{self.ws_port}"')
        self._file.write_text(f"listen: {HOST}:{self.port}\n{text}\n")

    def reload(self, config: str) -> str:
        """Return what the log says of it."""
        before = self.log.stat().st_size
        self._configure(config)
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            said = self.log.read_bytes()[before:].decode()
            if "Reloaded server configuration" in said or "Failed to reload" in said:
                return said
            time.sleep(0.02)
        raise RuntimeError(self.log.read_text())

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection((HOST, port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(self.log.read_text())

    def dial(self, port: int = 0) -> Raw:
        return Raw(port or self.port)


class Raw:
    """A socket that is read until nothing comes for a moment, or to its end."""

    def __init__(self, port: int) -> None:
        self.sock: socket.socket = socket.create_connection((HOST, port), PATIENCE_S)
        self.ended = False

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def secure(self, context: ssl.SSLContext) -> None:
        self.sock.settimeout(PATIENCE_S)
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")

    def says(self, data: bytes = b"", *, until: bytes = b"", wait_s: float = QUIET_S) -> bytes:
        """Send, then read until these bytes came, the end, or silence."""
        got = b""
        try:
            self.sock.sendall(data)
            self.sock.settimeout(PATIENCE_S if until else wait_s)
            while not until or until not in got:
                more = self.sock.recv(65536)
                if not more:
                    self.ended = True
                    break
                got += more
        except TimeoutError:
            pass
        except OSError:
            self.ended = True
        return got

    def info(self) -> dict[str, Any]:
        line = self.says(until=b"\r\n")
        return json.loads(line.partition(b" ")[2])

    def upgrade(self, headers: dict[str, str | None] | None = None) -> list[Seen]:
        """Shake hands and return the frames that follow: INFO."""
        head, _, rest = self.says(request(headers), until=b"\r\n\r\n").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return frames(rest or self._something())

    def _something(self) -> bytes:
        """Wait for the next bytes, and for those right behind them."""
        self.sock.settimeout(PATIENCE_S)
        return self.sock.recv(65536) + self.says()

    def refusal(self, data: bytes) -> bytes:
        """Send a request and return the whole answer, or what came before the end."""
        got = self.says(data, until=b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *([0-9]+)", got, re.IGNORECASE)
        while got and length is None and not self.ended:  # then the end of the connection says it
            more = self.sock.recv(65536)
            self.ended = not more
            got += more
        missing = int(length[1]) - len(got.partition(b"\r\n\r\n")[2]) if length else 0
        while missing > 0 and not self.ended and not data.startswith(b"HEAD "):
            more = self.sock.recv(missing)
            self.ended = not more
            got, missing = got + more, missing - len(more)
        return got


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    authority.server = authority.issue("server", *LOCALHOST)
    authority.joe = authority.issue("joe", x509.RFC822Name("joe@example.org"))
    return authority


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    running: list[Listeners] = []

    def go(kind: str, config: str) -> Listeners:
        running.append(Listeners(kind, tmp_path, config))
        return running[-1]

    yield go
    for listeners in running:
        end_process(listeners.process, signal.SIGTERM)


def tls_block(authority: Authority, more: str = "") -> str:
    cert_file, key_file = authority.server
    return f'tls {{ cert_file: "{cert_file}", key_file: "{key_file}", timeout: 1, {more} }}'


def tls_fields(info: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in info.items() if name.startswith("tls")}


@pytest.mark.parametrize("kind", SERVERS)
def test_info_says_tls_required_and_a_plain_client_is_cut(
    kind: str, start: Any, authority: Authority
) -> None:
    server = start(kind, tls_block(authority, f'verify: true, ca_file: "{authority.ca_file}"'))
    with server.dial() as plain, server.dial() as bare, server.dial() as joe:
        assert tls_fields(plain.info()) == {"tls_required": True, "tls_verify": True}
        assert b"PONG" not in plain.says(CONNECT + b"PING\r\n", wait_s=PATIENCE_S)
        assert plain.ended

        bare.info()
        try:
            bare.secure(authority.client())
            assert bare.says(CONNECT + b"PING\r\n", wait_s=PATIENCE_S) == b""
        except (ssl.SSLError, ConnectionError):
            bare.ended = True
        assert bare.ended

        joe.info()
        joe.secure(authority.client(authority.joe))
        assert joe.says(CONNECT + b"PING\r\n", until=b"PONG\r\n").endswith(b"PONG\r\n")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_silent_client_is_cut_at_the_tls_timeout(
    kind: str, start: Any, authority: Authority
) -> None:
    server = start(kind, tls_block(authority))
    with server.dial() as silent:
        silent.info()
        began = time.monotonic()

        assert silent.says(wait_s=PATIENCE_S) == b""

        assert silent.ended
        assert time.monotonic() - began > 0.8


@pytest.mark.parametrize("kind", SERVERS)
def test_handshake_first_says_nothing_before_tls_and_auto_after_a_while(
    kind: str, start: Any, authority: Authority
) -> None:
    first = start(kind, tls_block(authority, "handshake_first: true"))
    auto = start(kind, tls_block(authority, 'handshake_first: "200ms"'))
    with first.dial() as one, auto.dial() as two, auto.dial() as three:
        two.secure(authority.client())
        assert tls_fields(two.info()) == {"tls_required": True}
        assert one.says() == b""
        one.secure(authority.client())
        assert tls_fields(one.info()) == {"tls_required": True}

        assert tls_fields(three.info()) == {"tls_required": True}
        three.secure(authority.client())
        assert three.says(CONNECT + b"PING\r\n", until=b"PONG\r\n").endswith(b"PONG\r\n")


@pytest.mark.parametrize("kind", SERVERS)
def test_allow_non_tls_says_available_and_serves_both(
    kind: str, start: Any, authority: Authority
) -> None:
    server = start(kind, tls_block(authority) + "\nallow_non_tls: true")
    with server.dial() as plain, server.dial() as secure:
        assert tls_fields(plain.info()) == {"tls_available": True}
        assert plain.says(CONNECT + b"PING\r\n", until=b"PONG\r\n").endswith(b"PONG\r\n")
        secure.info()
        secure.secure(authority.client())
        assert secure.says(CONNECT + b"PING\r\n", until=b"PONG\r\n").endswith(b"PONG\r\n")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_certificate_names_the_user_where_verify_and_map_asks_for_it(
    kind: str, start: Any, authority: Authority
) -> None:
    verify = f'verify_and_map: true, ca_file: "{authority.ca_file}"'
    users = (
        "authorization { users: [{user: 'joe@example.org', permissions: {publish: 'only.this'}}] }"
    )
    server = start(kind, f"{tls_block(authority, verify)}\n{users}")
    ann = authority.issue("ann", x509.RFC822Name("ann@example.org"))
    with server.dial() as joe, server.dial() as other:
        joe.info()
        joe.secure(authority.client(authority.joe))
        answer = joe.says(CONNECT + b"PUB other 0\r\n\r\nPING\r\n", until=b"PONG\r\n")
        assert b"-ERR 'Permissions Violation for Publish to \"other\"'\r\n" in answer

        other.info()
        other.secure(authority.client(ann))
        refused = b"-ERR 'Authorization Violation'\r\n"
        assert refused in other.says(CONNECT + b"PING\r\n", until=refused)


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize(
    ("login", "answer"),
    [
        (b'"user":"other"', b"PONG\r\n"),
        (b'"auth_token":"t"', b"PONG\r\n"),
        (b'"jwt":"j"', b"PONG\r\n"),
        (b'"user":"other","pass":"p"', b"-ERR 'Authorization Violation'\r\n"),
        (b'"pass":"p"', b"-ERR 'Authorization Violation'\r\n"),
        (b'"nkey":"U"', b"PONG\r\n"),
    ],
)
def test_a_password_beside_a_mapped_certificate_has_to_be_that_user_s(
    kind: str, login: bytes, answer: bytes, start: Any, authority: Authority
) -> None:
    verify = f'verify_and_map: true, ca_file: "{authority.ca_file}"'
    users = "authorization { users: [{user: 'joe@example.org'}, {user: other, password: p}] }"
    server = start(kind, f"{tls_block(authority, verify)}\n{users}")
    with server.dial() as joe:
        joe.info()
        joe.secure(authority.client(authority.joe))

        said = b'CONNECT {"verbose":false,%b}\r\nPING\r\n' % login

        assert joe.says(said, until=answer).endswith(answer)


@pytest.mark.parametrize("kind", SERVERS)
def test_behind_a_proxy_the_first_info_names_no_address_and_the_second_the_client_s(
    kind: str, start: Any
) -> None:
    server = start(kind, "proxy_protocol: true")
    connect = b'CONNECT {"verbose":false,"pedantic":false,"protocol":1}\r\n'
    with server.dial() as proxied, server.dial() as direct, server.dial() as broken:
        assert "client_ip" not in proxied.info()
        header = b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 4222\r\n"
        answer = proxied.says(header + connect + b"PING\r\n", until=b'"192.0.2.1"')
        assert b'"client_ip":"192.0.2.1"' in answer

        direct.info()
        answer = direct.says(connect + b"PING\r\n", until=b'"127.0.0.1"')
        assert b'"client_ip":"127.0.0.1"' in answer

        broken.info()
        broken.says(b"PROXY TCP4 x y 1 2\r\n", wait_s=PATIENCE_S)
        assert broken.ended


REFUSED = {
    "post": (request(method="POST"), b"HTTP/1.1 405 Method Not Allowed\r\n"),
    "head": (request(method="HEAD"), b"HTTP/1.1 405 Method Not Allowed\r\n"),
    "no host": (request({"Host": None}), b"HTTP/1.1 400 Bad Request"),
    "no upgrade": (request({"Upgrade": None}), b"HTTP/1.1 400 Bad Request\r\n"),
    "no connection": (request({"Connection": "close"}), b"HTTP/1.1 400 Bad Request\r\n"),
    "no key": (request({"Sec-WebSocket-Key": None}), b"HTTP/1.1 400 Bad Request\r\n"),
    "bad key": (request({"Sec-WebSocket-Key": "abc"}), b"HTTP/1.1 400 Bad Request\r\n"),
    "version": (request({"Sec-WebSocket-Version": "12"}), b"HTTP/1.1 400 Bad Request\r\n"),
    "origin": (request({"Origin": "http://evil.example"}), b"HTTP/1.1 403 Forbidden\r\n"),
    "mqtt": (request(path="/mqtt"), b"HTTP/1.1 404 Not Found\r\n"),
    "garbage": (b"\x16\x03\x01\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
    "bad host": (request({"Host": "a/b"}), b"HTTP/1.1 400 Bad Request: malformed Host header\r\n"),
    "bad escape": (request(path="/%zz"), b"HTTP/1.1 400 Bad Request\r\n"),
    "control": (request({"X": "a\x01b"}), b"HTTP/1.1 400 Bad Request\r\n"),
    "protocol": (
        request().replace(b"HTTP/1.1", b"HTTP/2.0"),
        b"HTTP/1.1 505 HTTP Version Not Supported: unsupported protocol version\r\n",
    ),
    "expect": (request({"Expect": "x"}), b"HTTP/1.1 417 Expectation Failed\r\n"),
    "coding": (request({"Transfer-Encoding": "x"}), b"HTTP/1.1 501 Not Implemented\r\n"),
    "early": (request() + frame(BINARY, b"PING\r\n"), b""),
}
WS = 'websocket { {ws}, no_tls: true, compression: true, allowed_origins: ["http://a.example"] }'


def lines_of(answer: bytes) -> set[bytes]:
    """The headers and body of an answer that both servers send."""
    ours = (b"Date:", b"Connection:", b"HTTP/")
    return {line for line in answer.split(b"\r\n") if not line.startswith(ours)}


def test_a_request_is_refused_with_the_same_words(start: Any) -> None:
    edge, real = start("leafnode", WS), start("nats-server", WS)
    for name, (data, status) in REFUSED.items():
        answers = []
        for server in (edge, real):
            with server.dial(server.ws_port) as raw:
                answers.append(raw.refusal(data))
        assert answers[0].startswith(status), name
        assert answers[1].startswith(status), name
        assert lines_of(answers[0]) == lines_of(answers[1]), name


TALKS = {
    "text": [frame(TEXT, CONNECT + b"PING\r\n")],
    "bytes": [
        frame(BINARY if at == 0 else CONTINUATION, bytes((byte,)), is_last=at == len(CONNECT) + 5)
        for at, byte in enumerate(CONNECT + b"PING\r\n")
    ],
    "control between": [
        frame(BINARY, b"PI", is_last=False),
        frame(PING, b"hey"),
        frame(CONTINUATION, b"NG\r\n"),
    ],
    "unmasked": [frame(BINARY, b"PING\r\n", is_masked=False)],
    "close": [frame(CLOSE, struct.pack("!H", 1000) + b"bye")],
    "close empty": [frame(CLOSE, b"")],
    "close utf-8": [frame(CLOSE, struct.pack("!H", 1000) + b"\xff")],
    "payload": [frame(BINARY, CONNECT + b"PUB a 99999999\r\n")],
    "control line": [frame(BINARY, b"PUB " + b"a" * 5000)],
    "packed": [frame(BINARY, packed(CONNECT + b"PING\r\n"), reserved=4)],
}


def test_frames_are_answered_with_the_same_frames(start: Any) -> None:
    edge, real = start("leafnode", WS), start("nats-server", WS)
    for name, talk in TALKS.items():
        answers = []
        for server in (edge, real):
            with server.dial(server.ws_port) as raw:
                raw.upgrade(DEFLATE)
                seen = frames(raw.says(b"".join(talk), until=b"PONG\r\n"))  # or to the end
                answers.append([one for one in seen if not one.data.startswith(b"INFO")])
        # A frame with the reason of an end is lost now and then by nats-server, by a race.
        assert answers[0], name
        assert answers[1] in (answers[0], answers[0][:-1]), name


@pytest.mark.parametrize("kind", SERVERS)
def test_wss_is_tls_first_and_info_says_so(kind: str, start: Any, authority: Authority) -> None:
    server = start(kind, f"websocket {{ {{ws}}, {tls_block(authority)} }}")
    with server.dial(server.ws_port) as raw, server.dial(server.ws_port) as plain:
        raw.secure(authority.client())
        (info,) = raw.upgrade()
        found = json.loads(info.data.partition(b" ")[2])
        assert tls_fields(found) == {"tls_required": True, "tls_available": True}
        assert found["port"] == server.ws_port
        body = b"x" * 500_000
        talk = CONNECT + b"SUB a 1\r\nPUB a 500000\r\n" + body + b"\r\nPING\r\n"
        answer = raw.says(frame(BINARY, talk), until=b"PONG\r\n")
        assert b"".join(one.data for one in frames(answer)) == (
            b"MSG a 1 500000\r\n" + body + b"\r\nPONG\r\n"
        )
        assert not plain.says(request(), wait_s=PATIENCE_S).startswith(b"HTTP/1.1 101")


def pin(certificate: tuple[str, str]) -> str:
    key = x509.load_pem_x509_certificate(Path(certificate[0]).read_bytes()).public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def test_a_pin_that_a_reload_takes_away_cuts_its_websocket_client(
    start: Any, authority: Authority
) -> None:
    ann = authority.issue("ann", x509.RFC822Name("ann@example.org"))

    def config(*pinned: tuple[str, str]) -> str:
        pins = ", ".join(f'"{pin(one)}"' for one in pinned)
        verify = f'verify: true, ca_file: "{authority.ca_file}", pinned_certs: [{pins}]'
        return f"websocket {{ {{ws}}, {tls_block(authority, verify)} }}"

    server = start("leafnode", config(ann, authority.joe))
    with server.dial(server.ws_port) as joe, server.dial(server.ws_port) as other:
        joe.secure(authority.client(authority.joe))
        other.secure(authority.client(ann))
        for raw in (joe, other):
            raw.upgrade()
            raw.says(frame(BINARY, CONNECT + b"PING\r\n"), until=b"PONG\r\n")

        assert "Reloaded: websocket" in server.reload(config(ann))

        (end,) = frames(joe.says(until=b"TLS Handshake Failure"))
        assert (end.opcode, end.data) == (CLOSE, b"TLS Handshake Failure")
        assert b"PONG\r\n" in other.says(frame(BINARY, b"PING\r\n"), until=b"PONG\r\n")


def test_nats_server_reloads_nothing_where_a_websocket_s_pins_are_others(
    start: Any, authority: Authority
) -> None:
    def config(pinned: str) -> str:
        verify = f'verify: true, ca_file: "{authority.ca_file}", pinned_certs: ["{pinned}"]'
        return f"websocket {{ {{ws}}, {tls_block(authority, verify)} }}"

    server = start("nats-server", config("a" * 64))

    assert "config reload not supported for Websocket" in server.reload(config("b" * 64))


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize(
    ("own", "login"),
    [("user: a, password: b", b'{"user":"a","pass":"b"}'), ("token: t", b'{"auth_token":"t"}')],
    ids=["user", "token"],
)
def test_an_operator_goes_before_a_login_of_the_listener_s_own(
    kind: str, own: str, login: bytes, start: Any
) -> None:
    operator = Operator(now_s=int(time.time()), jetstream=False)
    block = f"websocket {{ {{ws}}, no_tls: true, authorization {{ {own} }} }}"
    server = start(kind, f"{block}\n{operator.config()}")
    refused = b"-ERR 'Authorization Violation'\r\n"
    with server.dial(server.ws_port) as raw:
        raw.upgrade()

        assert refused in raw.says(frame(BINARY, b"CONNECT %b\r\n" % login), until=refused)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_wrong_login_over_websocket_is_1008(kind: str, start: Any) -> None:
    users = "authorization { users: [{user: joe, password: s3cret}] }"
    server = start(kind, f"websocket {{ {{ws}}, no_tls: true, user_cookie: u }}\n{users}")
    with server.dial(server.ws_port) as raw:
        raw.upgrade({"Cookie": "u=joe"})

        seen = frames(raw.says(frame(BINARY, b'CONNECT {"pass":"x"}\r\n'), wait_s=PATIENCE_S))

        assert b"-ERR 'Authorization Violation'\r\n" in [one.data for one in seen]
        assert seen[-1] == Seen(CLOSE, b"Authentication Failure", 1008)
