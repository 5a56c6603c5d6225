"""`leafnode port monitor`: a device here, a port of a server by what it tells."""

from __future__ import annotations

import base64
import json
import os
import tty
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from leafnode.bridge.uucp_lock import HeldError
from leafnode.cli.nats.errors import NatsError
from leafnode.cli.nats.reader import Message
from leafnode.cli.ports import monitor as monitor_module
from leafnode.cli.ports.errors import PortError
from leafnode.cli.ports.monitor import monitor, show
from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Callable


def event(**values: object) -> dict[str, object]:
    return {"at": 1_800_000_000_000_000_000, "dropped": 0, **values}


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def shown(one: dict[str, object]) -> list[str]:
    lines: list[str] = []
    show(one, lambda line: lines.append(click.unstyle(line)[13:]))
    return lines


def test_bytes_are_shown_both_ways_and_what_they_become() -> None:
    assert shown(event(rx=coded(b"21.5\r\n"))) == [f"rx  {'32 31 2e 35 0d 0a':48}  21.5.."]
    assert shown(event(tx=coded(b"S"))) == [f"tx  {'53':48}  S"]
    assert shown(event(subject="s.scale", payload=coded(b'{"t":21.5}'))) == [
        '->  s.scale {"t":21.5}'
    ]


def test_nothing_that_a_device_says_reaches_the_terminal_as_a_command() -> None:
    hostile = b"\x1b]0;owned\x07\x9b"

    lines = shown(event(rx=coded(hostile))) + shown(
        event(subject="s.\x1b[2J", payload=coded(hostile[:-1]))
    )

    assert not any(char in line for line in lines for char in "\x1b\x07\x9b")


def test_what_was_too_fast_is_said() -> None:
    lines: list[str] = []
    show(event(rx=coded(b"x")) | {"dropped": 4096}, lines.append)

    assert "4096 bytes were too fast" in lines[0]


class FakeClient:
    """Tells a list of messages, and then that somebody pressed Ctrl-C."""

    server = "gw"
    said: list[tuple[str, bytes, str]]
    told: list[bytes]

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def listen(self) -> str:
        return "_INBOX.me"

    def publish(self, subject: str, body: bytes = b"", *, reply: str = "") -> None:
        self.said.append((subject, body, reply))

    def next(self, timeout_s: float) -> Message | None:
        if not self.told:
            raise KeyboardInterrupt
        return Message("x", b"", self.told.pop(0))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    FakeClient.said, FakeClient.told = [], []
    monkeypatch.setattr(monitor_module, "Client", FakeClient)
    return FakeClient


def test_a_port_of_the_server_is_watched_until_somebody_has_seen_enough(
    client: type[FakeClient],
) -> None:
    client.told = [
        json.dumps({"path": "/dev/ttyUSB0", "open": True}).encode(),
        json.dumps(event(rx=coded(b"21.5\n"))).encode(),
    ]

    result = CliRunner().invoke(monitor, ["scale"])

    assert result.exit_code == 0
    assert "scale of gw, open (/dev/ttyUSB0)" in result.output
    assert "32 31 2e 35 0a" in result.output
    assert client.said == [
        ("$LEAFNODE.REQ.gw.PORT.scale.MONITOR", b"", "_INBOX.me"),
        ("$LEAFNODE.REQ.gw.PORT.scale.UNMONITOR", b"_INBOX.me", ""),
    ]


def test_an_error_of_the_server_ends_it(client: type[FakeClient]) -> None:
    client.told = [b'{"error": "there is no such port"}']

    result = CliRunner().invoke(monitor, ["nothing"])

    assert isinstance(result.exception, NatsError)
    assert str(result.exception) == "there is no such port"


def test_a_device_that_is_free_is_opened_and_shown(tmp_path: Path) -> None:
    keep, slave = os.openpty()
    tty.setraw(slave)
    link = tmp_path / "tty"
    link.symlink_to(os.ttyname(slave))
    os.write(keep, b"21.5\r\n")

    result = CliRunner().invoke(monitor, [str(link), "--baud", "9600", "--for", "10ms"])

    assert result.exit_code == 0
    assert f"{os.ttyname(slave)} (path={os.ttyname(slave)} baud=9600 line=8N1)" in result.output
    assert "32 31 2e 35 0d 0a" in result.output
    os.close(keep)
    os.close(slave)


HELD = Path("/var/lock/LCK..ttyUSB0"), 812


class Refusing:
    """Opens nothing: somebody has it."""

    def __init__(self, *_: object) -> None:
        pass

    def __call__(self, _: object) -> object:
        raise HeldError(*HELD)

    def find(self, _: object) -> str:
        return "/dev/ttyUSB0"


def test_a_device_that_the_server_has_names_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "Opener", Refusing)
    monkeypatch.setattr(monitor_module.listing, "of_server", lambda _: {"/dev/ttyUSB0": "gps"})

    result = CliRunner().invoke(monitor, ["by-id:usb-A1"])

    assert isinstance(result.exception, PortError)
    assert str(result.exception) == (
        f"{HeldError(*HELD)}; the server has by-id:usb-A1 as port gps: leafnode port monitor gps"
    )


def test_a_device_that_another_has_names_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(err: Exception) -> Callable[[object], dict[str, str]]:
        def of_server(_: object) -> dict[str, str]:
            raise err

        return of_server

    monkeypatch.setattr(monitor_module, "Opener", Refusing)
    errors = NatsError("no server"), TimeoutError("timed out"), LeafnodeError("no such file")
    for found in (*map(raises, errors), lambda _: {"/dev/ttyS0": "scale"}):
        monkeypatch.setattr(monitor_module.listing, "of_server", found)

        result = CliRunner().invoke(monitor, ["by-id:usb-A1"])

        assert isinstance(result.exception, HeldError)


def test_a_free_device_is_decoded_as_it_is_told() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    os.close(slave)
    frame = b"$GPHDT,123.4,T*31\r\n"
    os.write(master, frame * 2)

    result = CliRunner().invoke(
        monitor, [path, "--as", "preset: nmea, framing { type: line, keep_first: true }",
                  "--for", "300ms"]
    )  # fmt: skip
    os.close(master)

    assert result.exit_code == 0, result.output
    assert result.output.count('->  {"talker": "GP", "type": "HDT", "heading": 123.4}') == 2


def test_a_port_of_the_server_needs_no_entry() -> None:
    result = CliRunner().invoke(monitor, ["scale", "--as", "preset: nmea"])

    assert isinstance(result.exception, PortError)
