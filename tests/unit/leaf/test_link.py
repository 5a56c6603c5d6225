"""What a link does whoever dialed: interest, limits of a turn, the end. Source: nats-server 2.15.1
server/leafnode.go; test_handler and test_accepted have what the two sides do alone."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.net.backlog import Late
from leafnode.routing import peer
from tests.sim.leaf_port import CLAIM, LeafPortWorld, SimLeaf


def test_a_flood_of_lines_is_read_in_slices_between_which_others_have_their_turn() -> None:
    port = LeafPortWorld()
    port.leaf()
    (link,) = port.registry.links()
    bound = limits.LEAF_LINES_PER_TURN
    port.server.turn.outbox.work_left = limits.TURN_WORK

    link.received(b"".join(b"LS+ s.%d\r\n" % number for number in range(bound + 1)))
    at_once = len(link.peer.subs)
    port.settle()

    assert at_once == bound
    assert len(link.peer.subs) == bound + 1


def test_a_link_whose_peer_does_not_read_is_cut() -> None:
    port = LeafPortWorld()
    leaf = port.leaf()
    leaf.says(b"LS+ a\r\n")
    leaf.link.deaf = True

    for _ in range(3):
        port.server.account().publish(b"a", b"x" * limits.MAX_PENDING_BYTES)
        port.settle()

    assert port.registry.open == {}
    assert port.registry.slow_consumers == 1


def test_each_write_deadline_that_a_link_misses_is_told_and_counted_and_the_last_ends_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    port = LeafPortWorld()
    port.leaf()
    (link,) = port.registry.links()
    transport = link.transport
    assert transport is not None
    assert transport.on_late is not None

    transport.on_late(Late(NS_PER_S, 2, 30, is_over=False, is_again=False))
    transport.on_late(Late(0, 2, 30, is_over=False, is_again=True, took_ns=NS_PER_S // 2))
    seen = link.slow, link.over
    for _ in range(2):
        transport.on_late(Late(NS_PER_S, 1, 20, is_over=True, is_again=True))
    transport.abort()
    port.settle()

    assert seen == (1, False)
    assert port.registry.slow_consumers == 2
    assert link.closed_state == "Slow Consumer (Write Deadline)"
    said = f"- lid:{link.peer.cid} - Slow Consumer "
    rest = ": WriteDeadline of 1s exceeded with"
    assert caplog.text.count(f"{said}Detected{rest} 2 chunks of 30 total bytes.") == 1
    assert caplog.text.count(f"{said}State{rest} 1 chunks of 20 total bytes.") == 1
    assert caplog.text.count(f"{said}Recovered: Flush took 0.500s with 2 chunks") == 1


def test_what_a_message_leads_to_is_decided_anew_when_a_link_is_over() -> None:
    port = LeafPortWorld()
    leaf = port.leaf()
    leaf.says(b"LS+ a\r\n")
    client = port.client(b'{"verbose":false,"headers":true,"no_responders":true}')
    client.says(b"SUB r 1\r\nPUB a r 1\r\nx\r\n")

    leaf.end.close()
    port.settle()

    assert b" 503\r\n" in client.says(b"PUB a r 1\r\nx\r\n")


def test_a_message_s_reply_that_carries_the_subject_is_taken_apart_for_clients_alone() -> None:
    port = LeafPortWorld()
    client = port.client()
    client.says(b"SUB deliver 1\r\n")
    other = port.leaf(name="b", cluster="b")
    other.says(b"LS+ deliver\r\n")
    leaf = port.leaf()
    reply = b"$JS.ACK.S.C.1.2.3.4.5"

    leaf.says(b"LMSG deliver %b@orders.1 1\r\nx\r\n" % reply)

    assert client.hears() == b"MSG orders.1 1 %b 1\r\nx\r\n" % reply
    assert other.hears().endswith(b"LMSG deliver %b@orders.1 1\r\nx\r\n" % reply)


def test_of_a_delivery_each_leaf_gets_one_message_that_names_its_groups() -> None:
    port = LeafPortWorld()
    leaf = port.leaf()
    leaf.says(b"LS+ deliver\r\nLS+ deliver Q 1\r\nLS+ deliver R 1\r\n")
    reply = b"$JS.ACK.S.C.1.2.3.4.5"

    port.server.account().deliver(b"deliver", [(b"orders.1", reply, 0, b"x")])

    got = leaf.hears()
    assert got == b"LMSG deliver + %b@orders.1 Q R 1\r\nx\r\n" % reply


def test_of_a_delivery_that_comes_by_a_leaf_only_the_groups_that_it_names_get_it() -> None:
    port = LeafPortWorld()
    client = port.client()
    client.says(b"SUB deliver 1\r\nSUB deliver Q 2\r\nSUB deliver R 3\r\n")
    leaf = port.leaf()
    reply = b"$JS.ACK.S.C.1.2.3.4.5"

    leaf.says(b"LMSG deliver + %b@orders.1 R 1\r\nx\r\n" % reply)
    named = client.hears()
    leaf.says(b"LMSG deliver %b@orders.2 1\r\nx\r\n" % reply)

    assert named == (b"MSG orders.1 1 %b 1\r\nx\r\nMSG orders.1 3 %b 1\r\nx\r\n" % (reply, reply))
    assert client.hears() == b"MSG orders.2 1 %b 1\r\nx\r\n" % reply


@given(
    st.lists(st.tuples(st.sampled_from(["ask", "ask", "drop", "wait"]), st.integers(0, 30))),
    st.integers(1, 12),
)
def test_no_request_reaches_a_leaf_before_the_interest_in_its_reply(
    steps: list[tuple[str, int]], keys_a_turn: int
) -> None:
    port = LeafPortWorld()
    client = port.client()
    client.says(b"".join(b"SUB s.%d %d\r\n" % (number, number) for number in range(25)))
    turn, held = port.server.turn, set(range(25))
    leaf = SimLeaf(port)

    def act() -> None:
        """One thing that a client does, in a turn between those of the link."""
        if not steps:
            return
        step, number = steps.pop(0)
        lines = b""
        if step == "drop" and number in held:
            held.remove(number)
            lines = b"UNSUB %d\r\n" % number
        elif step == "ask":
            lines = b"" if number in held else b"SUB s.%d %d\r\n" % (number, number)
            held.add(number)
            lines += b"PUB q s.%d 1\r\nx\r\n" % number
        turn.read(client.handler, lines)
        port.clock.call_later(0, act)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer, "TURN_WORK", keys_a_turn * limits.LINK_WORK)
        leaf.end.write([b"CONNECT %b\r\nLS+ q\r\n" % json.dumps(CLAIM).encode()])
        port.clock.call_later(0, act)
        port.settle()

    known: set[bytes] = set()
    for line in leaf.raw.take().split(b"\r\n"):
        match line.split():
            case [b"LS+", subject]:
                assert subject not in known
                known.add(subject)
            case [b"LS-", subject]:
                known.remove(subject)
            case [b"LMSG", b"q", reply, b"1"]:
                assert reply in known
    assert {one for one in known if not one.startswith(b"$LDS.")} == {b"s.%d" % n for n in held}


def test_a_request_that_a_leaf_is_to_answer_goes_to_it_once_it_was_told_of_much_interest() -> None:
    port = LeafPortWorld()
    client = port.client()
    count = 4 * limits.TURN_WORK // limits.LINK_WORK
    client.says(b"".join(b"SUB s.%d %d\r\n" % (number, number) for number in range(count)))
    leaf = SimLeaf(port)
    asked = []

    def ask() -> None:
        asked.append(len(leaf.raw.got))
        port.server.turn.read(client.handler, b"PUB q s.%d 1\r\nx\r\n" % (count - 1))
        if b"LMSG" not in leaf.raw.got and len(asked) < 100:
            port.clock.call_later(0, ask)

    leaf.end.write([b"CONNECT %b\r\nLS+ q\r\n" % json.dumps(CLAIM).encode()])
    port.clock.call_later(0, ask)
    port.settle()

    told, _, _ = bytes(leaf.raw.got).partition(b"LMSG q s.%d 1\r\n" % (count - 1))
    assert told.count(b"LS+ s.") == count
    assert len(set(asked)) > 3  # others had their turn while it was told


def long_lists(count: int) -> str:
    """A configuration whose user has permissions that take many turns to work out for a leaf."""
    lists = json.dumps({"allow": [f"s.{number}.*.v" for number in range(count)]})
    rules = f"permissions {{ publish {lists}, subscribe {lists} }}"
    return (
        f"authorization {{ users [ {{user: a, password: p, {rules}}}, {{user: b, password: p}} ] }}"
    )


def test_a_leaf_s_long_permissions_are_looked_at_in_turns_between_those_of_others() -> None:
    port = LeafPortWorld(bind(parse(long_lists(4000), "x.conf")))
    other = port.client(b'{"verbose":false,"user":"b","pass":"p"}')
    other.says(b"SUB > 1\r\n")
    leaf = SimLeaf(port)
    linked: list[int] = []

    def act() -> None:
        linked.append(len(list(port.registry.links())))
        port.server.turn.read(other.handler, b"PING\r\n")
        if len(linked) < 200:
            port.clock.call_later(0, act)

    line = json.dumps(CLAIM | {"user": "a", "pass": "p"}).encode()
    leaf.end.write([b"CONNECT %b\r\nLMSG s.7.x.v 2\r\nok\r\n" % line])
    port.clock.call_later(0, act)
    port.settle()

    assert linked.count(0) > 3
    assert linked[-1] == 1
    assert other.hears().count(b"MSG s.7.x.v 1 2\r\nok\r\n") == 1
    assert b"-ERR 'Permissions Violation" in leaf.says(b"LMSG s.7.x.w 2\r\nno\r\n")


def test_the_rules_of_a_leaf_that_is_lost_meanwhile_are_not_made() -> None:
    port = LeafPortWorld(bind(parse(long_lists(4000), "x.conf")))
    leaf = SimLeaf(port)
    line = json.dumps(CLAIM | {"user": "a", "pass": "p"}).encode()
    leaf.end.write([b"CONNECT %b\r\n" % line])
    port.clock.call_later(0, lambda: port.clock.call_later(0, leaf.end.close))

    port.settle()

    assert port.registry.open == {}
    assert port.server.account().leafs == {}
    assert port.server.account().links == []


def test_of_two_leafs_of_one_server_whose_rules_are_made_the_first_goes() -> None:
    port = LeafPortWorld(bind(parse(long_lists(4000), "x.conf")))
    line = json.dumps(CLAIM | {"user": "a", "pass": "p"}).encode()
    leafs = [SimLeaf(port), SimLeaf(port)]

    for leaf in leafs:
        leaf.end.write([b"CONNECT %b\r\n" % line])
    port.settle()

    assert [leaf.raw.ended for leaf in leafs] == [True, False]
    assert len(list(port.registry.links())) == 1


def test_whether_all_has_come_is_asked_of_the_other_side() -> None:
    port = LeafPortWorld()
    leaf = port.leaf()
    (link,) = port.registry.links()
    leaf.hears()
    now_ns = port.clock.monotonic_ns()

    assert not link.peer.caught_up(now_ns)
    assert leaf.hears() == b"PING\r\n"
    leaf.says(b"PONG\r\n")

    assert link.peer.caught_up(now_ns)
    link.drop("over")
    assert link.peer.caught_up(now_ns + 1)


@pytest.mark.parametrize("is_leaving", [False, True])
def test_a_link_is_kept_while_what_it_was_given_leaves_the_kernel(
    monkeypatch: pytest.MonkeyPatch, *, is_leaving: bool
) -> None:
    port = LeafPortWorld()
    leaf = port.leaf()
    (link,) = port.registry.links()
    assert link.transport is not None
    monkeypatch.setattr(link.transport, "has_unsent", lambda: is_leaving)

    port.clock.advance(9 * 60 * NS_PER_S)  # two PINGs and one interval more are 6 minutes

    assert leaf.raw.ended == (not is_leaving)
