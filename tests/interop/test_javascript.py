"""The official JavaScript clients play the same programs on this server and on nats-server.

Each program writes a line for each thing it saw; both servers' lines are the same, to the last.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import nkeys
import pytest

from tests.hub.jwt import Key
from tests.hub.process import Hub, free_ports
from tests.interop.gateway import Gateway
from tests.sim.certificates import LOCALHOST, Authority

PROGRAMS: Final = Path(__file__).parent / "javascript"
NPM: Final = shutil.which("npm")
NODE_S: Final = 120.0
INSTALL_S: Final = 300.0

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(NPM is None and "CI" not in os.environ, reason="apt-get install nodejs npm"),
]

CONFIG: Final = """
authorization {{ users: [
  {{ user: all, password: pw }}
  {{ nkey: {nkey} }}
  {{ user: limited, password: pw, permissions: {{ publish: ok, subscribe: ok }} }}
] }}
tls {{ cert_file: "{cert}", key_file: "{key}" }}
allow_non_tls: true
websocket {{ listen: "127.0.0.1:{ws}", no_tls: true }}
jetstream {{ store_dir: "{{dir}}/store" }}
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs, with the clients that they import installed beside them."""
    assert NPM, "npm is missing: apt-get install nodejs npm"
    directory = tmp_path_factory.mktemp("javascript") / "programs"
    shutil.copytree(PROGRAMS, directory, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        [NPM, "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    return directory


def play(program: Path, server: Gateway | Hub, facts: dict[str, Any]) -> list[str]:
    """What a program saw on a server."""
    port = server.client_port
    facts = {**facts, "url": f"127.0.0.1:{port}"}
    done = subprocess.run(
        ["node", str(program), json.dumps(facts)],
        cwd=program.parent,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": facts["ca"]},
        capture_output=True,
        text=True,
        timeout=NODE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def lines_of(
    program: Path, kind: type[Gateway] | type[Hub], directory: Path, facts: dict[str, Any]
) -> list[str]:
    """What a program saw on a server of its own."""
    (ws_port,) = free_ports(1)
    server = kind(directory, CONFIG.format(ws=ws_port, **facts))
    server.start()
    try:
        return play(program, server, {**facts, "ws": f"ws://127.0.0.1:{ws_port}"})
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["core", "jetstream", "stores"])
def test_a_program_sees_the_same_on_both(name: str, programs: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("server", *LOCALHOST)
    user = Key(nkeys.PREFIX_BYTE_USER)
    facts = {"cert": cert, "key": key, "ca": authority.ca_file}
    facts |= {"nkey": user.public, "seed": user.seed.decode()}
    program = programs / f"{name}.mjs"

    ours = lines_of(program, Gateway, tmp_path / "ours", facts)
    theirs = lines_of(program, Hub, tmp_path / "theirs", facts)

    assert ours == theirs
    assert json.loads(ours[-1])[0] == "done"
    if name == "core":
        assert {'["nkey","re:nkey"]', '["websocket","re:websocket"]'} <= set(ours)
