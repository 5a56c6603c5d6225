"""A reading in the queue of a port."""

from __future__ import annotations

import pytest

from leafnode.bridge.publication import Publication
from leafnode.bridge.queued import GivenUp, Held, Queued, State, last_of, oldest_lives, parted
from leafnode.bridge.reading import Receipt


def queued(seq: int, given_up: GivenUp | None = None, *, is_stored: bool = True) -> Queued:
    entry = Queued(Publication(b"s", 0, b"1", Receipt((b"b", 7), seq)))
    entry.given_up, entry.is_stored = given_up, is_stored
    return entry


def test_what_was_not_stored_waits_again_unless_it_was_given_up() -> None:
    entry = queued(1)
    entry.state = State.IN_FLIGHT

    entry.fell_through()
    assert entry.state is State.WAITING

    entry.given_up = GivenUp()
    entry.fell_through()
    assert entry.state is State.RESOLVED


def test_the_last_reading_that_waits_of_a_life_is_found_behind_others() -> None:
    part = queued(3)
    part.publication = part.publication._replace(receipt=None)
    other = queued(9)
    other.publication = other.publication._replace(receipt=Receipt((b"c", 7), 9))
    queue = [queued(1), queued(2), other, part]

    assert last_of((b"b", 7), queue) == Receipt((b"b", 7), 2)
    assert last_of((b"b", 8), queue) is None


def kept(name: bytes, size: int) -> Queued:
    return Queued(Publication(b"s", 0, bytes(size), Receipt((name, 7), 1), is_kept=True))


def test_what_some_lives_keep_is_parted_from_the_rest_and_both_stay_in_order() -> None:
    part = kept(b"b", 1)
    part.publication = part.publication._replace(receipt=None)
    queue = [kept(b"c", 1), part, kept(b"b", 1), queued(1), kept(b"d", 1), kept(b"c", 1)]

    found, rest = parted(queue, {(b"b", 7), (b"d", 7)})

    assert found == [queue[1], queue[2], queue[4]]
    assert list(rest) == [queue[0], queue[3], queue[5]]


@pytest.mark.parametrize(
    ("messages", "size_bytes", "lives"),
    [(0, 0, b""), (1, 0, b"b"), (2, 0, b"b"), (3, -9, b"bc"), (0, 3, b"b"), (0, 4, b"bc")],
)
def test_as_many_of_the_oldest_lives_are_found_as_keep_so_much(
    messages: int, size_bytes: int, lives: bytes
) -> None:
    queue = [queued(1), kept(b"b", 1), kept(b"c", 1), kept(b"b", 2), kept(b"d", 9)]

    assert oldest_lives(queue, messages, size_bytes) == [(bytes([one]), 7) for one in lives]


def test_of_what_was_given_up_its_board_hears_what_is_stored_with_all_before_it() -> None:
    first, second = GivenUp(), GivenUp()
    queue = [
        queued(1, first),
        queued(2, first, is_stored=False),
        queued(1, second),
        queued(3, first),
        queued(4, is_stored=False),  # nothing could store it: its board need not wait
    ]

    assert [entry.heard() for entry in queue] == [
        Receipt((b"b", 7), 1),
        None,
        Receipt((b"b", 7), 1),
        None,
        Receipt((b"b", 7), 4),
    ]


def test_of_which_lives_a_queue_holds_something_is_known_without_a_look_at_all() -> None:
    held, lives = Held(), [(b"b", 7), (b"c", 7), (b"b", 7), None]
    entries = [Queued(Publication(b"s", 0, b"12", None, life=life)) for life in lives]
    assert not held.has(None)

    for entry in entries:
        held.add(entry)
    assert (held.size_bytes, held.has(None), held.has((b"b", 7)), held.has((b"d", 7))) == (
        8,
        True,
        True,
        False,
    )

    held.remove(entries[0])
    assert held.has((b"b", 7))
    held.remove(entries[2])
    assert (held.has((b"b", 7)), held.has((b"c", 7))) == (False, True)
    held.remove(entries[1])
    assert (held.has(None), held.size_bytes) == (False, 2)
