"""leafnode.routing.services; what the wire must look like is in the transcript account_services."""

from __future__ import annotations

import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from leafnode.limits import (
    DELIVERY_WORK,
    HEADER_BYTES_A_WORK,
    KIB,
    LEFT_BYTES,
    PENDING_RESPONSES_EXPORT_MAX,
    PENDING_RESPONSES_MAX,
    PENDING_RESPONSES_REQUESTER_MAX,
    RELAYS_MAX,
    SERVICE_WORK,
    TURN_WORK,
    WORK_BYTES,
)
from leafnode.protocol.header import build
from leafnode.routing import awaited, parked, sublist
from leafnode.routing.imports import StreamImports
from leafnode.routing.latency import TIMED_OUT, Latency
from leafnode.routing.mapping import MappedSubject, Mappings, Weighted
from leafnode.routing.permissions import LOGIN_REQUESTS
from leafnode.routing.request_header import REQUEST_INFO
from leafnode.routing.service_export import Answers
from leafnode.routing.services import ServiceImport
from leafnode.slices import finish
from tests.sim.imports import Slices, stream_import
from tests.sim.peers import FakePeer
from tests.sim.services import SECOND_NS, Pair, World

if TYPE_CHECKING:
    from leafnode.routing.service_export import ServiceExport


def test_an_import_counts_its_requests_and_has_a_number_as_monitoring_shows() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    pair.world.import_("I", pair.world.export("E", b"other"))
    pair.ask()
    pair.ask()

    subs = {sub.subject: sub for sub in pair.importing.account.sublist if not sub.peer.cid}

    assert [subs[subject].delivered for subject in (b"q", b"other")] == [2, 0]
    assert len({sub.sid for sub in subs.values()} - {b""}) == len(subs)


def test_each_request_has_a_reply_of_its_own() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")

    replies = {pair.ask() for _ in range(50)}

    assert len(replies) == 50


def test_what_a_stream_delivers_to_another_account_is_shown_under_its_own_subject() -> None:
    pair = Pair(answers=Answers.MANY)
    pair.responder.subscribe(b"q", b"1")
    reply = pair.ask()
    exporting = pair.world.account("E")

    messages = [(b"in.0", b"$JS.ACK.0", 0, b"a"), (b"in.1", b"$JS.ACK.1", 0, b"b")]
    received = exporting.deliver(reply, messages)

    assert received == 1
    shown = b"MSG in.0 1 $JS.ACK.0 1\r\na\r\nMSG in.1 1 $JS.ACK.1 1\r\nb\r\n"
    assert pair.requester.got() == shown
    assert pair.owed == 1


def test_what_a_stream_delivers_goes_through_an_import_by_the_subject_it_is_delivered_on() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    importing = pair.world.account("I")

    assert importing.deliver(b"q", [(b"in.0", b"$JS.ACK.0", 0, b"a")]) == 1

    assert pair.responder.got() == b"MSG in.0 1 $JS.ACK.0 1\r\na\r\n"


def test_without_a_responder_nothing_is_owed() -> None:
    pair = Pair()

    pair.ask()

    assert b"NATS/1.0 503\r\nNats-Subject: q\r\n" in pair.requester.got()
    assert pair.owed == len(pair.importing.awaited) == 0


def test_a_request_that_reached_nobody_after_all_is_the_importer_s() -> None:
    pair = Pair()
    pair.world.import_("J", pair.world.export("I", b"q"), b"mine")
    far = FakePeer(pair.world.account("J"), 3)
    pair.responder.subscribe(b"q", b"1")
    far.says(b"PUB mine inbox.1 1\r\nq\r\n")
    reply = pair.responder.got().split()[3]

    account, to, subject = pair.world.services["E"].unanswered(reply, b"q")

    assert (account.name, to, subject) == ("J", b"inbox.1", b"mine")
    assert pair.owed == len(pair.importing.responses) == 0
    assert pair.importing.unanswered(b"inbox.9", b"q") == (pair.importing.account, b"inbox.9", b"q")


def test_a_stream_s_messages_go_through_an_import_and_are_no_request_for_a_login() -> None:
    world = World()
    for to, local in ((b"sv", b"q"), (LOGIN_REQUESTS, b"login")):
        world.import_("I", world.export("E", to), local)
    responder = FakePeer(world.account("E"), 1)
    responder.headers = False
    responder.subscribe(b">", b"1")

    for subject in (b"q", b"login"):
        world.account("I").deliver(subject, [(b"ev.a", b"$JS.ACK.S.C.1.1.1.1.0", 0, b"one")])

    assert responder.got() == b"MSG ev.a 1 $JS.ACK.S.C.1.1.1.1.0 3\r\none\r\n"


