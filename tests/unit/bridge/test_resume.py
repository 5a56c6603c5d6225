"""What is stored of a board is asked of JetStream. Answers as nats-server 2.15.1 gives them."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.reading import Receipt
from leafnode.bridge.resume import Resume
from tests.sim.clock import FakeClock
from tests.sim.peers import FakePeer
from tests.unit.bridge.fake_stream import new_account

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery

NAMES = b"$JS.API.STREAM.NAMES"
GET = b"$JS.API.STREAM.MSG.GET.READINGS"
ONE_STREAM = (
    b'{"type":"io.nats.jetstream.api.v1.stream_names_response",'
    b'"total":1,"offset":0,"limit":1024,"streams":["READINGS"]}'
)
NOT_FOUND = (
    b'{"type":"io.nats.jetstream.api.v1.stream_msg_get_response",'
    b'"error":{"code":404,"err_code":10037,"description":"no message found"}}'
)


def message(msg_id: bytes, through: bytes = b"", seq: int = 9) -> bytes:
    told = b"Leafnode-Through: " + through + b"\r\n" if through else b""
    block = b"NATS/1.0\r\nNats-Msg-Id: " + msg_id + b"\r\nLeafnode-Port: p\r\n" + told + b"\r\n"
    return (
        b'{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":'
        b'{"subject":"s.node1.t","seq":%d,"hdrs":"%b","data":"MQ==","time":"2026-01-01T00:00:00Z"}}'
        % (seq, base64.b64encode(block))
    )


class World:
    """A question, and an API that answers each subject with fixed bytes."""

    def __init__(
        self,
        *,
        stream: str = "",
        answers: dict[bytes, bytes] | None = None,
        by_field: bool = False,
    ) -> None:
        self.account = new_account()
        self.clock = FakeClock()
        self.requests: list[tuple[bytes, bytes]] = []
        self.replies: list[bytes] = []
        self.answers = answers or {}
        self.results: list[Receipt | None] = []
        for subject in self.answers:
            self.account.subscribe(subject, self._on_request)
        self.resume = Resume(
            self.account,
            self.clock,
            Random(1),
            inbox=b"_INBOX.x.last",
            stream=stream,
            by_field=by_field,
            done=self.results.append,
        )
        self.resume.ask(b"s.node1.>", "node1", 77)
        for _ in range(port_bounds.RESUME_QUESTIONS_MAX):  # each has a turn of its own
            self.clock.advance(0)

    def _on_request(self, delivery: Delivery) -> None:
        for reply, _, body in delivery.messages:
            self.requests.append((delivery.subject, body))
            self.replies.append(reply)
            if self.answers[delivery.subject]:
                self.account.publish(reply, self.answers[delivery.subject])


def test_the_last_reading_of_the_boot_is_found_through_the_stream_that_captures_it() -> None:
    world = World(answers={NAMES: ONE_STREAM, GET: message(b"node1.77.41")})

    assert world.results == [Receipt((b"node1", 77), 41)]
    assert world.requests == [
        (NAMES, b'{"subject":"s.node1.>"}'),
        (GET, b'{"last_by_subj":"s.node1.>"}'),
    ]
    assert world.clock.pending() == 0


def test_no_client_is_shown_where_the_answer_is_awaited_or_answers() -> None:
    world = World(answers={NAMES: b"", GET: message(b"node1.77.41")})
    client = FakePeer(world.account, 1)
    client.subscribe(b">", b"1")

    world.resume.ask(b"s.node1.>", "node1", 77)
    assert b"_INBOX" not in client.got()
    for answer in (ONE_STREAM, message(b"node1.77.99")):
        client.says(b"PUB %b %d\r\n%b\r\n" % (world.replies[-1], len(answer), answer))
    assert world.results == []
    world.account.publish(world.replies[-1], ONE_STREAM)

    assert world.results == [Receipt((b"node1", 77), 41)]


def test_a_configured_stream_is_asked_at_once() -> None:
    world = World(stream="READINGS", answers={GET: message(b"node1.77.41")})

    assert world.results == [Receipt((b"node1", 77), 41)]
    assert len(world.requests) == 1


@pytest.mark.parametrize(
    "msg_id",
    [
        b"node1.76.41",
        b"node2.77.41",
        b"node1.77.",
        b"node1.77.x",
        b"node1.77.41.gathered",
        b"node1.77.-1",
        b"node1.77.41x",
        b"node1.77.99999999999999999999",
        b"node1.77.4294967296",
    ],
)
def test_a_message_of_another_boot_or_none_of_the_link_says_nothing(msg_id: bytes) -> None:
    world = World(answers={NAMES: ONE_STREAM, GET: message(msg_id)})

    assert world.results == [None]


@pytest.mark.parametrize(
    ("msg_id", "seq"),
    [(b"node1.77.41", 41), (b"node1.77.41.temp", 40), (b"node1.77.2.a.b", 1), (b"node1.77.1.a", 0)],
)
def test_of_a_reading_whose_fields_are_messages_all_are_stored_or_it_is_not(
    msg_id: bytes, seq: int
) -> None:
    world = World(answers={NAMES: ONE_STREAM, GET: message(msg_id)}, by_field=True)

    assert world.results == [Receipt((b"node1", 77), seq) if seq else None]


@pytest.mark.parametrize(
    ("msg_id", "through", "seq"),
    [
        (b"node1.77.41.temp", b"node1.77.41", 41),
        (b"node1.77.41.", b"", 40),  # a field without a name
    ],
)
def test_the_last_field_tells_that_all_of_its_reading_is_stored(
    msg_id: bytes, through: bytes, seq: int
) -> None:
    answers = {NAMES: ONE_STREAM, GET: message(msg_id, through)}

    assert World(answers=answers, by_field=True).results == [Receipt((b"node1", 77), seq)]


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {NAMES: b'{"streams":null}'},
        {NAMES: b'{"streams":["A","B"]}'},
        {NAMES: b"nonsense"},
        {NAMES: b"[" * 5000},
        {NAMES: ONE_STREAM},
        {NAMES: ONE_STREAM, GET: NOT_FOUND},
        {NAMES: ONE_STREAM, GET: b'{"message":{"hdrs":"!"}}'},
        {NAMES: ONE_STREAM, GET: b'{"message":{"seq":1}}'},
    ],
)
def test_without_a_clear_answer_nothing_is_taken_for_stored(answers: dict[bytes, bytes]) -> None:
    world = World(answers=answers)

    assert world.results == [None]
    assert world.clock.pending() == 0


class Shelf:
    """A stream's messages of the asked subject by sequence; what it is asked, it answers."""

    def __init__(self, ids: dict[int, tuple[bytes, bytes]]) -> None:
        self.account = new_account()
        self.clock = FakeClock()
        self.questions = 0
        self.results: list[Receipt | None] = []
        self._ids = ids
        self.account.subscribe(GET, self._on_request)
        self.resume = Resume(
            self.account,
            self.clock,
            Random(1),
            inbox=b"_INBOX.x.last",
            stream="READINGS",
            done=self.results.append,
        )
        self.resume.ask(b"s.node1.>", "node1", 77)
        while not self.results:
            self.clock.advance(0)

    def _on_request(self, delivery: Delivery) -> None:
        reply, _, body = delivery.messages[0]
        self.questions += 1
        wanted = json.loads(body)
        first = max(self._ids) if "last_by_subj" in wanted else wanted["seq"]
        seq = min((seq for seq in self._ids if seq >= first), default=0)
        answer = message(*self._ids[seq], seq) if seq else NOT_FOUND
        self.account.publish(reply, answer)


