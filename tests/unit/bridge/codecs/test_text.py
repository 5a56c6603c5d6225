"""Text is published as it came, if it is text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.codecs.text import encode_text
from leafnode.bridge.reading import BadReading


@pytest.mark.parametrize(
    "payload", [b"21.5", b"  +000.12 kg", "21,5 °C".encode(), b"\x1d0109506000134352\x1d17"]
)
def test_utf8_passes_unchanged(payload: bytes) -> None:
    assert encode_text(payload) == payload


def test_a_nul_byte_is_bad() -> None:
    with pytest.raises(BadReading, match="holds a NUL byte"):
        encode_text(b"21\x00.5")


def test_what_is_not_utf8_is_bad_and_the_reason_does_not_quote_it() -> None:
    with pytest.raises(BadReading) as caught:
        encode_text(b"secret \xff")

    assert caught.value.reason == "is not UTF-8 at byte 7"


@given(st.binary(max_size=64))
def test_garbage_is_text_or_bad(payload: bytes) -> None:
    try:
        assert encode_text(payload) == payload
    except BadReading:
        assert b"\0" in payload or not _is_utf8(payload)


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
