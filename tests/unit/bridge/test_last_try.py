"""By its last try one queue waits for another, or does not."""

from __future__ import annotations

from leafnode.bridge.last_try import LastTry


def refused(stream: str, at_ns: int) -> LastTry:
    last = LastTry()
    last.refused(stream, at_ns)
    return last


def test_what_was_not_tried_yet_and_what_a_stream_takes_goes_first() -> None:
    last, newer = LastTry(), LastTry()
    assert last.holds_up(newer)

    last.refused("S", 1)
    last.heard()

    assert last.holds_up(newer)


def test_what_nobody_answers_holds_up_nothing() -> None:
    last = refused("S", 1)

    last.unheard()

    assert not last.holds_up(LastTry())
    assert not last.holds_up(refused("S", 2))


def test_what_a_stream_refuses_holds_up_what_it_refuses_too() -> None:
    assert refused("S", 1).holds_up(refused("S", 2))
    assert not refused("S", 1).holds_up(refused("T", 2))
    assert not refused("S", 1).holds_up(LastTry())


def test_what_was_refused_again_holds_up_nothing_that_was_not_since() -> None:
    last, newer = refused("S", 1), refused("S", 2)

    last.refused("S", 3)
    assert not last.holds_up(newer)
    newer.refused("S", 3)
    assert last.holds_up(newer)
