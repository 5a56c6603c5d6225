"""The gateway's end of the channel: what it takes, its queues at their bounds, resending.
Specification: docs/device-link.md, "The channel".
"""

from leafnode.link import const, verbs
from leafnode.link.events import Answer, Gone, Hello, Reading, Request, Subscribe
from leafnode.link.gateway import GatewaySession
from tests.unit.link.wire import (
    BOOT,
    CHANNEL,
    EPOCH,
    OTHER_BOOT,
    START_MS,
    addressed,
    all_to_send,
    channel_frames,
    frames_in,
    from_board,
    from_device,
    hello_body,
    kinds_in,
    pub,
    up_channel,
    up_gateway,
)

SERVED = b"\x01\x01led"
ASKED = b"\x07\x00\xe8\x03\x04zone?"


def hello(boot_id=BOOT, epoch=EPOCH, window=4, floor=0):
    body = hello_body(b"dev-1", capabilities=CHANNEL, tail=bytes([epoch, window]))
    return from_device(const.HELLO, boot_id, 0, floor, body)


def serving(window=4, **options):
    gateway = up_channel(window, **options)
    gateway.receive(from_board(verbs.SUB, 1, SERVED), START_MS)
    all_to_send(gateway, START_MS)
    return gateway


def taken(number):
    return from_board(verbs.TAKEN, number, b"\x00")


def status_of(gateway, frame):
    """Return the status of the TAKEN for `frame`."""
    gateway.receive(frame, START_MS)
    ((kind, _, body),) = channel_frames(gateway)
    assert kind == verbs.TAKEN
    return body[0]


# HELLO


def test_the_gateways_hello_repeats_the_epoch_and_has_its_own_window():
    gateway = GatewaySession()
    all_to_send(gateway, START_MS)

    gateway.receive(hello(epoch=7), START_MS)

    body = frames_in(all_to_send(gateway, START_MS))[0][4]
    assert (body[4], body[-2:]) == (CHANNEL, b"\x07\x08")


def test_a_device_of_the_first_version_sees_the_first_version():
    gateway = up_gateway()

    assert not gateway.channel.is_open
    gateway.receive(from_board(verbs.SUB, 1, SERVED), START_MS)
    assert gateway.channel.counters.strays == 1


def test_a_hello_that_is_said_again_changes_nothing():
    gateway = serving()

    events = gateway.receive(hello(), START_MS)

    assert [type(event) for event in events] == [Hello]
    assert gateway.channel.message(1, "led", b"on")


def test_the_next_epoch_ends_subscriptions_and_forgets_what_waits():
    gateway = serving()
    gateway.channel.message(1, "led", b"sent")
    all_to_send(gateway, START_MS)
    gateway.channel.request(1, "led", b"waits")

    events = gateway.receive(hello(epoch=2), START_MS)

    assert [type(event) for event in events] == [Gone, Hello]
    assert gateway.channel.counters.lost == 2
    assert not gateway.channel.message(1, "led", b"on")
    assert kinds_in(all_to_send(gateway, START_MS)) == [const.HELLO]


def test_another_boot_ends_all_of_the_former_one():
    gateway = serving()
    gateway.receive(from_board(verbs.REG, 2, b"\x01aa"), START_MS)

    events = gateway.receive(hello(OTHER_BOOT), START_MS)

    assert [type(event) for event in events] == [Gone, Hello]
    assert gateway.channel.aliases == {}


def test_a_silent_device_is_gone_and_says_hello_when_it_is_heard_again():
    gateway = serving()
    all_to_send(gateway, START_MS + const.DEAD_MS)
    assert [type(event) for event in gateway.take_events()] == [Gone]
    assert gateway.take_events() == []

    gateway.receive(from_device(const.PONG), START_MS + 9000)

    assert const.HELLO_REQUEST in kinds_in(all_to_send(gateway, START_MS + 9000))


def test_a_lost_line_ends_the_channel_and_keeps_the_readings_numbers():
    gateway = serving()
    gateway.receive(pub(1), START_MS)

    gateway.line_lost()

    assert [type(e) for e in gateway.receive(pub(1) + pub(2), START_MS)] == [Gone, Reading]
    assert const.HELLO_REQUEST in kinds_in(all_to_send(gateway, START_MS))


def test_a_hello_with_a_cut_channel_is_malformed():
    gateway = GatewaySession()
    all_to_send(gateway, START_MS)
    for tail in (b"", b"\x01", b"\x00\x04", b"\x01\x00"):
        body = hello_body(b"dev-1", capabilities=CHANNEL, tail=tail)
        gateway.receive(from_device(const.HELLO, body=body), START_MS)
        assert frames_in(all_to_send(gateway, START_MS))[0][4][0] == const.REFUSED_HELLO


# What comes from the device


