"""leafnode.routing.plan: what other imports change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.routing.plan import Plan
from leafnode.slices import finish

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.mark.parametrize(
    ("fresh", "gone", "same"),
    [([], [], True), ([1], [], False), ([], [1], False), ([1], [2], False)],
)
def test_a_plan_without_anything_new_or_gone_changes_nothing(
    fresh: list[int], gone: list[int], *, same: bool
) -> None:
    assert Plan([0, *fresh], fresh, gone).changes_nothing is same


def test_what_steps_make_is_returned_once_all_are_taken() -> None:
    taken = []

    def steps() -> Generator[None, None, str]:
        for number in range(3):
            taken.append(number)
            yield
        return "made"

    assert (finish(steps()), taken) == ("made", [0, 1, 2])
