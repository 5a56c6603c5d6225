"""leafnode.protocol.client_info."""

from __future__ import annotations

from leafnode.protocol.client_info import ClientInfo, encode


def test_what_is_not_known_is_left_out_and_the_order_is_that_of_nats_server() -> None:
    assert encode(ClientInfo(user="a>b")) == rb'{"user":"a\u003eb"}'
    assert encode(ClientInfo(acc="A", rtt=5)) == b'{"acc":"A","rtt":5}'
    assert encode(ClientInfo(rtt=5, svc="S", acc="A", id=3, server="s", start="t")) == (
        b'{"start":"t","id":3,"acc":"A","svc":"S","rtt":5,"server":"s"}'
    )
