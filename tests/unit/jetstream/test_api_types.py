"""Configurations know which subjects they mean."""

from __future__ import annotations

import pytest

from leafnode.jetstream.api_types import ConsumerConfig


@pytest.mark.parametrize(
    ("config", "filters"),
    [
        (ConsumerConfig(), []),
        (ConsumerConfig(filter_subject="a.>"), [b"a.>"]),
        (ConsumerConfig(filter_subjects=["a", "b"]), [b"a", b"b"]),
    ],
)
def test_filters_come_from_either_field(config: ConsumerConfig, filters: list[bytes]) -> None:
    assert config.filters == filters
