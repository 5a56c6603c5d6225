"""A message reaches a client if and only if its permissions allow it, whatever way it comes.

nats-server had four advisories because its ways decided apart; here each goes through
`may_deliver`. What is allowed is worked out from the lists one entry at a time, by the oracle's
matcher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leafnode.protocol import subject as subjects
from leafnode.routing.imports import StreamImports
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, ResponseRule, Rules
from leafnode.routing.responses import OpenReplies
from tests.oracle import matcher
from tests.sim.imports import stream_import
from tests.sim.peers import FakePeer, account
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.routing.account import Account

TOKEN = st.sampled_from([b"a", b"b", b"c"])
LITERALS = st.lists(TOKEN, min_size=1, max_size=3).map(b".".join)
PATTERNS = (
    st.lists(st.sampled_from([b"a", b"b", b"*", b">"]), min_size=1, max_size=3)
    .map(b".".join)
    .filter(subjects.is_valid)
)
ENTRIES = PATTERNS | st.builds(b"%b %b".__mod__, st.tuples(PATTERNS, PATTERNS))
QUEUES = st.sampled_from([b"", b"a", b"b.c"])


@dataclass(frozen=True)
class Lists:
    """Allow and deny as a configuration has them; `allow` None: everything."""

    allow: list[bytes] | None
    deny: list[bytes]

    def permissions(self) -> Permissions:
        return Permissions(Rules(), Rules(self.allow, self.deny))

    def allow_subject(self, subject: bytes, queue: bytes) -> bool:
        """The slow, obvious form."""
        if self.deny_subject(subject, queue):
            return False
        return self.allow is None or any(_names(entry, subject, queue) for entry in self.allow)

    def deny_subject(self, subject: bytes, queue: bytes) -> bool:
        return any(_names(entry, subject, queue) for entry in self.deny)


def _names(entry: bytes, subject: bytes, queue: bytes) -> bool:
    pattern, _, group = entry.partition(b" ")
    if not matcher.matches(pattern, subject):
        return False
    return not group or (queue != b"" and matcher.matches(group, queue))


LISTS = st.builds(Lists, st.none() | st.lists(ENTRIES, max_size=3), st.lists(ENTRIES, max_size=2))

# --- ways through an account


def by_run(world: Account, subject: bytes) -> None:
    FakePeer(world, 2).says(b"PUB %b 1\r\nx\r\n" % subject * 3)


def by_cached_line(world: Account, subject: bytes) -> None:
    publisher = FakePeer(world, 2)
    publisher.says(b"PUB %b 1\r\nx\r\n" % subject)
    publisher.says(b"PUB %b 1\r\nx\r\nPUB %b r 1\r\nx\r\n" % (subject, subject))


def by_verbose_publisher(world: Account, subject: bytes) -> None:
    publisher = FakePeer(world, 2)
    publisher.verbose = True
    publisher.says(b"PUB %b 1\r\nx\r\n" % subject * 3)


def by_header(world: Account, subject: bytes) -> None:
    FakePeer(world, 2).says(b"HPUB %b 12 13\r\nNATS/1.0\r\n\r\nx\r\n" % subject * 3)


def by_hub(world: Account, subject: bytes) -> None:
    FakePeer(world, 2, Kind.LEAF).says(b"LMSG %b | a b.c 1\r\nx\r\n" % subject * 3)


def by_server(world: Account, subject: bytes) -> None:
    for _ in range(3):
        world.publish(subject, b"x")


def by_answers(world: Account, subject: bytes) -> None:
    world.publish_replies([(subject, b"x")] * 3)


def by_stream(world: Account, subject: bytes) -> None:
    reply = b"$JS.ACK.S.C.1.1.1.1.0"  # without one it is a status, which has no name of its own
    world.deliver(subject, [(subject, reply, 0, b"x")] * 3)


WAYS = [
    by_run,
    by_cached_line,
    by_verbose_publisher,
    by_header,
    by_hub,
    by_server,
    by_answers,
    by_stream,
]


@pytest.mark.parametrize("way", WAYS)
@given(lists=LISTS, pattern=PATTERNS, literal=LITERALS, queue=QUEUES)
def test_within_an_account(
    way: Callable[[Account, bytes], None],
    lists: Lists,
    pattern: bytes,
    literal: bytes,
    queue: bytes,
) -> None:
    world = account()
    reader = FakePeer(world, 1)
    reader.permissions = lists.permissions()
    reader.subscribe(pattern, b"9", queue)

    way(world, literal)

    wanted = matcher.matches(pattern, literal) and lists.allow_subject(literal, queue)
    assert reader.got().count(b"MSG ") == (3 if wanted else 0)


@given(lists=LISTS, literal=LITERALS, queue=QUEUES)
def test_a_denied_member_of_a_group_leaves_the_message_to_the_others(
    lists: Lists, literal: bytes, queue: bytes
) -> None:
    world = account()
    denied, other = FakePeer(world, 1), FakePeer(world, 3)
    denied.permissions = lists.permissions()
    denied.subscribe(b">", b"1", queue or b"a")
    other.subscribe(b">", b"1", queue or b"a")

    by_run(world, literal)
    by_server(world, literal)

    got = denied.got().count(b"MSG "), other.got().count(b"MSG ")
    assert sum(got) == 6
    assert (got[0] > 0) == lists.allow_subject(literal, queue or b"a")


@pytest.mark.parametrize("way", WAYS)
@given(lists=LISTS, pattern=PATTERNS, literal=LITERALS, queue=QUEUES)
@example(lists=Lists(None, [b"a.a.a"]), pattern=b">", literal=b"a.a.a", queue=b"")
def test_through_a_stream_import_the_subjects_that_are_seen_count(
    way: Callable[[Account, bytes], None],
    lists: Lists,
    pattern: bytes,
    literal: bytes,
    queue: bytes,
) -> None:
    exporter, importer = account("E"), account("I")
    importer.stream_imports = StreamImports(importer, [stream_import(exporter, b"a.>", b"b.>")])
    reader = FakePeer(importer, 1)
    reader.permissions = lists.permissions()
    reader.subscribe(pattern, b"9", queue)

    way(exporter, literal)

    seen = b"b" + literal[1:]
    imported = literal.startswith(b"a.") and matcher.matches(pattern, seen)
    wanted = imported and lists.allow_subject(seen, queue)
    if way is by_stream:  # it shows the subject that the message has in the stream
        wanted = wanted and not lists.deny_subject(literal, queue)
    assert reader.got().count(b"MSG ") == (3 if wanted else 0)


@given(lists=LISTS, literal=LITERALS)
def test_to_a_hub(lists: Lists, literal: bytes) -> None:
    world = account()
    leaf = FakePeer(world, 1, Kind.LEAF)
    leaf.permissions = lists.permissions()
    leaf.subscribe(b">", b">")

    for way in WAYS:
        if way is not by_hub:
            way(world, literal)

    wanted = lists.allow_subject(literal, b"")
    assert leaf.got().count(b"MSG ") == (3 * (len(WAYS) - 1) if wanted else 0)


@given(lists=LISTS, request=LITERALS, reply=LITERALS)
def test_an_answer_is_published_if_it_is_allowed_or_was_asked_for(
    lists: Lists, request: bytes, reply: bytes
) -> None:
    world = account()
    responder, asker = FakePeer(world, 1), FakePeer(world, 2)
    rule = ResponseRule(1, 0)
    responder.permissions = Permissions(Rules(lists.allow, lists.deny), Rules(), rule)
    responder.open_replies = OpenReplies(rule, lambda: 0)
    responder.subscribe(request, b"1", b"workers")
    asker.subscribe(b">", b"1")
    asker.says(b"PUB %b %b 0\r\n\r\n" % (request, reply))
    asker.got()

    responder.says(b"PUB %b 0\r\n\r\n" % reply * 2)

    always = lists.allow_subject(reply, b"")
    assert asker.got().count(b"MSG ") == (2 if always else 1)


# --- ways through a stream: the client asks the API for what is stored


class StreamReader:
    """A client with permissions beside a stream that holds one message under `stored`."""

    def __init__(self, lists: Lists, stored: bytes) -> None:
        self.stored = stored
        self.world = World()
        self.world.create_stream(subjects=[stored.decode()], no_ack=True, allow_direct=True)
        self.world.publish(stored.decode(), b"payload")
        self.peer = FakePeer(self.world.account, 1)
        self.peer.permissions = Permissions(Rules(), Rules(lists.allow, lists.deny))

    def got(self) -> bool:
        self.world.clock.advance(0)
        return b"payload" in self.peer.got()


def by_pull(reader: StreamReader, inbox: bytes) -> None:
    reader.world.create_consumer(ack_policy="none")
    reader.peer.subscribe(inbox, b"9")
    reader.peer.says(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C %b 0\r\n\r\n" % inbox)


def by_push(reader: StreamReader, inbox: bytes) -> None:
    reader.peer.subscribe(inbox, b"9")
    reader.world.create_consumer(ack_policy="none", deliver_subject=inbox.decode())


def by_push_to_a_group(reader: StreamReader, inbox: bytes) -> None:
    reader.peer.subscribe(inbox, b"9", b"a")
    config = {"deliver_subject": inbox.decode(), "deliver_group": "a"}
    reader.world.create_consumer(ack_policy="none", **config)


def by_watch(reader: StreamReader, inbox: bytes) -> None:
    """What a client's `kv.watch` makes: an ordered push consumer with flow control."""
    reader.peer.subscribe(inbox, b"9")
    config: dict[str, object] = {
        "deliver_subject": inbox.decode(),
        "flow_control": True,
        "max_deliver": 1,
    }
    config["filter_subject"] = reader.stored.decode()
    reader.world.create_consumer(
        ack_policy="none", deliver_policy="last_per_subject", idle_heartbeat=5_000_000_000, **config
    )


