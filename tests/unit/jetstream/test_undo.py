"""Ways back from staged changes: taken the newest first, and never twice."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.errors import StoreFailed
from leafnode.jetstream.undo import Undo
from tests.unit.jetstream.fake_store import FakeStore

FAILED = StoreFailed("no")


class Changes:
    """A store that holds its commits back, and what became of changes."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.store.hold()
        store: Any = self.store
        self.undo = Undo(store)
        self.undone: list[str] = []
        self.done: list[str] = []

    def stage(self, *names: str) -> None:
        for name in names:
            self.store.stage(0)
            self.undo.stage(
                lambda name=name: self.undone.append(name), lambda name=name: self.done.append(name)
            )


@pytest.fixture
def changes() -> Changes:
    return Changes()


def test_what_is_on_disk_is_told_and_not_undone(changes: Changes) -> None:
    changes.stage("one", "two")
    assert changes.done == []

    changes.store.commit()
    changes.undo.take()

    assert (changes.done, changes.undone) == (["one", "two"], [])


def test_all_that_failed_is_undone_the_newest_first(changes: Changes) -> None:
    changes.stage("one", "two", "three")

    changes.store.fail(FAILED)

    assert (changes.done, changes.undone) == ([], ["three", "two", "one"])


def test_what_was_undone_before_its_callbacks_come_is_not_undone_again(changes: Changes) -> None:
    changes.stage("one", "two")
    callbacks, changes.store.callbacks = changes.store.callbacks, []

    changes.undo.take()
    changes.stage("three")
    for callback in callbacks:
        callback(FAILED)
    assert changes.undone == ["two", "one"]
    changes.store.commit()

    assert (changes.done, changes.undone) == (["three"], ["two", "one"])


def test_a_way_back_that_raises_does_not_keep_others_from_being_taken(changes: Changes) -> None:
    changes.stage("one")
    changes.undo.stage(lambda: 1 // 0)
    changes.stage("two")

    with pytest.raises(ZeroDivisionError):
        changes.undo.take()

    assert changes.undone == ["two", "one"]


def test_a_store_that_never_waits_is_told_at_once() -> None:
    changes = Changes()
    changes.store.commit()

    changes.undo.stage(lambda: changes.undone.append("back"), lambda: changes.done.append("done"))

    assert (changes.done, changes.undone) == (["done"], [])
