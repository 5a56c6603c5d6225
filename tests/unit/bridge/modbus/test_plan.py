"""Which requests read a group."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.modbus.plan import BIT_TABLES, blocks
from leafnode.config.modbus_options import Register, Slave


def registers(*places: tuple[str, int, int]) -> list[Register]:
    return [
        Register(f"r{index}", table, address, size=size)
        for index, (table, address, size) in enumerate(places)
    ]


@pytest.mark.parametrize(
    ("places", "coalesce", "max_read", "wanted"),
    [
        ([("holding", 0, 1), ("holding", 1, 2)], 0, 125, ["holding 0 to 2"]),
        ([("holding", 1, 2), ("holding", 0, 1)], 0, 125, ["holding 0 to 2"]),
        ([("holding", 0, 1), ("holding", 2, 1)], 0, 125, ["holding 0", "holding 2"]),
        ([("holding", 0, 1), ("holding", 2, 1)], 1, 125, ["holding 0 to 2"]),
        ([("holding", 0, 1), ("input", 1, 1)], 9, 125, ["holding 0", "input 1"]),
        ([("holding", 0, 2), ("holding", 2, 2)], 0, 3, ["holding 0 to 1", "holding 2 to 3"]),
        ([("coil", 0, 1), ("coil", 1, 1)], 0, 1, ["coil 0 to 1"]),
        ([("holding", 0, 4), ("holding", 1, 1)], 0, 125, ["holding 0 to 3"]),
    ],
)
def test_neighbours_are_read_together(
    places: list[tuple[str, int, int]], coalesce: int, max_read: int, wanted: list[str]
) -> None:
    slave = Slave("m", 1, coalesce=coalesce, max_read=max_read)

    assert [str(block) for block in blocks(registers(*places), slave)] == wanted


PLACES = st.lists(
    st.tuples(
        st.sampled_from(["coil", "holding", "input"]), st.integers(0, 300), st.integers(1, 4)
    ),
    min_size=1,
    max_size=40,
)


@given(PLACES, st.integers(0, 20), st.integers(4, 125))
def test_every_register_is_read_once_and_no_request_is_too_large(
    places: list[tuple[str, int, int]], coalesce: int, max_read: int
) -> None:
    wanted = registers(*places)

    made = blocks(wanted, Slave("m", 1, coalesce=coalesce, max_read=max_read))

    assert sorted(one.name for block in made for one in block.registers) == sorted(
        one.name for one in wanted
    )
    for block in made:
        assert block.table in BIT_TABLES or block.size <= max_read
        for register in block.registers:
            values = range(block.address, block.address + block.size)
            at = register.address
            assert block.part(values, register) == range(at, at + register.size)
