"""`leafnode port detect`: which speeds are tried, what is written, what is left alone."""

from __future__ import annotations

import json
import os
import tty
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from leafnode.bridge.sysfs import Machine
from leafnode.cli.ports import detect as detect_module
from leafnode.cli.ports import sniff
from leafnode.cli.ports.detect import QUESTIONS, SPEEDS, Question, as_words, detect, search
from leafnode.cli.ports.errors import PortError
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from tests.sim.machine import FakeMachine
from tests.unit.cli.ports.test_sniff import NMEA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GARBAGE = bytes(range(128, 256)) + bytes(range(32))


class Device:
    """A device that talks at one speed, by itself or when it is asked."""

    def __init__(self, baud: int, *, answers: bytes = b"", talks: bool = True) -> None:
        self.baud = baud
        self.answers = answers
        self.talks = talks
        self.heard: list[tuple[int, bytes]] = []

    def listen(self, baud: int, question: Question) -> bytes:
        self.heard.append((baud, question.data))
        if not self.talks and not (self.answers and question.data == self.answers):
            return b""
        return NMEA * 3 if baud == self.baud else GARBAGE


def quiet(_: int, __: int) -> None:
    pass


def test_speeds_are_tried_until_one_is_sure_and_nothing_is_written() -> None:
    device = Device(19_200)

    found, heard = search(SPEEDS, device.listen, active=False, tell=quiet)

    assert [(guess.baud, guess.what) for guess in found] == [(19_200, "NMEA 0183")]
    assert device.heard == [(9600, b""), (115_200, b""), (19_200, b"")]
    assert heard == 2 * len(GARBAGE) + 3 * len(NMEA)


def test_a_device_that_must_be_asked_is_asked_only_where_that_is_wanted() -> None:
    device = Device(9600, answers=b"S\r\n", talks=False)
    assert search((9600,), device.listen, active=False, tell=quiet) == ([], 0)
    assert device.heard == [(9600, b"")]

    found, _ = search((9600,), device.listen, active=True, tell=quiet)

    assert found[0].what == "NMEA 0183"
    assert device.heard[1:] == [
        (9600, b""),
        (9600, b"\r\n"),
        (9600, b"hello?\r\n"),
        (9600, b"S\r\n"),
    ]


def test_a_silent_device_is_asked_every_question_at_every_speed() -> None:
    device = Device(1, talks=False)

    found, heard = search((9600, 1200), device.listen, active=True, tell=quiet)

    assert (found, heard) == ([], 0)
    assert len(device.heard) == 2 * (1 + len(QUESTIONS))


class Polled:
    """A device that says nothing unless it is asked, at one speed and parity."""

    def __init__(self, answers: dict[bytes, bytes], parity: str = "none") -> None:
        self.answers = answers
        self.parity = parity

    def listen(self, baud: int, question: Question) -> bytes:
        hears = (baud, question.parity) == (9600, self.parity)
        return self.answers.get(question.data, b"") if hears else b""


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        (
            {sniff.MODBUS_QUESTION: bytes.fromhex("01 03 02 00 07 f9 86")},
            "Modbus RTU, slave 1 answers",
        ),
        ({sniff.MODBUS_QUESTION: bytes.fromhex("01 83 02 c0 f1")}, "Modbus RTU, slave 1 answers"),
        (
            {
                sniff.MODBUS_QUESTION: sniff.MODBUS_QUESTION + bytes.fromhex("01 03 02 00 07 f9 86")
            },  # an echo
            "Modbus RTU, slave 1 answers",
        ),
        (
            {b"\r\n": b"ES\r\n", b"hello?\r\n": b"ES\r\n", b"S\r\n": b"S S      1.234 kg\r\n"},
            "a scale (SICS)",
        ),
        ({b"S\r\n": b"S D      1.234 kg\r\n"}, "a scale (SICS)"),
        ({b"hello?\r\n": b"hello uno 77\r\n"}, "a board, in this project's text dialect"),
        ({b"hello?\r\n": b"hello uno 77*16\n"}, "a board, in this project's text dialect"),
        ({b"*IDN?\n": b"ACME,DMM7,1234,1.0\n"}, "lines of text"),
    ],
)
def test_an_answer_is_judged_by_its_question(answers: dict[bytes, bytes], what: str) -> None:
    found, _ = search((1200, 9600), Polled(answers).listen, active=True, tell=quiet)

    assert [(guess.baud, guess.what) for guess in found] == [(9600, what)]


def test_a_slave_with_modbus_own_parity_is_asked_with_that() -> None:
    answers = {sniff.MODBUS_QUESTION: bytes.fromhex("01 03 02 00 07 f9 86")}

    found, _ = search((9600,), Polled(answers, "even").listen, active=True, tell=quiet)

    assert [(guess.what, guess.line) for guess in found] == [("Modbus RTU, slave 1 answers", "8E1")]


def test_half_an_answer_of_a_slave_is_none() -> None:
    for answer in ("01 03 02 00 07 f9 87", "02 03 02 00 07 bd 86", "01 03 02 00 07 f9 86 00"):
        polled = Polled({sniff.MODBUS_QUESTION: bytes.fromhex(answer)})
        assert search((9600,), polled.listen, active=True, tell=quiet)[0] == []


