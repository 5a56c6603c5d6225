"""The table of refusals and what a failed store becomes."""

from __future__ import annotations

import pytest

from leafnode.errors import StoreBusy, StoreFailed, StoreFull
from leafnode.jetstream.errors import TABLE, js_error, store_error


def test_a_refusal_carries_code_number_and_text() -> None:
    error = js_error(10059)

    assert (error.code, error.err_code, error.description) == (404, 10059, "stream not found")


def test_the_detail_fills_the_text() -> None:
    assert js_error(10071, 5).description == "wrong last sequence: 5"


def test_no_text_keeps_an_empty_place() -> None:
    for err_code, (_, text) in TABLE.items():
        filled = (
            js_error(err_code, "x").description if "{}" in text else js_error(err_code).description
        )
        assert "{" not in filled


@pytest.mark.parametrize(
    ("error", "err_code"),
    [(StoreFull("disk"), 10047), (StoreBusy("wait"), 10167), (StoreFailed("fsync"), 10077)],
)
def test_each_trouble_of_the_store_has_its_number(error: Exception, err_code: int) -> None:
    assert store_error(error).err_code == err_code  # type: ignore[arg-type]
