"""Which refusals are for good."""

from __future__ import annotations

import pytest

from leafnode.uplink.answers import Failure
from leafnode.uplink.refusal import larger_than, not_taken, refusal


@pytest.mark.parametrize(
    ("err_code", "text", "for_good"),
    [
        (10054, "message size exceeds maximum allowed", True),
        (10097, "header size exceeds maximum allowed of 64k", True),
        (10077, "maximum messages per subject exceeded", True),
        (10077, "maximum bytes exceeded", False),
        (10077, "maximum messages exceeded", False),
        (10047, "insufficient storage resources available", False),
        (10109, "invalid operation on sealed stream", False),
        (10167, "too many requests", False),
        (0, "an answer that is not the JSON it should be", False),
    ],
)
def test_only_what_is_wrong_with_this_message_is_for_good(
    err_code: int, text: str, for_good: bool
) -> None:
    assert refusal(Failure(err_code, text)).for_good is for_good


def test_the_words_say_what_is_wrong() -> None:
    assert larger_than(300, 200).text == "300 bytes, the hub takes at most 200"
    assert not_taken(b"edge.ev").text == "nobody upstream takes edge.ev"
    assert refusal(Failure(10054, "too large")).text == "too large (10054)"