PLAIN = b"scale.x.1", b""
NUMBERED = b"node1.77.41", b""
OF_BEFORE = b"node1.76.99", b""


@pytest.mark.parametrize(
    ("newest", "seq", "is_told"),
    [
        ((b"scale.x.1", b"node1.77.41"), 41, True),  # as this gateway stores it
        ((b"scale.x.1", b"node1.76.99"), None, True),  # of the boot before
        (OF_BEFORE, None, True),
        ((b"scale.x.1", b"node2.78.7"), 40, False),
        (PLAIN, 40, False),  # as a former gateway stored it
    ],
)
def test_a_line_without_a_number_hides_none_with_one(
    newest: tuple[bytes, bytes], seq: int | None, *, is_told: bool
) -> None:
    shelf = Shelf({4: OF_BEFORE, 8: (b"node1.77.40", b""), 9: newest})

    assert shelf.results == [Receipt((b"node1", 77), seq) if seq else None]
    # Else 4 and 8 are looked at, and that no more is before 9.
    assert shelf.questions == (1 if is_told else 4)


@pytest.mark.parametrize("others", [1, 7, 8, 9, 40, 200])
def test_a_reading_is_found_behind_the_messages_of_others(others: int) -> None:
    shelf = Shelf({5: NUMBERED, **dict.fromkeys(range(6, 6 + others), PLAIN)})

    assert shelf.results == [Receipt((b"node1", 77), 41)]