@pytest.mark.parametrize("answers", [Answers.ONE, Answers.MANY])
def test_who_answers_is_not_told_that_nobody_is_there(answers: Answers) -> None:
    pair = Pair(answers=answers)
    responder = pair.responder
    responder.headers = responder.no_responders = True
    responder.subscribe(b"q", b"1")
    responder.subscribe(b"back", b"2")
    late, given_up = pair.ask(), pair.ask()
    responder.says(b"PUB %b 2\r\nok\r\n" % late)
    pair.requester.says(b"UNSUB 1\r\n")

    for reply in (late, given_up):
        responder.says(b"PUB %b back 4\r\nmore\r\n" % reply)
    assert responder.got() == b""

    responder.says(b"PUB %bx back 4\r\nmore\r\n" % given_up)
    responder.says(b"PUB _R_.another.x back 4\r\nmore\r\n")
    assert responder.got().count(b"NATS/1.0 503\r\nNats-Subject: _R_.another.x\r\n") == 1


class Crowd:
    """Two services of E, one of which never answers, and clients of I who ask them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert PENDING_RESPONSES_MAX == 65_536
        assert PENDING_RESPONSES_EXPORT_MAX == PENDING_RESPONSES_MAX // 2
        assert PENDING_RESPONSES_REQUESTER_MAX == PENDING_RESPONSES_MAX // 4
        monkeypatch.setattr(awaited, "PENDING_RESPONSES_MAX", 16)
        monkeypatch.setattr(awaited, "PENDING_RESPONSES_EXPORT_MAX", 8)
        monkeypatch.setattr(awaited, "PENDING_RESPONSES_REQUESTER_MAX", 4)
        self.world = World()
        for subject in (b"slow", b"slower", b"slowest", b"fast"):
            self.world.import_("I", self.world.export("E", subject))
        self.responder = FakePeer(self.world.account("E"), 1)
        self.responder.headers = False
        for subject in (b"slow", b"slower", b"slowest", b"fast"):
            self.responder.subscribe(subject, subject)
        self.waiting = self.world.services["I"].awaited

    def client(self, cid: int) -> FakePeer:
        client = FakePeer(self.world.account("I"), cid)
        client.no_responders = True
        client.subscribe(b"r%d.*" % cid, b"1")
        return client

    def ask(self, client: FakePeer, subject: bytes, number: int = 0) -> bytes:
        """Return the reply that the responder sees; the requester's ends in a number."""
        client.says(b"PUB %b r%d.%d 1\r\nq\r\n" % (subject, client.cid, number))
        return self.responder.got().split()[3]

    def answered(self, client: FakePeer, replies: list[bytes]) -> list[int]:
        """Answer on these; return the numbers of the requests that were still waited for."""
        for reply in replies:
            self.responder.says(b"PUB %b 1\r\na\r\n" % reply)
        words = client.got().split()
        return [int(word.partition(b".")[2]) for word in words if word.startswith(b"r")]


def test_a_client_that_asks_too_much_gives_up_its_own_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = Crowd(monkeypatch)
    other, greedy = crowd.client(2), crowd.client(3)
    first = crowd.ask(other, b"slow", 9)

    replies = [crowd.ask(greedy, b"slow", number) for number in range(6)]

    assert (len(crowd.waiting), crowd.waiting.dropped) == (5, 2)
    assert crowd.answered(greedy, replies) == [2, 3, 4, 5]
    assert crowd.answered(other, [first]) == [9]
    assert len(crowd.waiting) == 0


def test_a_service_that_many_ask_and_that_is_silent_leaves_the_others_their_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = Crowd(monkeypatch)
    modest = crowd.client(2)
    first = crowd.ask(modest, b"fast", 7)
    second = crowd.ask(modest, b"slow", 8)

    for cid in range(3, 8):
        greedy = crowd.client(cid)
        for number in range(4):
            crowd.ask(greedy, b"slow", number)

    assert len(crowd.waiting) == 9  # 8 of the silent one
    assert crowd.answered(modest, [first, second]) == [7, 8]  # it had asked only once
    assert crowd.answered(modest, [crowd.ask(modest, b"fast", 9)]) == [9]


