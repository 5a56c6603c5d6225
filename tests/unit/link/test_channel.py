"""The device's end of the channel: numbers, epochs, resending. Specification:
docs/device-link.md, "The channel".
"""

from leafnode.link import const, verbs
from leafnode.link.channel import Channel
from leafnode.link.device import DeviceSession
from leafnode.link.errors import InvalidOption
from tests.unit.link.wire import (
    BOOT,
    CHANNEL,
    START_MS,
    addressed,
    all_to_send,
    channel_frames,
    frames_in,
    from_gateway,
    hello_body,
    on_channel,
    raises,
    up_board,
)

OK = bytes([verbs.STATUS_OK])


def test_a_board_with_a_channel_says_so_with_its_epoch_and_window():
    device = DeviceSession("dev-1", BOOT, channel=Channel(4))

    body = frames_in(all_to_send(device, START_MS))[0][4]

    assert body[4] == const.CAPABILITY_LOG | CHANNEL
    assert body[-2:] == b"\x01\x04"


def test_windows_out_of_range_are_refused():
    raises(InvalidOption, Channel, 0)
    raises(InvalidOption, Channel, 9)


def test_at_a_gateway_of_the_first_version_the_channel_stays_closed():
    channel = Channel()
    device = DeviceSession("dev-1", BOOT, channel=channel)

    device.receive(from_gateway(const.HELLO, body=hello_body()), START_MS)

    assert device.is_up
    assert not channel.is_open


def test_an_answer_to_a_former_hello_does_not_bring_the_link_up():
    device, _ = up_board()
    device.receive(from_gateway(const.HELLO_REQUEST), START_MS)
    assert frames_in(all_to_send(device, START_MS))[0][4][-2] == 2

    for epoch, is_up in ((1, False), (2, True)):
        hello = hello_body(capabilities=CHANNEL, tail=bytes([epoch, 8]))
        device.receive(from_gateway(const.HELLO, body=hello), START_MS)
        assert device.is_up == is_up
    assert device.counters.stale_frames == 1


def test_epochs_go_round_and_leave_zero_out():
    channel = Channel()
    for _ in range(254):
        channel.on_down()
    assert channel.epoch == 255

    channel.on_down()

    assert channel.epoch == 1


def test_one_frame_is_under_way_and_the_next_follows_when_it_is_taken():
    device, messages = up_board()
    messages.subscribe("a", lambda message: None)
    messages.subscribe("b.*", lambda message: None)

    assert channel_frames(device) == [(verbs.SUB, 1, b"\x01\x00a")]
    device.receive(on_channel(verbs.TAKEN, 1, OK), START_MS)
    assert device.next_timeout_ms(START_MS) == 0
    assert channel_frames(device) == [(verbs.SUB, 2, b"\x02\x00b.*")]


def test_a_frame_that_is_not_taken_is_sent_again_at_doubling_intervals_up_to_two_seconds():
    device, messages = up_board()
    messages.subscribe("a", lambda message: None)
    now_ms = START_MS
    waits = []
    for _ in range(8):
        device.receive(from_gateway(const.PONG), now_ms)
        assert channel_frames(device, now_ms) == [(verbs.SUB, 1, b"\x01\x00a")]
        waits.append(device.next_timeout_ms(now_ms))
        now_ms += waits[-1]

    assert waits == [50, 100, 200, 400, 800, 1600, 2000, 2000]
    assert device._channel.resent == 7


def test_the_interval_follows_the_round_trip():
    device, messages = up_board()
    messages.subscribe("a", lambda message: None)
    channel_frames(device, START_MS)
    device.receive(on_channel(verbs.TAKEN, 1, OK), START_MS + 40)
    messages.subscribe("b", lambda message: None)

    channel_frames(device, START_MS + 40)

    assert device.next_timeout_ms(START_MS + 40) == (50 + 2 * 40 + 1) // 2


def test_what_is_taken_without_being_under_way_changes_nothing():
    device, messages = up_board()
    device.receive(on_channel(verbs.TAKEN, 1, OK), START_MS)
    messages.subscribe("a", lambda message: None)
    channel_frames(device)

    device.receive(on_channel(verbs.TAKEN, 7, OK) + on_channel(verbs.TAKEN, 1), START_MS)

    assert device._channel.repeats == 3
    assert channel_frames(device, START_MS + 50) == [(verbs.SUB, 1, b"\x01\x00a")]


def test_a_frame_of_the_gateway_is_taken_once_and_said_again_each_time():
    device, messages = up_board()
    seen = []
    messages.subscribe("a", seen.append)
    channel_frames(device)
    frame = on_channel(verbs.MSG, 1, addressed(1, b"a", b"x"))

    for _ in range(2):
        device.receive(frame, START_MS)
        assert channel_frames(device) == [(verbs.TAKEN, 1, OK)]

    assert [message.payload for message in seen] == [b"x"]
    assert device._channel.repeats == 1


def test_a_frame_ahead_of_a_lost_one_is_not_taken():
    device, messages = up_board()
    seen = []
    messages.subscribe("a", seen.append)
    channel_frames(device)

    device.receive(on_channel(verbs.MSG, 2, addressed(1, b"a", b"x")), START_MS)

    assert seen == []
    assert channel_frames(device) == [(verbs.TAKEN, 0, OK)]
    assert device._channel.strays == 1


def test_frames_of_another_epoch_are_strays():
    device, messages = up_board()
    seen = []
    messages.subscribe("a", seen.append)

    device.receive(on_channel(verbs.MSG, 1, addressed(1, b"a"), epoch=9), START_MS)

    assert seen == []
    assert device._channel.strays == 1
    assert [f[0] for f in channel_frames(device)] == [verbs.SUB]


def test_numbers_go_on_past_their_wrap():
    device, messages = up_board()
    seen = []
    messages.subscribe("a", seen.append)
    channel_frames(device)
    device._channel._last_number = 0xFFFF

    device.receive(on_channel(verbs.MSG, 0, addressed(1, b"a", b"x")), START_MS)

    assert [message.payload for message in seen] == [b"x"]


def test_a_cut_frame_and_kinds_of_a_device_are_unknown():
    device, _ = up_board()

    device.receive(from_gateway(verbs.MSG, body=b"\x01\x01"), START_MS)
    device.receive(on_channel(verbs.REG, 1), START_MS)

    assert device.counters.unknown_frames == 2


def test_after_a_lost_link_all_subscriptions_are_told_anew_under_the_next_epoch():
    device, messages = up_board()
    messages.subscribe("a", lambda message: None)
    channel_frames(device)
    device.receive(on_channel(verbs.TAKEN, 1, OK), START_MS)
    assert channel_frames(device) == []

    device.receive(from_gateway(const.HELLO_REQUEST), START_MS)
    all_to_send(device, START_MS)
    hello = hello_body(capabilities=CHANNEL, tail=b"\x02\x08")
    device.receive(from_gateway(const.HELLO, body=hello), START_MS)

    frames = [f for f in frames_in(all_to_send(device, START_MS)) if f[0] == verbs.SUB]
    assert frames[0][4] == b"\x02\x01\x00\x01\x00a"
