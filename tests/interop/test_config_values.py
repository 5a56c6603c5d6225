"""Odd values of numeric keys: what `-t` takes and refuses, here and on the real server."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.hub.process import nats_server_path

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

OURS = [sys.executable, "-m", "leafnode"]
THEIRS = [str(nats_server_path())]
LARGE = "99999999999"
TAKEN = [
    f"max_connections: {LARGE}",
    f"max_subscriptions: {LARGE}",
    f"ping_max: {LARGE}",
    f"max_closed_clients: {LARGE}",
    f"max_traced_msg_len: {LARGE}",
    f"logfile_max_num: {LARGE}",
    "max_connections: -5",
    "max_connections: 5k",
    "max_subscriptions: -1",
    'authorization {timeout: "0s"}',
    "authorization {timeout: 1.5}",
    'authorization {timeout: "1500ms"}',
    'websocket {port: -1, no_tls: true, handshake_timeout: "0s"}',
    'ping_interval: "0s"',
    "logtime: off}",
    "logtime: off\n}",
    "logtime: off} ping_max: 1",
    "accounts {A {}}}",
    "server_name: 5a.",
]
REFUSED = [
    "logtime: off\n}\n}",
    "logtime: off} ping_max: x",
    'max_connections: "5"',
    "max_payload: 1e3",
    "max_payload: 2147483648",
    "max_control_line: 99999999999",
    "max_control_line: 1.5",
    "max_subscriptions: true",
    "ping_max: [1]",
    'ping_interval: "x"',
    'write_deadline: ""',
    'authorization {timeout: "x"}',
    'lame_duck_duration: "1s"',
    "server_name: 5.",
    "server_name: -x",
    "server_name: 1.5s",
]
# nats-server starts, and cuts whoever comes at once (measured for each).
UNUSABLE = [
    "max_control_line: -1",
    "ping_max: -1",
    'ping_interval: "-1s"',
    'write_deadline: "-1s"',
    "authorization {timeout: -1}",
]


def status(command: list[str], conf: Path) -> int:
    return subprocess.run(
        [*command, "-t", "-c", str(conf)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    ).returncode


@pytest.mark.parametrize(
    ("line", "ours", "theirs"),
    [
        *((line, 0, 0) for line in TAKEN),
        *((line, 1, 1) for line in REFUSED),
        *((line, 1, 0) for line in UNUSABLE),
    ],
)
def test_a_value_is_taken_or_refused(line: str, ours: int, theirs: int, tmp_path: Path) -> None:
    conf = tmp_path / "server.conf"
    conf.write_text(f"listen: 127.0.0.1:-1\n{line}\n")

    assert (status(OURS, conf), status(THEIRS, conf)) == (ours, theirs)
