"""Imports that change while messages come: nothing is missed, and nothing comes twice."""

from __future__ import annotations

import random

import pytest

from tests.sim.imports import Slices, replace_imports, stream_import
from tests.unit.routing.test_imports import MANY, World


class Renaming:
    """Many imports of `a.0` and so on under one name, and one that hears all names."""

    def __init__(self, count: int = MANY) -> None:
        self.world = World()
        self.count = count
        self.name = b"old"
        self.world.subscriber.subscribe(b"*.>", b"1")
        self.slices = Slices(self.world.importer.system.outbox)
        self.change(b"old")
        self.slices.all()
        self.dice = random.Random(1)

    def change(self, name: bytes, *, allow_trace: bool = False) -> None:
        self.name = name
        exporter = self.world.exporter
        many = [
            stream_import(
                exporter, b"a.%d" % number, b"%b.%d" % (name, number), allow_trace=allow_trace
            )
            for number in range(self.count)
        ]
        replace_imports(self.world.imports, many)

    def heard(self) -> bytes:
        """Publish one that is imported, and return the one line by which it came."""
        number = self.dice.randrange(self.count)
        self.world.publisher.says(b"PUB a.%d 0\r\n\r\n" % number)
        lines = self.world.subscriber.got().split(b"\r\n\r\n")[:-1]
        assert len(lines) == 1, lines
        name, _, rest = lines[0].removeprefix(b"MSG ").partition(b".")
        assert rest == b"%d 1 0" % number
        return name


def test_what_is_renamed_comes_once_in_every_turn_by_the_old_name_and_then_by_the_new_one() -> None:
    changing = Renaming()
    names = []

    changing.change(b"new")
    names.append(changing.heard())
    while changing.slices.next():
        names.append(changing.heard())

    assert names[0] == b"old"
    assert names == sorted(names, key=lambda name: name == b"new")
    assert names[-1] == b"new"
    assert changing.world.exporter.sublist.count == MANY


def test_it_comes_once_also_when_only_its_traces_change() -> None:
    changing = Renaming()

    changing.change(b"old", allow_trace=True)
    while changing.slices.next():
        assert changing.heard() == b"old"

    (one, *_) = changing.world.exporter.sublist
    assert one.shadow is not None
    assert one.shadow.by.allow_trace


@pytest.mark.parametrize("turns", [0, 1, 2])
@pytest.mark.parametrize("last", [b"old", b"third"])
def test_a_change_that_another_one_overtakes_misses_nothing_either(turns: int, last: bytes) -> None:
    changing = Renaming()

    changing.change(b"new")
    for _ in range(turns):
        changing.slices.next()
    changing.change(last)
    names = [changing.heard()]
    while changing.slices.next():
        names.append(changing.heard())

    assert names[-1] == last
    assert b"new" not in names
    assert changing.world.exporter.sublist.count == MANY
    assert changing.world.imports._leaving == []
    assert changing.world.imports._asleep == set()


def test_who_comes_and_who_goes_meanwhile_is_served_like_the_others() -> None:
    changing = Renaming()
    subscriber, importer = changing.world.subscriber, changing.world.importer

    changing.change(b"new")
    importer.remove(subscriber.subs.pop(b"1"))
    subscriber.subscribe(b"*.>", b"1")
    subscriber.says(b"")  # its own are there
    names = [changing.heard()]
    while changing.slices.next():
        names.append(changing.heard())

    assert set(names) == {b"old", b"new"}
    assert changing.world.exporter.sublist.count == MANY


def test_what_is_not_imported_under_any_name_ends_at_once() -> None:
    changing = Renaming()
    world = changing.world

    replace_imports(world.imports, [stream_import(world.exporter, b"b", b"new.b")])
    world.publisher.says(b"PUB a.1 0\r\n\r\n")
    assert world.subscriber.got() == b""

    changing.slices.all()
    assert world.exporter.sublist.count == 1


def test_what_stops_in_the_middle_of_a_change_brings_nothing_and_leaves_nothing() -> None:
    changing = Renaming()
    world = changing.world

    changing.change(b"new")
    changing.slices.next()
    world.imports.stop()
    world.publisher.says(b"PUB a.1 0\r\n\r\n")
    assert world.subscriber.got() == b""

    changing.slices.all()
    assert world.exporter.sublist.count == 0
    assert world.imports._leaving == []
