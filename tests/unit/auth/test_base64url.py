"""leafnode.auth.base64url: what Go takes, measured on nats-server 2.15.1 with bent logins."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.auth.base64url import raw_url, raw_url_or_standard

RAW = b"\xfb\xff\xfe?"  # -__-Pw in the alphabet for URLs, +//+Pw== in the other


@given(st.binary(max_size=100))
def test_what_was_written_without_padding_comes_back(data: bytes) -> None:
    text = base64.urlsafe_b64encode(data).decode().rstrip("=")

    assert raw_url(text) == raw_url_or_standard(text) == data
    assert raw_url_or_standard(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize(
    "text", ["-__-Pw==", "+//+Pw", "+__-Pw", " -__-Pw", "-__-P", "-__-Pw.", "é"]
)
def test_what_is_padded_mixed_or_in_the_other_alphabet_is_nothing(text: str) -> None:
    assert raw_url(text) is None
    assert raw_url_or_standard(text) is None


def test_the_standard_alphabet_has_its_padding() -> None:
    assert raw_url("+//+Pw==") is None
    assert raw_url_or_standard("+//+Pw==") == RAW
    assert raw_url_or_standard("+//+Pw=") is None


@pytest.mark.parametrize("text", ["-__\n-Pw\r\n", "-__-Px", "+//+\nPw==\n"])
def test_line_ends_are_left_out_and_the_last_bits_mean_nothing(text: str) -> None:
    assert raw_url_or_standard(text) == RAW


@given(st.text(max_size=50))
def test_any_text_is_bytes_or_nothing(text: str) -> None:
    for read in (raw_url, raw_url_or_standard):
        assert isinstance(read(text), bytes | None)
