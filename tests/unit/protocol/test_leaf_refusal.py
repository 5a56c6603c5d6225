"""The table of a hub's -ERR texts. Source: nats-server 2.15.1, texts and delays measured."""

from __future__ import annotations

import pytest

from leafnode.clock import NS_PER_S
from leafnode.protocol.leaf_refusal import REFUSALS, explain


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [
        ("Authorization Violation", 0),
        ("remote leafnode has same cluster name", 30),
        ('Loop detected for leafnode account="B". Delaying attempt to reconnect for 30s', 30),
        ('connection rejected since minimum version required is "2.12.0"', 5),
        ("Duplicate Remote LeafNode Connection", 0),
        ("Stale Connection", 0),
        ("something new", 0),
    ],
)
def test_each_text_has_the_delay_that_nats_server_keeps(text: str, delay_s: int) -> None:
    assert explain(text).delay_ns == delay_s * NS_PER_S


def test_subscription_limits_leave_the_link_open() -> None:
    assert not explain("maximum subscriptions exceeded").ends
    assert not explain("Invalid Subscription").ends
    assert explain("Authorization Violation").ends


def test_each_row_explains_itself_in_words_and_hides_no_other() -> None:
    for row in REFUSALS:
        assert explain(row.text) is row
        assert len(row.cause) > len("a word")
