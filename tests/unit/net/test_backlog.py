"""leafnode.net.backlog: bytes that wait keep their order, whatever the kernel takes at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.clock import NS_PER_S
from leafnode.limits import READ_CHUNK_BYTES, ROOM_WRITES_MAX, WRITE_CHUNKS_MAX, WRITE_TURN_BYTES
from leafnode.net.backlog import Backlog, WriteRules, in_pieces, send
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence


class Kernel:
    """Takes as many bytes as it is told, call by call; then none."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)
        self.taken = b""
        self.most_chunks = 0

    def sendmsg(self, chunks: Sequence[bytes]) -> int:
        self.most_chunks = max(self.most_chunks, len(chunks))
        if not self.sizes:
            raise BlockingIOError
        data = b"".join(bytes(chunk) for chunk in chunks)[: self.sizes.pop(0)]
        self.taken += data
        return len(data)

    def send(self, data: bytes) -> int:
        return self.sendmsg([data])


def new_backlog(rules: WriteRules | None = None) -> tuple[FakeClock, Backlog]:
    clock = FakeClock()
    return clock, Backlog(clock, rules or WriteRules(NS_PER_S), lambda: None)


def sock(kernel: Kernel) -> socket.socket:
    return kernel  # type: ignore[return-value]


@given(
    st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=20),
    st.integers(0, 2000),
    st.lists(st.integers(0, 4000), max_size=60),
)
def test_what_is_taken_is_the_start_of_what_was_written(
    chunks: list[bytes], sent: int, sizes: list[int]
) -> None:
    whole = b"".join(chunks)
    sent = min(sent, len(whole) - 1)
    kernel = Kernel(*sizes)
    _, backlog = new_backlog()
    for chunk in chunks:
        backlog.keep([chunk], min(sent, len(chunk)))
        sent -= min(sent, len(chunk))
    waiting = backlog.size

    for _ in range(len(sizes) + 1):
        if backlog.size:
            backlog.send_to(sock(kernel))

    assert whole[len(whole) - waiting :].startswith(kernel.taken)
    assert backlog.size == waiting - len(kernel.taken)


@pytest.mark.parametrize("sizes", [[100_000], [2000] * 50, [2000, 1] * 50])
def test_one_call_gets_no_more_than_the_share_of_a_turn(sizes: list[int]) -> None:
    kernel = Kernel(1000, 10**9, 10**9)
    _, backlog = new_backlog()
    whole = b"".join(bytes([number]) * size for number, size in enumerate(sizes))
    for number, size in enumerate(sizes):
        backlog.keep([bytes([number]) * size], 0)

    backlog.send_to(sock(kernel))
    backlog.send_to(sock(kernel))
    assert len(kernel.taken) == 1000 + WRITE_TURN_BYTES
    backlog.send_to(sock(kernel))

    assert kernel.taken == whole
    assert backlog.size == 0
    assert kernel.most_chunks <= WRITE_CHUNKS_MAX


