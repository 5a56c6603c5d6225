"""The required API level (ADR-44), measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest

from leafnode.jetstream.level import level_is_met


@pytest.mark.parametrize(
    ("value", "met"),
    [
        *(("0", True), ("5", True), ("+5", True), ("-1", True), ("", True), ("0" * 30 + "5", True)),
        *(("6", False), ("+6", False), ("abc", False), ("5 ", False), ("-", False), ("+-1", False)),
        *(("9" * 30, False), ("-" + "9" * 30, False), ("1" + "0" * 18, False)),
    ],
)
def test_requests_above_level_five_are_too_new(value: str, met: bool) -> None:
    block = f"NATS/1.0\r\nNats-Required-Api-Level: {value}\r\n\r\n".encode()

    assert level_is_met(block) is met


@pytest.mark.parametrize("block", [b"", b"NATS/1.0\r\nX: 1\r\n\r\n"])
def test_a_request_that_asks_for_nothing_is_met(block: bytes) -> None:
    assert level_is_met(block)
