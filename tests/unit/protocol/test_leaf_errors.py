"""Texts for leafs. Source: nats-server 2.15.1 server/errors.go, measured on its binary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.protocol import leaf_errors as e
from leafnode.protocol.errors import wire_line

if TYPE_CHECKING:
    from leafnode.errors import ProtocolError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            e.LeafViolation(b"Publish", b"a"),
            b"-ERR 'Permissions Violation for Publish to \"a\"'\r\n",
        ),
        (e.DuplicateLeafConnection(), b"-ERR 'Duplicate Remote LeafNode Connection'\r\n"),
        (
            e.GatewayOnLeafPort('G"'),
            b'-ERR \'Rejecting connection from gateway "G\\"" on the leafnode port\'\r\n',
        ),
        (
            e.LoopDetected("B"),
            b'-ERR \'Loop detected for leafnode account="B". '
            b"Delaying attempt to reconnect for 30s'\r\n",
        ),
    ],
)
def test_each_has_its_text_and_closes(error: ProtocolError, line: bytes) -> None:
    assert wire_line(error) == line
    assert error.closes


def test_a_name_that_a_peer_chose_cannot_end_the_line() -> None:
    assert wire_line(e.GatewayOnLeafPort("x\r\nPING")).count(b"\r\n") == 1
