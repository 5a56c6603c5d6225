"""The client of telnet's com port option. Bytes as RFC 854 and RFC 2217 have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge import port_bounds
from leafnode.bridge.transports.telnet import ComPortClient, TelnetError, escaped
from leafnode.config.serial_options import SerialPort

IAC, NOT_DO, DO, NOT_WILL, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
OPTIONS = SerialPort("rfc2217://h:1", "p", "s.p", baud=9600, parity="even", data_bits=7)
# What a server says that takes everything.
WILLING = bytes([IAC, WILL, 0, IAC, DO, 0, IAC, WILL, 3, IAC, DO, 3, IAC, DO, 44])
CONFIRMED = (
    bytes([IAC, SB, 44, 101, 0, 0, 0x25, 0x80, IAC, SE])
    + bytes([IAC, SB, 44, 102, 7, IAC, SE])
    + bytes([IAC, SB, 44, 103, 3, IAC, SE])
    + bytes([IAC, SB, 44, 104, 1, IAC, SE])
)


def sent(client: ComPortClient) -> bytes:
    data = bytes(client.to_send)
    client.to_send.clear()
    return data


def ready_client() -> ComPortClient:
    client = ComPortClient(OPTIONS)
    client.start()
    sent(client)
    assert client.receive(WILLING + CONFIRMED) == b""
    sent(client)
    return client


def test_it_asks_for_a_binary_line_and_sets_it_once_the_server_agrees() -> None:
    client = ComPortClient(OPTIONS)
    client.start()
    assert sent(client) == bytes(
        [IAC, WILL, 0, IAC, WILL, 3, IAC, WILL, 44, IAC, DO, 0, IAC, DO, 3]
    )

    client.receive(WILLING)

    asked = sent(client)
    assert bytes([IAC, SB, 44, 1, 0, 0, 0x25, 0x80, IAC, SE]) in asked
    assert bytes([IAC, SB, 44, 3, 3, IAC, SE]) in asked
    assert not client.is_ready
    client.receive(CONFIRMED[:-1])
    assert not client.is_ready
    client.receive(CONFIRMED[-1:])
    assert client.is_ready


def test_every_byte_of_the_device_comes_through_whatever_telnet_says_between() -> None:
    client = ready_client()
    every = bytes(range(256))

    got = client.receive(bytes([IAC, 241]) + escaped(every) + bytes([IAC, SB, 44, 107, 9, IAC, SE]))

    assert got == every
    assert sent(client) == b""


@given(st.binary(max_size=80), st.lists(st.integers(1, 30), max_size=20))
def test_any_cutting_gives_the_same_bytes(data: bytes, cuts: list[int]) -> None:
    client = ready_client()
    wire = escaped(data) + bytes([IAC, WILL, 1]) + escaped(data)
    got = b""
    for cut in cuts:
        got += client.receive(wire[:cut])
        wire = wire[cut:]
    got += client.receive(wire)

    assert got == data + data
    assert sent(client) == bytes([IAC, NOT_DO, 1])


def test_what_nobody_asked_for_is_refused_once_and_agreement_is_not_answered() -> None:
    client = ready_client()

    client.receive(bytes([IAC, WILL, 1, IAC, DO, 24, IAC, WILL, 0, IAC, DO, 44, IAC, NOT_WILL, 5]))

    assert sent(client) == bytes([IAC, NOT_DO, 1, IAC, NOT_WILL, 24])


def test_a_server_without_the_option_is_named() -> None:
    client = ComPortClient(OPTIONS)
    client.start()

    with pytest.raises(TelnetError, match="does not do the com port option"):
        client.receive(bytes([IAC, NOT_DO, 44]))


def test_a_server_that_sets_another_speed_is_named() -> None:
    client = ComPortClient(OPTIONS)
    client.start()

    with pytest.raises(TelnetError, match="sets baud to 115200 and not to 9600"):
        client.receive(WILLING + bytes([IAC, SB, 44, 101, 0, 1, 0xC2, 0, IAC, SE]))


@pytest.mark.parametrize(
    ("command", "number", "said"),
    [
        (103, 1, "sets parity to none and not to even"),
        (103, 9, "sets parity to 9 and not to even"),
        (104, 2, "sets stop_bits to 2 and not to 1"),
        (104, 3, "sets stop_bits to 1.5 and not to 1"),
        (104, 9, "sets stop_bits to 9 and not to 1"),
    ],
)
def test_what_a_server_sets_otherwise_is_told_in_words_of_the_configuration(
    command: int, number: int, said: str
) -> None:
    client = ComPortClient(OPTIONS)
    client.start()

    with pytest.raises(TelnetError, match=f"the server {said}$"):
        client.receive(WILLING + bytes([IAC, SB, 44, command, number, IAC, SE]))


@pytest.mark.parametrize("extra", [0, 1])
def test_a_subnegotiation_is_bounded(extra: int) -> None:
    client = ready_client()
    option = bytes([IAC, SB]) + b"x" * (port_bounds.TELNET_OPTION_MAX + extra) + bytes([IAC, SE])

    if extra:
        with pytest.raises(TelnetError, match="over 64 bytes"):
            client.receive(option)
    else:
        assert client.receive(option + b"on") == b"on"


def test_a_subnegotiation_that_is_broken_off_is_an_error() -> None:
    with pytest.raises(TelnetError, match="broken off"):
        ready_client().receive(bytes([IAC, SB, 44, IAC, WILL]))


def test_a_server_that_asks_without_end_is_left() -> None:
    client = ready_client()

    with pytest.raises(TelnetError, match="asks more than it takes"):
        client.receive(bytes([IAC, WILL, 1]) * (port_bounds.TELNET_ANSWERS_MAX // 3 + 1))

    assert len(client.to_send) <= port_bounds.TELNET_ANSWERS_MAX


@given(st.binary(max_size=200))
def test_whatever_comes_is_data_or_a_telnet_error(data: bytes) -> None:
    client = ready_client()
    try:
        client.receive(data)
        client.receive(data)
    except TelnetError:
        pass
    assert len(client.to_send) <= port_bounds.TELNET_ANSWERS_MAX
