"""DS18B20 on a fake 1-Wire bus, SDS011 on a fake line, with the figures of their datasheets.

Runs on CPython and MicroPython.
"""

from sensors import ds18b20, sds011
from sensors.crc8 import maxim

from tests.firmware.buses import Line, OneWire, Thermometer
from tests.unit.link.wire import raises

# Maxim 19-7487 (DS18B20), table 1: temperature and the two bytes of it.
TABLE = (
    (125, 0x07D0),
    (85, 0x0550),
    (25.0625, 0x0191),
    (10.125, 0x00A2),
    (0.5, 0x0008),
    (0, 0x0000),
    (-0.5, 0xFFF8),
    (-10.125, 0xFF5E),
    (-25.0625, 0xFE6F),
    (-55, 0xFC90),
)
# Maxim application note 27, figure 4: the ROM A2 00 00 00 01 B8 1C 02, highest byte first.
ROM_OF_THE_NOTE = b"\x02\x1c\xb8\x01\x00\x00\x00\xa2"
# What a genuine DS18B20 holds after power-up; figure 8 of the datasheet has 85 degrees, and 0Ch in
# byte 6 is what github.com/cpetrich/counterfeit_DS18B20 found.
POWER_UP = b"\x50\x05\x4b\x46\x7f\xff\x0c\x10\x1c"


def scratchpad(raw):
    data = bytes([raw & 0xFF, raw >> 8, 0x4B, 0x46, 0x7F, 0xFF, 16 - (raw & 0x0F), 0x10])
    return data + bytes([maxim(data, 8)])


def rom(serial):
    data = bytes([ds18b20.FAMILY]) + serial.to_bytes(6, "little")
    return data + bytes([maxim(data, 7)])


class Clock:
    def __init__(self):
        self.now_ms = 0

    def ticks_ms(self):
        return self.now_ms


def test_the_crc_is_that_of_the_application_note():
    assert maxim(ROM_OF_THE_NOTE, 7) == 0xA2
    assert maxim(POWER_UP, 8) == 0x1C


def test_temperatures_are_those_of_the_datasheets_table():
    for celsius, raw in TABLE:
        assert ds18b20.celsius(scratchpad(raw)) == celsius


def test_power_up_is_no_temperature_and_85_degrees_is_one():
    assert ds18b20.celsius(POWER_UP) is None
    assert ds18b20.celsius(scratchpad(0x0550)) == 85


def test_a_damaged_scratchpad_is_an_error_for_each_bit():
    good = scratchpad(0x0191)
    for bit in range(72):
        damaged = bytearray(good)
        damaged[bit >> 3] ^= 1 << (bit & 7)

        raises(OSError, ds18b20.celsius, bytes(damaged))


def test_a_short_circuit_whose_crc_is_right_is_an_error():
    assert maxim(bytes(9), 8) == 0

    raises(OSError, ds18b20.celsius, bytes(9))


def test_each_read_tells_of_the_conversion_before_and_none_waits():
    clock = Clock()
    device = Thermometer(rom(1), scratchpad(0x0191))
    one = ds18b20.Ds18b20(OneWire([device]), clock.ticks_ms)

    assert one.temperature() is None
    clock.now_ms = 749
    assert one.temperature() is None
    assert device.conversions == 1
    clock.now_ms = 750
    assert one.temperature() == 25.0625
    assert device.conversions == 2


def test_the_wait_for_a_conversion_survives_the_wrap_of_the_clock():
    clock = Clock()
    clock.now_ms = 0x1FFFFFFF
    one = ds18b20.Ds18b20(OneWire([Thermometer(rom(1), scratchpad(8))]), clock.ticks_ms)
    one.temperature()

    clock.now_ms = 700
    assert one.temperature() is None
    clock.now_ms = 749
    assert one.temperature() == 0.5


def test_several_on_a_wire_are_told_apart_by_their_rom():
    clock = Clock()
    devices = [Thermometer(rom(7), scratchpad(0x0191)), Thermometer(rom(9), scratchpad(0x00A2))]
    bus = OneWire(devices)
    sensors = [ds18b20.Ds18b20(bus, clock.ticks_ms, one.rom) for one in devices]

    assert [one.temperature() for one in sensors] == [None, None]
    clock.now_ms = 1000
    assert [one.temperature() for one in sensors] == [25.0625, 10.125]


