"""What a framing may be told. Truth: docs/serial/framing.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.config.serial_stage_options import FramingOptions
from leafnode.errors import ConfigError

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort


def port(text: str) -> SerialPort:
    whole = f"serial {{ ports [ {{ device: /d, name: n, subject: s\n{text} }} ] }}"
    serial = bind(parse(whole, "x.conf")).serial
    assert serial is not None
    return serial.ports[0]


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        port(text)
    return str(caught.value).replace("serial.ports[0]", "…")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("framing: slip", FramingOptions("slip")),
        (
            "framing { type: line, keep_first: true, max_frame: 80 }",
            FramingOptions(keep_first=True, max_frame_bytes=80),
        ),
        (
            'framing { type: fixed, length: 10, start: "hex:AA C0", end: "hex:AB", strip: false }',
            FramingOptions("fixed", start=b"\xaa\xc0", end=b"\xab", length=10, strip=False),
        ),
        (
            'framing { type: fixed, length: 2000, start: "x" }',
            FramingOptions("fixed", start=b"x", length=2000, max_frame_bytes=2000),
        ),
        (
            "framing { type: length, start: BM, length_bytes: 2, length_add: 4, length_min: 8 }",
            FramingOptions(
                "length", start=b"BM", length_at=2, length_bytes=2, length_add=4, length_min=8
            ),
        ),
        (
            "framing { type: length, start: B, length_at: 3, length_order: little }",
            FramingOptions("length", start=b"B", length_at=3, length_big=False),
        ),
        (
            'framing { type: start_end, start: "/", end: "!", after_end: 6 }',
            FramingOptions("start_end", start=b"/", end=b"!", after_end=6),
        ),
        (
            "framing { type: stx_etx, escape: double }",
            FramingOptions("stx_etx", escape="double"),
        ),
        ("framing { type: idle, gap: 20ms }", FramingOptions("idle", gap_ns=20 * NS_PER_MS)),
        ("framing { type: idle, chars: 10 }", FramingOptions("idle", gap_chars=10.0)),
        ("framing { type: raw, every: 1s }", FramingOptions("raw", every_ns=NS_PER_S)),
        ("framing: vedirect", FramingOptions("vedirect", after_end=1)),
        (
            r'framing { type: line, poll: "SI\r\n", poll_every: 2s }',
            FramingOptions(poll=b"SI\r\n", poll_every_ns=2 * NS_PER_S),
        ),
        ("framing: line, max_frame: 99", FramingOptions(max_frame_bytes=99)),
        ("framing: text_link, keep_first: true", FramingOptions("text_link", keep_first=True)),
    ],
)
def test_a_framing_has_the_keys_of_its_type(text: str, options: FramingOptions) -> None:
    assert port(text).framing == options


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("framing { type: line, start: x }", 'x.conf:2:23: ….framing: unknown field "start"'),
        ("framing { type: fixed }", "x.conf:2:1: ….framing: expected length"),
        ("framing { type: fixed, length: 9 }", "….framing: expected start, end or a check"),
        ("framing { type: length }", "….framing: expected start, end or a check"),
        (
            "framing { type: fixed, length: 2, start: ab }",
            "x.conf:2:24: ….framing.length: expected more than the 2 bytes",
        ),
        (
            "framing { type: fixed, length: 90, start: a, max_frame: 80 }",
            "….framing.length: expected at most max_frame, 80 bytes",
        ),
        ("framing { type: start_end, start: a }", "….framing: expected end"),
        ("framing { type: start_end, end: a }", "….framing: expected start"),
        (
            "framing { type: start_end, start: ab, end: b }",
            "x.conf:2:39: ….framing.end: expected an end mark that differs",
        ),
        (
            "framing { type: start_end, start: abc, end: xyz, max_frame: 6 }",
            "….framing.max_frame: expected more than 6, for the marks",
        ),
        (
            "framing { type: length, start: a, length_bytes: 3 }",
            "….framing.length_bytes: expected 1, 2 or 4 bytes, got 3",
        ),
        ("framing { type: idle, gap: 1s, chars: 3 }", "….framing.chars: expected either"),
        ("framing { type: idle, chars: 0.5 }", "….framing.chars: expected 1 to 1000 characters"),
        ("framing { type: idle, chars: x }", "….framing.chars: expected a number of characters"),
        ("framing { type: line, poll: a }", "….framing: expected poll_every beside poll"),
        ("framing { type: line, poll_every: 1s }", "….framing.poll_every: expected poll"),
        ("framing: raw, keep_first: true", "….keep_first: framing raw has no keep_first"),
        (
            "framing { type: line, max_frame: 9 }, max_frame: 8",
            "x.conf:2:39: ….max_frame: expected max_frame only once",
        ),
        ("framing { max_frame: 9 }", "….framing: expected a type: line or cobs or"),
    ],
)
def test_a_framing_is_checked(text: str, error: str) -> None:
    assert error in refused(text)
