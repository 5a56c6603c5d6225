"""Sentences of NMEA 0183. They are the examples of gpsd's "NMEA Revealed" and of the NMEA FAQ."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.checks.nmea import NmeaCheck
from leafnode.bridge.codecs.nmea import decode_nmea
from leafnode.bridge.codecs.nmea_sentences import SENTENCES
from leafnode.bridge.reading import BadReading
from leafnode.config import serial_bounds

EXAMPLES = {
    b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A": {
        "talker": "GP",
        "type": "RMC",
        "time": "12:35:19",
        "status": "A",
        "latitude": 48.1173,
        "longitude": 11.5166667,
        "speed_knots": 22.4,
        "course": 84.4,
        "date": "1994-03-23",
        "variation": -3.1,
    },
    b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47": {
        "talker": "GP",
        "type": "GGA",
        "time": "12:35:19",
        "latitude": 48.1173,
        "longitude": 11.5166667,
        "quality": 1,
        "satellites": 8,
        "hdop": 0.9,
        "altitude_m": 545.4,
        "geoid_m": 46.9,
        "dgps_age_s": None,
        "dgps_station": None,
    },
    b"$GPVTG,054.7,T,034.4,M,005.5,N,010.2,K*48": {
        "talker": "GP",
        "type": "VTG",
        "course": 54.7,
        "course_magnetic": 34.4,
        "speed_knots": 5.5,
        "speed_kmh": 10.2,
    },
    b"$GPGLL,4916.45,N,12311.12,W,225444,A*31": {
        "talker": "GP",
        "type": "GLL",
        "latitude": 49.2741667,
        "longitude": -123.1853333,
        "time": "22:54:44",
        "status": "A",
    },
    b"$GPHDT,274.07,T*03": {"talker": "GP", "type": "HDT", "heading": 274.07},
    b"$SDDBT,7.8,f,2.4,M,1.3,F*0D": {
        "talker": "SD",
        "type": "DBT",
        "depth_ft": 7.8,
        "depth_m": 2.4,
        "depth_fathoms": 1.3,
    },
    b"$WIMWV,214.8,R,0.1,K,A*28": {
        "talker": "WI",
        "type": "MWV",
        "wind_angle": 214.8,
        "reference": "R",
        "wind_speed": 0.1,
        "wind_unit": "K",
        "status": "A",
    },
    b"$PGRME,15.0,M,45.0,M,25.0,M*1C": {
        "talker": "P",
        "type": "GRME",
        "fields": [15.0, "M", 45.0, "M", 25.0, "M"],
    },
    b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C": {
        "talker": "AI",
        "type": "VDM",
        "fields": [1, 1, None, "B", "177KQJ5000G?tO`K>RA1wUbN0TKH", 0],
    },
}


@pytest.mark.parametrize("sentence", EXAMPLES)
def test_the_published_examples(sentence: bytes) -> None:
    assert NmeaCheck(required=True).verify(sentence, 0, 0) == 3
    assert decode_nmea(sentence[:-3]) == EXAMPLES[sentence]
    assert decode_nmea(sentence) == EXAMPLES[sentence], "the check may still stand there"


def test_satellites_in_use() -> None:
    fields = decode_nmea(b"$GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1")

    assert fields["fix"] == 3
    assert fields["satellite_2"] == 5
    assert fields["satellite_3"] is None
    assert (fields["pdop"], fields["hdop"], fields["vdop"]) == (2.5, 1.3, 2.1)


def test_satellites_in_view_are_a_list() -> None:
    fields = decode_nmea(b"$GPGSV,2,1,08,01,40,083,46")

    assert fields["in_view"] == 8
    assert fields["satellites"] == [1, 40, 83, 46]


def test_each_of_a_satellites_numbers_is_one_whatever_its_digits() -> None:
    """Satellite 03 was a text and satellite 13 a number; a signal's id (4.10) is a digit in hex."""
    fields = decode_nmea(b"$GBGSV,1,1,02,03,00,009,,13,06,292,00,B")

    assert fields["satellites"] == [3, 0, 9, None, 13, 6, 292, 0, "B"]


def test_a_transducers_texts_stay_texts() -> None:
    fields = decode_nmea(b"$HCXDR,A,-0.8,D,PITCH,C,021.5,C,007")

    assert fields["transducers"] == ["A", -0.8, "D", "PITCH", "C", 21.5, "C", "007"]


def test_a_fraction_of_a_second_stays() -> None:
    assert decode_nmea(b"$GNZDA,201530.50,04,07,2002,00,00")["time"] == "20:15:30.5"
    assert decode_nmea(b"$GNZDA,201530.00,04,07,2002,00,00")["time"] == "20:15:30"


def test_a_receiver_without_a_fix_has_no_values() -> None:
    fields = decode_nmea(b"$GPRMC,,V,,,,,,,,,,N")

    assert fields["status"] == "V"
    assert fields["latitude"] is fields["date"] is fields["variation"] is None
    assert fields["mode"] == "N"


@pytest.mark.parametrize(
    "sentence",
    [
        b"",
        b"GPRMC,1",
        b"$gprmc,1",
        b"$GP,1",
        b"$RMC,123519",
        b"$GPHDT,abc,T",
        b"$GPRMC,993519,A",
        b"$GPRMC,123519,A,4807.038,X,01131.000,E",
        b"$GPRMC,123519,A,9x07.038,N,01131.000,E",
        b"$GPRMC,123519,A,18107.038,N,01131.000,E",
        b"$GPRMC,123519,A,4807.038,N,01131.000,E,1,2,990394",
        b"$GP\xff",
        b"$GPXXX" + b"," * 129,
    ],
)
def test_what_is_no_sentence_is_bad(sentence: bytes) -> None:
    with pytest.raises(BadReading):
        decode_nmea(sentence)


@given(
    st.sampled_from(sorted(SENTENCES)),
    st.lists(st.sampled_from(["", "1", "4807.038", "N", "W", "123519", "230394", "A", "x", "1e9"])),
)
def test_any_fields_are_values_that_json_has_or_bad(kind: str, fields: list[str]) -> None:
    sentence = f"$GP{kind},{','.join(fields)}".encode()
    try:
        values = decode_nmea(sentence)
    except BadReading:
        return
    assert msgspec.json.encode(values)
    assert len(values) <= serial_bounds.READING_FIELDS_MAX
