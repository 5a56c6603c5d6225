"""What a check may be told. Truth: docs/serial/framing.md, "Checks"."""

from __future__ import annotations

import pytest

from leafnode.config.crc_catalog import CATALOG, CrcOptions
from leafnode.config.serial_stage_options import CheckOptions
from tests.unit.config.test_serial_framing import port, refused


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", CheckOptions()),
        ("check: none", CheckOptions()),
        ("check: xor8", CheckOptions("xor8")),
        ("check { type: sum16, form: little }", CheckOptions("sum16", form="little")),
        (
            "check: crc16_modbus",
            CheckOptions("crc16_modbus", CATALOG["crc16_modbus"][0], form="little"),
        ),
        (
            "check: crc16_xmodem",
            CheckOptions("crc16_xmodem", CATALOG["crc16_xmodem"][0], form="big"),
        ),
        ("check: crc32", CheckOptions("crc32", CATALOG["crc32_iso_hdlc"][0], form="little")),
        (
            "check { type: crc16, poly: 0x8005, init: 0xFFFF, reflect: true, form: hex }",
            CheckOptions("crc16", CATALOG["crc16_modbus"][0], form="hex"),
        ),
        (
            "check { type: crc8, poly: 0x31, reflect_in: true, xor_out: 255 }",
            CheckOptions("crc8", CrcOptions(8, 0x31, 0, True, False, 0xFF)),
        ),
        (
            "check { type: sum8, at: -2, from: 1, to: -3, over_hex: true }",
            CheckOptions("sum8", at=-2, over_from=1, over_to=-3, over_hex=True),
        ),
        ("check { type: nmea, required: false }", CheckOptions("nmea", required=False)),
        (
            "framing { type: stx_etx, after_end: 1 }, check: xor8",
            CheckOptions("xor8", at=-1),
        ),
        (
            "framing { type: stx_etx, after_end: 1 }, check { type: xor8, at: 3 }",
            CheckOptions("xor8", at=3),
        ),
        ("framing: vedirect, check: twos8", CheckOptions("twos8", at=-1)),
        ("framing { type: fixed, length: 9 }, check: sum8", CheckOptions("sum8")),
    ],
)
def test_a_check_has_the_keys_of_its_type(text: str, options: CheckOptions) -> None:
    assert port(text).check == options


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("check: crc17", 'x.conf:2:1: ….check: expected "crc16'),
        ("check: crc16", "….check: expected poly, the polynomial of this crc16"),
        ("check { type: crc8, init: 1 }", "….check.init: expected poly"),
        ("check { type: crc8, poly: 0x107 }", "….check.poly: expected a number of 8 bits"),
        ("check { type: crc16_modbus, poly: 1 }", 'x.conf:2:29: ….check: unknown field "poly"'),
        ("check { type: xor8, form: octal }", "….check.form: expected big or little or hex"),
        ("check { type: sum16, at: -1 }", "….check: expected room for the 2 bytes of the value"),
        (
            "framing { type: stx_etx, after_end: 1 }, check: crc16_arc",
            "….check: expected room for the 2 bytes of the value: at -2 or before",
        ),
        ("framing: link, check: xor8", "….check: framing link has a check of its own"),
    ],
)
def test_a_check_is_checked(text: str, error: str) -> None:
    assert error in refused(text)
