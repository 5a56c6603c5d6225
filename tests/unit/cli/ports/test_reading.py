"""What a free device's bytes mean, by an entry or a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.cli.ports.errors import PortError
from leafnode.cli.ports.reading import Decoder, of_config, of_entry
from tests.unit.bridge.test_presets import FRAMES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("device", ["/dev/x", "socket://h:1", "rfc2217://h:1"])
def test_readings_are_shown_as_they_would_be_published(device: str) -> None:
    decoder = Decoder(of_entry("preset: mhz19", device))

    assert decoder.receive(FRAMES["mhz19"][0], 0) == [
        '{"co2": 608, "temperature": 31.0, "status": 0}'
    ]


def test_what_is_no_reading_is_said() -> None:
    decoder = Decoder(
        of_entry("framing { type: line, keep_first: true, max_frame: 20 }, check: nmea", "/dev/x")
    )
    csv = Decoder(
        of_entry("codec: csv, fields: [a], framing { type: line, keep_first: true }", "/d")
    )

    assert decoder.receive(b"$GPHDT,1.0,T*00\n" + b"x" * 30 + b"\n", 0) == [
        "bad frame",
        "too long for a frame",
    ]
    (line,) = csv.receive(b"1,2\n", 0)
    assert line.startswith("bad reading: ")


def test_text_that_is_none_is_shown_as_bytes() -> None:
    decoder = Decoder(of_entry("framing { type: line, keep_first: true }, codec: raw", "/dev/x"))

    assert decoder.receive(b"\xff1\n", 0) == ["\\xff1"]


def test_a_silence_ends_a_frame() -> None:
    decoder = Decoder(
        of_entry("framing { type: idle, gap: 20ms, keep_first: true }, codec: raw", "/dev/x")
    )

    assert decoder.receive(b"frame", 1000) == []
    assert decoder.wait_s(1000) == 0.02
    assert decoder.receive(b"", 1020) == ["frame"]
    assert decoder.wait_s(1020) == 3600


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("preset: nema", '--as: expected "nmea"'),
        ("framing: link", "a device link is more than listening"),
        ("framing: text_link", "a text dialect is more than listening"),
        ("codec { type: exec, function: 'm:f' }", "a function of one's own is not run here"),
        ("} ] } x {", "--as: "),
        ("}, { device: /y, name: z, subject: a", "expected what a port's entry says"),
    ],
)
def test_an_entry_that_cannot_be_listened_with_is_refused(entry: str, why: str) -> None:
    with pytest.raises(PortError) as caught:
        Decoder(of_entry(entry, "/dev/x"))

    assert why in str(caught.value)


def test_the_port_of_a_configuration_that_has_the_device_says_how(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text(
        "serial { ports [ { device: 'by-id:x', name: gps, subject: s, preset: nmea } ] }"
    )

    found = of_config(str(file), "by-id:x")

    assert found is not None
    assert (found.baud, found.codec.type) == (4800, "nmea")
    assert of_config(str(file), "by-id:y") is None