def test_where_an_account_waits_for_too_many_the_service_that_owes_most_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = Crowd(monkeypatch)
    modest = crowd.client(2)
    first = crowd.ask(modest, b"fast", 7)

    for cid, subject in enumerate([b"slow", b"slower", b"slowest"] * 2, 3):
        greedy = crowd.client(cid)
        for number in range(4):
            crowd.ask(greedy, subject, number)

    assert len(crowd.waiting) == 16
    assert crowd.answered(modest, [first, crowd.ask(modest, b"fast", 8)]) == [7, 8]


def test_an_answer_with_long_subjects_or_headers_counts_as_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(awaited, "PENDING_RESPONSES_REQUESTER_MAX", 10)
    monkeypatch.setattr(awaited, "PENDING_RESPONSE_BYTES", 100)
    pair = Pair(latency=Latency(b"lat", 0))
    pair.responder.subscribe(b"q", b"1")
    block = build([(b"traceparent", b"00-4b-00-01"), (b"tracestate", b"x" * 150)])
    long = b"HPUB q inbox.%d %d %d\r\n%b\r\n" % (1, len(block), len(block), block)
    waiting = pair.importing.awaited

    for _ in range(8):
        pair.ask()
    assert (len(waiting), waiting.dropped) == (8, 0)
    pair.ask(long)  # counts as three
    assert (len(waiting), waiting.dropped) == (8, 1)
    for _ in range(4):
        pair.ask(long)
    assert (len(waiting), waiting.dropped) == (3, 10)
    for _ in range(10):
        pair.ask()
    assert (len(waiting), waiting.dropped) == (10, 13)
    pair.world.clock.advance(3 * SECOND_NS)
    assert len(waiting) == 0
    assert waiting._exports.total == 0


def test_a_long_header_of_a_request_is_work_of_who_asks() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    left = []
    for size in (1, 1, 1, 801):  # at first a route is built
        before = pair.requester.outbox.work_left = 100_000
        block = build([(b"A", b"x" * size)])
        lead = b"HPUB q inbox.1 %d %d\r\n" % (len(block), len(block))
        pair.requester.lane.feed(lead + block + b"\r\n")
        pair.requester.lane.next_line()
        left.append(before - pair.requester.outbox.work_left)

    assert left[3] - left[2] >= 800 // HEADER_BYTES_A_WORK


def test_what_gives_way_is_measured_as_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaited, "PENDING_RESPONSES_REQUESTER_MAX", 1)
    pair = Pair(latency=Latency(b"lat", 100))
    pair.responder.subscribe(b"q", b"1")

    pair.ask()
    pair.ask()

    assert [measurement.outcome for _, _, measurement in pair.world.measurements] == [TIMED_OUT]


def test_a_service_that_leads_back_to_itself_ends() -> None:
    world = World()
    one, other = world.export("A", b"x"), world.export("B", b"x")
    world.import_("A", other)
    world.import_("B", one)
    asker = FakePeer(world.account("A"), 1)
    asker.no_responders = True
    asker.subscribe(b"r", b"1")

    asker.says(b"PUB x r 1\r\nq\r\n")

    assert b"NATS/1.0 503" in asker.got()
    assert all(not services.responses for services in world.services.values())


def test_mappings_of_the_exporter_hold_for_requests() -> None:
    pair = Pair()
    mapped = MappedSubject(b"q", [Weighted(b"elsewhere", 100)])
    pair.world.account("E").map_subjects(Mappings([mapped], random.Random(1)))
    pair.responder.subscribe(b">", b"1")

    pair.requester.says(b"PUB q 1\r\nq\r\n")

    assert pair.responder.got() == b"MSG elsewhere 1 1\r\nq\r\n"


def test_a_request_goes_no_further_through_a_stream_import() -> None:
    pair = Pair()
    world = pair.world
    third = FakePeer(world.account("T"), 3)
    StreamImports(world.account("T"), [stream_import(world.account("E"), b">", b">")]).start()
    third.subscribe(b">", b"1")

    pair.requester.says(b"PUB q 1\r\nq\r\n")
    assert third.got() == b""

    pair.responder.says(b"PUB q 1\r\nq\r\n")
    assert third.got() == b"MSG q 1 1\r\nq\r\n"


