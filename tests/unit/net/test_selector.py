"""leafnode.net.selector: as Python's own, but for how many it reports at once."""

from __future__ import annotations

import os
import selectors
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from leafnode.limits import READY_PER_TURN
from leafnode.net.selector import FewAtOnce, few_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def pair(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    here, other = socket.socketpair()
    stack.callback(here.close)
    stack.callback(other.close)
    return here, other


def selector_of(stack: ExitStack) -> FewAtOnce:
    selector = few_at_once()
    stack.callback(selector.close)
    assert isinstance(selector, FewAtOnce)
    return selector


def test_of_many_that_are_ready_so_many_are_reported_at_once_and_all_in_rounds(
    stack: ExitStack,
) -> None:
    selector, heard = selector_of(stack), set[int]()
    for number in range(2 * READY_PER_TURN + 1):
        here, other = pair(stack)
        other.send(b"x")
        selector.register(here, READ, number)

    rounds = [[key.data for key, _ in selector.select(0)] for _ in range(3)]

    assert [len(numbers) for numbers in rounds] == [READY_PER_TURN] * 3
    for numbers in rounds:
        heard.update(numbers)
    assert len(heard) == 2 * READY_PER_TURN + 1


def test_whoever_is_registered_is_told_what_it_asked_for(stack: ExitStack) -> None:
    selector, (here, other) = selector_of(stack), pair(stack)
    key = selector.register(here, READ, "first")

    assert selector.select(0) == []
    other.send(b"x")
    assert selector.select(None) == [(key, READ)]
    both = selector.modify(here, READ | WRITE, "second")
    assert selector.select(0.0001) == [(both, READ | WRITE)]
    writes = selector.modify(here, WRITE, "third")
    assert selector.select(-1) == [(writes, WRITE)]
    assert selector.get_key(here) == selector.get_map()[here.fileno()] == writes
    assert selector.unregister(here) == writes
    assert selector.select(0) == []
    assert dict(selector.get_map()) == {}


def test_the_end_of_the_other_side_is_told_to_whoever_reads_and_whoever_writes(
    stack: ExitStack,
) -> None:
    selector, (reader, gone), (writer, gone_too) = selector_of(stack), pair(stack), pair(stack)
    gone.close()
    gone_too.close()
    selector.register(reader, READ, "reads")
    selector.register(writer, WRITE, "writes")

    told = {(key.data, events) for key, events in selector.select(0)}

    assert told == {("reads", READ), ("writes", WRITE)}


def test_what_is_not_registered_or_twice_is_refused(stack: ExitStack) -> None:
    selector, (here, _) = selector_of(stack), pair(stack)
    for ask in (selector.unregister, selector.get_key):
        with pytest.raises(KeyError):
            ask(here)
    with pytest.raises(KeyError):
        selector.modify(here, READ)
    selector.register(here, READ)
    with pytest.raises(KeyError, match="already registered"):
        selector.register(here, READ)
    with pytest.raises(ValueError, match="invalid file descriptor"):
        selector.register(-1, READ)


def test_a_file_that_was_closed_may_be_taken_out(stack: ExitStack) -> None:
    selector = selector_of(stack)
    reads, writes = os.pipe()
    stack.callback(os.close, writes)
    key = selector.register(reads, READ)
    os.close(reads)

    assert selector.unregister(reads) == key
    assert selector.fileno() >= 0
