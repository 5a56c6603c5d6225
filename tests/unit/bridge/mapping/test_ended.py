"""Windows that ended together: who speaks for them, and what they become."""

from __future__ import annotations

from leafnode.bridge.mapping.ended import Ended
from leafnode.bridge.mapping.windows import Gathered
from leafnode.bridge.publication import Publication
from leafnode.bridge.reading import Reading, Receipt

KEPT = Reading(b"id.9", b"", receipt=Receipt((b"", 7), 9))


def one(subject: bytes, *, is_kept: bool = False) -> Gathered:
    return Gathered(subject, KEPT if is_kept else Reading(b"id", b""), dict, {}, 0, is_kept)


def message(subject: bytes, *, is_kept: bool = False) -> Publication:
    return Publication(subject, 0, b"", None, is_kept, life=KEPT.life if is_kept else None)


def test_the_last_one_that_a_board_keeps_speaks_for_all() -> None:
    ended = Ended([one(b"a"), one(b"b", is_kept=True), one(b"c", is_kept=True)], b"", KEPT)

    assert [ended.take()[1] for _ in range(3)] == [False, False, True]
    assert ended.is_made


def test_of_what_nobody_keeps_none_speaks() -> None:
    ended = Ended([one(b"a"), one(b"b")], b"", None)

    assert [ended.take()[1] for _ in range(2)] == [False, False]
    ended.add(message(b"a"))
    assert ended.messages() == [message(b"a")]


def test_the_last_that_is_kept_has_the_receipt_of_what_came_behind_too() -> None:
    ended = Ended([one(b"a", is_kept=True)], b"", KEPT)
    ended.take()
    ended.add(message(b"a", is_kept=True))
    ended.kept = Reading(b"id.10", b"", receipt=Receipt((b"", 7), 10))

    assert [made.receipt for made in ended.messages()] == [Receipt((b"", 7), 10)]


def test_where_no_kept_one_was_made_an_empty_one_behind_them_has_it() -> None:
    ended = Ended([one(b"a"), one(b"b", is_kept=True)], b"", KEPT)
    ended.add(message(b"a"))

    first, last = ended.messages()

    assert first == message(b"a")
    assert (last.subject, last.receipt, last.is_kept) == (b"", Receipt((b"", 7), 9), True)


def test_the_receipt_of_another_board_comes_behind_them() -> None:
    ended = Ended([one(b"a", is_kept=True)], b"", KEPT)
    ended.take()
    ended.add(message(b"a", is_kept=True))
    ended.kept = Reading(b"id.1", b"", receipt=Receipt((b"", 8), 1))

    assert [(made.receipt, made.life) for made in ended.messages()] == [
        (None, KEPT.life),
        (Receipt((b"", 8), 1), (b"", 8)),
    ]


def test_what_a_board_says_again_is_forgotten_and_nothing_told_of_it() -> None:
    gathered = [one(b"a"), one(b"b", is_kept=True), one(b"c", is_kept=True)]
    ended = Ended(gathered, b"id.3", KEPT)
    for _ in range(2):
        made, _ = ended.take()
        ended.add(message(made.subject, is_kept=made.is_kept))

    ended.drop((b"", 7))

    assert ended.is_made
    assert (ended.messages(), ended.through) == ([message(b"a")], b"")
