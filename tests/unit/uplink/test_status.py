"""The words that people and monitoring read."""

from __future__ import annotations

from leafnode.uplink.status import Protection


def test_the_protection_says_in_words_when_only_the_window_helps() -> None:
    assert Protection.WINDOW.value == "only the hub's duplicate window protects"
