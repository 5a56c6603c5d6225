"""What goes in one turn. Specification: docs/serial.md, "Stored, then acknowledged"."""

from __future__ import annotations

from typing import Final

import pytest

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.burst import Burst
from leafnode.bridge.publication import Publication
from leafnode.bridge.reading import Receipt

PLAIN: Final = Publication(b"s", 0, b"x", None)
RECEIPT: Final = Receipt((b"b", 7), 1)
LAST: Final = PLAIN._replace(receipt=RECEIPT, is_kept=True)  # of a reading that a board keeps
PART: Final = PLAIN._replace(is_kept=True)
TELLING: Final = PLAIN._replace(through=b"b.7.1")
OWN, HUB = True, False


def taken(*said: tuple[Publication, bool], most: int = 128, is_full: bool = False) -> int:
    """Return how many go in one turn."""
    burst = Burst(most=most, is_full=lambda: is_full)
    for count, (publication, is_own) in enumerate(said):
        if not burst.takes(publication, is_own=is_own):
            return count
    return len(said)


def test_what_this_server_stores_goes_together() -> None:
    assert taken(*[(LAST, OWN), (PLAIN, OWN), (TELLING, OWN)] * 9) == 27


@pytest.mark.parametrize("speaking", [LAST, PART, TELLING])
def test_what_speaks_for_others_goes_to_a_hub_alone(speaking: Publication) -> None:
    assert taken((speaking, HUB), (PLAIN, HUB), (speaking, HUB)) == 2
    assert taken((PLAIN, HUB), (speaking, HUB)) == 1


@pytest.mark.parametrize("speaking", [LAST, PART, TELLING])
def test_nor_does_it_go_here_before_a_hub_has_answered_what_a_board_keeps(
    speaking: Publication,
) -> None:
    assert taken((LAST, HUB), (PLAIN, OWN), (speaking, OWN)) == 2
    assert taken((PLAIN, HUB), (speaking, OWN)) == 2


def test_a_burst_has_a_size_but_ends_within_no_reading_that_is_said_again() -> None:
    assert taken(*[(PLAIN, OWN)] * 9, most=3) == 3
    assert taken((PLAIN, OWN), (PART, OWN), (PART, OWN), (LAST, OWN), (PLAIN, OWN), most=2) == 4
    large = PLAIN._replace(body=bytes(limits.READINGS_BURST_BYTES))
    assert taken((large, OWN), (PLAIN, OWN)) == 1


def test_it_ends_with_the_share_of_the_turn_behind_so_many() -> None:
    assert taken(*[(PLAIN, OWN)] * 99, is_full=True) == port_bounds.READINGS_BURST_MIN


def test_one_that_is_resolved_ends_its_reading_where_it_has_the_receipt() -> None:
    for resolved, goes in ((PART, True), (LAST, False)):
        burst = Burst(most=1, is_full=lambda: False)
        assert burst.takes(PART, is_own=OWN)
        burst.pass_over(resolved)
        assert burst.takes(PART, is_own=OWN) is goes
