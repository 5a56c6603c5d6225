"""What a device's program sees: messages, requests, answers. Both real ends, and frames where one
of them could not send such a thing.
"""

from leafnode.link import const, verbs
from leafnode.link.errors import InvalidSubject, ReadingTooLarge
from leafnode.link.events import Answer, Gone, Request, Subscribe, Unsubscribe
from leafnode.link.gateway import GatewaySession
from tests.unit.link.wire import (
    START_MS,
    addressed,
    channel_frames,
    from_gateway,
    new_talk,
    on_channel,
    raises,
    up_board,
)

OK = bytes([verbs.STATUS_OK])


class Replies:
    """Takes what `on_reply` gets."""

    def __init__(self):
        self.seen = []

    def __call__(self, status, payload):
        self.seen.append((status, payload))


def ask(messages, pair, replies, timeout_ms=1000, subject="zone", payload=b"?"):
    return messages.request(subject, payload, timeout_ms, replies, pair.now_ms)


# Subscriptions


def test_a_message_reaches_the_handler_of_its_subscription():
    pair, messages = new_talk()
    seen = []
    number = messages.subscribe("led.*", seen.append)
    pair.exchange()
    (event,) = pair.events
    assert isinstance(event, Subscribe)
    assert (event.sub, event.subject, event.answers) == (number, "led.*", False)

    assert pair.gateway.channel.message(number, "led.red", b"on")
    pair.exchange()

    assert [(m.subject, m.payload, m.request) for m in seen] == [("led.red", b"on", 0)]
    assert messages.received == 1


def test_messages_come_in_order_each_once():
    pair, messages = new_talk(window=4)
    seen = []
    number = messages.subscribe("n", seen.append)
    pair.exchange()

    for value in range(10):
        pair.gateway.channel.message(number, "n", b"%d" % value)
    pair.exchange()

    assert [m.payload for m in seen] == [b"%d" % value for value in range(10)]


def test_an_ended_subscription_gets_nothing_more():
    pair, messages = new_talk()
    seen = []
    number = messages.subscribe("n", seen.append)
    pair.exchange()

    messages.unsubscribe(number)
    pair.gateway.channel.message(number, "n", b"late")
    pair.exchange()

    assert seen == []
    assert messages.unwanted == 1
    assert isinstance(pair.events[-1], Unsubscribe)
    assert not pair.gateway.channel.message(number, "n", b"later")


def test_a_subscription_that_ends_before_it_was_told_is_never_told():
    device, messages = up_board()

    messages.unsubscribe(messages.subscribe("n", lambda message: None))

    assert channel_frames(device) == []


def test_a_subscription_that_ends_while_it_is_told_is_taken_back():
    device, messages = up_board()
    number = messages.subscribe("n", lambda message: None)
    channel_frames(device)

    messages.unsubscribe(number)
    assert channel_frames(device, START_MS + 50) == [(verbs.SUB, 1, b"\x01\x00n")]
    device.receive(on_channel(verbs.TAKEN, 1, OK), START_MS + 60)

    assert channel_frames(device, START_MS + 60) == [(verbs.UNSUB, 2, b"\x01")]
    device.receive(on_channel(verbs.TAKEN, 2, OK), START_MS + 70)
    assert messages._subs == []


def test_a_subscription_that_the_gateway_refuses_is_counted_and_not_repeated():
    pair, messages = new_talk(allows=lambda device, kind, subject: subject != "secret")
    messages.subscribe("secret", lambda message: None)
    messages.subscribe("open", lambda message: None)

    pair.exchange()

    assert [event.subject for event in pair.events] == ["open"]
    assert messages.subs_refused == 1


def test_the_bound_of_subscriptions_holds_and_a_freed_place_is_used_again():
    _, messages = new_talk(subs_max=2)
    first = messages.subscribe("a", lambda message: None)
    assert messages.subscribe("b", lambda message: None)
    assert messages.subscribe("c", lambda message: None) == 0

    messages.unsubscribe(first)

    assert messages.subscribe("c", lambda message: None) not in (0, first)


def test_subjects_that_nats_could_misread_are_refused():
    _, messages = up_board()
    for subject in ("", "a b", "a..b", "a.>.b", "x*"):
        raises(InvalidSubject, messages.subscribe, subject, lambda message: None)
        raises(InvalidSubject, messages.serve, subject, lambda message: None)
    for subject in ("", "a b", "a.*", ">"):
        raises(InvalidSubject, messages.request, subject, b"", 100, Replies(), START_MS)


# Requests of the device