def test_a_frame_is_taken_once_and_each_copy_is_told_the_same():
    gateway = up_channel(allows=lambda device, kind, subject: False)

    for _ in range(2):
        assert status_of(gateway, from_board(verbs.SUB, 1, SERVED)) == verbs.STATUS_REFUSED
    assert gateway.channel.counters.taken == 1
    assert gateway.channel.counters.repeats == 1
    assert gateway.channel.counters.refused == 1


def test_a_subscription_that_is_said_twice_is_one_event():
    gateway = up_channel()

    events = gateway.receive(from_board(verbs.SUB, 1, SERVED) * 2, START_MS)

    assert [repr(event) for event in events] == ["Subscribe(dev-1 1 'led' answers=True)"]


def test_a_frame_ahead_of_a_lost_one_is_not_taken():
    gateway = up_channel()

    assert gateway.receive(from_board(verbs.SUB, 2, SERVED), START_MS) == []
    assert gateway.channel.counters.strays == 1
    assert channel_frames(gateway) == []


def test_a_frame_of_another_epoch_is_answered_with_a_question_for_hello():
    gateway = up_channel()

    assert gateway.receive(from_board(verbs.SUB, 1, SERVED, epoch=9), START_MS) == []

    assert kinds_in(all_to_send(gateway, START_MS)) == [const.HELLO_REQUEST]


def test_the_device_subject_and_kind_are_asked_for():
    asked = []

    def allows(device, kind, subject):
        asked.append((device, kind, subject))
        return True

    gateway = up_channel(allows=allows)
    gateway.receive(from_board(verbs.SUB, 1, b"\x01\x00a.>"), START_MS)
    gateway.receive(from_board(verbs.REQ, 2, ASKED), START_MS)

    assert asked == [("dev-1", verbs.SUB, "a.>"), ("dev-1", verbs.REQ, "zone")]


def test_without_a_word_of_the_configuration_nothing_is_allowed():
    gateway = up_channel(allows=None)

    assert status_of(gateway, from_board(verbs.SUB, 1, SERVED)) == verbs.STATUS_REFUSED
    assert status_of(gateway, from_board(verbs.REQ, 2, ASKED)) == verbs.STATUS_REFUSED


def test_malformed_frames_are_refused():
    gateway = up_channel()
    frames = [(verbs.SUB, body) for body in (b"", b"\x01", b"\x00\x00a", b"\x01\x00a b")]
    frames += [(verbs.REQ, body) for body in (b"", ASKED[:4], ASKED[:7], b"\x07\x00\xe8\x03\x01*")]
    frames += [(verbs.REG, body) for body in (b"", b"\x01", b"\x00a", b"\x21a", b"\x01a.*")]
    frames += [(verbs.REP, b"\x01\x00")]

    for number, (kind, body) in enumerate(frames):
        assert status_of(gateway, from_board(kind, number + 1, body)) == verbs.STATUS_REFUSED, body
    assert gateway.channel.counters.refused == len(frames)


def test_a_subscription_number_in_use_is_refused():
    gateway = serving()

    assert status_of(gateway, from_board(verbs.SUB, 2, b"\x01\x00x")) == verbs.STATUS_REFUSED


def test_the_bound_of_subscriptions_holds_at_max_and_one_past_it():
    gateway = up_channel()
    for number in range(1, verbs.SUBS_MAX + 1):
        body = bytes([number, 0]) + b"a"
        assert status_of(gateway, from_board(verbs.SUB, number, body)) == verbs.STATUS_OK

    body = bytes([99, 0]) + b"a"
    frame = from_board(verbs.SUB, verbs.SUBS_MAX + 1, body)
    assert status_of(gateway, frame) == verbs.STATUS_BUSY


def test_an_alias_for_two_subjects_is_refused_and_keeps_its_first_one():
    gateway = up_channel()
    assert status_of(gateway, from_board(verbs.REG, 1, b"\x01aa")) == verbs.STATUS_OK
    assert status_of(gateway, from_board(verbs.REG, 2, b"\x01aa")) == verbs.STATUS_OK

    assert status_of(gateway, from_board(verbs.REG, 3, b"\x01bb")) == verbs.STATUS_REFUSED

    (event,) = gateway.receive(alias_pub(1, 1), START_MS)
    assert event.subject == "aa"


def alias_pub(seq, alias, payload=b"21"):
    return from_device(const.PUB, BOOT, seq, 0, bytes([0, alias]) + payload)


def test_a_reading_by_an_unknown_alias_is_not_taken_and_a_hello_is_asked_for():
    gateway = up_channel()

    assert gateway.receive(alias_pub(1, 5), START_MS) == []

    assert gateway.counters.unknown_aliases == 1
    assert kinds_in(all_to_send(gateway, START_MS)) == [const.HELLO_REQUEST]
    gateway.receive(from_board(verbs.REG, 1, b"\x05aa"), START_MS)
    (event,) = gateway.receive(alias_pub(1, 5), START_MS)
    assert (event.seq, event.subject, event.payload) == (1, "aa", b"21")


