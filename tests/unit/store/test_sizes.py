"""leafnode.store.sizes: what nats-server counts, measured on 2.15.1."""

from leafnode.store.sizes import message_bytes


def test_a_file_counts_record_subject_header_length_and_body() -> None:
    assert message_bytes("file", 3, 0, 10) == 22 + 3 + 10 + 8
    assert message_bytes("file", 3, 12, 22) == 22 + 3 + 4 + 12 + 10 + 8


def test_memory_counts_subject_and_body_and_16_more() -> None:
    assert message_bytes("memory", 3, 12, 22) == 3 + 22 + 16
