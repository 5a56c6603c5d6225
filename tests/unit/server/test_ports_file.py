"""leafnode.server.ports_file: what whoever started the server finds in ports_file_dir."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from leafnode.server.ports_file import PortsFile, urls

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PORTS = {"nats": ["nats://127.0.0.1:1"], "monitoring": []}


def test_the_file_is_named_by_program_and_pid_and_leaves_out_what_is_off(tmp_path: Path) -> None:
    PortsFile("nats-server").write(str(tmp_path), PORTS)

    file = tmp_path / f"nats-server_{os.getpid()}.ports"
    assert json.loads(file.read_text()) == {"nats": ["nats://127.0.0.1:1"]}
    assert list(tmp_path.iterdir()) == [file]


def test_it_is_gone_afterwards(tmp_path: Path) -> None:
    ports = PortsFile("leafnode")
    ports.write(str(tmp_path), PORTS)

    ports.remove()

    assert list(tmp_path.iterdir()) == []


def test_another_directory_takes_the_file_along(tmp_path: Path) -> None:
    ports = PortsFile("leafnode")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ports.write(str(tmp_path / "a"), PORTS)

    ports.write(str(tmp_path / "b"), PORTS)
    assert (len(list((tmp_path / "a").iterdir())), len(list((tmp_path / "b").iterdir()))) == (0, 1)

    ports.write("", PORTS)
    assert list((tmp_path / "b").iterdir()) == []


def test_a_directory_that_is_not_there_is_an_error_in_the_log_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    PortsFile("leafnode").write(str(tmp_path / "none"), PORTS)

    assert "Error writing ports file" in caplog.text


def test_a_listener_on_every_address_is_told_by_each_of_them() -> None:
    assert urls("nats", "127.0.0.1", 1) == ["nats://127.0.0.1:1"]
    assert urls("ws", "::1", 1) == ["ws://[::1]:1"]
    assert "nats://127.0.0.1:1" in urls("nats", "0.0.0.0", 1)
