"""The server of telnet's com port option. Bytes as RFC 2217 has them; then with our own client."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import __version__
from leafnode.bridge.transports.com_port import ComPortServer
from leafnode.bridge.transports.telnet import ComPortClient, TelnetError, escaped
from leafnode.config.serial_options import SerialPort

IAC, DO_NOT, DO, WILL_NOT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240


class FakeLine:
    """Implements Line; what is in `refused` cannot be set."""

    def __init__(self) -> None:
        self.baud, self.data_bits, self.parity, self.stop_bits = 115_200, 8, "none", 1.0
        self.flow = "none"
        self.dtr = self.rts = True
        self.sends_break = False
        self.modem = 0x30
        self.purged: list[tuple[bool, bool]] = []
        self.refused: set[str] = set()

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__.get("refused", ()):
            raise OSError(errno.EINVAL, "Invalid argument")
        super().__setattr__(name, value)

    def purge(self, *, received: bool, unsent: bool) -> None:
        self.purged.append((received, unsent))

    def modem_state(self) -> int:
        return self.modem


def command(number: int, *value: int) -> bytes:
    return bytes([IAC, SB, 44, number]) + escaped(bytes(value)) + bytes([IAC, SE])


def said(server: ComPortServer) -> bytes:
    data = bytes(server.to_send)
    server.to_send.clear()
    return data


def asked(line: FakeLine, number: int, *value: int) -> bytes:
    server = agreed(line)
    assert server.receive(command(number, *value)) == b""
    return said(server)


def agreed(line: FakeLine) -> ComPortServer:
    server = ComPortServer(line)
    server.start()
    server.receive(bytes([IAC, WILL, 44]))
    said(server)
    return server


@pytest.mark.parametrize(
    ("number", "value", "answer", "attribute", "now"),
    [
        (1, (0, 0, 0x25, 0x80), (0, 0, 0x25, 0x80), "baud", 9600),
        (1, (0, 0, 0, 0), (0, 1, 0xC2, 0), "baud", 115_200),
        (2, (7,), (7,), "data_bits", 7),
        (2, (0,), (8,), "data_bits", 8),
        (3, (3,), (3,), "parity", "even"),
        (3, (9,), (1,), "parity", "none"),
        (4, (2,), (2,), "stop_bits", 2.0),
        (4, (3,), (3,), "stop_bits", 1.5),
        (5, (3,), (3,), "flow", "rtscts"),
        (5, (0,), (1,), "flow", "none"),
        (5, (200,), (1,), "flow", "none"),
        (5, (5,), (5,), "sends_break", True),
        (5, (4,), (6,), "sends_break", False),
        (5, (9,), (9,), "dtr", False),
        (5, (7,), (8,), "dtr", True),
        (5, (12,), (12,), "rts", False),
        (5, (10,), (11,), "rts", True),
        (5, (13,), (14,), "flow", "none"),
        (10, (255,), (0,), "flow", "none"),
    ],
)
def test_a_command_is_done_and_answered(
    number: int, value: tuple[int, ...], answer: tuple[int, ...], attribute: str, now: Any
) -> None:
    line = FakeLine()

    assert asked(line, number, *value) == command(number + 100, *answer)
    assert getattr(line, attribute) == now


@pytest.mark.parametrize(
    ("number", "value", "attribute", "answer"),
    [
        (1, (0, 1, 0, 0), "baud", (0, 1, 0xC2, 0)),
        (2, (5,), "data_bits", (8,)),
        (5, (9,), "dtr", (8,)),
    ],
)
def test_what_the_line_refuses_is_answered_with_how_it_is(
    number: int, value: tuple[int, ...], attribute: str, answer: tuple[int, ...]
) -> None:
    line = FakeLine()
    line.refused = {attribute}

    assert asked(line, number, *value) == command(number + 100, *answer)


@pytest.mark.parametrize(
    ("value", "purged"), [(1, (True, False)), (2, (False, True)), (3, (True, True))]
)
def test_a_purge_is_done_and_answered(value: int, purged: tuple[bool, bool]) -> None:
    line = FakeLine()

    assert asked(line, 12, value) == command(112, value)
    assert line.purged == [purged]


def test_a_client_hears_of_modem_lines_first_and_then_each_change_that_it_wants() -> None:
    line = FakeLine()
    server = ComPortServer(line)
    server.start()
    said(server)
    server.look()
    assert said(server) == b""  # it has not said that it speaks of them

    server.receive(bytes([IAC, WILL, 44]))
    assert said(server) == command(107, 0x30)
    server.look()
    assert said(server) == b""
    line.modem = 0x90
    server.look()
    assert said(server) == command(107, 0x90 | 0x0A)
    server.receive(command(7))
    assert said(server) == command(107, 0x90)
    server.receive(command(11, 0x10))
    assert said(server) == command(111, 0x10)
    line.modem = 0x10
    server.look()
    assert said(server) == b""
    line.modem = 0x00
    server.look()
    assert said(server) == command(107, 0x01)


def test_a_client_that_only_sets_its_line_hears_of_modem_lines_too() -> None:
    server = ComPortServer(FakeLine())
    server.start()
    said(server)

    server.receive(command(2, 0))

    assert said(server) == command(107, 0x30) + command(102, 8)


def test_it_says_what_it_is_and_is_suspended_and_resumed() -> None:
    server = agreed(FakeLine())

    server.receive(command(0))
    assert said(server) == bytes([IAC, SB, 44, 100]) + f"leafnode {__version__}".encode() + bytes(
        [IAC, SE]
    )
    server.receive(command(8))
    assert server.is_suspended
    server.receive(command(9))
    assert not server.is_suspended


@pytest.mark.parametrize(
    "wire",
    [command(1, 1), command(2), command(3, 1, 2), command(99, 1), bytes([IAC, SB, 1, 1, IAC, SE])],
)
def test_what_is_no_command_is_passed_over(wire: bytes) -> None:
    server = agreed(FakeLine())

    assert server.receive(b"a" + wire + b"b") == b"ab"
    assert said(server) == b""


def test_who_asks_without_taking_answers_is_ended() -> None:
    server = ComPortServer(FakeLine())

    with pytest.raises(TelnetError, match="asks more than it takes"):
        server.receive(command(2, 0) * 1000)


@given(st.binary(max_size=200))
def test_whatever_comes_memory_is_bounded_and_only_telnet_errors_are_raised(data: bytes) -> None:
    server = ComPortServer(FakeLine())
    try:
        server.receive(data)
    except TelnetError:
        return
    assert len(server.to_send) <= 1024


def test_our_own_client_sets_the_line_and_bytes_go_both_ways() -> None:
    line = FakeLine()
    server = ComPortServer(line)
    options = SerialPort(
        "rfc2217://h:1", "p", "s", baud=9600, parity="even", data_bits=7, dtr=False
    )
    client = ComPortClient(options)
    client.start()
    server.start()
    every = bytes(range(256))

    for _ in range(5):
        to_server, to_client = bytes(client.to_send), said(server)
        client.to_send.clear()
        assert server.receive(to_server) == b""
        assert client.receive(to_client) == b""

    assert client.is_ready
    assert (line.baud, line.data_bits, line.parity, line.dtr) == (9600, 7, "even", False)
    assert server.receive(escaped(every)) == every
    assert client.receive(escaped(every)) == every
    assert (bytes(client.to_send), said(server)) == (b"", b"")
