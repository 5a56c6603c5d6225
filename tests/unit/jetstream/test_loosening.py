"""What ended is held weakly by its parts, and still works for who holds it."""

from __future__ import annotations

import gc
import weakref

import pytest

from leafnode.jetstream.loosening import loosen


class Part:
    def __init__(self, whole: Whole) -> None:
        self.whole = whole


class Whole:
    def __init__(self) -> None:
        self.name = "whole"
        self.part = Part(self)


def test_what_was_loosened_goes_with_its_last_reader() -> None:
    gc.disable()
    try:
        whole = Whole()
        gone = weakref.ref(whole)
        loosen(whole, "whole", [whole.part])

        del whole

        assert gone() is None
    finally:
        gc.enable()


def test_who_holds_it_finds_all_of_it() -> None:
    whole = Whole()

    loosen(whole, "whole", [whole.part])

    assert whole.part.whole.name == "whole"


def test_a_part_that_is_left_alone_says_so() -> None:
    whole = Whole()
    part = whole.part
    loosen(whole, "whole", [part])

    del whole

    with pytest.raises(ReferenceError):
        _ = part.whole.name