def test_a_reading_is_found_behind_a_million_messages_under_other_subjects() -> None:
    shelf = Shelf({5: NUMBERED, 1_000_000: PLAIN, 1_000_001: PLAIN})

    assert shelf.results == [Receipt((b"node1", 77), 41)]
    assert shelf.questions < 30


@pytest.mark.parametrize("apart", [1, 3, 10, 21, 100])
def test_a_reading_is_found_behind_others_messages_however_far_apart_these_are(apart: int) -> None:
    others = {1000 + apart * number: PLAIN for number in range(120)}
    shelf = Shelf({**dict.fromkeys(range(1, 990), PLAIN), 995: NUMBERED, **others})

    assert shelf.results == [Receipt((b"node1", 77), 41)]


def test_what_the_newest_message_that_tells_says_counts() -> None:
    shelf = Shelf({2: NUMBERED, 3: PLAIN, 4: (b"node1.77.42", b""), 5: PLAIN, 6: PLAIN})

    assert shelf.results == [Receipt((b"node1", 77), 42)]


def test_the_search_behind_the_messages_of_others_is_bounded_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf({5: NUMBERED, **dict.fromkeys(range(6, 10_000), PLAIN)})

    assert shelf.results == [None]
    assert shelf.questions == port_bounds.RESUME_QUESTIONS_MAX + 1
    assert "hidden behind the messages of others" in caplog.text
    assert shelf.clock.pending() == 0


def test_where_a_board_never_stored_anything_the_search_ends_at_the_streams_begin() -> None:
    shelf = Shelf(dict.fromkeys(range(1, 6), PLAIN))

    assert shelf.results == [None]
    assert shelf.questions < 10


@pytest.mark.parametrize(
    ("answer", "known", "stored"),
    [(NOT_FOUND, 5, 5), (message(b"node1.77.4"), 5, 5), (message(b"node1.77.6"), 5, 6)],
)
def test_what_is_known_counts_where_the_stream_tells_less(
    answer: bytes, known: int, stored: int
) -> None:
    world = World(stream="READINGS", answers={GET: answer})

    world.resume.ask(b"s.node1.>", "node1", 77, known=known)

    assert world.results[-1] == Receipt((b"node1", 77), stored)


def test_an_answer_that_does_not_come_is_waited_for_only_so_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(answers={NAMES: b""})

    world.clock.advance(limits.RESUME_TIMEOUT_NS - 1)
    assert world.results == []
    world.clock.advance(1)

    assert world.results == [None]
    assert "only its duplicate window protects" in caplog.text


def test_the_answer_to_a_former_question_is_passed_over() -> None:
    world = World(answers={NAMES: b""})
    world.resume.ask(b"s.node2.>", "node2", 78)

    world.account.publish(world.replies[0], ONE_STREAM)

    assert world.results == []
    assert world.requests[-1] == (NAMES, b'{"subject":"s.node2.>"}')


def test_stopping_forgets_the_question() -> None:
    world = World(answers={NAMES: b""})

    world.resume.stop()

    assert world.clock.pending() == 0
    assert (b"_INBOX.x.last.*", b"") not in world.account.local_interest
