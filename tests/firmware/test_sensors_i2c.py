"""BME280 and SCD4x on a fake bus, with the figures of their datasheets.

Runs on CPython and MicroPython.
"""

import struct

from sensors import bme280, crc8, scd4x

from tests.firmware.buses import Commands, Registers
from tests.unit.link.wire import raises

# Bosch BST-BMP280-DS001, section 3.12: the worked example. The BME280 has the same formula for
# temperature and pressure; its own datasheet has no example, and none for humidity.
T = (27504, 26435, -1000)
P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
RAW_T = 519888
RAW_P = 415148
# A sensor's own calibration; the expectation comes from the datasheet's integer formula below.
H = (75, 370, 0, 313, 50, 30)
RAW_H = 0x6B4C


def sensor(raw_t=RAW_T, raw_p=RAW_P, raw_h=RAW_H):
    """Return the registers of a BME280 with the example's calibration."""
    bus = Registers(bme280.ADDRESS)
    bus.put(0x88, struct.pack("<HhhHhhhhhhhh", *(T + P)) + b"\x00" + bytes([H[0]]))
    h4, h5 = H[3], H[4]
    shared = (h4 & 0x0F) | (h5 & 0x0F) << 4
    bus.put(0xE1, struct.pack("<hBbBbb", H[1], H[2], h4 >> 4, shared, h5 >> 4, H[5]))
    bus.put(0xD0, b"\x60")
    measured(bus, raw_t, raw_p, raw_h)
    return bus


def measured(bus, raw_t, raw_p, raw_h):
    for register, raw in ((0xF7, raw_p), (0xFA, raw_t)):
        bus.put(register, bytes([raw >> 12, raw >> 4 & 0xFF, (raw & 0x0F) << 4]))
    bus.put(0xFD, bytes([raw_h >> 8, raw_h & 0xFF]))


def humidity_q22(raw, h, fine):
    """Return 1/1024 percent: the integer formula of BST-BME280-DS002, section 4.2.3."""
    h1, h2, h3, h4, h5, h6 = h
    x = fine - 76800
    left = ((raw << 14) - (h4 << 20) - h5 * x + 16384) >> 15
    right = (((x * h6) >> 10) * (((x * h3) >> 11) + 32768)) >> 10
    x = left * (((right + 2097152) * h2 + 8192) >> 14)
    x = x - (((((x >> 15) * (x >> 15)) >> 7) * h1) >> 4)
    return min(max(x, 0), 419430400) >> 12


def test_temperature_and_pressure_are_those_of_the_datasheets_example():
    fine = bme280.fine_temperature(RAW_T, T)

    assert int(fine) == 128422
    assert round(fine / 5120, 2) == 25.08
    assert round(bme280.pressure_pa(RAW_P, P, fine), 2) == 100653.27


def test_humidity_agrees_with_the_datasheets_integer_formula():
    for raw in range(0x4000, 0x9000, 0x0333):
        for celsius in (-20, 0, 25, 60):
            fine = celsius * 5120

            percent = bme280.humidity_percent(raw, H, fine)

            assert abs(percent - humidity_q22(raw, H, fine) / 1024) < 0.05, (raw, celsius)


def test_a_calibration_of_twelve_bits_keeps_its_sign():
    first = struct.pack("<HhhHhhhhhhhh", *(T + P)) + b"\x00\x4b"
    second = struct.pack("<hBbBbb", 370, 0, -13, 0xC7, -2, 30)

    _, _, h = bme280.calibration(first, second)

    assert h == (75, 370, 0, -13 * 16 + 7, -2 * 16 + 12, 30)


def test_a_division_by_a_calibration_of_zero_does_not_happen():
    assert bme280.pressure_pa(RAW_P, (0,) * 9, 128422.0) == 0.0


def test_a_bme280_is_set_up_at_the_first_read_only():
    bus = sensor()
    one = bme280.Bme280(bus)

    subjects = [subject for subject, read in one.sensors("room.") if read() is not None]

    assert subjects == ["room.temperature", "room.pressure", "room.humidity"]
    # ctrl_hum counts only with the write of ctrl_meas that follows it.
    assert bus.written == [(0xF5, 0x80), (0xF2, 0x01), (0xF4, 0x27)]
    one.temperature()
    assert len(bus.written) == 3


def started(bus):
    """Return a sensor that was set up."""
    one = bme280.Bme280(bus)
    bus.bytes[0xF4] = 0x27
    return one


def test_the_three_values_have_units_and_the_sensors_resolution():
    one = started(sensor())

    values = [read() for _, read in one.sensors()]

    assert values[:2] == [25.08, 1006.53]
    assert abs(values[2] - humidity_q22(RAW_H, H, 128422) / 1024) < 0.1


