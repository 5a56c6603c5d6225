"""The text dialect takes so many lines of a read in one go: nobody else waits for two thousand."""

from __future__ import annotations

import pytest

from leafnode.bridge.framing.text_link import TextLinkFraming
from leafnode.bridge.port_bounds import FRAME_SEARCH_STEPS
from leafnode.bridge.reading import MORE


@pytest.mark.parametrize("line", [b"\n", b"noise\n", b"sub a\n"])
def test_lines_without_an_event_are_taken_so_many_at_a_time(line: bytes) -> None:
    framing = TextLinkFraming(
        name="uno", msg_id_prefix=b"p.boot", max_frame_bytes=64, keep_first=True
    )
    framing.receive(line * 2 * FRAME_SEARCH_STEPS, 0)

    assert framing.next_event() is MORE

    assert framing._lines._start == FRAME_SEARCH_STEPS * len(line)
    assert [framing.next_event(), framing.next_event()] == [MORE, None]