# Requests of the device


def test_as_many_requests_are_open_as_may_be_and_one_more_is_busy():
    gateway = up_channel()
    for number in range(1, verbs.REQUESTS_MAX + 1):
        frame = from_board(verbs.REQ, number, bytes([number]) + ASKED[1:])
        assert status_of(gateway, frame) == verbs.STATUS_OK

    frame = from_board(verbs.REQ, verbs.REQUESTS_MAX + 1, ASKED.replace(b"\x07", b"\x63"))
    assert status_of(gateway, frame) == verbs.STATUS_BUSY


def test_replies_that_the_device_does_not_take_hold_their_places():
    gateway = up_channel()
    for number in range(1, verbs.REQUESTS_MAX + 1):
        gateway.receive(from_board(verbs.REQ, number, bytes([number]) + ASKED[1:]), START_MS)
        assert gateway.channel.reply(number, verbs.STATUS_OK, b"x")
    all_to_send(gateway, START_MS)

    frame = from_board(verbs.REQ, verbs.REQUESTS_MAX + 1, ASKED.replace(b"\x07", b"\x63"))
    assert status_of(gateway, frame) == verbs.STATUS_BUSY
    gateway.receive(taken(4), START_MS)
    all_to_send(gateway, START_MS)
    frame = from_board(verbs.REQ, verbs.REQUESTS_MAX + 2, ASKED.replace(b"\x07", b"\x63"))
    assert status_of(gateway, frame) == verbs.STATUS_OK


def test_a_request_number_that_is_open_is_not_open_twice():
    gateway = up_channel()
    gateway.receive(from_board(verbs.REQ, 1, ASKED), START_MS)
    all_to_send(gateway, START_MS)

    assert status_of(gateway, from_board(verbs.REQ, 2, ASKED)) == verbs.STATUS_REFUSED


def test_a_timeout_of_a_device_has_its_bounds():
    gateway = up_channel()

    for number, given, taken_as in ((1, 0, 1), (2, 65535, verbs.TIMEOUT_MS_MAX)):
        body = bytes([number, 0]) + given.to_bytes(2, "little") + b"\x01a"
        (event,) = gateway.receive(from_board(verbs.REQ, number, body), START_MS)
        assert isinstance(event, Request)
        assert event.timeout_ms == taken_as


# What goes to the device


def test_no_more_than_the_window_is_under_way():
    gateway = serving(window=2)
    for value in range(4):
        gateway.channel.message(1, "led", b"%d" % value)

    assert [f[1] for f in channel_frames(gateway)] == [1, 2]
    gateway.receive(taken(1), START_MS)
    assert [f[1] for f in channel_frames(gateway)] == [3]
    gateway.receive(taken(3), START_MS)
    assert [f[1] for f in channel_frames(gateway)] == [4]
    assert gateway.channel.counters.delivered == 3


def test_what_is_not_taken_is_sent_again_from_the_oldest_on_at_doubling_intervals():
    gateway = serving(window=2)
    gateway.channel.message(1, "led", b"a")
    gateway.channel.message(1, "led", b"b")
    now_ms = START_MS
    waits = []
    for _ in range(8):
        gateway.receive(from_device(const.PONG), now_ms)
        assert [f[1] for f in channel_frames(gateway, now_ms)] == [1, 2]
        waits.append(gateway.next_timeout_ms(now_ms))
        now_ms += waits[-1]

    assert waits == [50, 100, 200, 400, 800, 1600, 2000, 2000]
    assert gateway.channel.counters.resent == 14


def test_the_interval_follows_the_round_trip():
    gateway = serving()
    gateway.channel.message(1, "led", b"a")
    channel_frames(gateway)
    gateway.receive(taken(1), START_MS + 200)
    gateway.channel.message(1, "led", b"b")

    channel_frames(gateway, START_MS + 200)

    assert gateway.next_timeout_ms(START_MS + 200) == (50 + 2 * 200 + 1) // 2


def test_taken_of_what_was_not_sent_is_a_stray():
    gateway = serving()
    gateway.channel.message(1, "led", b"a")

    gateway.receive(taken(1), START_MS)

    assert gateway.channel.counters.strays == 1
    assert [f[1] for f in channel_frames(gateway)] == [1]


def test_messages_and_requests_keep_their_order():
    gateway = serving()
    gateway.channel.message(1, "led", b"a")
    gateway.channel.request(1, "led", b"b")
    gateway.channel.message(1, "led", b"c")

    assert [f[0] for f in channel_frames(gateway)] == [verbs.MSG, verbs.REQ, verbs.MSG]


