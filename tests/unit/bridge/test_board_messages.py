"""What a board has to do with an account: subscriptions, requests both ways, what is allowed.

The channel is the real one of leafnode.link with a real board behind it; the wire is a variable.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode.bridge import port_bounds
from leafnode.bridge.board_messages import BoardMessages
from leafnode.bridge.framing.link import LinkFraming
from leafnode.config.serial_options import SerialPort
from leafnode.config.serial_stage_options import FramingOptions, MessageOptions
from leafnode.link import events, verbs
from leafnode.link.channel import Channel
from leafnode.link.device import DeviceSession
from leafnode.link.messages import Message, Messages
from leafnode.protocol import header
from leafnode.routing.permissions import Permissions, Rules
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import new_account

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery

OPTIONS = MessageOptions(("cmd.{device}.{name}", "cmd.all.{name}"), "svc.{name}")
PORT = SerialPort(
    device="/dev/fake",
    name="usb",
    subject="r.{device}.{name}",
    framing=FramingOptions(type="link"),
    messages=OPTIONS,
)


class Heard:
    """A subscriber of the account."""

    def __init__(self, account: Account, subject: bytes) -> None:
        self.account = account
        self.seen: list[tuple[bytes, bytes, bytes]] = []  # subject, block, payload
        self.replies: list[bytes] = []
        account.subscribe(subject, self._on)

    def _on(self, delivery: Delivery) -> None:
        for reply, size, body in delivery.messages:
            self.replies.append(reply)
            self.seen.append((delivery.subject, body[:size], body[size:]))

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, _, payload in self.seen]

    @property
    def codes(self) -> list[bytes | None]:
        return [header.get(block, b"Nats-Service-Error-Code") for _, block, _ in self.seen]


class World:
    """A board, its port's framing, and an account."""

    def __init__(self, options: MessageOptions = OPTIONS, name: str = "node1") -> None:
        self.account = new_account()
        self.clock = FakeClock()
        self.framing = LinkFraming()
        self.allowed: Permissions | None = None
        self.sends = 0
        self.board = BoardMessages(
            replace(PORT, messages=options),
            self.framing,
            self.account,
            self.clock,
            inbox=b"_INBOX.x.ask",
            send=self.send,
            permissions=lambda: self.allowed,
        )
        channel = Channel()
        self.messages = Messages(channel)
        self.device = DeviceSession(name, 77, channel=channel)
        self.seen: list[Message] = []
        self.replies: list[tuple[int, bytes]] = []
        self.exchange()

    def send(self) -> None:
        self.sends += 1

    def exchange(self) -> None:
        """Let both ends talk until they have nothing to say."""
        for _ in range(20):
            while data := self.framing.data_to_send(0):
                self.device.receive(data, 0)
            while data := self.device.data_to_send(0):
                self.framing.receive(data, 0)
            while (event := self.framing.next_event()) is not None:
                if isinstance(
                    event,
                    events.Subscribe
                    | events.Unsubscribe
                    | events.Request
                    | events.Answer
                    | events.Gone,
                ):
                    self.board.take(event)

    def subscribe(self, subject: str) -> int:
        number = self.messages.subscribe(subject, self.seen.append)  # type: ignore[arg-type]
        self.exchange()
        return number

    def serve(self, subject: str, answer: bytes | None = b"done") -> int:
        def on_request(message: Message) -> bytes | None:
            self.seen.append(message)
            return answer

        number = self.messages.serve(subject, on_request)
        self.exchange()
        return number

    def ask(self, subject: str, payload: bytes = b"?", timeout_ms: int = 1000) -> None:
        def on_reply(status: int, payload: bytes) -> None:
            self.replies.append((status, payload))

        assert self.messages.request(subject, payload, timeout_ms, on_reply, 0)
        self.exchange()

    def publish(self, subject: bytes, payload: bytes = b"", reply: bytes = b"") -> int:
        received = self.account.publish(subject, payload, reply=reply)
        self.exchange()
        return received


# Messages


def test_each_message_for_a_board_is_paid_for() -> None:
    world = World()
    world.subscribe("led")
    outbox = world.account.system.outbox

    before = outbox.work_left
    for _ in range(10):
        world.account.publish(b"cmd.node1.led", b"on")

    assert before - outbox.work_left >= 10 * port_bounds.REQUEST_WORK


