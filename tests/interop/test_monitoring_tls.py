"""Monitoring of TLS and WebSocket beside that of a real nats-server 2.15.1: the same keys and
types, and the same values of what certificates and files decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from typing import TYPE_CHECKING, Any, Final

import nats
import pytest
from cryptography import x509

from tests.hub.process import free_ports, nats_server_path, running_hub
from tests.interop.barrier import settled
from tests.interop.gateway import running_gateway
from tests.interop.test_monitoring import NOT_OURS, NOT_THEIRS, shape, without
from tests.sim.certificates import LOCALHOST, Authority, tls_pair
from tests.sim.websocket import BINARY, frame, request

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

CONFIG: Final = """
server_name: probe
client_advertise: "edge.example:4222"
authorization { user: u, password: p }
tls { cert_file: "{cert}", key_file: "{key}", ca_file: "{cert}", verify: true, timeout: 3 }
websocket {
  listen: "127.0.0.1:{port}"
  advertise: "edge.example:8080"
  tls { cert_file: "{cert}", key_file: "{key}", verify_and_map: true, ca_file: "{cert}"
        pinned_certs: ["a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3e4f5a0b1"] }
}
"""
# Their hub has a leaf listener for nothing.
LEAF_LISTENER: Final = {"leaf"}
DECIDED: Final = ("tls_cert_not_after", "tls_required", "tls_verify", "tls_timeout")
OF_A_WEBSOCKET: Final = ("tls_cert_not_after", "tls_map", "tls_pinned_certs", "advertise")


async def test_tls_and_websocket_are_shown_as_nats_server_shows_them(tmp_path: Path) -> None:
    _, client_side = tls_pair(tmp_path)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    client_side.load_cert_chain(cert, key)
    config = CONFIG.replace("{cert}", str(cert)).replace("{key}", str(key))
    ports = free_ports(2)
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(
            running_hub(tmp_path / "theirs", config.replace("{port}", str(ports[0])))
        )
        ours = stack.enter_context(
            running_gateway(tmp_path / "ours", config.replace("{port}", str(ports[1])))
        )
        async with contextlib.AsyncExitStack() as clients:
            for url in (ours.client_url, theirs.client_url):
                where = url.replace("nats://", "tls://")
                client = await nats.connect(where, tls=client_side, user="u", password="p")
                clients.push_async_callback(client.close)
                await settled(client)
            varz = [server.get("varz") for server in (ours, theirs)]
            rows = [server.get("connz?auth=1")["connections"] for server in (ours, theirs)]

    assert without(shape(varz[0]), NOT_THEIRS["varz"] | LEAF_LISTENER) == without(
        shape(varz[1]), NOT_OURS["varz"] | LEAF_LISTENER
    )
    for name in DECIDED:
        assert varz[0][name] == varz[1][name], name
    for name in OF_A_WEBSOCKET:
        assert varz[0]["websocket"][name] == varz[1]["websocket"][name], name
    assert shape(rows[0]) == shape(rows[1])
    assert [encrypted(row) for row in rows[0]] == [encrypted(row) for row in rows[1]]


async def test_the_subject_of_a_certificate_is_written_as_go_writes_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("server", *LOCALHOST)
    titles = x509.NameOID
    subjects: list[list[tuple[x509.ObjectIdentifier, str]]] = [
        [],
        [
            (titles.COUNTRY_NAME, "US"),
            (titles.STATE_OR_PROVINCE_NAME, "CA"),
            (titles.LOCALITY_NAME, "l"),
            (titles.POSTAL_CODE, "1"),
            (titles.STREET_ADDRESS, "s"),
            (titles.ORGANIZATION_NAME, "Syn"),
            (titles.ORGANIZATIONAL_UNIT_NAME, "a"),
            (titles.ORGANIZATIONAL_UNIT_NAME, "b"),
            (titles.COMMON_NAME, " cli+"),
            (titles.SERIAL_NUMBER, "7"),
        ],
        [
            (titles.DOMAIN_COMPONENT, "com"),
            (titles.DOMAIN_COMPONENT, "example"),
            (titles.EMAIL_ADDRESS, "a@b.example"),
            (x509.ObjectIdentifier("1.2.3.4"), "#é"),
            (titles.COMMON_NAME, "first"),
            (titles.COMMON_NAME, "last"),
        ],
    ]
    pairs = [
        authority.issue(
            f"client{number}", subject=x509.Name([x509.NameAttribute(*one) for one in subject])
        )
        for number, subject in enumerate(subjects)
    ]
    config = f"""tls {{ cert_file: "{cert}", key_file: "{key}", ca_file: "{authority.ca_file}"
        verify: true, timeout: 10 }}"""
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(running_hub(tmp_path / "theirs", config))
        ours = stack.enter_context(running_gateway(tmp_path / "ours", config))
        seen = []
        for server in (ours, theirs):
            async with contextlib.AsyncExitStack() as clients:
                for pair in pairs:
                    where = server.client_url.replace("nats://", "tls://")
                    client = await nats.connect(where, tls=authority.client(pair))
                    clients.push_async_callback(client.close)
                    await settled(client)
                rows = server.get("connz?auth=1&sort=cid")["connections"]
            seen.append([row["tls_peer_certs"] for row in rows])

    assert seen[0] == seen[1]
    assert "subject" not in seen[0][0][0]


@pytest.mark.parametrize("is_tls", [False, True])
async def test_clients_over_websocket_are_shown_as_such(tmp_path: Path, *, is_tls: bool) -> None:
    ports = free_ports(2)
    _, client_side = tls_pair(tmp_path)
    files = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    tls = f"tls {{ {files} }}" if is_tls else "no_tls: true"
    context = client_side if is_tls else None
    with contextlib.ExitStack() as stack:
        configs = [f'websocket {{ listen: "127.0.0.1:{port}", {tls} }}\n' for port in ports]
        theirs = stack.enter_context(running_hub(tmp_path / "theirs", configs[0]))
        ours = stack.enter_context(running_gateway(tmp_path / "ours", configs[1]))
        async with contextlib.AsyncExitStack() as clients:
            for port in ports:
                reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
                clients.callback(writer.close)
                connect = b'CONNECT {"verbose":false,"name":"browser","lang":"js"}\r\nPING\r\n'
                writer.write(request())
                await reader.readuntil(b"\r\n\r\n")
                writer.write(frame(BINARY, connect))
                await reader.readuntil(b"PONG")
            rows = [server.get("connz?auth=1")["connections"] for server in (ours, theirs)]

    assert shape(rows[0]) == shape(rows[1])
    assert [row["type"] for side in rows for row in side] == ["websocket", "websocket"]
    assert encrypted(rows[0][0]) == encrypted(rows[1][0]) == ["1.3" if is_tls else None, None, None]


def test_a_file_has_the_same_digest_on_both(tmp_path: Path) -> None:
    rest = 'X: "5s"\nping_interval: $X\nserver_tags: [a, "<b>"]\nmax_payload: 64K\n'
    with running_gateway(tmp_path / "ours", rest) as ours:
        digest = ours.get("varz")["config_digest"]
        text = (tmp_path / "ours" / "leafnode.conf").read_text()

    assert digest == digest_of_nats_server(tmp_path, text)


def digest_of_nats_server(directory: Path, text: str) -> Any:
    """What `nats-server -t` says of a file."""
    file = directory / "theirs.conf"
    file.write_text(text)
    program = nats_server_path()
    assert program is not None
    done = subprocess.run([program, "-c", str(file), "-t"], capture_output=True, check=True)
    return done.stderr.decode().rpartition("(")[2].rstrip(")\n")


def encrypted(row: dict[str, Any]) -> list[Any]:
    return [row.get(key) for key in ("tls_version", "tls_first", "tls_peer_certs")]
