"""What is remembered of boards is bounded."""

from __future__ import annotations

from leafnode.bridge.framing.text_known import remember
from leafnode.bridge.port_bounds import TEXT_BOARDS_MAX


def test_who_was_noted_longest_ago_is_forgotten_beyond_the_bound() -> None:
    known: dict[str, int] = {}
    for number in range(TEXT_BOARDS_MAX):
        remember(known, f"n{number}", number)
    remember(known, "n0", 7)

    remember(known, "new", 8)

    assert len(known) == TEXT_BOARDS_MAX
    assert (known["n0"], known["new"], "n1" in known) == (7, 8, False)