def test_a_board_has_what_its_templates_name_and_sees_its_own_words() -> None:
    world = World()
    world.subscribe("led.*")

    assert world.publish(b"cmd.node1.led.red", b"on") == 1
    assert world.publish(b"cmd.all.led.blue", b"off") == 1

    seen = [(message.subject, message.payload) for message in world.seen]
    assert seen == [("led.red", b"on"), ("led.blue", b"off")]
    assert world.board.counts()["messages"] == 2
    assert world.board.counts()["subscriptions"] == 2
    assert world.sends == 2


def test_another_boards_commands_are_not_for_it() -> None:
    world = World()
    world.subscribe(">")

    assert world.publish(b"cmd.node2.led", b"on") == 0
    assert world.seen == []


def test_headers_stay_at_the_gateway() -> None:
    world = World()
    world.subscribe("led")
    block = header.build([(b"A", b"b")])

    world.account.publish(b"cmd.node1.led", block + b"on", header_size=len(block))
    world.exchange()

    assert [message.payload for message in world.seen] == [b"on"]


def test_an_ended_subscription_leaves_the_account() -> None:
    world = World()
    number = world.subscribe("led")

    world.messages.unsubscribe(number)
    world.exchange()

    assert world.publish(b"cmd.node1.led", b"on") == 0
    assert world.board.counts()["subscriptions"] == 0


def test_a_closed_port_ends_subscriptions_at_once_and_the_board_says_them_again() -> None:
    world = World()
    world.subscribe("led")

    world.board.closed()
    assert world.account.publish(b"cmd.node1.led", b"lost") == 0

    world.exchange()
    assert world.publish(b"cmd.node1.led", b"on") == 1
    assert [message.payload for message in world.seen] == [b"on"]


def test_a_message_that_no_frame_of_the_board_holds_is_counted() -> None:
    world = World()
    world.subscribe("led")

    world.publish(b"cmd.node1.led", bytes(300))

    assert world.board.counts()["messages_refused"] == 1
    assert world.seen == []


# What is allowed


def test_without_templates_a_board_may_nothing() -> None:
    world = World(MessageOptions())
    world.subscribe("led")
    world.ask("zone")

    assert world.messages.subs_refused == 1
    assert world.replies == [(verbs.STATUS_REFUSED, b"")]
    assert world.board.counts()["not_allowed"] == 2
    assert world.account.sublist.find(b"cmd.node1.led").plain == []


def test_what_the_account_denies_a_board_may_not() -> None:
    world = World()
    world.allowed = Permissions(
        publish=Rules(None, [b"svc.secret"]), subscribe=Rules(None, [b"cmd.*.secret"])
    )
    world.subscribe("secret")
    world.subscribe("open")
    world.ask("secret")

    assert world.messages.subs_refused == 1
    assert world.publish(b"cmd.node1.open", b"on") == 1
    assert world.replies == [(verbs.STATUS_REFUSED, b"")]


def test_what_the_account_denies_within_a_pattern_is_held_back() -> None:
    world = World(name="node9")
    world.allowed = Permissions(
        publish=Rules(), subscribe=Rules(None, [b"cmd.node9.secret", b"cmd.all.secret"])
    )
    world.subscribe(">")

    assert world.publish(b"cmd.node9.secret", b"no") == 0
    assert world.publish(b"cmd.node9.open", b"yes") == 1
    assert [message.payload for message in world.seen] == [b"yes"]


def test_what_the_account_does_not_allow_a_board_may_not() -> None:
    world = World()
    world.allowed = Permissions(publish=Rules([b"x"]), subscribe=Rules([b"cmd.all.>"]))
    world.subscribe("led")
    world.ask("zone")

    assert world.publish(b"cmd.node1.led", b"no") == 0
    assert world.publish(b"cmd.all.led", b"yes") == 1
    assert world.replies == [(verbs.STATUS_REFUSED, b"")]


def test_a_word_cannot_leave_its_prefix() -> None:
    """The link takes no subject that could; the templates put the configuration's words first."""
    world = World()
    inbox = Heard(world.account, b"_INBOX.>")
    api = Heard(world.account, b"$JS.>")
    service = Heard(world.account, b"svc.>")

    world.ask("$JS.API.INFO")
    world.ask("_INBOX.other")

    assert (inbox.seen, api.seen) == ([], [])
    assert [subject for subject, _, _ in service.seen] == [b"svc.$JS.API.INFO", b"svc._INBOX.other"]


# The board asks


def test_a_board_asks_and_gets_the_reply() -> None:
    world = World()
    world.account.subscribe(
        b"svc.zone",
        lambda delivery: world.account.publish(delivery.messages[0][0], b"CET") and None,
    )

    world.ask("zone")

    assert world.replies == [(verbs.STATUS_OK, b"CET")]
    assert world.board.counts()["asked"] == 1
    assert world.clock.pending() == 0


