"""Relations between the channel's numbers."""

import struct

from leafnode.link import const, verbs


def test_formats_have_the_sizes_that_go_with_them():
    assert struct.calcsize(verbs.CHANNEL_FORMAT) == verbs.CHANNEL_BYTES
    assert struct.calcsize(verbs.REQUEST_FORMAT) == verbs.REQUEST_BYTES
    assert struct.calcsize(verbs.REPLY_FORMAT) == verbs.REPLY_BYTES


def test_no_kind_is_used_twice():
    kinds = [const.HELLO, const.HELLO_REQUEST, const.PUB, const.ACK, const.PING, const.PONG]
    kinds += [const.LOG, const.TIME, const.REFUSE, verbs.REG, verbs.SUB, verbs.UNSUB]
    kinds += [verbs.MSG, verbs.REQ, verbs.REP, verbs.TAKEN]

    assert len(set(kinds)) == len(kinds)


def test_a_window_is_far_less_than_half_of_the_numbers():
    assert verbs.MESSAGE_WINDOW_MAX < verbs.NUMBER_MASK // 4


def test_timeouts_are_compared_right_whatever_the_ticks_are():
    assert verbs.TIMEOUT_MS_MAX < 1 << 28
    assert verbs.TIMEOUT_MS_MAX <= 0xFFFF