def test_on_a_line_that_talks_the_first_piece_is_no_answer() -> None:
    """It may be the end of a line, so a scale is not known by it."""
    device = Polled({b"": b"\x80\x81", b"S\r\n": b"S S      1.234 kg\r\n"})

    found, _ = search((9600,), device.listen, active=True, tell=quiet)

    assert found == []


def test_what_was_found_is_an_entry_of_a_port() -> None:
    found, _ = search((9600,), Device(9600).listen, active=False, tell=quiet)

    assert "baud: 9600, preset: nmea" in as_words(found, 1, active=False)
    assert as_words([], 0, active=False).endswith("a device that must be asked needs --active")
    assert as_words([], 0, active=True) == "nothing was heard"
    assert as_words([], 7, active=True).startswith(
        "7 bytes were heard, and they make sense at none"
    )


@pytest.mark.parametrize("line", ["8N1", "8E1", "7E1", "7O1"])
@pytest.mark.parametrize(
    "options",
    [
        *sorted({options for _, options, _ in sniff._FRAMES}),
        *sorted({options for _, _, options in sniff._TEXTS if options}),
        sniff._MODBUS_ENTRY,
        *(sniff._columns(row) for row in (b"1,2", b"1;2;3")),
        "framing: line, codec: json",
        "framing: line, codec: text",
    ],
)
def test_what_is_suggested_is_what_a_configuration_takes(options: str, line: str) -> None:
    entry = detect_module._entry(sniff.Guess(9600, line, "", options, 90, 1))
    text = f"serial {{ ports [ {{ device: /dev/x, name: p, subject: s.p, {entry} }} ] }}"

    serial = bind(parse(text, "x.conf")).serial

    assert serial is not None
    [port] = serial.ports
    assert f"{port.data_bits}{port.parity[0].upper()}1" == line
    assert port.baud == 9600


@pytest.fixture
def pty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, FakeMachine]]:
    fake = FakeMachine(tmp_path)
    keep, slave = os.openpty()
    tty.setraw(slave)
    fake.usb_tty("ttyUSB0", by_id="usb-A1", node=os.ttyname(slave))
    monkeypatch.setattr(detect_module, "Machine", lambda: fake.machine)
    yield keep, fake
    os.close(keep)
    os.close(slave)


def test_a_real_terminal_is_opened_set_and_left_as_it_was(
    pty: tuple[int, FakeMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, _ = pty
    # What stood in the input before is of another speed and dropped: talk just then.
    monkeypatch.setattr(
        detect_module.TtyPort, "drop_input", lambda _: os.write(keep, NMEA * 32) and None
    )

    result = CliRunner().invoke(
        detect, ["by-id:usb-A1", "--speed", "9600", "--seconds", "10", "--json"]
    )

    assert result.exit_code == 0, result.output
    text = result.stdout
    [guess] = json.loads(text)
    assert (guess["what"], guess["entry"]) == (
        "NMEA 0183",
        "baud: 9600, preset: nmea",
    )


def test_a_terminal_without_parity_is_not_asked_with_one(
    pty: tuple[int, FakeMachine],
) -> None:
    result = CliRunner().invoke(
        detect,
        ["by-id:usb-A1", "--speed", "9600", "--seconds", "0.001", "--active"],
        standalone_mode=False,
    )

    assert result.exception is None
    assert (result.return_value, result.stdout) == (1, "nothing was heard\n")


def test_silence_is_status_1(pty: tuple[int, FakeMachine]) -> None:
    result = CliRunner().invoke(
        detect,
        ["by-id:usb-A1", "--speed", "9600", "--speed", "1200", "--seconds", "0.001"],
        standalone_mode=False,
    )

    assert result.return_value == 1
    assert "nothing was heard" in result.output


def test_a_radio_is_left_alone(
    pty: tuple[int, FakeMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, fake = pty
    usb = fake.root / "sys" / "devices" / "pci0" / "usb1" / "1-1"
    (usb / "product").write_text("SkyConnect v1.0\n")
    path = os.path.realpath(fake.root / "dev" / "ttyUSB0")
    monkeypatch.setattr(Machine, "ttys", _with_real_paths(Machine.ttys))

    result = CliRunner().invoke(detect, ["by-id:usb-A1"])

    assert isinstance(result.exception, PortError)
    assert str(result.exception) == (
        f"{path} looks like a radio (FTDI SkyConnect v1.0): it is left alone"
    )


def _with_real_paths(ttys: object) -> object:
    """A node of the made-up machine is a link; of a real one it is none."""
    from dataclasses import replace

    def real(self: Machine) -> list[object]:
        return [replace(tty, path=os.path.realpath(tty.path)) for tty in ttys(self)]  # type: ignore[operator]

    return real


def test_an_address_is_no_tty() -> None:
    result = CliRunner().invoke(detect, ["socket://127.0.0.1:1"])

    assert str(result.exception) == "socket://127.0.0.1:1: expected a tty of this machine"