def test_without_a_responder_it_hears_so_at_once() -> None:
    world = World()

    world.ask("zone")

    assert world.replies == [(verbs.STATUS_NO_RESPONDERS, b"")]
    assert world.board.counts()["asked_in_vain"] == 1


def test_a_503_of_somebody_elses_is_no_responder_too() -> None:
    world = World()
    block = header.status(503)
    world.account.subscribe(
        b"svc.zone",
        lambda delivery: (
            world.account.publish(delivery.messages[0][0], block, header_size=len(block)) and None
        ),
    )

    world.ask("zone")

    assert world.replies == [(verbs.STATUS_NO_RESPONDERS, b"")]


def test_a_reply_that_does_not_come_is_a_timeout_and_a_later_one_goes_nowhere() -> None:
    world = World()
    service = Heard(world.account, b"svc.zone")
    world.ask("zone", timeout_ms=300)

    world.clock.advance(300 * 1_000_000)
    world.exchange()
    world.publish(service.replies[0], b"late")

    assert world.replies == [(verbs.STATUS_TIMEOUT, b"")]


def test_of_two_replies_the_first_counts() -> None:
    world = World()
    service = Heard(world.account, b"svc.zone")
    world.ask("zone")

    world.publish(service.replies[0], b"first")
    world.publish(service.replies[0], b"second")

    assert world.replies == [(verbs.STATUS_OK, b"first")]


# The board is asked


def test_a_request_is_answered_on_its_inbox() -> None:
    world = World()
    inbox = Heard(world.account, b"_INBOX.me")
    world.serve("led")

    world.publish(b"cmd.node1.led", b"on", reply=b"_INBOX.me")

    assert inbox.seen == [(b"_INBOX.me", b"", b"done")]
    assert world.board.counts()["answers"] == 1
    assert world.clock.pending() == 0


def test_what_a_stream_delivers_is_a_message_not_a_request() -> None:
    world = World()
    acks = Heard(world.account, b"$JS.ACK.>")
    world.serve("led")

    world.publish(b"cmd.node1.led", b"on", reply=b"$JS.ACK.S.c.1.1.1.1.0")

    assert [message.request for message in world.seen] == [0]
    assert acks.seen == []


def test_a_reply_that_is_no_inbox_gets_no_answer_of_a_board() -> None:
    world = World()
    other = Heard(world.account, b"other.>")
    world.serve("led")

    world.publish(b"cmd.node1.led", b"on", reply=b"other.x")

    assert [message.request for message in world.seen] == [0]
    assert other.seen == []
    assert world.board.counts()["replies_refused"] == 1


def test_an_error_of_the_board_is_one_of_nats_services() -> None:
    world = World()
    inbox = Heard(world.account, b"_INBOX.me")
    world.serve("led", answer=None)
    world.publish(b"cmd.node1.led", b"on", reply=b"_INBOX.me")

    world.messages.answer(world.seen[0].request, b"no lamp", verbs.STATUS_FAILED)
    world.exchange()

    assert (inbox.codes, inbox.payloads) == ([b"500"], [b"no lamp"])


def test_more_requests_than_the_board_takes_hear_so() -> None:
    world = World()
    inbox = Heard(world.account, b"_INBOX.me")
    world.serve("led", answer=None)

    for _ in range(verbs.REQUESTS_MAX + 1):
        world.account.publish(b"cmd.node1.led", b"on", reply=b"_INBOX.me")
    world.exchange()

    assert inbox.codes == [b"429"] * (verbs.REQUESTS_MAX + 1 - 4)  # requests_max of the board
    assert world.board.counts()["requests_refused"] == 1


def test_a_request_that_is_not_answered_in_time_frees_its_place() -> None:
    world = World()
    inbox = Heard(world.account, b"_INBOX.me")
    world.serve("led", answer=None)
    world.publish(b"cmd.node1.led", b"on", reply=b"_INBOX.me")

    world.clock.advance(OPTIONS.timeout_ns)
    world.messages.answer(world.seen[0].request, b"late")
    world.exchange()

    assert inbox.seen == []
    assert world.board.counts()["unanswered"] == 1


def test_who_waits_for_a_board_that_goes_hears_so() -> None:
    world = World()
    inbox = Heard(world.account, b"_INBOX.me")
    world.serve("led", answer=None)
    world.publish(b"cmd.node1.led", b"on", reply=b"_INBOX.me")

    world.board.closed()

    assert inbox.codes == [b"503"]
    assert world.board.counts()["unanswered"] == 1
    assert world.clock.pending() == 0
