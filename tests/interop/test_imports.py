"""Nobody waits for an import: what the options ask for is loaded before a client can connect, and
by a thread where a reload brings it.

The first `make demo` of a machine under load failed: the port was open, and for 2 s, the time that
clients wait for INFO, the loop was importing `uplink` and `serial`.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.interop.gateway import Gateway
from tests.interop.imports import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 30
LISTENS = "Listening for client connections"
RELOADED = "Reloaded server configuration"
SERVER = """
server_name: edge
jetstream { store_dir: "{dir}/js", domain: edge }
"""
FEATURES = """
leafnodes { remotes [ { url: "nats-leaf://127.0.0.1:1" } ] }
uplink { streams [ { stream: S, hub_stream: E, domain: hub } ] }
serial { ports [
  { name: board, device: "{dir}/tty1", framing: link, codec: json, subject: "s.{port}" }
  { name: bus, device: "{dir}/tty2", subject: "s.{port}.{device}.{name}", modbus { slaves [
    { name: m, address: 1
      groups [ { name: g, every: 1s, registers [ { name: r, address: 0 } ] } ] } ] } }
] }
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path, SERVER, program=("tests.interop.imports",))
    yield gateway
    gateway.stop()


def imported_behind(gateway: Gateway, line: str) -> list[str]:
    """What the loop imported once this stood in the log."""
    _, _, rest = gateway.log.partition(line)
    return [text.removeprefix(MARK) for text in rest.splitlines() if text.startswith(MARK)]


def test_a_start_imports_nothing_once_clients_can_connect(gateway: Gateway) -> None:
    gateway.config += FEATURES

    gateway.start()

    assert not imported_behind(gateway, LISTENS)
    assert "Serial bridge is on" in gateway.log


def test_a_reload_that_brings_features_imports_nothing_in_the_loop(gateway: Gateway) -> None:
    gateway.start()
    assert gateway.process is not None
    gateway.config += FEATURES
    gateway.write()

    gateway.process.send_signal(signal.SIGHUP)

    deadline = time.monotonic() + PATIENCE_S
    while RELOADED not in gateway.log:
        assert time.monotonic() < deadline, gateway.log
        time.sleep(0.05)
    assert not imported_behind(gateway, LISTENS)
    assert "Serial bridge is on" in gateway.log
