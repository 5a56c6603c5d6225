"""Telegrams of smart meters; whole ones with their CRC are in tests/unit/bridge/test_presets.py."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.codecs.dsmr import decode_dsmr
from leafnode.bridge.reading import BadReading


def telegram(*lines: str) -> bytes:
    return "\r\n".join(["ISk5\\2MT382-1000", "", *lines, ""]).encode()


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("1-0:1.8.1(123456.789*kWh)", "energy_import_1_kwh", 123456.789),
        ("1-0:1.7.0(01.193*kW)", "power_import_kw", 1.193),
        ("1-0:1.7.0(000000286*W)", "power_import_kw", 0.286),
        ("1-0:32.7.0(220.1*V)", "voltage_l1_v", 220.1),
        ("1-0:71.7.0(003*A)", "current_l3_a", 3),
        ("1-0:61.7.0(03.333*kW)", "power_import_l3_kw", 3.333),
        ("0-0:96.14.0(0002)", "tariff", "0002"),
        ("0-0:96.7.21(00004)", "failures", 4),
        ("0-0:1.0.0(101209113020W)", "time", "2010-12-09T11:30:20+01:00"),
        ("0-0:1.0.0(100709113020S)", "time", "2010-07-09T11:30:20+02:00"),
        ("1-3:0.2.8(50)", "version", "50"),
        ("0-0:96.13.0()", "message", ""),
        ("1-0:99.1.2(5*X)", "1-0:99.1.2_x", 5),
        ("0-1:24.1.0(003)", "mbus1_type", "003"),
        ("0-2:96.1.0(3232)", "mbus2_id", "3232"),
        ("0-1:24.2.1(101209112500W)(12785.123*m3)", "mbus1_m3", 12785.123),
        ("0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00001.001)", "mbus1_m3", 1.001),
    ],
)
def test_an_object(line: str, name: str, value: object) -> None:
    assert decode_dsmr(telegram(line))[name] == value


def test_the_failure_log_keeps_its_entries() -> None:
    line = "1-0:99.97.0(1)(0-0:96.7.19)(101208152415W)(0000000240*s)"

    assert decode_dsmr(telegram(line))["failure_log"] == [
        "1",
        "0-0:96.7.19",
        "101208152415W",
        "0000000240*s",
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"ISk5",
        telegram(),
        telegram("noise"),
        telegram("1-0:1.7.0"),
        telegram("0-0:1.0.0(x)"),
        telegram("0-1:24.2.1(x)(1*m3)"),
        telegram(*(f"1-0:{number % 250}.{number // 250}.9(1)" for number in range(300))),
        telegram("1-0:1.7.0(\xff"),
    ],
)
def test_what_is_no_telegram_is_bad(payload: bytes) -> None:
    with pytest.raises(BadReading):
        decode_dsmr(payload)


@given(
    st.lists(
        st.sampled_from(["0-1:24.2.1", "0-0:1.0.0", "1-0:1.7.0", "(", ")", "1*kW", "\r\n", "()"])
    )
)
def test_garbage_is_values_that_json_has_or_bad(parts: list[str]) -> None:
    try:
        fields = decode_dsmr(telegram("".join(parts)))
    except BadReading:
        return
    assert msgspec.json.encode(fields)
