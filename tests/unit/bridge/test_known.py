"""What is remembered of boards is bounded."""

from __future__ import annotations

from leafnode.bridge.known import remember


def test_who_was_noted_longest_ago_is_forgotten_beyond_the_bound() -> None:
    known: dict[str, int] = {}
    for number in range(3):
        remember(known, f"n{number}", number, most=3)
    remember(known, "n0", 7, most=3)

    remember(known, "new", 8, most=3)

    assert known == {"n2": 2, "n0": 7, "new": 8}
