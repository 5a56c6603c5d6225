"""A link to a hub, with the hub's bytes. Source: nats-server 2.15.1 server/leafnode.go."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import LeafRemote
from leafnode.leaf import handler
from leafnode.leaf import link as link_module
from leafnode.protocol.leaf_op import parse_leaf_line
from leafnode.routing.account import Limits
from leafnode.routing.peer import Kind, LeafSide
from tests.sim import loop as sim_loop
from tests.sim.leaf_hub import INFO, INFO2, LeafWorld, ScriptedHub, turns
from tests.sim.peers import FakePeer

REMOTE = LeafRemote(("nats-leaf://hub:7422",))
TOO_LONG = b"x" * (limits.LEAF_CONTROL_LINE_BYTES + 100)


async def test_what_local_clients_want_is_announced_behind_connect_and_then_kept_in_step() -> None:
    world = LeafWorld(REMOTE)
    world.client.subscribe(b"in.>", b"1")
    async with world.running():
        await turns()
        at_first = world.hub.got()

        sub = world.client.subscribe(b"more", b"2")
        await turns()
        grown = world.hub.got()
        world.account.remove(sub)
        await turns()

        assert re.fullmatch(rb"CONNECT \{.*\}\r\nLS\+ \$LDS\.\w{22}\r\nLS\+ in\.>\r\n", at_first)
        assert grown == b"LS+ more\r\n"
        assert world.hub.got() == b"LS- more\r\n"


async def test_messages_of_the_hub_reach_local_clients() -> None:
    world = LeafWorld(REMOTE)
    world.client.subscribe(b"in.>", b"1")
    world.client.subscribe(b"in.work", b"2", b"Q")
    async with world.running():
        await turns()

        world.hub.say(b"LMSG in.a 2\r\nhi\r\n")
        world.hub.say(b"HMSG in.b r.x 18 23\r\nNATS/1.0\r\nA: B\r\n\r\nhello\r\n")
        world.hub.say(b"LMSG in.work | Q 1\r\nm\r\n")
        await turns()

        assert world.client.got() == (
            b"MSG in.a 1 2\r\nhi\r\n"
            b"HMSG in.b 1 r.x 18 23\r\nNATS/1.0\r\nA: B\r\n\r\nhello\r\n"
            b"MSG in.work 1 1\r\nm\r\nMSG in.work 2 1\r\nm\r\n"
        )


async def test_messages_that_come_with_the_second_info_are_not_lost() -> None:
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=INFO2 + b"LS+ out\r\nLMSG in 1\r\nx\r\n"))
    world.client.subscribe(b"in", b"1")
    async with world.running():
        await turns()

        assert world.client.got() == b"MSG in 1 1\r\nx\r\n"
        assert world.account.has_interest(b"out")


async def test_local_messages_go_to_a_hub_that_wants_them_and_only_then() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        world.hub.got()

        world.publish(b"PUB out.1 1\r\na\r\n")
        world.hub.say(b"LS+ out.*\r\nLS+ work Q 2\r\n")
        await turns()
        world.publish(b"PUB out.1 rep 1\r\nb\r\nPUB work 1\r\nc\r\n")
        await turns()
        wanted = world.hub.got()
        world.hub.say(b"LS- out.*\r\nLS- work Q\r\nLS- unknown\r\n")
        await turns()
        world.publish(b"PUB out.1 1\r\nd\r\nPUB work 1\r\ne\r\n")
        await turns()

        assert wanted == b"LMSG out.1 rep 1\r\nb\r\nLMSG work | Q 1\r\nc\r\n"
        assert world.hub.got() == b""


async def test_a_request_is_never_ahead_of_the_interest_in_its_reply() -> None:
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=INFO2 + b"LS+ svc\r\n"))
    async with world.running():
        await turns()
        world.hub.got()

        world.client.subscribe(b"_INBOX.x", b"9")
        world.publish(b"PUB svc _INBOX.x 1\r\na\r\n")
        await turns()

        assert world.hub.got() == b"LS+ _INBOX.x\r\nLMSG svc _INBOX.x 1\r\na\r\n"


async def test_the_local_jetstream_api_is_never_asked_of_the_hub() -> None:
    answer = INFO2 + b"LS+ $JS.API.>\r\nLS+ $KV.>\r\nLS+ >\r\n"
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=answer))
    world.client.subscribe(b"$JS.API.>", b"1")
    async with world.running():
        await turns()
        assert b"$JS" not in world.hub.got().partition(b"\r\n")[2]

        world.publish(b"PUB $JS.API.INFO r 0\r\n\r\nPUB $KV.b.k 1\r\nv\r\n")
        world.publish(b"PUB $JS.edge.API.INFO r 0\r\n\r\nPUB $SYS.REQ.USER.INFO r 0\r\n\r\n")
        await turns()
        world.hub.say(b"LMSG $JS.API.STREAM.DELETE.S 0\r\n\r\n")
        await turns()

        assert world.hub.got() == b""
        assert world.client.got() == b"MSG $JS.API.INFO 1 r 0\r\n\r\n"
        link = world.remote.link
        assert link is not None
        assert link.interest_ignored == 2


async def test_what_the_hubs_export_forbids_is_not_sent() -> None:
    info2 = INFO2.replace(b'"headers"', b'"export":{"allow":["out.>"],"deny":["out.no"]},"headers"')
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=info2 + b"LS+ >\r\n"))
    async with world.running():
        await turns()
        world.hub.got()

        world.publish(b"PUB out.a 1\r\na\r\nPUB out.no 1\r\nb\r\nPUB else 1\r\nc\r\n")
        await turns()

        assert world.hub.got() == b"LMSG out.a 1\r\na\r\n"


async def test_a_message_of_the_hub_does_not_go_back_to_it() -> None:
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=INFO2 + b"LS+ both\r\n"))
    async with world.running():
        await turns()
        world.hub.got()

        world.hub.say(b"LMSG both 1\r\na\r\n")
        await turns()

        assert world.hub.got() == b""


async def test_a_repeated_ls_plus_changes_the_weight_and_is_one_subscription() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()

        world.hub.say(b"LS+ work Q 1\r\nLS+ work Q 3\r\nLS+ a\r\nLS+ a\r\n")
        await turns()

        link = world.remote.link
        assert link is not None
        assert {key: sub.weight for key, sub in link.peer.subs.items()} == {b"work Q": 3, b"a": 1}


async def test_as_much_interest_as_the_bound_says_is_kept_and_one_more_ends_the_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handler, "LEAF_INTEREST_MAX", 3)
    assert limits.LEAF_INTEREST_MAX > 3
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        world.hub.got()

        world.hub.say(b"LS+ a\r\nLS+ b\r\nLS+ c\r\nLS+ c\r\n")
        await turns()
        link = world.remote.link
        assert link is not None
        assert not link.over
        world.hub.say(b"LS+ d\r\nLS+ e\r\n")
        await turns()

        assert world.hub.got() == b"-ERR 'maximum subscriptions exceeded'\r\n"
        assert link.over
        assert link.closed_state == "Maximum Subscriptions Exceeded"
        assert "more than 3 subscriptions" in world.remote.status.last_error


async def test_subjects_up_to_the_bound_in_bytes_are_kept_and_one_byte_more_ends_the_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_module, "LEAF_INTEREST_BYTES_MAX", 30)
    assert limits.LEAF_INTEREST_BYTES_MAX > 30
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()

        world.hub.say(b"LS+ %b\r\nLS+ %b q 1\r\nLS- %b q\r\n" % (b"a" * 20, b"b" * 8, b"b" * 8))
        world.hub.say(b"LS+ %b\r\n" % (b"c" * 10))
        await turns()
        link = world.remote.link
        assert link is not None
        assert (link.over, len(link.peer.subs)) == (False, 2)
        world.hub.say(b"LS+ d\r\n")
        await turns()

        assert link.over
        assert "more than 100000 subscriptions, or " in world.remote.status.last_error


async def test_a_flood_of_lines_is_read_in_slices_between_which_others_have_their_turn() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        link = world.remote.link
        assert link is not None
        bound = limits.LEAF_LINES_PER_TURN

        link.received(b"".join(b"LS+ s.%d\r\n" % index for index in range(bound + 1)))
        at_once = len(link.peer.subs)
        world.hub.say(b"LS+ later\r\n")
        await turns()

        assert at_once == bound
        assert len(link.peer.subs) == bound + 2


async def test_a_lost_link_leaves_no_interest_behind_however_much_there_was() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        many = limits.LEAF_REMOVE_SLICE * 2 + 1
        world.hub.say(b"".join(b"LS+ s.%d\r\n" % index for index in range(many)))
        await turns()
        assert world.account.has_interest(b"s.7")

        transport = world.hub.session.transport
        assert transport is not None
        transport.abort()
        await turns()

        assert not world.account.has_interest(b"s.7")
        assert world.account.sublist.match(b"s.7").plain == []
        assert not world.account.watchers


async def test_a_hub_that_does_not_read_is_cut_off_at_max_pending() -> None:
    world = LeafWorld(
        REMOTE, hub=ScriptedHub(answer=INFO2 + b"LS+ out\r\n"), max_pending_bytes=1000
    )
    async with world.running():
        await turns()
        link = world.remote.link
        assert link is not None
        world.network.links[-1].deaf = True

        world.publish(b"PUB out 900\r\n" + b"x" * 900 + b"\r\n")
        within = link.over
        world.publish(b"PUB out 100\r\n" + b"x" * 100 + b"\r\n")
        await turns()

        assert not within
        assert link.over
        assert world.remote.status.slow_consumers == 1
        assert "does not read" in link.reason
        assert link.closed_state == "Slow Consumer (Pending Bytes)"


async def test_a_link_that_is_kicked_sends_what_waits_and_shows_what_it_carried() -> None:
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=INFO2 + b"LS+ out\r\n"))
    lost: list[tuple[str, int]] = []
    world.remote.on_lost.append(
        lambda link: lost.append((link.closed_state, link.leafz().out_msgs))
    )
    async with world.running():
        await turns()
        world.hub.got()
        link = world.remote.link
        assert link is not None

        world.client.says(b"PUB out 1\r\na\r\n")
        link.kick()
        await turns()

        assert world.hub.got() == b"LMSG out 1\r\na\r\n"
        assert lost == [("Kicked", 1)]
        await asyncio.sleep(2)
        assert world.remote.link is not None  # it is dialed again


async def test_a_hub_without_headers_gets_messages_without_them() -> None:
    info2 = INFO2.replace(b'"headers":true,', b"")
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=info2 + b"LS+ out\r\n"))
    world.client.headers = True
    async with world.running():
        await turns()
        world.hub.got()

        world.publish(b"HPUB out 18 20\r\nNATS/1.0\r\nA: B\r\n\r\nhi\r\n")
        await turns()

        assert world.hub.got() == b"LMSG out 2\r\nhi\r\n"


async def test_ping_is_sent_after_a_second_and_answered_at_once() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        world.hub.got()

        world.hub.say(b"PING\r\n")
        await turns()
        answered = world.hub.got()
        await asyncio.sleep(1.3)
        world.hub.say(b"PONG\r\n")
        await turns()

        assert answered == b"PONG\r\n"
        assert world.hub.got() == b"PING\r\n"


async def test_new_permissions_of_the_hub_lead_to_a_new_link() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()

        world.hub.say(b'INFO {"server_name":"hub","import":{"deny":["a"]}}\r\n')
        await turns()
        await asyncio.sleep(2)

        assert len(world.hub.sessions) == 2
        assert "permissions" in world.remote.status.last_error


@pytest.mark.parametrize(
    ("line", "answer", "state"),
    [
        (b"SUB a 1\r\n", b"-ERR 'Unknown Protocol Operation'\r\n", "Protocol Violation"),
        (b"LS+ a b\r\n", b"", "Protocol Violation"),
        (b"LMSG a -1\r\n", None, "Protocol Violation"),
        (
            b"LMSG a 9999999\r\n",
            b"-ERR 'Maximum Payload Violation'\r\n",
            "Maximum Message Payload Exceeded",
        ),
        (
            TOO_LONG,
            b"-ERR 'maximum control line exceeded'\r\n",
            "Maximum Control Line Exceeded",
        ),
    ],
)
async def test_a_hub_that_breaks_the_protocol_is_told_so_and_left(
    line: bytes, answer: bytes | None, state: str
) -> None:
    world = LeafWorld(REMOTE)
    ended: list[str] = []
    world.remote.on_lost.append(lambda link: ended.append(link.closed_state))
    async with world.running():
        await turns()
        world.hub.got()

        world.hub.say(line)
        await turns(100)

        sent = world.hub.got()
        assert answer is None or sent == answer
        assert world.hub.session.is_lost
        whose = "larger than max_payload here" if b"9999999" in line else "broke the protocol"
        assert whose in world.remote.status.last_error
        assert ended == [state]
        assert world.turn.faults == 0


async def test_leafz_tells_what_nats_server_would() -> None:
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=INFO2 + b"LS+ out\r\n"))
    world.client.subscribe(b"in", b"1")
    async with world.running():
        before = world.remote.leafz()
        await turns()
        world.publish(b"PUB out 5\r\nhello\r\n")
        world.hub.say(b"LMSG in 2\r\nhi\r\n")
        await turns()

        row = world.remote.leafz()

        assert before is None
        assert row is not None
        assert (row.name, row.is_spoke, row.account, row.compression) == (
            "hub",
            True,
            "$G",
            "not supported",
        )
        assert (row.ip, row.port, row.subscriptions) == ("hub", 7422, 1)
        assert (row.in_msgs, row.in_bytes, row.out_msgs) == (1, 2, 1)
        assert row.out_bytes >= 5


async def test_messages_and_interest_are_activity_of_a_link_and_pings_are_not() -> None:
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=INFO2))
    world.client.subscribe(b"in", b"1")
    async with world.running():
        await turns()
        link = world.remote.link
        assert link is not None
        idle_s = []
        for line in (
            b"PING\r\n",
            b"LS+ out\r\n",
            b"PING\r\n",
            b"LMSG in 2\r\nhi\r\n",
            b"LS- out\r\n",
        ):
            before = link.facts()
            await asyncio.sleep(1)
            world.hub.say(line)
            await turns()
            facts = link.facts()
            idle_s.append(facts.idle_ns >= NS_PER_S)
            assert (facts.last_activity_ns == before.last_activity_ns) == idle_s[-1]
            assert facts.start_ns == before.start_ns

        assert idle_s == [True, False, True, False, False]


async def test_an_account_that_may_have_no_more_links_gets_none() -> None:
    world = LeafWorld(REMOTE)
    world.account.limits = Limits(max_leafnodes=0)
    async with world.running():
        await turns()

        said = world.hub.got().split(b"\r\n")
        assert said[1:] == [b"-ERR 'maximum account active connections exceeded'", b""]
        assert world.account.leafs == {}


async def test_a_hub_of_the_cluster_that_hangs_below_us_is_a_loop() -> None:
    info2 = INFO2.replace(b'"headers"', b'"cluster":"below","headers"')
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=info2))
    below = FakePeer(world.account, 99, Kind.LEAF)
    below.leaf = LeafSide("below", is_hub=False)
    world.account.join(below)
    async with world.running():
        await turns()

        assert b'-ERR \'Loop detected for leafnode account="$G".' in world.hub.got()
        assert world.account.leafs == {99: below}


async def test_who_dials_as_the_hub_says_so_and_tells_all_that_is_wanted() -> None:
    options = LeafRemote(("nats-leaf://hub:7422",), hub=True, deny_exports=("no.>",))
    world = LeafWorld(options)
    above = FakePeer(world.account, 99, Kind.LEAF)
    above.subscribe(b"above", b"above")
    async with world.running():
        await turns()
        connect, _, rest = world.hub.got().partition(b"\r\n")
        world.hub.say(b"LS+ down.>\r\nLS+ no.>\r\n")
        await turns()

        world.publish(b"PUB down.a 1\r\nx\r\nPUB no.a 1\r\ny\r\n")
        await turns()

        assert b'"is_hub":true' in connect
        assert b"LS+ above\r\n" in rest
        assert world.hub.got() == b"LMSG down.a 1\r\nx\r\n"
        link = world.remote.link
        assert link is not None
        assert not link.leafz().is_spoke


async def test_an_isolated_hub_is_not_told_what_leafs_below_want() -> None:
    options = LeafRemote(("nats-leaf://hub:7422",), isolates=True, requests_isolation=True)
    world = LeafWorld(options)
    below = FakePeer(world.account, 99, Kind.LEAF)
    below.leaf = LeafSide("below", is_hub=False)
    below.subscribe(b"below", b"below")
    world.client.subscribe(b"here", b"1")
    async with world.running():
        await turns()

        got = world.hub.got()
        assert b'"isolate":true' in got
        assert b"LS+ here\r\n" in got
        assert b"LS+ below\r\n" not in got


HOSTILE = st.lists(
    st.sampled_from(
        [
            *(INFO, INFO2, b"LS+ a\r\n", b"LS- a\r\n", b"LS+ a q 2\r\n", b"PING\r\n", b"PONG\r\n"),
            *(b"LMSG in 1\r\nx\r\n", b"HMSG in 9 3\r\n", b"LMSG in 5\r\nx\r\n", b"+OK\r\n"),
            *(b"-ERR 'Authorization Violation'\r\n", b"CONNECT {}\r\n", b"LS+ $LDS.x\r\n"),
            *(b'INFO {"tls_required":true,"client_id":1,"leafnode_urls":["a:1"]}\r\n', b"\r\n"),
            *(b"\xff\x06\x00\x00S2sTwO", b"HMSG in + r q 12 13\r\nNATS/1.0\r\n\r\nx\r\n"),
        ]
    )
    | st.binary(max_size=30),
    max_size=12,
)


@given(HOSTILE, st.integers(0, 7))
def test_whatever_a_hub_says_nothing_breaks_and_what_we_send_re_parses(
    steps: list[bytes], chop_bytes: int
) -> None:
    async def scenario() -> None:
        world = LeafWorld(REMOTE, hub=ScriptedHub(greeting=b"", answer=b""))
        world.client.subscribe(b"in", b"1")
        async with world.running():
            await turns(5)
            world.network.links[-1].chop_bytes = chop_bytes
            for step in steps:
                world.hub.say(step)
                await turns(5)
                world.publish(b"PUB a 1\r\nx\r\n")
            await turns(40)
            session = world.hub.sessions[0]
            assert world.turn.faults == 0
            # What stands behind the last line end is still on its way.
            lines = re.sub(rb"LMSG a( \| q)? 1\r\nx\r\n", b"", session.got).split(b"\r\n")[:-1]
            for line in lines:
                if line and not line.startswith(b"CONNECT {"):
                    parse_leaf_line(line)
        assert not world.account.watchers

    sim_loop.run(scenario())
