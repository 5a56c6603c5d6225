from __future__ import annotations

import pytest

from leafnode.jetstream.names import is_stream_name


@pytest.mark.parametrize("name", ["S", "a-b_c", "ü", "x" * 300])
def test_names_that_may_be(name: str) -> None:
    assert is_stream_name(name)


@pytest.mark.parametrize("name", ["", "a.b", "a*", ">", "a/b", "a\\b", "a b", "a\t", "\0"])
def test_names_that_may_not_be(name: str) -> None:
    assert not is_stream_name(name)
