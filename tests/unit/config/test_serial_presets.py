"""A preset is what an entry would say; what the entry says itself stands above it."""

from __future__ import annotations

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.serial_options import SerialPort
from leafnode.config.serial_presets import PRESETS
from leafnode.config.serial_stage_options import FieldOptions
from tests.unit.config.test_serial_framing import port, refused
from tests.unit.config.test_serial_line import port_of


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_whole_port(name: str) -> None:
    options = port(f"preset: {name}")

    assert options.baud > 0
    assert (options.framing.type, options.check.type) != ("line", "text")


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("key", ["device", "Device"])
def test_what_it_says_of_the_line_is_left_out_where_there_is_none(name: str, key: str) -> None:
    options = port_of(f'{key}: "socket://h:1", preset: {name}')
    on_a_tty = port(f"preset: {name}")

    assert options.baud == SerialPort("d", "p", "s").baud
    assert (options.framing, options.check) == (on_a_tty.framing, on_a_tty.check)
    assert (options.codec, options.mapping) == (on_a_tty.codec, on_a_tty.mapping)
    assert port_of(f'{key}: "rfc2217://h:1", preset: {name}').baud == on_a_tty.baud


def test_single_values_stand_above_a_preset_wherever_they_are() -> None:
    assert port("preset: sds011, baud: 1200").baud == 1200
    assert port("BAUD: 1200, PRESET: sds011").baud == 1200


def test_a_block_without_a_type_changes_single_options() -> None:
    framing = port("preset: mhz19, framing { poll_every: 60s }").framing

    assert framing.poll_every_ns == 60 * NS_PER_S
    assert (framing.type, framing.length, framing.start) == ("fixed", 9, b"\xff\x86")


def test_a_block_without_a_type_changes_a_word_too() -> None:
    framing = port("preset: gs1, framing { max_frame: 80 }").framing

    assert (framing.type, framing.max_frame_bytes) == ("line", 80)


def test_a_block_with_a_type_takes_the_place_of_the_presets() -> None:
    framing = 'framing { type: fixed, length: 17, start: "\\x02", end: "\\r" }'
    options = port(f"preset: toledo, {framing}, check: none")

    assert (options.framing.length, options.framing.end) == (17, b"\r")
    assert options.check.type == "none"


def test_the_mapping_of_a_field_is_laid_over_the_presets() -> None:
    options = port("preset: sds011, mapping { fields { pm2_5 { deadband: 1 } }, select: [pm2_5] }")

    assert options.mapping.select == ("pm2_5",)
    assert options.mapping.fields == (
        FieldOptions("pm2_5", unit="µg/m³", scale=0.1, deadband=1),
        FieldOptions("pm10", unit="µg/m³", scale=0.1),
    )


def test_a_preset_used_twice_is_the_same() -> None:
    port("preset: sds011, mapping { fields { pm2_5 { scale: 7 } } }")

    assert port("preset: sds011").mapping.fields[0].scale == 0.1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("preset: pms5004", 'x.conf:2:1: ….preset: expected "pms5003", or another word'),
        ("preset: 7", "x.conf:2:1: ….preset: expected pms5003 or sds011"),
        ("preset: sds011, framing { poll: 7 }", "x.conf:2:27: ….framing.poll: expected bytes"),
        (
            "preset: sds011, mapping { select: [x] }",
            'x.conf:2:17: ….mapping: the codec has no field "x"',
        ),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, error: str) -> None:
    assert error in refused(text)