STREAM_WAYS = [by_pull, by_push, by_push_to_a_group, by_watch]


@pytest.mark.parametrize("way", STREAM_WAYS)
@given(lists=LISTS, stored=LITERALS, inbox=LITERALS)
def test_out_of_a_stream_the_inbox_must_be_allowed_and_the_stored_subject_not_denied(
    way: Callable[[StreamReader, bytes], None], lists: Lists, stored: bytes, inbox: bytes
) -> None:
    reader = StreamReader(lists, stored)
    inbox = b"inbox." + inbox

    way(reader, inbox)

    queue = b"a" if way is by_push_to_a_group else b""
    wanted = lists.allow_subject(inbox, queue) and not lists.deny_subject(stored, queue)
    assert reader.got() == wanted


@given(lists=LISTS, stored=LITERALS, inbox=LITERALS)
def test_a_direct_get_is_answered_where_the_inbox_is_allowed(
    lists: Lists, stored: bytes, inbox: bytes
) -> None:
    reader = StreamReader(lists, stored)
    inbox = b"inbox." + inbox
    reader.peer.subscribe(inbox, b"9")

    reader.peer.says(b"PUB $JS.API.DIRECT.GET.S.%b %b 0\r\n\r\n" % (stored, inbox))

    assert reader.got() == lists.allow_subject(inbox, b"")


@given(lists=LISTS, stored=LITERALS)
def test_who_may_not_ask_the_api_gets_nothing_out_of_a_stream(lists: Lists, stored: bytes) -> None:
    reader = StreamReader(lists, stored)
    reader.peer.permissions = Permissions(Rules([b"other.>"]), Rules())
    reader.world.create_consumer(ack_policy="none")
    reader.peer.subscribe(b"inbox", b"9")

    for api in (b"CONSUMER.MSG.NEXT.S.C", b"DIRECT.GET.S." + stored, b"STREAM.MSG.GET.S"):
        reader.peer.says(b"PUB $JS.API.%b inbox 0\r\n\r\n" % api)

    assert reader.peer.got().count(b"-ERR 'Permissions Violation for Publish") == 3