def test_a_full_queue_gives_up_messages_and_no_request():
    gateway = serving(window=1)
    gateway.channel.request(1, "led", b"kept")
    for value in range(verbs.MESSAGES_MAX + 1):
        gateway.channel.message(1, "led", b"%d" % value)

    ((kind, _, _),) = channel_frames(gateway)
    gateway.receive(taken(1), START_MS)
    ((_, _, body),) = channel_frames(gateway)

    assert kind == verbs.REQ
    assert body == addressed(1, b"led", b"1")


def test_the_queue_keeps_the_newest_messages_at_its_bound_and_one_past_it():
    gateway = serving(window=1)
    for value in range(verbs.MESSAGES_MAX):
        gateway.channel.message(1, "led", b"%d" % value)
    assert gateway.channel.counters.dropped == 0

    gateway.channel.message(1, "led", b"one more")

    assert gateway.channel.counters.dropped == 1
    assert channel_frames(gateway)[0][2] == addressed(1, b"led", b"1")


def test_the_queue_is_bounded_in_bytes_too():
    gateway = serving(window=1, frame_bytes_max=1024)
    count = verbs.MESSAGES_BYTES_MAX // 905
    for _ in range(count):
        gateway.channel.message(1, "led", bytes(900))
    assert gateway.channel.counters.dropped == 0

    gateway.channel.message(1, "led", bytes(900))

    assert gateway.channel.counters.dropped == 1


def test_as_many_requests_are_handed_over_as_may_be():
    gateway = serving()
    numbers = [gateway.channel.request(1, "led", b"") for _ in range(verbs.REQUESTS_MAX)]
    assert sorted(numbers) == list(range(1, verbs.REQUESTS_MAX + 1))

    assert gateway.channel.request(1, "led", b"") == 0
    assert gateway.channel.counters.busy == 1
    gateway.channel.give_up(numbers[0])
    assert gateway.channel.request(1, "led", b"")


def test_a_request_that_is_given_up_before_it_was_sent_is_never_sent():
    gateway = serving(window=1)
    first = gateway.channel.request(1, "led", b"1")
    second = gateway.channel.request(1, "led", b"2")
    channel_frames(gateway)

    gateway.channel.give_up(second)
    gateway.channel.give_up(second)
    gateway.receive(taken(1), START_MS)

    assert channel_frames(gateway) == []
    (answer,) = gateway.receive(from_board(verbs.REP, 2, bytes([first, 0, 0]) + b"ok"), START_MS)
    assert isinstance(answer, Answer)


def test_an_answer_comes_once_and_a_late_one_is_counted():
    gateway = serving()
    number = gateway.channel.request(1, "led", b"")
    all_to_send(gateway, START_MS)
    body = bytes([number, 0, 0]) + b"ok"

    assert len(gateway.receive(from_board(verbs.REP, 2, body), START_MS)) == 1
    assert gateway.receive(from_board(verbs.REP, 3, body), START_MS) == []
    assert gateway.channel.counters.late == 1


def test_what_does_not_fit_the_devices_frame_is_not_tried():
    room = const.FRAME_BYTES_MIN - const.OVERHEAD_BYTES - verbs.CHANNEL_BYTES - 2 - len("led")
    gateway = serving(frame_bytes_max=const.FRAME_BYTES_MIN)

    assert gateway.channel.message(1, "led", bytes(room))
    assert not gateway.channel.message(1, "led", bytes(room + 1))
    assert gateway.channel.request(1, "led", bytes(room - 2))
    assert gateway.channel.request(1, "led", bytes(room - 1)) == 0
    assert gateway.channel.counters.too_large == 2


def test_a_subscription_that_ended_gets_nothing():
    gateway = serving()
    gateway.receive(from_board(verbs.UNSUB, 2, b"\x01"), START_MS)

    assert not gateway.channel.message(1, "led", b"")
    assert gateway.channel.request(1, "led", b"") == 0


def test_events_say_what_they_are():
    gateway = up_channel()
    events = gateway.receive(from_board(verbs.SUB, 1, SERVED), START_MS)
    events += gateway.receive(from_board(verbs.REQ, 2, ASKED), START_MS)
    gateway.channel.request(1, "led", b"")
    events += gateway.receive(from_board(verbs.REP, 3, b"\x01\x00\x00ok"), START_MS)
    events += gateway.receive(from_board(verbs.UNSUB, 4, b"\x01"), START_MS)
    gateway.line_lost()
    events += gateway.take_events()

    assert isinstance(events[0], Subscribe)
    assert [repr(event) for event in events] == [
        "Subscribe(dev-1 1 'led' answers=True)",
        "Request(dev-1 7 'zone' 1 bytes 1000 ms)",
        "Answer(dev-1 1 status=0 2 bytes)",
        "Unsubscribe(dev-1 1)",
        "Gone(dev-1)",
    ]