def test_what_was_taken_at_once_is_part_of_its_write_and_of_none_before() -> None:
    clock, backlog = new_backlog(WriteRules(NS_PER_S, retries=True))
    backlog.keep([b"x" * 2000], 0)
    backlog.send_to(sock(Kernel(2000)))
    assert backlog.is_taken
    assert backlog.renew() is None

    clock.advance(NS_PER_S // 2)
    backlog.keep([b"y" * 2000] * 6, 5 * 2000)
    clock.advance(NS_PER_S // 2)
    assert backlog.late() is None  # it is the second write's time that counts
    clock.advance(NS_PER_S // 2)
    late = backlog.late()

    assert late is not None
    assert (late.chunks, late.size) == (6, 6 * 2000)


def test_small_chunks_share_a_buffer() -> None:
    _, backlog = new_backlog()
    for _ in range(10_000):
        backlog.keep([b"x"], 0)

    assert backlog.size == 10_000
    assert len(backlog._chunks) == 1


def test_what_waited_at_the_mark_is_overdue_until_it_is_taken() -> None:
    clock, backlog = new_backlog()
    backlog.keep([b"abc"], 0)
    backlog.keep([b"def"], 0)
    clock.advance(NS_PER_S - 1)
    assert backlog.late() is None
    clock.advance(1)
    assert backlog.late() is not None

    backlog.send_to(sock(Kernel(3)))

    assert backlog.is_taken
    assert backlog.late() is None


def test_what_waits_when_a_write_is_over_has_a_deadline_of_its_own_from_then_on() -> None:
    clock, backlog = new_backlog()
    backlog.keep([b"abc"], 0)
    backlog.keep([b"def"], 0)
    clock.advance(NS_PER_S * 9 // 10)
    backlog.send_to(sock(Kernel(3)))
    assert backlog.is_taken
    backlog.renew()

    clock.advance(NS_PER_S - 1)
    assert backlog.late() is None
    clock.advance(1)
    late = backlog.late()

    assert late is not None
    assert late.size == 3


@pytest.mark.parametrize("retries", [False, True])
def test_who_is_late_is_told_of_and_cut_unless_a_part_is_enough(retries: bool) -> None:
    clock, backlog = new_backlog(WriteRules(3 * NS_PER_S // 2, retries=retries))
    texts, ends = [], []
    backlog.keep([bytes(2000), bytes(2000)], 0)
    for taken in (1, 3999, 0):
        backlog.keep([bytes(2000)], 0)
        backlog.send_to(sock(Kernel(taken)))
        clock.advance(3 * NS_PER_S // 2)
        late = backlog.late()
        assert late is not None
        assert not late.is_recovered
        texts.append(late.text)
        ends.append(late.is_over)
        backlog.mark()

    said = "Slow Consumer {}: WriteDeadline of 1.5s exceeded with {} chunks of {} total bytes."
    assert texts == [
        said.format("Detected", 2, 4000),
        said.format("State", 3, 5999),
        said.format("State", 2, 4000),
    ]
    assert ends == [not retries, not retries, True]


def test_who_was_late_and_takes_all_of_a_write_has_recovered() -> None:
    clock, backlog = new_backlog(WriteRules(NS_PER_S, retries=True))
    backlog.keep([bytes(2000), bytes(2000)], 0)
    backlog.send_to(sock(Kernel(1)))
    clock.advance(NS_PER_S)
    late = backlog.late()
    assert late is not None
    assert not late.is_over

    clock.advance(NS_PER_S // 4)
    backlog.send_to(sock(Kernel(3999)))
    assert backlog.is_taken
    news = backlog.renew()

    assert news is not None
    assert news.is_recovered
    assert (
        news.text == "Slow Consumer Recovered: Flush took 0.250s with 2 chunks of 3999 total bytes."
    )
    backlog.keep([b"x"], 0)
    clock.advance(NS_PER_S)
    again = backlog.late()
    assert again is not None
    assert not again.is_again


@pytest.mark.parametrize("room", [0, 1, 3 * WRITE_TURN_BYTES + 1])
def test_a_deadline_fills_all_the_room_so_that_the_next_one_tells(room: int) -> None:
    clock, backlog = new_backlog(WriteRules(NS_PER_S, retries=True))
    backlog.keep([bytes(40 * WRITE_TURN_BYTES)], 1)
    clock.advance(NS_PER_S)
    first = backlog.late()
    turns, rest = divmod(room, WRITE_TURN_BYTES)
    kernel = Kernel(*[WRITE_TURN_BYTES] * turns, *[rest] * (rest > 0))

    backlog.fill(sock(kernel))
    assert len(kernel.taken) == room
    clock.advance(NS_PER_S)
    second = backlog.late()
    backlog.fill(sock(kernel))
    clock.advance(NS_PER_S)

    assert first is not None
    assert second is not None
    assert (first.is_over, second.is_over) == (False, not room)
    if room:
        third = backlog.late()
        assert third is not None
        assert third.is_over


def test_a_deadline_gives_no_more_than_its_bound_and_ends_with_all() -> None:
    _, backlog = new_backlog()
    backlog.keep([bytes(2 * ROOM_WRITES_MAX * WRITE_TURN_BYTES)], 0)
    kernel = Kernel(*[10**9] * 3 * ROOM_WRITES_MAX)

    backlog.fill(sock(kernel))
    assert len(kernel.taken) == ROOM_WRITES_MAX * WRITE_TURN_BYTES
    backlog.fill(sock(kernel))

    assert (backlog.size, len(kernel.sizes)) == (0, ROOM_WRITES_MAX)


def test_a_kernel_that_takes_nothing_is_no_error() -> None:
    assert send(sock(Kernel()), [b"a"]) == 0
    assert send(sock(Kernel(4)), [b"abc", b"def"]) == 4


@given(st.lists(st.one_of(st.integers(0, 3), st.integers(0, 3 * READ_CHUNK_BYTES)), max_size=9))
def test_pieces_are_the_same_bytes_none_too_large_and_no_two_too_small(sizes: list[int]) -> None:
    chunks = [b"%d" % (number % 10) * size for number, size in enumerate(sizes)]

    pieces = list(in_pieces(chunks))

    assert b"".join(pieces) == b"".join(chunks)
    assert all(len(piece) <= READ_CHUNK_BYTES for piece in pieces)
    assert len(pieces) <= len(chunks) + sum(sizes) // READ_CHUNK_BYTES
