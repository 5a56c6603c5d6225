"""leafnode.routing.message_line."""

from __future__ import annotations

import pytest

from leafnode.routing.message_line import HMSG, MSG, start_of
from leafnode.routing.peer import Kind, Outbox, Peer
from leafnode.routing.subscription import Subscription


@pytest.mark.parametrize(
    ("kind", "with_header", "start"),
    [
        (Kind.CLIENT, False, b"MSG a.b 7 "),
        (Kind.CLIENT, True, b"HMSG a.b 7 "),
        (Kind.LEAF, False, b"LMSG a.b "),
        (Kind.LEAF, True, b"HMSG a.b "),
    ],
)
def test_a_leaf_is_told_no_sid_and_a_client_nothing_of_leafs(
    kind: Kind, with_header: bool, start: bytes
) -> None:
    sub = Subscription(Peer(1, kind, Outbox(lambda: None)), b"a.*", sid=b"7")

    assert start_of(sub, b"a.b", with_header=with_header) == start


def test_whole_messages() -> None:
    assert MSG % (b"a", b"1", b"r ", 2, b"hi") == b"MSG a 1 r 2\r\nhi\r\n"
    assert HMSG % (b"a", b"1", b"", 2, 4, b"hhpp") == b"HMSG a 1 2 4\r\nhhpp\r\n"
