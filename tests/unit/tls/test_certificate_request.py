"""leafnode.tls.certificate_request: names of authorities, in what a server asks with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import AUTHORITIES_MAX
from leafnode.tls.certificate_request import authorities

NAMES = [b"\x30\x03one", b"\x30\x03two"]


def listed(names: list[bytes], size: int = 2) -> bytes:
    content = b"".join(len(name).to_bytes(2, "big") + name for name in names)
    return len(content).to_bytes(size, "big") + content


def message(body: bytes) -> bytes:
    return b"\x0d" + len(body).to_bytes(3, "big") + body


def of_12(names: list[bytes]) -> bytes:
    return message(b"\x02\x01\x40" + b"\0\x04\x04\x03\x08\x04" + listed(names))


def of_13(names: list[bytes]) -> bytes:
    signatures = b"\0\x0d" + b"\0\x06\0\x04\x04\x03\x08\x04"
    trusted = b"\0\x2f" + (2 + sum(2 + len(n) for n in names)).to_bytes(2, "big") + listed(names)
    extensions = signatures + (trusted if names else b"")
    return message(b"\0" + len(extensions).to_bytes(2, "big") + extensions)


@pytest.mark.parametrize("names", [NAMES, NAMES[:1], []])
def test_both_versions_say_whom_they_trust(names: list[bytes]) -> None:
    assert authorities(of_12(names), tls13=False) == names
    assert authorities(of_13(names), tls13=True) == names


@pytest.mark.parametrize("tls13", [False, True])
def test_what_is_cut_off_is_a_valueerror(tls13: bool) -> None:
    whole = of_13(NAMES) if tls13 else of_12(NAMES)

    for size in range(len(whole)):
        with pytest.raises(ValueError, match="cut off"):
            authorities(whole[:size], tls13=tls13)


@pytest.mark.parametrize("tls13", [False, True])
def test_more_authorities_than_anybody_trusts_are_a_valueerror(tls13: bool) -> None:
    build = of_13 if tls13 else of_12
    most = [b"%d" % (number % 10) for number in range(AUTHORITIES_MAX)]

    assert authorities(build(most), tls13=tls13) == most
    with pytest.raises(ValueError, match="too many"):
        authorities(build([*most, b"1"]), tls13=tls13)


def test_very_many_other_extensions_are_a_valueerror() -> None:
    extensions = b"\0\x0d\0\0" * (AUTHORITIES_MAX + 1)

    with pytest.raises(ValueError, match="too many"):
        authorities(message(b"\0" + len(extensions).to_bytes(2, "big") + extensions), tls13=True)


@given(data=st.binary(max_size=200), tls13=st.booleans())
def test_anything_is_read_or_a_valueerror(data: bytes, tls13: bool) -> None:
    try:
        found = authorities(data, tls13=tls13)
    except ValueError:
        return
    assert sum(map(len, found)) <= len(data)
