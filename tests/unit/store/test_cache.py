"""leafnode.store.cache: columns of sealed segments, at the bound and beyond it."""

from leafnode.store.cache import ColumnsCache
from leafnode.store.segments import BYTES_PER_SLOT, Columns, Segment


def sealed(no: int) -> Segment:
    segment = Segment(no, 1)
    segment.sealed = segment.stored = True
    segment.columns = None
    return segment


def one_row(segment: Segment) -> Columns:
    columns = Columns(segment.first_seq)
    columns.add(1, 1, 1, 1)
    return columns


def test_columns_are_loaded_once_while_they_fit() -> None:
    cache = ColumnsCache(2 * BYTES_PER_SLOT)
    one, two = sealed(1), sealed(2)

    first = cache.columns(one, one_row)
    cache.columns(two, one_row)

    assert cache.columns(one, one_row) is first
    assert (cache.reads, cache.bytes) == (2, 2 * BYTES_PER_SLOT)


def test_one_more_than_fits_lets_the_least_recently_used_go() -> None:
    cache = ColumnsCache(2 * BYTES_PER_SLOT)
    one, two, three = sealed(1), sealed(2), sealed(3)
    cache.columns(one, one_row)
    cache.columns(two, one_row)
    cache.columns(one, one_row)

    cache.columns(three, one_row)

    assert two.columns is None
    assert one.columns is not None
    assert cache.bytes == 2 * BYTES_PER_SLOT


def test_a_segment_larger_than_the_cache_stays_until_the_next_comes() -> None:
    cache = ColumnsCache(1)
    one, two = sealed(1), sealed(2)

    assert cache.columns(one, one_row) is one.columns
    cache.columns(two, one_row)

    assert one.columns is None


def test_a_forgotten_segment_costs_nothing() -> None:
    cache = ColumnsCache(100)
    one = sealed(1)
    cache.columns(one, one_row)

    cache.forget(one)
    cache.forget(one)

    assert cache.bytes == 0
