"""What is told with a message stands in its headers, and nowhere where nothing is told."""

from __future__ import annotations

from leafnode.bridge.publication import Publication
from leafnode.protocol import header

BLOCK = header.build([(b"Nats-Msg-Id", b"scale.x.7")])
PLAIN = Publication(b"s.scale", len(BLOCK), BLOCK + b"21.5", None)


def test_a_message_with_which_nothing_is_told_goes_as_it_is() -> None:
    assert PLAIN.told() == (len(BLOCK), BLOCK + b"21.5")


def test_up_to_which_reading_all_is_stored_is_a_header_behind_the_others() -> None:
    size, body = PLAIN._replace(through=b"node1.77.41").told()

    assert header.parse(body[:size]) == [
        (b"Nats-Msg-Id", b"scale.x.7"),
        (b"Leafnode-Through", b"node1.77.41"),
    ]
    assert body[size:] == b"21.5"
