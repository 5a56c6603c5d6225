"""leafnode.cli.device.inspecting: ls and monitor on what is found and said."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial.tools.list_ports

from leafnode.cli.device import inspecting, watch
from leafnode.cli.device.asked import NoAnswer
from leafnode.cli.device.command import run
from leafnode.cli.device.watch import Seen
from leafnode.cli.nats.place import Place
from tests.unit.cli.device.test_found import Port

PORTS = [
    Port("/dev/ttyACM0", 0x2E8A, 0x0005, "E66", "Board \x1b[31m"),
    Port("/dev/ttyUSB0", 0x0403, 0x6001, "A1", "FT232R"),
]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, _path: str) -> dict[str, object]:
        raise NoAnswer(f"{url}: nobody")

    monkeypatch.setattr(inspecting.asked, "ask", refuse)
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: PORTS)


def test_ls_lists_boards_and_with_all_other_ports(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ls"], "leafnode") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("/dev/ttyACM0  pico or pico_w  2e8a:0005  E66")
    assert "\x1b" not in lines[1]  # a device cannot colour the terminal

    assert run(["ls", "--all"], "leafnode") == 0
    assert "FT232R" in capsys.readouterr().out


def test_ls_in_json_has_who_holds_a_port(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = {"ports": [{"name": "node", "device": "/dev/ttyACM0", "open": True}]}
    monkeypatch.setattr(inspecting.asked, "ask", lambda *_: page)

    assert run(["ls", "--json"], "leafnode") == 0

    (row,) = json.loads(capsys.readouterr().out)
    assert (row["device"], row["held_by"], row["boards"]) == (
        "/dev/ttyACM0",
        "node",
        ["pico", "pico_w"],
    )


def test_ls_names_the_boards_that_said_hello(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = [
        {"name": "press-4", "port": "node", "up": True, "last_seen": "2026-11-28T01:00:00Z"},
        {"name": "saw", "port": "far", "up": False, "last_seen": "2026-11-27T01:00:00Z"},
    ]
    page = {
        "ports": [
            {"name": "node", "device": "/dev/ttyACM0", "open": True},
            {"name": "far", "device": "socket://h:1", "open": False},
        ],
        "devices": devices,
    }
    monkeypatch.setattr(inspecting.asked, "ask", lambda *_: page)

    assert run(["ls"], "leafnode") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("node       press-4")
    assert lines[2].startswith("socket://h:1")
    assert lines[2].endswith("saw (away since 2026-11-27T01:00:00Z)")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no board is known on USB (--all: other ports), and no server answers at "
         "http://127.0.0.1:8222: name its monitoring with --monitor-url\n"),
        (["--all"], "no USB serial port is there, and no server answers at "
         "http://127.0.0.1:8222: name its monitoring with --monitor-url\n"),
    ],
)  # fmt: skip
def test_an_empty_list_says_what_to_do(
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serial.tools.list_ports, "comports", list)

    assert run(["ls", *words], "leafnode") == 0

    assert capsys.readouterr() == ("", said)


def test_an_empty_list_beside_a_server_says_that_none_said_hello(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial.tools.list_ports, "comports", list)
    monkeypatch.setattr(inspecting.asked, "ask", lambda *_: {"ports": []})

    assert run(["ls"], "leafnode") == 0

    assert capsys.readouterr().err.endswith("said hello to the server at http://127.0.0.1:8222\n")


class Watched:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: tuple[object, ...] = ()
        monkeypatch.setattr(watch, "watch", self._watch)

    def _watch(self, *arguments: object) -> Iterator[Seen]:
        self.asked = arguments
        yield Seen("21.5", "f.n1.t", 7, 1)
        yield Seen("boot \x1b[2J")
        yield Seen("22.5", "f.n1.t", 7, 2)


def test_monitor_shows_readings_and_log_lines_and_ends_after_a_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Watched(monkeypatch)

    assert run(["monitor", "n1", "--count", "2"], "leafnode") == 0

    assert capsys.readouterr().out == "f.n1.t  21.5\nlog  boot \\x1b[2J\n"


class Interrupted(Watched):
    """By Ctrl-C, behind the first reading."""

    def _watch(self, *_: object) -> Iterator[Seen]:
        yield Seen("21.5", "f.n1.t", 7, 1)
        raise KeyboardInterrupt


def test_an_interrupt_is_the_end_of_a_monitor_without_a_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Interrupted(monkeypatch)

    assert run(["monitor", "n1"], "leafnode") == 0
    assert capsys.readouterr().err == ""

    assert run(["monitor", "n1", "--count", "2"], "leafnode") == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def test_monitor_knows_the_server_its_log_and_the_subjects_by_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    watched = Watched(monkeypatch)
    config = tmp_path / "leafnode.conf"
    config.write_text(
        f"listen: 0.0.0.0:4333\nlog_file: {tmp_path}/server.log\n"
        f"jetstream {{ store_dir: {tmp_path} }}\n"
        'serial { ports: [ { name: p, device: "/dev/x", framing: link, codec: json,'
        ' subject: "f.{device}.{name}" } ] }\n'
    )

    assert run(["monitor", "n1", "-c", str(config)], "leafnode") == 0

    place, _, subjects, device, tail = watched.asked
    assert (place, subjects, device.device) == (Place("127.0.0.1", 4333), ["f.n1.>"], "n1")
    assert tail is not None


def test_monitor_without_a_configuration_listens_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch)

    assert run(["monitor", "n1", "-s", "nats://u:p@h:1"], "leafnode") == 0

    place, _, subjects, _, tail = watched.asked
    assert (place, subjects, tail) == (Place("h", 1, "u", "p"), [">"], None)


def test_a_configuration_without_the_link_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "leafnode.conf"
    config.write_text("listen: 127.0.0.1:4222\n")

    assert run(["monitor", "n1", "-c", str(config)], "leafnode") == 1

    assert "no serial port with framing: link" in capsys.readouterr().err
