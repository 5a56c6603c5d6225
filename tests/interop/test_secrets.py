"""Every secret is a canary, and no answer of monitoring, no answer of the system account and no
line of the log sings, at -DV either.

Source: reliability row CVE-2026-33247: secrets in monitoring, logs and the command line.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

import nats
import nkeys
import pytest

from tests.hub.jwt import Key
from tests.hub.process import end_process, free_ports
from tests.interop.barrier import settled
from tests.interop.test_monitoring_jwt import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.real_loop]

CANARY: Final = "c4n4ry"
PATHS: Final = [
    *("", "varz", "connz?auth=1&subs=detail", "connz?state=all&auth=1&subs=1", "subsz?subs=1"),
    *("leafz?subs=1", "routez", "gatewayz", "accountz", "accountz?acc=$G", "accstatz?unused=1"),
    *("accountz?acc=$SYS", "accountz?acc=A", "jsz?consumers=1&config=1&raft=1"),
    *("healthz?details=1&leafnode=1", "ipqueuesz?all=1"),
    *("stacksz", "debug/vars", "metrics", "uplinkz", "serialz", "raftz", "connz?sort=bogus"),
]
ENDPOINTS: Final = [
    *("VARZ", "CONNZ", "SUBSZ", "LEAFZ", "ACCOUNTZ", "JSZ", "HEALTHZ", "EXPVARZ", "STATSZ", "IDZ"),
]


class Edge:
    """One server at -DV, started with these flags; its log is all that it writes."""

    def __init__(self, directory: Path, config: str, *flags: str) -> None:
        directory.mkdir()
        self.client_port, self.http_port = free_ports(2)
        file = directory / "edge.conf"
        listeners = f"listen: 127.0.0.1:{self.client_port}\nhttp: 127.0.0.1:{self.http_port}\n"
        file.write_text(listeners + config.replace("{dir}", str(directory)))
        self._log = directory / "edge.log"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leafnode", "-c", str(file), "-DV", *flags],
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + 10
        while b"Server is ready" not in self._log.read_bytes():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.client_port}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def answers(self, paths: list[str]) -> dict[str, bytes]:
        return {path: body(self.http_port, path) for path in paths}

    def refuse(self, *connects: str) -> None:
        for fields in connects:
            with socket.create_connection(("127.0.0.1", self.client_port)) as refused:
                refused.sendall(b"CONNECT {" + fields.encode() + b',"name":"refused"}\r\n')
                while refused.recv(4096):
                    pass


@contextlib.contextmanager
def running(directory: Path, config: str, *flags: str) -> Iterator[Edge]:
    edge = Edge(directory, config, *flags)
    try:
        yield edge
    finally:
        end_process(edge.process, signal.SIGTERM)


async def asked(edge: Edge, **login: Any) -> dict[str, bytes]:
    """What the system account is told."""
    client = await nats.connect(edge.url, **login)
    try:
        found = {}
        for name in ENDPOINTS:
            options = b'{"auth":true,"subscriptions":true,"subscriptions_detail":true}'
            answer = await client.request(f"$SYS.REQ.SERVER.PING.{name}", options, timeout=5)
            found[name] = answer.data
        return found
    finally:
        await client.close()


def singing(answers: dict[str, bytes], *secrets: str) -> list[tuple[str, str]]:
    return [
        (path, secret[:12])
        for path, text in answers.items()
        for secret in secrets
        if secret.encode() in text
    ]


PASSWORDS: Final = f"""
server_name: edge
jetstream {{ store_dir: "{{dir}}/js" }}
accounts {{
  A {{ users [
    {{ user: joe, password: "{CANARY}-joe" }}
    {{ user: ann, password: "{CANARY}-ann" }}
  ] }}
  $SYS {{ users [ {{ user: sys, password: "{CANARY}-sys" }} ] }}
}}
leafnodes {{ remotes [
  {{ url: "nats-leaf://hub:{CANARY}-hub@127.0.0.1:1" }}
  {{ url: "nats-leaf://127.0.0.1:1", nkey: "{{dir}}/../remote.nk" }}
  {{ url: "nats-leaf://127.0.0.1:1", credentials: "{{dir}}/../remote.creds" }}
] }}
"""


async def test_passwords_and_what_remotes_prove_themselves_with_are_not_told(
    tmp_path: Path,
) -> None:
    seeds = [Key(nkeys.PREFIX_BYTE_USER).seed.decode()]
    (tmp_path / "remote.nk").write_text(seeds[0])
    trust = Trust()
    trust.creds(tmp_path / "remote.creds", "A")
    lines = (tmp_path / "remote.creds").read_text().splitlines()
    token, seed = lines[1], lines[5]
    with running(tmp_path / "edge", PASSWORDS) as edge:
        client = await nats.connect(edge.url, user="joe", password=f"{CANARY}-joe", name="joe")
        await client.subscribe("a.*")
        await settled(client)
        edge.refuse(f'"user":"joe","pass":"{CANARY}-wrong"', f'"auth_token":"{CANARY}-t"')

        answers = edge.answers(PATHS)
        told = await asked(edge, user="sys", password=f"{CANARY}-sys")
        await client.close()
        log = edge.log

    secrets = (CANARY, *seeds, token, seed)
    assert b"joe" in answers["connz?auth=1&subs=detail"]
    assert b"Authentication Failure" in answers["connz?state=all&auth=1&subs=1"]
    assert singing(answers | told | {"log": log.encode()}, *secrets) == []
    assert "CONNECT" in log  # the trace was on


async def test_a_token_is_not_told_from_a_file_or_the_command_line(tmp_path: Path) -> None:
    config = f'authorization {{ token: "{CANARY}-file" }}\n'
    with running(tmp_path / "file", config) as edge:
        client = await nats.connect(edge.url, token=f"{CANARY}-file")
        in_file = edge.answers(PATHS) | {"log": edge.log.encode()}
        await client.close()
    with running(tmp_path / "flag", "", "--auth", f"{CANARY}-flag") as edge:
        client = await nats.connect(edge.url, token=f"{CANARY}-flag")
        by_flag = edge.answers(PATHS) | {"log": edge.log.encode()}
        await client.close()

    assert singing(in_file, CANARY) == []
    assert singing(by_flag, CANARY) == []
    assert b"--auth" in by_flag["debug/vars"]


async def test_a_bearer_s_jwt_is_not_told_and_those_of_accounts_where_they_are_asked_for_alone(
    tmp_path: Path,
) -> None:
    trust = Trust()
    bearer = trust.creds(tmp_path / "bearer.creds", "A", bearer_token=True)
    system = trust.creds(tmp_path / "system.creds", "SYS")
    files = [(tmp_path / name).read_text() for name in ("bearer.creds", "system.creds")]
    secrets = (files[0].splitlines()[1], *(text.splitlines()[5] for text in files))
    with running(tmp_path / "edge", trust.config()) as edge:
        client = await nats.connect(edge.url, user_credentials=bearer, name="bearer")
        await client.close()
        client = await nats.connect(edge.url, user_credentials=bearer, name="bearer")
        # Nobody needed B: its JWT is still in the configuration alone.
        accounts = [f"accountz?acc={trust.accounts[name].public}" for name in ("SYS", "A")]

        answers = edge.answers([*PATHS, *accounts])
        told = await asked(edge, user_credentials=system)
        await client.close()
        log = {"log": edge.log.encode()}

    assert b"bearer" in answers["connz?state=all&auth=1&subs=1"]
    assert singing(answers | told | log, *secrets) == []
    preloaded = singing(answers | told | log, *trust.tokens.values())
    assert [path for path, _ in preloaded] == accounts


def body(port: int, path: str) -> bytes:
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as response:
            return bytes(response.read())
    except HTTPError as err:
        with err:
            return err.read()
