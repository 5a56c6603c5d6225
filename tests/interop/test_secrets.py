"""Every secret is a canary, and no answer of monitoring and no line of the log sings.

Source: reliability row CVE-2026-33247: secrets in monitoring, logs and the command line.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.request import urlopen

import nats
import pytest

from tests.interop.gateway import running_gateway

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.real_loop]

CANARY: Final = "c4n4ry"
CONFIG: Final = f"""
server_name: edge
jetstream {{ store_dir: "{{dir}}/js" }}
authorization {{ users [
  {{ user: joe, password: "{CANARY}-joe" }}
  {{ user: ann, password: "{CANARY}-ann" }}
] }}
leafnodes {{ remotes [ {{ url: "nats-leaf://hub:{CANARY}-hub@127.0.0.1:1" }} ] }}
"""
PATHS: Final = [
    *("", "varz", "connz?auth=1&subs=detail", "connz?state=all&auth=1&subs=1", "subsz?subs=1"),
    *("leafz?subs=1", "routez", "gatewayz", "accountz", "accountz?acc=$G", "accstatz?unused=1"),
    *("jsz?consumers=1&config=1&raft=1", "healthz?details=1&leafnode=1", "ipqueuesz?all=1"),
    *("stacksz", "debug/vars", "metrics", "uplinkz", "serialz", "raftz", "connz?sort=bogus"),
]


async def test_no_answer_and_no_line_of_the_log_has_a_secret(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "edge", CONFIG) as edge:
        client = await nats.connect(
            edge.client_url, user="joe", password=f"{CANARY}-joe", name="joe"
        )
        await client.subscribe("a.*")
        await client.flush()
        for wrong in (f'"user":"joe","pass":"{CANARY}-wrong"', f'"auth_token":"{CANARY}-t"'):
            with socket.create_connection(("127.0.0.1", edge.client_port)) as refused:
                refused.sendall(b"CONNECT {" + wrong.encode() + b',"name":"refused"}\r\n')
                while refused.recv(4096):
                    pass

        answers = {path: body(edge.http_port, path) for path in PATHS}
        await client.close()

    assert b"joe" in answers["connz?auth=1&subs=detail"]
    assert b"Authentication Failure" in answers["connz?state=all&auth=1&subs=1"]
    assert [path for path, text in answers.items() if CANARY.encode() in text] == []
    assert CANARY not in edge.log


def body(port: int, path: str) -> bytes:
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as response:
            return bytes(response.read())
    except HTTPError as err:
        with err:
            return err.read()
