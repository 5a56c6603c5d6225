"""HELLO bodies: layout, and what is refused."""

from leafnode.link import const
from leafnode.link.hello import read_hello, write_hello

BODY = b"\x01\x04\x00\x01\x03\x00\x05pico1"


def changed(at, value):
    body = bytearray(BODY)
    body[at] = value
    return memoryview(body)


def test_hello_is_written_as_the_specification_says():
    body = memoryview(bytearray(64))

    size = write_hello(body, 4, 256, const.CAPABILITY_TIME | const.CAPABILITY_LOG, b"pico1")

    assert bytes(body[:size]) == BODY


def test_hello_is_read_back_and_bytes_of_later_versions_are_ignored():
    for body in (BODY, BODY + b"\x09\x09"):
        hello = read_hello(memoryview(body))

        assert hello is not None
        assert (hello.version, hello.window, hello.frame_bytes_max) == (1, 4, 256)
        assert (hello.capabilities, hello.name) == (3, "pico1")


def test_of_another_version_only_the_version_is_read():
    hello = read_hello(memoryview(b"\x02"))

    assert hello is not None
    assert hello.version == 2


def test_a_cut_hello_is_malformed():
    for size in range(len(BODY)):
        assert read_hello(memoryview(BODY)[:size]) is None


def test_hellos_that_say_what_cannot_be_are_malformed():
    assert read_hello(changed(1, 0)) is None  # no window
    assert read_hello(changed(3, 0)) is None  # frames of 0 bytes
    assert read_hello(changed(3, 5)) is None  # frames of 1280 bytes
    assert read_hello(changed(7, 0x2E)) is None  # a dot in the name
    assert read_hello(changed(6, 0)) is None  # no name


def test_what_a_device_is_stands_behind_all_else():
    for capabilities, channel in ((0x10, b""), (0x14, b"\x05\x04")):
        body = bytearray(96)
        tail = channel + b"\x0apico 0.1.0"
        size = write_hello(memoryview(body), 4, 256, capabilities, b"pico1", tail)

        hello = read_hello(memoryview(body)[:size])

        assert hello is not None
        assert hello.about == "pico 0.1.0"
        assert hello.epoch == (5 if channel else 0)


def test_what_a_device_is_forges_no_line_and_is_cut_where_it_ends():
    for tail, about in (
        (b"", ""),
        (b"\x05a\nb", "a?b"),
        (b"\xff" + b"x" * 60, "x" * 32),
        (b"\x00rest", ""),
    ):
        body = bytearray(200)
        size = write_hello(memoryview(body), 4, 256, 0x10, b"pico1", tail)

        hello = read_hello(memoryview(body)[:size])

        assert hello is not None
        assert hello.about == about
