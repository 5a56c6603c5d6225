"""The words that people and monitoring read."""

from __future__ import annotations

from leafnode.config.options import UplinkOptions, UplinkStream
from leafnode.uplink.status import Protection, waiting, waiting_budget


def test_the_protection_says_in_words_when_only_the_window_helps() -> None:
    assert Protection.WINDOW.value == "only the hub's duplicate window protects"


def test_what_waits_for_its_account_has_a_row_for_each_stream_that_says_so() -> None:
    newest = UplinkStream("B", subject_prefix="x.", priority=1, newest_first=True)
    options = UplinkOptions(streams=(UplinkStream("A"), newest), account="ACC", name="one")

    first, second = waiting(options, "edge", "account missing")

    assert (first.stream, first.prefix, first.order) == ("A", "edge.", "oldest_first")
    assert (second.stream, second.prefix, second.order) == ("B", "x.", "newest_first")
    assert first.state.value == "waiting"
    assert first.last_error == "account ACC: account missing"
    assert first.problem == "is waiting: account ACC: account missing"
    assert waiting_budget(options).connected is False