def test_a_request_gets_its_reply():
    pair, messages = new_talk()
    replies = Replies()
    number = ask(messages, pair, replies)
    pair.exchange()
    (event,) = pair.events
    assert isinstance(event, Request)
    assert (event.request, event.subject, event.payload) == (number, "zone", b"?")
    assert event.timeout_ms == 1000

    assert pair.gateway.channel.reply(number, verbs.STATUS_OK, b"CET")
    pair.exchange()

    assert replies.seen == [(verbs.STATUS_OK, b"CET")]
    assert (messages.asked, messages.replied) == (1, 1)


def test_a_request_is_replied_to_once():
    pair, messages = new_talk()
    replies = Replies()
    number = ask(messages, pair, replies)
    pair.exchange()
    assert pair.gateway.channel.reply(number, verbs.STATUS_NO_RESPONDERS)

    assert not pair.gateway.channel.reply(number, verbs.STATUS_OK, b"late")
    pair.exchange()

    assert replies.seen == [(verbs.STATUS_NO_RESPONDERS, b"")]


def test_a_request_that_is_not_allowed_ends_at_once():
    pair, messages = new_talk(allows=lambda device, kind, subject: kind != verbs.REQ)
    replies = Replies()
    ask(messages, pair, replies)

    pair.exchange()

    assert pair.events == []
    assert replies.seen == [(verbs.STATUS_REFUSED, b"")]


def test_without_a_reply_a_request_ends_by_its_own_time_and_a_late_one_is_counted():
    pair, messages = new_talk()
    replies = Replies()
    number = ask(messages, pair, replies, timeout_ms=300)
    pair.exchange()
    assert pair.device.next_timeout_ms(pair.now_ms) == 300

    pair.now_ms += 300
    pair.exchange()
    assert replies.seen == [(verbs.STATUS_TIMEOUT, b"")]
    pair.gateway.channel.reply(number, verbs.STATUS_OK, b"late")
    pair.exchange()

    assert len(replies.seen) == 1
    assert (messages.timeouts, messages.late) == (1, 1)


def test_as_many_requests_wait_as_may_and_one_more_is_not_asked():
    pair, messages = new_talk(requests_max=2)
    replies = Replies()
    assert ask(messages, pair, replies)
    assert ask(messages, pair, replies)

    assert ask(messages, pair, replies) == 0

    assert messages.not_asked == 1


def test_while_the_link_is_down_nothing_is_asked():
    pair, messages = new_talk()
    pair.device.receive(from_gateway(const.HELLO_REQUEST), pair.now_ms)

    assert ask(messages, pair, Replies()) == 0
    assert messages.not_asked == 1


def test_a_lost_link_ends_every_request_with_a_status_of_its_own():
    pair, messages = new_talk()
    replies = Replies()
    ask(messages, pair, replies)
    pair.exchange()
    ask(messages, pair, replies)

    pair.gateway = GatewaySession()
    pair.exchange()

    assert replies.seen == [(verbs.STATUS_LINK_LOST, b"")] * 2


def test_a_request_that_no_frame_holds_is_refused():
    pair, messages = new_talk()
    room = const.FRAME_BYTES_DEFAULT - const.OVERHEAD_BYTES - verbs.CHANNEL_BYTES
    room -= verbs.REQUEST_BYTES + 1 + len("zone")

    assert ask(messages, pair, Replies(), payload=bytes(room))
    raises(ReadingTooLarge, ask, messages, pair, Replies(), 1000, "zone", bytes(room + 1))


def test_a_reply_that_does_not_fit_the_devices_frame_says_so():
    pair, messages = new_talk()
    replies = Replies()
    number = ask(messages, pair, replies)
    pair.exchange()

    pair.gateway.channel.reply(number, verbs.STATUS_OK, bytes(300))
    pair.exchange()

    assert replies.seen == [(verbs.STATUS_TOO_LARGE, b"")]


def test_a_handler_may_ask_and_an_on_reply_may_ask_again():
    pair, messages = new_talk()
    replies = Replies()

    def again(status, payload):
        replies(status, payload)
        messages.request("second", b"", 500, replies, pair.now_ms)

    messages.request("first", b"", 500, again, pair.now_ms)
    for status in (verbs.STATUS_OK, verbs.STATUS_NO_RESPONDERS):
        pair.exchange()
        pair.gateway.channel.reply(pair.events[-1].request, status)
    pair.exchange()

    assert [status for status, _ in replies.seen] == [0, verbs.STATUS_NO_RESPONDERS]


# Requests to the device


