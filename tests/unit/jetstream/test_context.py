"""leafnode.jetstream.context: what a status may not be."""

from __future__ import annotations

import pytest

from tests.unit.jetstream.world import World


@pytest.mark.parametrize(
    ("reply", "goes"),
    [
        (b"_INBOX.a.1", True),
        (b"reply", True),
        (b"$JS.FC.S.C.x", True),
        (b"$JS.ACK.API", True),
        (b"$JS.API.STREAM.DELETE.S", False),
        (b"$JS.API", False),
        (b"$JS.edge.API.STREAM.DELETE.S", False),
        (b"$JS.hub.API.STREAM.PURGE.S", False),
    ],
)
def test_a_status_is_no_request_to_the_api(reply: bytes, goes: bool) -> None:
    """Who may ask for one message would have any stream deleted with the server's rights."""
    world = World()
    heard = world.listen(reply.decode())

    world.js.context.send_status(reply, b"NATS/1.0 404\r\n\r\n")

    assert bool(heard) is goes
