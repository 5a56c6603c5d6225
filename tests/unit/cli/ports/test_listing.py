"""`leafnode ports`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from leafnode.cli.ports import listing
from leafnode.cli.ports.holders import Holder
from tests.sim.machine import FakeMachine

if TYPE_CHECKING:
    from pathlib import Path


class NoHolders:
    def of(self, path: str) -> list[Holder]:
        return [Holder(77, "leafnode\x1b[2J", ("flock",))] if path.endswith("USB0") else []


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    fake = FakeMachine(tmp_path)
    monkeypatch.setattr(listing, "Machine", lambda: fake.machine)
    monkeypatch.setattr(listing, "Holders", NoHolders)
    return fake


def test_ports_are_a_table_for_people(fake: FakeMachine) -> None:
    fake.usb_tty("ttyUSB0", by_id="usb-A1", model="FT\x1b[31m232R")
    fake.usb_tty("ttyUSB1", bus="1-2", serial="", model="Sonoff Zigbee", by_path="pci-2")
    fake.builtin_tty("ttyAMA0")

    result = CliRunner().invoke(listing.ports, [])

    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines()]
    assert rows[0][:3] == ["device", "path", "driver"]
    assert "port" not in rows[0]
    assert [row[0] for row in rows[1:]] == [f"{fake.machine.dev}/ttyAMA0", "by-id:usb-A1",
                                            "by-path:pci-2"]  # fmt: skip
    assert "(radio)" in result.output.splitlines()[3]
    assert "leafnode\\x1b[2J (77)" in result.output
    assert "\x1b" not in result.output


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_has_both_its_names(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert listing.run([word], "leafnode") == 0
    assert "Usage: leafnode ports [OPTIONS]" in capsys.readouterr().out


def test_ports_are_json_for_programs(fake: FakeMachine) -> None:
    fake.usb_tty("ttyUSB0", by_id="usb-A1")

    [row] = json.loads(CliRunner().invoke(listing.ports, ["--json"]).output)

    assert (row["device"], row["usb_id"], row["serial"]) == ("by-id:usb-A1", "0403:6001", "A1")
    assert row["holders"][0]["how"] == ["flock"]
    assert row["radio"] is False


@pytest.mark.usefixtures("fake")
def test_no_port_is_said() -> None:
    assert CliRunner().invoke(listing.ports, []).output == "no serial port has a device behind it\n"


def test_the_servers_names_stand_beside_its_ports(
    fake: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.usb_tty("ttyUSB0")
    fake.usb_tty("ttyUSB1", bus="1-2")
    path = f"{fake.machine.dev}/ttyUSB0"

    class Asked:
        server = "gw"

        def __init__(self, *_: object) -> None:
            pass

        def __enter__(self) -> Asked:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def ask_json(self, subject: str) -> dict[str, Any]:
            assert subject == "$LEAFNODE.REQ.gw.PORTS"
            return {"ports": [{"path": path, "name": "scale", "open": True},
                              {"path": "/dev/x", "name": "gone", "open": False}]}  # fmt: skip

    monkeypatch.setattr(listing, "Client", Asked)

    lines = CliRunner().invoke(listing.ports, ["-s", "nats://x"]).output.splitlines()

    assert lines[0].split()[-1] == "port"
    assert [line.split()[-1] == "scale" for line in lines[1:]] == [True, False]
