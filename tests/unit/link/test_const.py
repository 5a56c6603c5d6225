"""Relations between the link's numbers that the protocol rests on."""

import struct

from leafnode.link import const


def test_formats_have_the_sizes_that_go_with_them():
    assert struct.calcsize(const.HEADER_FORMAT) == const.HEADER_BYTES
    assert struct.calcsize(const.HELLO_FORMAT) == const.HELLO_BYTES
    assert struct.calcsize(const.TIME_FORMAT) == const.TIME_BYTES


def test_sequences_and_boot_ids_are_small_integers_on_a_32_bit_micropython():
    assert const.SEQ_MAX < 2**30
    assert const.BOOT_ID_MAX < 2**30


def test_a_largest_subject_fits_the_default_frame():
    assert const.OVERHEAD_BYTES + 1 + const.SUBJECT_BYTES_MAX < const.FRAME_BYTES_DEFAULT
