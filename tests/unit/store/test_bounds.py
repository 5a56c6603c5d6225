"""leafnode.store.bounds: the product's numbers are those of limits.py."""

from leafnode import limits
from leafnode.store.bounds import StoreBounds


def test_the_defaults_are_the_products_limits() -> None:
    bounds = StoreBounds()

    assert bounds.commit_rows_max == limits.COMMIT_ROWS_MAX
    assert bounds.staged_bytes_max == limits.STAGED_BYTES_MAX
    assert bounds.reserve_bytes == limits.STORE_RESERVE_BYTES
