"""leafnode.protocol.op."""

from leafnode.protocol.info import Connect
from leafnode.protocol.op import ConnectOp, Sub, Unsub


def test_an_unsub_without_a_maximum_means_now() -> None:
    assert Unsub(b"1") == Unsub(b"1", max_msgs=0)


def test_a_sub_keeps_what_was_sent_without_judging_it() -> None:
    assert Sub(b"a..b", b"", b"1").subject == b"a..b"


def test_an_operation_does_not_show_the_secrets_of_its_connect() -> None:
    op = ConnectOp(Connect(user="joe", password="canary", auth_token="canary", jwt="canary"))

    assert "canary" not in repr(op)