def test_before_the_first_measurement_there_is_nothing():
    one = started(sensor(raw_t=0x80000, raw_p=0x80000, raw_h=0x8000))

    assert [read() for _, read in one.sensors()] == [None, None, None]


def test_a_value_that_is_not_measured_is_not_told():
    one = started(sensor(raw_h=0x8000))

    values = [read() for _, read in one.sensors()]

    assert values[0] == 25.08
    assert values[2] is None


def test_another_chip_is_refused():
    bus = sensor()
    bus.put(0xD0, b"\x58")  # a BMP280

    err = raises(OSError, bme280.Bme280(bus).temperature)

    assert "0x58" in str(err)


def test_a_chip_that_is_copying_its_calibration_is_not_believed():
    bus = sensor()
    bus.put(0xF3, b"\x01")

    raises(OSError, bme280.Bme280(bus).temperature)


def test_a_sensor_that_went_and_came_back_is_set_up_again_and_tells_nothing_old():
    bus = sensor()
    one = started(bus)
    one.temperature()
    bus.absent = True
    raises(OSError, one.temperature)
    assert (one.pressure(), one.humidity()) == (None, None)
    bus.absent = False
    bus.put(0xF2, bytes(4))
    bus.written = []

    one.temperature()

    assert (0xF4, 0x27) in bus.written


def test_a_sensor_that_lost_its_settings_is_set_up_at_the_next_read():
    bus = sensor()
    one = started(bus)
    one.temperature()
    bus.put(0xF2, bytes(4))
    bus.written = []

    assert one.temperature() is None
    assert one.pressure() is None
    one.temperature()

    assert bus.written == [(0xF5, 0x80), (0xF2, 0x01), (0xF4, 0x27)]
    assert one.temperature() == 25.08


# Sensirion SCD4x datasheet: section 3.11 (CRC of 0xBEEF) and 3.5.2 (an answer of 500 ppm, 25
# degrees, 37 percent).
MEASUREMENT = b"\x01\xf4\x33\x66\x67\xa2\x5e\xb9\x3c"
READY = b"\x80\x06\x04"
NOT_READY = b"\x80\x00\xa2"


def test_the_crc_of_sensirion_is_that_of_its_example():
    assert crc8.sensirion(b"\xbe\xef") == 0x92
    assert crc8.sensirion(b"\x00\xbe\xef", 1, 3) == 0x92


def scd(answers=None):
    all_answers = {b"\xe4\xb8": READY, b"\xec\x05": MEASUREMENT}
    all_answers.update(answers or {})
    bus = Commands(scd4x.ADDRESS, all_answers)
    waits = []
    return scd4x.Scd4x(bus, waits.append), bus, waits


def word(value):
    data = bytes([value >> 8, value & 0xFF])
    return data + bytes([crc8.sensirion(data)])


def test_an_scd4x_tells_what_the_datasheets_example_says():
    one, bus, waits = scd({b"\xe4\xb8": word(0x8006)})

    values = [(subject, read()) for subject, read in one.sensors("room.")]

    assert values == [("room.co2", 500), ("room.temperature", 25.0), ("room.humidity", 37.0)]
    assert bus.heard == [b"\x21\xb1", b"\xe4\xb8", b"\xec\x05"]
    assert waits == [1, 1]


def test_between_two_measurements_there_is_nothing_new():
    one, bus, _ = scd({b"\xe4\xb8": word(0x8000)})

    assert [read() for _, read in one.sensors()] == [None, None, None]
    assert b"\xec\x05" not in bus.heard


def test_a_wrong_crc_of_an_scd4x_is_no_value():
    for at in range(9):
        damaged = bytearray(MEASUREMENT)
        damaged[at] ^= 0x10
        one, _, _ = scd({b"\xe4\xb8": word(0x8006), b"\xec\x05": bytes(damaged)})

        raises(OSError, one.co2)

        assert (one.temperature(), one.humidity()) == (None, None)


def test_an_scd4x_that_measures_already_refuses_to_start_and_is_read():
    one, bus, _ = scd({b"\xe4\xb8": word(0x8006)})
    bus.refused = {b"\x21\xb1"}

    assert one.co2() == 500


def test_an_scd4x_that_says_nothing_for_long_is_started_again():
    one, bus, _ = scd({b"\xe4\xb8": word(0x8000)})
    for _ in range(31):
        one.co2()

    assert bus.heard.count(b"\x21\xb1") == 2


def test_an_scd4x_that_is_not_there_is_an_error():
    one = scd4x.Scd4x(Commands(0x10, {}), lambda _: None)

    raises(OSError, one.co2)
