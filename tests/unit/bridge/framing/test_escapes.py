"""Escapes are taken out in pieces, as they would be in one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.framing.escapes import Escape
from leafnode.bridge.port_bounds import FRAME_STEP_BYTES
from leafnode.slices import finish

SLIP = Escape(0xDB, {0xDC: 0xC0, 0xDD: 0xDB})
ANY = Escape(0x10, {byte: byte ^ 0x20 for byte in range(256)})


def plain(encoded: bytes, mark: int, table: dict[int, int]) -> bytes | None:
    """The definition, one byte at a time."""
    found = bytearray()
    rest = iter(encoded)
    for byte in rest:
        meant = table.get(next(rest, -1), -1) if byte == mark else byte
        if meant < 0:
            return None
        found.append(meant)
    return bytes(found)


@given(
    st.integers(FRAME_STEP_BYTES - 4, FRAME_STEP_BYTES + 4),
    st.lists(st.sampled_from([b"a", b"\x10", b"\x10\x10", b"\x10a", b"\x10" * 1023]), max_size=8),
)
def test_a_pair_is_not_torn_where_a_piece_ends(size: int, parts: list[bytes]) -> None:
    encoded = b"x" * size + b"".join(parts)
    table = {byte: byte ^ 0x20 for byte in range(256)}

    assert finish(ANY.removed(encoded)) == plain(encoded, 0x10, table)


@given(st.lists(st.sampled_from([b"a" * 1022, b"\xdb\xdc", b"\xdb\xdd", b"\xdb", b"\xdd"])))
def test_a_wrong_pair_is_seen_wherever_it_is(parts: list[bytes]) -> None:
    encoded = b"".join(parts)

    assert finish(SLIP.removed(encoded)) == plain(encoded, 0xDB, {0xDC: 0xC0, 0xDD: 0xDB})


def test_a_step_is_bounded() -> None:
    encoded = b"\x10a" * 5 * FRAME_STEP_BYTES

    assert sum(1 for _ in ANY.removed(encoded)) == 9  # between ten pieces