def test_an_empty_wire_is_an_error_and_does_not_end_the_sensor():
    clock = Clock()
    bus = OneWire([])
    one = ds18b20.Ds18b20(bus, clock.ticks_ms)

    raises(OSError, one.temperature)
    bus.devices = [Thermometer(rom(1), scratchpad(8))]
    one.temperature()
    clock.now_ms = 1000
    assert one.temperature() == 0.5


def test_after_a_wrong_crc_the_next_conversion_is_started():
    clock = Clock()
    device = Thermometer(rom(1), b"\x01" * 9)
    one = ds18b20.Ds18b20(OneWire([device]), clock.ticks_ms)
    one.temperature()
    clock.now_ms = 1000
    raises(OSError, one.temperature)
    device.scratchpad = scratchpad(8)

    assert one.temperature() is None
    clock.now_ms = 2000
    assert one.temperature() == 0.5


def test_the_search_finds_every_device_once():
    serials = (0, 1, 2, 3, 0x800000000000, 0xFFFFFFFFFFFF, 0x00AA55AA55AA, 0x123456789ABC)
    devices = [Thermometer(rom(serial), b"") for serial in serials]

    found = ds18b20.search(OneWire(devices))

    assert sorted(found) == sorted([one.rom for one in devices])


def test_the_search_of_an_empty_wire_and_of_one_device():
    assert ds18b20.search(OneWire([])) == []
    assert ds18b20.search(OneWire([Thermometer(rom(5), b"")])) == [rom(5)]


def test_the_search_has_a_bound():
    devices = [Thermometer(rom(serial), b"") for serial in range(40)]

    assert len(ds18b20.search(OneWire(devices))) == 32


def test_a_wrong_rom_of_the_search_is_an_error():
    raises(OSError, ds18b20.search, OneWire([Thermometer(rom(5)[:7] + b"\x00", b"")]))
    raises(OSError, ds18b20.search, OneWire([Thermometer(bytes(8), b"")]))


# Nova Fitness, Laser Dust Sensor Control Protocol V1.3: the examples of a measurement (PM2.5 123.6,
# PM10 261.8) and of the commands "work period".
MEASURED = b"\xaa\xc0\xd4\x04\x3a\x0a\xa1\x60\x1d\xab"
CONTINUOUS = b"\xaa\xb4\x08\x01\x00" + bytes(10) + b"\xff\xff\x07\xab"
ONE_MINUTE = b"\xaa\xb4\x08\x01\x01" + bytes(10) + b"\xff\xff\x08\xab"


def test_a_measurement_of_the_protocols_example():
    one = sds011.Sds011(Line(MEASURED))

    values = [(subject, read()) for subject, read in one.sensors("air.")]

    assert values == [("air.pm25", 123.6), ("air.pm10", 261.8)]


def test_the_work_period_is_said_at_start():
    line = Line()
    sds011.Sds011(line)
    sds011.Sds011(line, 1)

    assert line.written == CONTINUOUS + ONE_MINUTE
    raises(ValueError, sds011.Sds011, line, 31)


def test_the_newest_of_several_counts_and_without_a_new_one_there_is_none():
    line = Line(b"\xaa\xc0\x01\x00\x02\x00\xa1\x60\x04\xab" + MEASURED)
    one = sds011.Sds011(line)

    assert (one.pm25(), one.pm10()) == (123.6, 261.8)
    assert (one.pm25(), one.pm10()) == (None, None)


def test_a_frame_may_come_byte_by_byte():
    line = Line()
    one = sds011.Sds011(line)
    values = []
    for at in range(10):
        line.incoming = MEASURED[at : at + 1]
        values.append(one.pm25())

    assert values == [None] * 9 + [123.6]


def test_answers_to_commands_are_no_measurement():
    one = sds011.Sds011(Line(b"\xaa\xc5\x08\x01\x00\x00\xa1\x60\x0a\xab"))

    assert one.pm25() is None
    assert one.bad_frames == 0


def test_noise_before_a_frame_and_a_cut_frame_cost_one_measurement_at_most():
    for cut in range(1, 10):
        line = Line(b"\x00\xc0\xab" + MEASURED[:cut] + MEASURED + MEASURED)
        one = sds011.Sds011(line)

        assert one.pm25() == 123.6, cut


def test_each_wrong_bit_of_a_measurement_is_found():
    for bit in range(16, 80):
        damaged = bytearray(MEASURED)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        one = sds011.Sds011(Line(bytes(damaged)))

        assert one.pm25() is None, bit
        assert one.bad_frames >= 1
