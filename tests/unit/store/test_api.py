"""leafnode.store.api: what a stored message is made of."""

from leafnode.store.api import StoredMsg, is_unfinished, unfinished_name


def test_header_and_payload_are_the_two_parts_of_the_body() -> None:
    message = StoredMsg(1, b"a", 5, 12, b"NATS/1.0\r\n\r\nhello")

    assert message.header == b"NATS/1.0\r\n\r\n"
    assert message.payload == b"hello"


def test_a_message_without_headers_is_all_payload() -> None:
    message = StoredMsg(1, b"a", 5, 0, b"hello")

    assert (message.header, message.payload) == (b"", b"hello")


def test_a_name_with_a_dot_is_that_of_a_stream_which_is_being_built() -> None:
    assert is_unfinished(unfinished_name("ORDERS", "x7"))
    assert not is_unfinished("ORDERS")