def test_who_asks_is_told_in_a_header_and_with_consent_in_detail() -> None:
    for share, info in ((False, b'{"acc":"I"}'), (True, b'{"id":1,"acc":"I"}')):
        world = World()
        world.import_("I", world.export("E", b"q"), share=share)
        requester, responder = FakePeer(world.account("I"), 1), FakePeer(world.account("E"), 2)
        responder.subscribe(b"q", b"1")

        requester.says(b"PUB q 1\r\nq\r\n")

        block = b"NATS/1.0\r\nNats-Request-Info: %b\r\n\r\n" % info
        line = b"HMSG q 1 %d %d\r\n" % (len(block), len(block) + 1)
        assert responder.got() == line + block + b"q\r\n"


def test_a_header_of_the_client_with_that_name_is_not_believed() -> None:
    pair = Pair()
    pair.responder.headers = True
    pair.responder.subscribe(b"q", b"1")
    block = b"NATS/1.0\r\nnats-request-info: {}\r\nA: b\r\nNats-Request-Info: {}\r\n\r\n"

    pair.requester.says(b"HPUB q %d %d\r\n%b\r\n" % (len(block), len(block), block))

    assert pair.responder.got().partition(b"\r\n")[2] == (
        b'NATS/1.0\r\nA: b\r\nNats-Request-Info: {"acc":"I"}\r\n\r\n\r\n'
    )


def test_the_system_account_learns_which_server_asks() -> None:
    world = World()
    world.system = world.account("SYS")
    world.import_("I", world.export("SYS", b"q"))
    responder = FakePeer(world.account("SYS"), 2)
    responder.subscribe(b"q", b"1")

    FakePeer(world.account("I"), 1).says(b"PUB q 1\r\nq\r\n")

    assert b'Nats-Request-Info: {"acc":"I","server":"here"}' in responder.got()


def test_imports_are_replaced_while_answers_are_on_their_way() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    reply = pair.ask()

    pair.importing.replace_imports(())
    pair.responder.says(b"PUB %b 1\r\na\r\n" % reply)
    assert pair.requester.got() == b"MSG inbox.1 1 1\r\na\r\n"

    assert pair.ask() == b""
    pair.world.services["E"].stop()
    assert pair.world.account("E").local_interest == {(b"q", b""): 1}


def test_an_import_is_interest_of_the_importer_that_leaf_links_see() -> None:
    pair = Pair()

    assert pair.world.account("I").local_interest == {(b"q", b""): 1, (b"inbox.*", b""): 1}


def test_imports_that_stay_keep_their_subscriptions_and_others_come_and_go() -> None:
    world = World()
    kept, other = world.export("E", b"s.*"), world.export("E", b"t.*")
    mine = world.account("I").services
    assert mine is not None

    def imported(export: ServiceExport, local: bytes) -> ServiceImport:
        return ServiceImport(mine, export, export.subject, local, share=False)

    mine.replace_imports([imported(kept, b"a.*"), imported(other, b"b.*")])
    first, sublist = mine.imports, mine.account.sublist
    changes = sublist.changes
    mine.replace_imports([imported(kept, b"a.*"), imported(other, b"b.*")])
    assert (mine.imports, sublist.changes) == (first, changes)

    again = world.export("E", b"t.*")
    mine.replace_imports([imported(again, b"b.*"), imported(kept, b"a.*")])

    assert sublist.changes == changes + 2
    assert mine.imports[1] is first[0]
    assert mine.imports[0].export is again
    assert [sub.relay for sub in sublist.match(b"b.x").plain] == [mine.imports[0]]
    mine.replace_imports(())
    assert sublist.count == 0


def test_imports_that_are_planned_hold_once_that_is_adopted() -> None:
    pair = Pair()
    mine, export = pair.importing, pair.world.export("E", b"r")
    heard = FakePeer(pair.world.account("E"), 9)
    heard.subscribe(b"r", b"1")
    pair.responder.subscribe(b"q", b"1")
    later = ServiceImport(mine, export, b"r", b"r", share=False)
    pair.requester.says(b"PUB r 0\r\n\r\n")  # what leads nowhere is cached

    plan = finish(mine.planned([later]))
    pair.requester.says(b"PUB r 0\r\n\r\nPUB r inbox.1 0\r\n\r\n")
    assert (heard.got(), b"503" in pair.requester.got()) == (b"", True)
    assert pair.ask()  # what was imported still is

    mine.adopt(plan)
    pair.requester.says(b"PUB r 0\r\n\r\nPUB q inbox.1 0\r\n\r\n")
    assert heard.got().count(b"MSG r 1") == 1
    assert pair.responder.got() == b""
    assert [one.local for one in mine.imports] == [b"r"]


