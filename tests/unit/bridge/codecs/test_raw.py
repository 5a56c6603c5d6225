"""Bytes stay as they are."""

from __future__ import annotations

from leafnode.bridge.codecs.raw import encode_raw


def test_all_bytes_come_out_as_they_came() -> None:
    assert encode_raw(bytes(range(256))) == bytes(range(256))