def test_a_request_is_answered_with_what_the_handler_returns():
    pair, messages = new_talk()
    sub = messages.serve("led", lambda message: b"was " + message.payload)
    pair.exchange()

    number = pair.gateway.channel.request(sub, "led", b"on")
    pair.exchange()

    answer = pair.events[-1]
    assert isinstance(answer, Answer)
    assert (answer.request, answer.status, answer.payload) == (number, 0, b"was on")


def test_a_handler_that_returns_nothing_answers_later_and_once():
    pair, messages = new_talk()
    seen = []
    sub = messages.serve("led", seen.append)
    pair.exchange()
    pair.gateway.channel.request(sub, "led", b"on")
    pair.exchange()
    assert not any(isinstance(event, Answer) for event in pair.events)

    assert messages.answer(seen[0].request, b"done")
    assert not messages.answer(seen[0].request, b"again")
    pair.exchange()

    answers = [event.payload for event in pair.events if isinstance(event, Answer)]
    assert answers == [b"done"]


def test_an_answer_may_carry_a_status():
    pair, messages = new_talk()
    seen = []
    sub = messages.serve("led", seen.append)
    pair.exchange()
    pair.gateway.channel.request(sub, "led", b"on")
    pair.exchange()

    messages.answer(seen[0].request, b"no lamp", verbs.STATUS_FAILED)
    pair.exchange()

    assert (pair.events[-1].status, pair.events[-1].payload) == (verbs.STATUS_FAILED, b"no lamp")


def test_a_request_to_who_only_subscribes_is_not_handed_over():
    pair, messages = new_talk()
    sub = messages.subscribe("led", lambda message: None)
    pair.exchange()

    assert pair.gateway.channel.request(sub, "led", b"on") == 0


def test_more_requests_than_the_board_takes_are_busy():
    pair, messages = new_talk(requests_max=1)
    sub = messages.serve("led", lambda message: None)
    pair.exchange()

    numbers = [pair.gateway.channel.request(sub, "led", b"") for _ in range(2)]
    pair.exchange()

    answer = pair.events[-1]
    assert (answer.request, answer.status) == (numbers[1], verbs.STATUS_BUSY)
    assert messages.busy == 1


def test_a_request_to_a_subscription_that_has_ended_has_no_responder():
    pair, messages = new_talk()
    sub = messages.serve("led", lambda message: None)
    pair.exchange()
    messages.unsubscribe(sub)

    pair.gateway.channel.request(sub, "led", b"")
    pair.exchange()

    assert [e.status for e in pair.events if isinstance(e, Answer)] == [verbs.STATUS_NO_RESPONDERS]


def test_an_answer_of_a_former_epoch_goes_nowhere():
    pair, messages = new_talk()
    seen = []
    sub = messages.serve("led", seen.append)
    pair.exchange()
    pair.gateway.channel.request(sub, "led", b"on")
    pair.exchange()
    pair.device.receive(from_gateway(const.HELLO_REQUEST), pair.now_ms)

    assert not messages.answer(seen[0].request, b"done")

    pair.exchange()
    assert not any(isinstance(event, Answer) for event in pair.events)
    assert any(isinstance(event, Gone) for event in pair.events)


def test_an_answer_that_no_frame_holds_says_so():
    pair, messages = new_talk()
    sub = messages.serve("led", lambda message: bytes(300))
    pair.exchange()
    pair.gateway.channel.request(sub, "led", b"")

    pair.exchange()

    assert pair.events[-1].status == verbs.STATUS_TOO_LARGE


# What no gateway of ours sends


def test_malformed_frames_are_taken_counted_and_reach_no_handler():
    device, messages = up_board()
    seen = []
    messages.subscribe("a", seen.append)
    channel_frames(device)
    bodies = (b"", b"\x01", b"\x01\x05ab", addressed(1, b"a b"), addressed(1, b"\xff"))

    for number, body in enumerate(bodies):
        device.receive(on_channel(verbs.MSG, number + 1, body), START_MS)
    device.receive(on_channel(verbs.REP, 6, b"\x01"), START_MS)
    device.receive(on_channel(verbs.REQ, 7, b"\x01\x00"), START_MS)

    assert seen == []
    assert messages.unwanted == 6
    assert channel_frames(device) == [(verbs.TAKEN, 7, OK)]


def test_a_gateway_that_floods_with_requests_costs_no_more_answers_than_may_be_open():
    device, messages = up_board(requests_max=1)
    messages.serve("a", lambda message: None)
    channel_frames(device)

    for number in range(50):
        body = (number + 1).to_bytes(2, "little") + addressed(1, b"a")
        device.receive(on_channel(verbs.REQ, number + 1, body), START_MS)

    assert len(messages._answers) == verbs.REQUESTS_MAX
    assert messages.busy == 49
