"""leafnode.net.proxy: headers of both versions, in pieces, broken and random."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import PROXY_HEADER_BYTES_MAX
from leafnode.net.proxy import NO_HEADER, ProxyError, ProxyHeader, read_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65535\r\n"
V2_6 = (
    SIGNATURE
    + b"\x21\x21\x00\x24"
    + b"\x20\x01"
    + b"\0" * 13
    + b"\x01"
    + b"\0" * 16
    + b"\0\x07\0\x08"
)
MAPPED = (
    SIGNATURE
    + b"\x21\x21\x00\x24"
    + b"\0" * 10
    + b"\xff\xff\x7f\0\0\x01"
    + b"\0" * 16
    + b"\0\x07\0\x08"
)


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (V1, "192.0.2.1:1"),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 7 8\r\n", "192.0.2.1:7"),
        (b"PROXY UNKNOWN whatever\r\n", ""),
        (V2_6, "2001::1:7"),
        (MAPPED, "127.0.0.1:7"),
        (SIGNATURE + b"\x20\x00\x00\x00", ""),
        (SIGNATURE + b"\x21\x01\x00\x03abc", ""),  # PROXY of an unspecified family
    ],
)
def test_a_header_is_read_once_it_is_whole_and_not_before(header: bytes, source: str) -> None:
    for size in range(len(header)):
        assert read_header(header[:size]) is None

    assert read_header(header + b"rest") == ProxyHeader(source, len(header))


@pytest.mark.parametrize("data", [b"CONNECT {}", b"\x16\x03\x01\x00\x05\x01", b"proxy TCP4"])
def test_other_bytes_are_no_header(data: bytes) -> None:
    assert read_header(data) is NO_HEADER


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 ::1 ::2 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b'PROXY TCP6 fe80::1%evil" ::2 1 2\r\n',
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 " + "²".encode() + b"\r\n",
        b"PROXY " + b"x" * 101,
        b"\r\n\r\n\0\r\nQUIP",
        SIGNATURE + b"\x11\x11\x00\x0c",
        SIGNATURE + b"\x22\x11\x00\x0c",
        SIGNATURE + b"\x21\x12\x00\x0c",
        SIGNATURE + b"\x21\x31\x00\x0c",
        SIGNATURE + b"\x21\x11\x00\x0b",
        SIGNATURE + b"\x21\x21\x00\x23",
    ],
)
def test_a_broken_header_is_refused_without_waiting_for_more(header: bytes) -> None:
    with pytest.raises(ProxyError):
        read_header(header)


def test_a_header_up_to_the_bound_is_read_and_one_more_byte_is_not() -> None:
    rest = PROXY_HEADER_BYTES_MAX - 16
    fits = SIGNATURE + b"\x20\x00" + rest.to_bytes(2, "big") + b"x" * rest

    assert read_header(fits) == ProxyHeader("", PROXY_HEADER_BYTES_MAX)
    with pytest.raises(ProxyError, match="too long"):
        read_header(SIGNATURE + b"\x20\x00" + (rest + 1).to_bytes(2, "big"))


@given(
    st.sampled_from([b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11"]), st.binary(max_size=300)
)
def test_random_bytes_are_read_refused_or_waited_for(start: bytes, rest: bytes) -> None:
    try:
        header = read_header(start + rest)
    except ProxyError:
        return

    assert header is None or 0 <= header.size <= len(start + rest)
    assert header is not None or len(start + rest) <= PROXY_HEADER_BYTES_MAX