def test_a_service_that_is_imported_twice_is_asked_twice_and_goes_one_by_one() -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    one = ServiceImport(pair.importing, pair.export, b"q", b"q", share=False)
    pair.importing.replace_imports([one, one])

    pair.requester.says(b"PUB q 0\r\n\r\n")
    assert pair.responder.got().count(b"MSG q 1 ") == 2
    plan = finish(pair.importing.planned([one]))

    assert (len(plan.all), len(plan.fresh), len(plan.gone)) == (1, 0, 1)
    pair.importing.adopt(plan)
    pair.requester.says(b"PUB q 0\r\n\r\n")
    assert pair.responder.got().count(b"MSG q 1 ") == 1


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_imports_that_were_planned_and_given_up_leave_nothing(steps: int) -> None:
    pair = Pair()
    pair.responder.subscribe(b"q", b"1")
    mine, account = pair.importing, pair.importing.account
    before = account.sublist.count
    exports = [pair.world.export("E", b"r.%d" % number) for number in range(200)]
    imports = [ServiceImport(mine, one, one.subject, one.subject, share=False) for one in exports]

    planning = mine.planned(imports)
    for _ in range(steps):
        next(planning)
    planning.close()
    assert account.sublist.count == before
    plan = finish(mine.planned(imports))
    assert account.sublist.count == before + 200
    mine.give_up(plan)

    assert account.sublist.count == before
    assert pair.ask()


@pytest.mark.parametrize("count", [RELAYS_MAX, RELAYS_MAX + 1, 3 * RELAYS_MAX])
def test_a_request_that_goes_through_very_many_imports_takes_several_turns(count: int) -> None:
    world = World()
    for number in range(count):
        world.import_("I", world.export(f"E{number % 7}", b"q"))
    responders = [FakePeer(world.account(f"E{number}"), 10 + number) for number in range(7)]
    for responder in responders:
        responder.subscribe(b"q", b"1")
    requester = FakePeer(world.account("I"), 1)
    requester.no_responders = True
    requester.subscribe(b"inbox.*", b"1")
    sublist = world.account("I").sublist
    assert sublist.match(b"q").is_wide is (count > RELAYS_MAX)

    requester.lane.feed(b"PUB q inbox.1 0\r\n\r\n")
    starved = True
    while starved:
        world.outbox.work_left = TURN_WORK
        requester.lane.next_line()
        assert world.outbox.work_left > -TURN_WORK
        starved = requester.lane.starved
    served = [responder.got().count(b"MSG q 1 ") for responder in responders]
    assert sum(served) == count

    for responder in responders:
        world.account(responder.account.name).remove(responder.subs.pop(b"1"))
    requester.says(b"PUB q inbox.1 0\r\n\r\n")
    assert b"503" in requester.got()
    world.services["I"].replace_imports(())
    assert not sublist.match(b"q").is_wide


def test_of_a_message_to_many_imports_one_copy_is_made_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes to very many behind each of them, in turns, with who asks in its header."""
    imports, receivers, size = 16, 24, 256 * KIB
    monkeypatch.setattr(sublist, "RECEIVERS_MAX", receivers - 1)
    world = World()
    responders = []
    for number in range(imports):
        world.import_("I", world.export(f"E{number}", b"q"), share=True)
        responders.append(FakePeer(world.account(f"E{number}"), 10 + number))
        for sid in range(receivers):
            responders[-1].subscribe(b"q", b"%d" % sid)
    requester = FakePeer(world.account("I"), 1)
    requester.lane.limit_payload(size)
    requester.lane.feed(b"PUB q %d\r\n" % size)

    tracemalloc.start()
    try:
        requester.lane.feed(bytes(size) + b"\r\n")
        world.outbox.work_left = imports * (SERVICE_WORK + DELIVERY_WORK + size // WORK_BYTES)
        requester.lane.next_line()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    waiting = requester.parked
    assert waiting is not None
    assert len(waiting) > imports // 2
    assert held < 6 * size

    slices = Slices(world.outbox)
    parked.leave(requester)
    assert world.outbox.left.held_bytes == len(waiting) * LEFT_BYTES + 2 * size
    slices.all()
    for responder in responders:
        got = responder.got()
        assert got.count(b"HMSG q ") == got.count(REQUEST_INFO) == receivers
