"""Every preset reads the frames of its datasheet: from the bytes of the line to the fields.

Where a frame comes from stands beside it. Those that no public source prints whole are made by the
rules of the source that is named, and say so.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.bridge.codecs import new_codec
from leafnode.bridge.framing import new_framing
from leafnode.bridge.mapping.fields import FieldMap
from leafnode.bridge.reading import BadReading, Reading
from leafnode.config.serial_presets import PRESETS
from tests.unit.config.test_serial_framing import port

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort

# The telegram of ndokter/dsmr_parser, test/example_telegrams.py, TELEGRAM_V5, of a real meter whose
# numbers were made up; its CRC 6EEE is the meter's rule (P1 Companion Standard 5.0.2, 5.12).
DSMR_V5 = (
    b"/ISk5\\2MT382-1000\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(170102192002W)\r\n"
    b"0-0:96.1.1(4B384547303034303436333935353037)\r\n1-0:1.8.1(000004.426*kWh)\r\n"
    b"1-0:1.8.2(000002.399*kWh)\r\n1-0:2.8.1(000002.444*kWh)\r\n1-0:2.8.2(000000.000*kWh)\r\n"
    b"0-0:96.14.0(0002)\r\n1-0:1.7.0(00.244*kW)\r\n1-0:2.7.0(00.000*kW)\r\n0-0:96.7.21(00013)\r\n"
    b"0-0:96.7.9(00000)\r\n1-0:99.97.0(0)(0-0:96.7.19)\r\n1-0:32.32.0(00000)\r\n"
    b"1-0:52.32.0(00000)\r\n1-0:72.32.0(00000)\r\n1-0:32.36.0(00000)\r\n1-0:52.36.0(00000)\r\n"
    b"1-0:72.36.0(00000)\r\n0-0:96.13.0()\r\n1-0:32.7.0(0230.0*V)\r\n1-0:52.7.0(0230.0*V)\r\n"
    b"1-0:72.7.0(0229.0*V)\r\n1-0:31.7.0(0.48*A)\r\n1-0:51.7.0(0.44*A)\r\n1-0:71.7.0(0.86*A)\r\n"
    b"1-0:21.7.0(00.070*kW)\r\n1-0:41.7.0(00.032*kW)\r\n1-0:61.7.0(00.142*kW)\r\n"
    b"1-0:22.7.0(00.000*kW)\r\n1-0:42.7.0(00.000*kW)\r\n1-0:62.7.0(00.000*kW)\r\n"
    b"0-1:24.1.0(003)\r\n0-1:96.1.0(3232323241424344313233343536373839)\r\n"
    b"0-1:24.2.1(170102161005W)(00000.107*m3)\r\n0-2:24.1.0(003)\r\n0-2:96.1.0()\r\n!6EEE\r\n"
)

# Fields by the "VE.Direct Protocol" 3.34 document, an MPPT's block; its checksum by that rule.
_BLOCK = b"\r\nPID\t0xA042\r\nFW\t112\r\nV\t12740\r\nI\t-20\r\nVPV\t0\r\nLOAD\tON\r\nChecksum\t"

FRAMES: dict[str, tuple[bytes, dict[str, Any]]] = {
    # The frame that aqicn.org's page on the PMS5003 shows: 32 bytes, sum 03C5.
    "pms5003": (
        bytes.fromhex("424d001c0005000d00160005000d001602fd00fc001d000f00060006970003c5"),
        {
            "pm1_standard": 5,
            "pm2_5_standard": 13,
            "pm10_standard": 22,
            "pm1": 5,
            "pm2_5": 13,
            "pm10": 22,
            "count_0_3": 765,
            "count_0_5": 252,
            "count_1": 29,
            "count_2_5": 15,
            "count_5": 6,
            "count_10": 6,
            "version": 0x97,
            "error": 0,
        },
    ),
    # Nova Fitness "Laser Dust Sensor Control Protocol" V1.3, its example: 1236 and 2618.
    "sds011": (
        bytes.fromhex("aac0d4043a0aa1601dab"),
        {"pm2_5": 123.6, "pm10": 261.8, "id": 0x60A1},
    ),
    # Winsen MH-Z19 manual V1.0, the example of command 0x86: 608 ppm. The byte 47 is 31 °C.
    "mhz19": (
        bytes.fromhex("ff86026047000000d1"),
        {"co2": 608, "temperature": 31, "status": 0},
    ),
    # Made by the tables of the Rice Lake 680 manual and the sum of Rockwell 57C428, appendix D.
    "toledo": (
        (frame := b"\x02\x2c\x31\x20  1234   200\r") + bytes((-sum(frame) & 0x7F,)),
        {
            "weight": 12.34,
            "tare": 2.0,
            "unit": "kg",
            "net": True,
            "stable": True,
            "out_of_range": False,
        },
    ),
    # The answer that the MT-SICS reference manual gives for S.
    "sics": (
        b"S S     100.00 g\r\n",
        {"weight": 100.0, "unit": "g", "stable": True, "load": "ok"},
    ),
    "dsmr": (
        DSMR_V5,
        {
            "identification": "ISk5\\2MT382-1000",
            "version": "50",
            "time": "2017-01-02T19:20:02+01:00",
            "meter": "4B384547303034303436333935353037",
            "energy_import_1_kwh": 4.426,
            "energy_import_2_kwh": 2.399,
            "energy_export_1_kwh": 2.444,
            "energy_export_2_kwh": 0.0,
            "tariff": "0002",
            "power_import_kw": 0.244,
            "power_export_kw": 0.0,
            "failures": 13,
            "long_failures": 0,
            "failure_log": ["0", "0-0:96.7.19"],
            **{f"sags_l{phase}": 0 for phase in (1, 2, 3)},
            **{f"swells_l{phase}": 0 for phase in (1, 2, 3)},
            "message": "",
            "voltage_l1_v": 230.0,
            "voltage_l2_v": 230.0,
            "voltage_l3_v": 229.0,
            "current_l1_a": 0.48,
            "current_l2_a": 0.44,
            "current_l3_a": 0.86,
            "power_import_l1_kw": 0.07,
            "power_import_l2_kw": 0.032,
            "power_import_l3_kw": 0.142,
            **{f"power_export_l{phase}_kw": 0.0 for phase in (1, 2, 3)},
            "mbus1_type": "003",
            "mbus1_id": "3232323241424344313233343536373839",
            "mbus1_time": "2017-01-02T16:10:05+01:00",
            "mbus1_m3": 0.107,
            "mbus2_type": "003",
            "mbus2_id": "",
        },
    ),
    "vedirect": (
        _BLOCK + bytes((-sum(_BLOCK) & 0xFF,)),
        {"PID": "0xA042", "FW": 112, "V": 12740, "I": -20, "VPV": 0, "LOAD": "ON"},
    ),
    # GS1 General Specifications, section 7.8: an item with its weight.
    "gs1": (
        b"]C101950123456789033103001750\r\n",
        {
            "code": "01950123456789033103001750",
            "symbology": "C1",
            "gtin": "95012345678903",
            "net_weight_kg": 1.75,
        },
    ),
    # The example that the pages on NMEA 0183 share.
    "nmea": (
        b"$GPGLL,4916.45,N,12311.12,W,225444,A*31\r\n",
        {
            "talker": "GP",
            "type": "GLL",
            "latitude": 49.2741667,
            "longitude": -123.1853333,
            "time": "22:54:44",
            "status": "A",
        },
    ),
}
PRESET = pytest.mark.parametrize("name", PRESETS)
PAGE = Path(__file__).parents[3] / "docs" / "serial" / "presets.md"
# What the page shows beside the presets, by its comment: the line, a frame and what it says.
VARIANTS: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "a Toledo scale without the check": (
        "9600 8N1",
        FRAMES["toledo"][0][:-1],
        FRAMES["toledo"][1],
    ),
    # Made by the rules of "Dutch Smart Meter Requirements", P1, 2.2: no CRC, nothing behind "!".
    "a meter of DSMR 2.2 or 3, which has no CRC and 7E1": (
        "9600 7E1",
        b"/ISk5\\2ME382-1003\r\n\r\n1-0:1.8.1(00608.400*kWh)\r\n1-0:1.7.0(0001.51*kW)\r\n!\r\n",
        {
            "identification": "ISk5\\2ME382-1003",
            "energy_import_1_kwh": 608.4,
            "power_import_kw": 1.51,
        },
    ),
    # The message that gpsd's page on AIVDM takes apart first.
    "a receiver of AIS": (
        "38400 8N1",
        b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\r\n",
        {
            "talker": "AI",
            "type": "VDM",
            "fields": [1, 1, None, "B", "177KQJ5000G?tO`K>RA1wUbN0TKH", 0],
        },
    ),
}


def options_of(name: str) -> SerialPort:
    # The first bytes after the opening are a whole frame here, not the tail of one.
    kind = port(f"preset: {name}").framing.type
    keep = ", framing { keep_first: true }" if kind == "line" else ""
    return port(f"preset: {name}{keep or (', keep_first: true' if kind == 'vedirect' else '')}")


def variants() -> dict[str, str]:
    """Return the entries of the page by their comments."""
    block = PAGE.read_text().split("```")[1]
    return dict(re.findall(r"^# (.*)\n(.*)$", block, re.MULTILINE))


def read(options: SerialPort, line: bytes) -> tuple[list[dict[str, Any]], Any]:
    framing = new_framing(options, b"x", lambda: 0)
    framing.opened(0)
    framing.receive(line, 0)
    codec, fields = new_codec(options), FieldMap(options.mapping)
    readings = []
    while isinstance(event := framing.next_event(), Reading):
        try:
            decoded = codec(event.payload)
        except BadReading:
            continue
        assert isinstance(decoded, dict)
        readings.append(fields.mapped(decoded))
    return readings, framing.counts()


@PRESET
def test_the_frame_of_the_datasheet(name: str) -> None:
    line, wanted = FRAMES[name]

    readings, counts = read(options_of(name), line)

    assert readings == [wanted]
    assert json.dumps(readings)
    assert (counts.bad, counts.noise_bytes) == (0, 0)


@PRESET
def test_frames_behind_each_other_with_noise_and_a_torn_one_between(name: str) -> None:
    line, wanted = FRAMES[name]

    readings, _ = read(options_of(name), line + line[: len(line) // 2] + line * 3)

    assert readings[:1] + readings[-2:] == [wanted] * 3
    assert all(reading == wanted for reading in readings)


@pytest.mark.parametrize("name", [name for name in PRESETS if "check" in PRESETS[name]])
def test_no_wrong_bit_is_a_reading_of_other_values(name: str) -> None:
    options = options_of(name)
    line, wanted = FRAMES[name]
    for index in range(len(line)):
        wrong = bytearray(line)
        wrong[index] ^= 0x10
        readings, _ = read(options, bytes(wrong))
        assert readings in ([], [wanted]), index


@pytest.mark.parametrize(
    ("name", "question"), [("mhz19", bytes.fromhex("ff0186000000000079")), ("sics", b"SI\r\n")]
)
def test_polled_sensors_are_asked(name: str, question: bytes) -> None:
    framing = new_framing(options_of(name), b"x", lambda: 0)
    framing.opened(0)

    assert framing.data_to_send(0) == question
    assert framing.next_timeout_ms(0) == options_of(name).framing.poll_every_ns // 1_000_000


def test_each_variant_of_the_page_has_a_frame() -> None:
    assert list(variants()) == list(VARIANTS)


@pytest.mark.parametrize("said", VARIANTS)
def test_a_variant_of_the_page_is_the_line_and_the_frames_of_its_comment(said: str) -> None:
    line, frame, wanted = VARIANTS[said]
    options = port(variants()[said])

    readings, counts = read(options, frame * 3)

    form = f"{options.data_bits}{options.parity[0].upper()}{options.stop_bits}"
    assert f"{options.baud} {form}" == line
    assert readings[-2:] == [wanted] * 2
    assert counts.bad == 0
