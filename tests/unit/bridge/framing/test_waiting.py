"""What waits to be taken asks for no time, in any framing: its port would look for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.framing import FRAMINGS, SPLITTERS, new_framing
from tests.unit.config.test_serial_framing import port

# What a framing cannot be without.
NEEDS = {
    "fixed": ', length: 4, start: "a"',
    "length": ', length_bytes: 1, start: "a"',
    "start_end": ', start: "a", end: "b"',
}
LINES = st.sampled_from(
    [b"a", b"b", b"\n", b"\x02x\x03", b"\x7e", b"\xc0", b"\0", b"pt t 1\n", b"hello n 1\nsub a\n"]
)


@pytest.mark.parametrize("kind", sorted({*FRAMINGS, *SPLITTERS}))
@given(st.lists(LINES | st.binary(max_size=20), max_size=30), st.integers(0, 300))
def test_bytes_that_nobody_takes_are_no_reason_to_be_asked_at_once(
    kind: str, pieces: list[bytes], pause_ms: int
) -> None:
    poll = "" if kind in {"link", "text_link"} else ", poll: x, poll_every: 1s"
    entry = f"framing {{ type: {kind}{NEEDS.get(kind, '')}{poll} }}, check: none, codec: raw"
    framing = new_framing(port(entry), b"x", lambda: 0)
    framing.opened(0)

    # As the bridge does it: bytes, or time, then what goes out, and when to come again.
    for turn, data in enumerate((b"".join(pieces), b"", b"")):
        now_ms = turn * pause_ms
        framing.receive(data, now_ms)
        framing.data_to_send(now_ms)
        due_ms = framing.next_timeout_ms(now_ms)
        if due_ms == 0:
            framing.receive(b"", now_ms)
            framing.data_to_send(now_ms)
            due_ms = framing.next_timeout_ms(now_ms)

        assert due_ms != 0
