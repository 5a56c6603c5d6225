"""Leafs below us, with the bytes of a leaf. Source: nats-server 2.15.1 server/leafnode.go, measured
on its binary; tests/conformance/transcripts/leaf_*.txt plays more of it on both."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.leaf import accepted, registry
from leafnode.leaf import link as link_module
from leafnode.protocol import subject as subjects
from leafnode.protocol.leaf_op import parse_leaf_line
from tests.sim.leaf_port import CLAIM, LeafPortWorld, SimLeaf
from tests.sim.network import MemoryTransport

if TYPE_CHECKING:
    from leafnode.leaf.accepted import AcceptedLink

LDS = b"LS+ $LDS."


def world(text: str = "", *, cluster: str = "") -> LeafPortWorld:
    return LeafPortWorld(bind(parse(text, "x.conf")), cluster=cluster)


def interest(leaf: SimLeaf) -> list[bytes]:
    """What a leaf was told at first, but for the loop subject."""
    return [line for line in leaf.lines if not line.startswith(LDS)]


def test_messages_and_interest_go_both_ways() -> None:
    port = world()
    client = port.client()
    client.says(b"SUB up.> 1\r\n")
    leaf = port.leaf()

    said = leaf.says(b"LS+ down.*\r\nLMSG up.a r 2\r\nhi\r\n")
    got = client.says(b"PUB down.b 1\r\nx\r\nPUB down.b.c 1\r\ny\r\n")

    assert leaf.greeting.startswith(b"INFO {")
    assert interest(leaf) == [b"LS+ up.>"]
    assert said == b""
    assert got == b"MSG up.a 1 r 2\r\nhi\r\n"
    assert leaf.hears() == b"LMSG down.b 1\r\nx\r\n"


def test_each_leaf_hears_of_the_others_and_reaches_them() -> None:
    port = world()
    one = port.leaf(name="a", cluster="a")
    one.says(b"LS+ east\r\nLS+ work Q 2\r\n")
    two = port.leaf(name="b", cluster="b")

    two.says(b"LS+ west\r\nLMSG east 1\r\nx\r\nLMSG work | Q 1\r\ny\r\n")

    assert {b"LS+ east", b"LS+ work Q 2"} <= set(two.lines)
    got = one.hears()
    assert b"LS+ west\r\n" in got
    assert got.endswith(b"LMSG east 1\r\nx\r\nLMSG work | Q 1\r\ny\r\n")


def test_two_leafs_of_one_cluster_are_told_nothing_of_each_other() -> None:
    port = world()
    one = port.leaf(name="a", cluster="same")
    one.says(b"LS+ east\r\n")
    two = port.leaf(name="b", cluster="same")

    two.says(b"LMSG east 1\r\nx\r\n")

    assert b"LS+ east" not in two.lines
    assert one.hears() == b""


@pytest.mark.parametrize("text", ["leafnodes { port: 7422, isolate: true }", ""])
def test_an_isolated_leaf_is_not_told_of_others_and_may_still_reach_them(text: str) -> None:
    port = world(text)
    one = port.leaf(name="a", cluster="a")
    one.says(b"LS+ east\r\n")

    two = port.leaf(name="b", cluster="b", isolate=not text)
    one.says(b"LS+ later\r\n")
    two.says(b"LMSG east 1\r\nx\r\n")

    assert [line for line in two.lines if not line.startswith(b"LS+ $LDS.")] == []
    assert two.hears() == b""
    assert one.hears() == b"LMSG east 1\r\nx\r\n"


def test_a_leaf_that_says_it_is_a_hub_is_told_what_is_wanted_here_and_below() -> None:
    port = world()
    port.client().says(b"SUB here 1\r\n")
    below = port.leaf(name="below", cluster="below")
    below.says(b"LS+ below\r\n")
    hub = port.leaf(name="hub", cluster="hub", is_hub=True)
    other = port.leaf(name="hub2", cluster="hub2", is_hub=True)

    hub.says(b"LS+ above\r\n")
    told = below.hears()
    other.says(b"LMSG above 1\r\nx\r\n")
    below.says(b"LMSG above 1\r\ny\r\n")

    assert {b"LS+ here", b"LS+ below"} <= set(hub.lines)
    assert b"LS+ above\r\n" in told
    assert b"above" not in other.hears()
    assert hub.hears() == b"LMSG above 1\r\ny\r\n"


@pytest.mark.parametrize(
    ("text", "is_told"), [("leafnodes { port: 7422, isolate: true }", False), ("", True)]
)
def test_a_hub_that_dialed_is_isolated_by_us_and_not_by_its_own_word(
    text: str, *, is_told: bool
) -> None:
    port = world(text)
    port.leaf(name="below", cluster="below").says(b"LS+ below\r\n")

    hub = port.leaf(name="hub", cluster="hub", is_hub=True, isolate=not text)

    assert (b"LS+ below" in hub.lines) is is_told


def test_a_leaf_without_headers_gets_messages_without_them() -> None:
    port = world()
    leaf = port.leaf(headers=False)
    leaf.says(b"LS+ a\r\n")

    port.client(b'{"verbose":false,"headers":true}').says(b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")

    assert leaf.hears() == b"LMSG a 2\r\nhi\r\n"


def test_our_loop_subject_that_comes_back_ends_the_link() -> None:
    port = world()
    leaf = port.leaf()
    own = next(line for line in leaf.lines if line.startswith(LDS))

    said = leaf.says(own + b"\r\n")

    assert said == (
        b'-ERR \'Loop detected for leafnode account="$G". '
        b"Delaying attempt to reconnect for 30s'\r\n"
    )
    assert leaf.raw.ended


def test_a_newer_connection_of_the_same_server_replaces_the_older_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    port = world()
    old = port.leaf()
    old.says(b"LS+ a\r\n")

    new = port.leaf()

    assert old.hears() == b"-ERR 'Duplicate Remote LeafNode Connection'\r\n"
    assert "broke the protocol: Duplicate Remote LeafNode Connection" in caplog.text
    assert old.raw.ended
    assert not new.raw.ended
    assert port.server.account().sublist.match(b"a").plain == []


@pytest.mark.parametrize("other", [{"name": "x"}, {"cluster": "x"}, {"remote_account": "X"}])
def test_a_leaf_that_differs_in_anything_is_no_twin(other: dict[str, str]) -> None:
    port = world()
    old = port.leaf()

    port.leaf(**other)

    old.hears()
    assert not old.raw.ended


def test_a_cluster_named_like_ours_is_refused() -> None:
    leaf = world(cluster="OURS").leaf(cluster="OURS")

    assert leaf.first == b"-ERR 'remote leafnode has same cluster name'\r\n"
    assert leaf.raw.ended


AUTH = """
leafnodes { port: 7422, authorization { users [
  {user: a, password: pa, account: A}, {user: g, password: pg}
] } }
accounts { A { users [{user: cl, password: p}] } }
"""


def test_a_user_of_the_block_gets_its_account_and_nobody_else_is_let_in() -> None:
    port = world(AUTH)

    right = port.leaf(user="a", **{"pass": "pa"})
    wrong = [port.leaf(user="a", **{"pass": "x"}), port.leaf(user="cl", **{"pass": "p"})]

    assert right.info["remote_account"] == "A"
    for leaf in [*wrong, port.leaf()]:
        assert leaf.first == b"-ERR 'Authorization Violation'\r\n"
        assert leaf.raw.ended
    assert port.registry.auth_failures == 3
    assert len(port.registry.open) == 1


def test_without_a_block_of_their_own_leafs_log_in_like_clients() -> None:
    port = world("accounts { A { users [{user: a, password: p}] } }")

    assert port.leaf(user="a", **{"pass": "p"}).info["remote_account"] == "A"
    assert port.leaf().first == b"-ERR 'Authorization Violation'\r\n"


def test_where_nobody_logs_in_the_block_names_the_account() -> None:
    port = world("leafnodes { port: 7422, authorization { account: A } }\naccounts { A {} }")

    assert port.leaf(user="any", **{"pass": "thing"}).info["remote_account"] == "A"


def test_a_user_that_may_only_come_as_a_client_is_refused() -> None:
    types = "allowed_connection_types: [STANDARD]"
    port = world(f"accounts {{ A {{ users [{{user: a, password: p, {types}}}] }} }}")

    assert port.leaf(user="a", **{"pass": "p"}).first == b"-ERR 'Authorization Violation'\r\n"


PERMISSIONS = """
authorization { users [ {user: a, password: p, permissions {
  publish { allow: ["out.>", "_INBOX.>"], deny: "out.no" }
  subscribe { allow: "in.>", deny: "in.no" }
} } ] }
"""


def limited() -> tuple[LeafPortWorld, SimLeaf]:
    port = world(PERMISSIONS)
    return port, port.leaf(user="a", **{"pass": "p"})


def test_permissions_are_told_in_the_answer() -> None:
    _, leaf = limited()

    assert leaf.info["import"] == {"allow": ["in.>"], "deny": ["in.no"]}
    assert leaf.info["export"] == {"allow": ["out.>", "_INBOX.>"], "deny": ["out.no"]}


@pytest.mark.parametrize("subject", [b"else", b"out.no"])
def test_a_message_outside_its_permissions_ends_the_link(subject: bytes) -> None:
    port, leaf = limited()

    said = leaf.says(b"LMSG out.a 1\r\nx\r\nLMSG %b 1\r\nx\r\nLMSG out.b 1\r\nx\r\n" % subject)

    assert said == b"-ERR 'Permissions Violation for Publish to \"%b\"'\r\n" % subject
    assert leaf.raw.ended
    assert port.server.account().traffic.in_msgs == 1


def test_literal_interest_outside_its_permissions_ends_the_link_and_no_wildcard_does() -> None:
    port, leaf = limited()
    leaf.says(b"LS+ >\r\nLS+ in.a\r\n")

    port.client(b'{"verbose":false,"user":"a","pass":"p"}').says(
        b"PUB out.a 1\r\n1\r\nPUB in.a 1\r\n2\r\nPUB in.no 1\r\n3\r\n"
    )
    before = leaf.hears()
    said = leaf.says(b"LS+ in.no\r\n")

    assert before == b""  # the client may not publish there, either
    assert said == b"-ERR 'Permissions Violation for Subscription to \"in.no\"'\r\n"
    assert leaf.raw.ended


def test_only_what_a_leaf_may_receive_is_sent_to_it() -> None:
    port, leaf = limited()
    leaf.says(b"LS+ >\r\n")
    account = port.server.account()

    for subject in (b"in.a", b"in.no", b"else"):
        account.publish(subject, b"x")

    assert leaf.hears() == b"LMSG in.a 1\r\nx\r\n"


def test_a_leaf_is_only_told_of_interest_that_it_may_send_to() -> None:
    port, leaf = limited()
    account = port.server.account()

    for subject in (b"out.a", b"out.no", b"else", b">"):
        account.subscribe(subject, lambda _: None)

    assert leaf.hears() == b"LS+ out.a\r\nLS+ >\r\n"


def test_a_leaf_that_says_it_is_a_hub_may_no_more_than_its_user() -> None:
    port = world(PERMISSIONS)
    leaf = port.leaf(user="a", is_hub=True, **{"pass": "p"})
    account = port.server.account()
    got: list[bytes] = []
    for subject in (b"out.a", b"out.no", b"else", b"in.a"):
        account.subscribe(subject, lambda _, subject=subject: got.append(subject))  # type: ignore[misc]

    told = leaf.hears()
    said = leaf.says(b"LS+ >\r\nLS+ in.no\r\nLS+ else\r\nLMSG out.no 1\r\nx\r\n")
    said += leaf.says(b"LMSG else 1\r\nx\r\nLMSG in.a 1\r\nx\r\nLMSG out.a 1\r\nx\r\n")
    reaches = got.copy()
    for subject in (b"in.a", b"in.no", b"else", b"_R_.a.b", b"$JS.ACK.S.C.1"):
        account.publish(subject, b"x")

    assert told == b"LS+ out.a\r\n"
    assert said == b""
    assert reaches == [b"out.a"]
    assert leaf.hears() == b"LMSG in.a 1\r\nx\r\n"
    (link,) = port.registry.links()
    assert link.peer.subs.keys() == {b">"}


@pytest.mark.parametrize("is_hub", [False, True])
def test_an_answer_to_a_request_is_taken_where_responses_are_allowed(is_hub: bool) -> None:
    user = 'permissions { subscribe: "svc", allow_responses: true }'
    port = world(f"authorization {{ users [ {{user: a, password: p, {user} }} ] }}")
    leaf = port.leaf(user="a", is_hub=is_hub, **{"pass": "p"})
    leaf.says(b"LS+ svc\r\n")
    got: list[bytes] = []
    account = port.server.account()
    account.subscribe(b"_INBOX.1", lambda delivery: got.append(delivery.messages[0][2]))

    account.publish(b"svc", b"?", reply=b"_INBOX.1")
    leaf.hears()
    first = leaf.says(b"LMSG _INBOX.1 2\r\nok\r\n")
    second = leaf.says(b"LMSG _INBOX.1 2\r\nno\r\n")

    assert got == [b"ok"]
    assert first == b""
    assert (b"Permissions Violation for Publish" in second) is not is_hub


def test_what_a_leaf_does_not_want_is_not_sent_to_it() -> None:
    port = world()
    leaf = port.leaf(deny_pub=["no.>"])
    leaf.says(b"LS+ >\r\n")

    port.client().says(b"PUB no.a 1\r\nx\r\nPUB yes 1\r\ny\r\n")

    assert leaf.hears() == b"LMSG yes 1\r\ny\r\n"
    assert b"Permissions Violation for Subscription" in leaf.says(b"LS+ no.a\r\n")


def test_jetstream_s_own_subjects_are_taken_and_never_sent() -> None:
    port = world()
    client = port.client()
    client.says(b"SUB $JS.API.> 1\r\n")
    leaf = port.leaf()

    leaf.says(b"LS+ >\r\nLMSG $JS.API.INFO r 0\r\n\r\n")
    got = client.says(b"PUB $JS.API.INFO 0\r\n\r\nPUB $KV.b.k 1\r\nv\r\n")

    assert interest(leaf) == [b"LS+ $JS.API.>"]
    assert got.startswith(b"MSG $JS.API.INFO 1 r 0\r\n")
    assert leaf.hears() == b""


def test_an_account_s_limit_of_leafs_holds() -> None:
    port = world("accounts { A { users [{user: a, password: p}], limits { max_leafnodes: 1 } } }")
    first = port.leaf(user="a", **{"pass": "p"})
    port.registry.watcher = seen = Seen()

    second = port.leaf(name="other", cluster="other", user="a", **{"pass": "p"})

    assert first.info["remote_account"] == "A"
    assert second.first == b"-ERR 'maximum account active connections exceeded'\r\n"
    assert second.raw.ended
    assert seen.told == ["turned away from A: Maximum Account Connections Exceeded"]


def test_as_many_subscriptions_as_may_be_are_kept_and_the_link_lives() -> None:
    port = world("max_subscriptions: 2")
    leaf = port.leaf()

    said = leaf.says(b"LS+ a\r\nLS+ b\r\nLS+ c\r\nLS+ d\r\nLS+ a\r\n")

    assert said == b"-ERR 'maximum subscriptions exceeded'\r\n" * 2
    assert not leaf.raw.ended


def test_a_bound_of_ours_holds_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.LEAF_INTEREST_MAX > 2
    monkeypatch.setattr(accepted, "LEAF_INTEREST_MAX", 2)
    leaf = world().leaf()

    assert leaf.says(b"LS+ a\r\nLS+ b\r\n") == b""
    assert leaf.says(b"LS+ c\r\n") == b"-ERR 'maximum subscriptions exceeded'\r\n"


def test_a_bound_in_bytes_holds_and_the_link_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "LEAF_INTEREST_BYTES_MAX", 30)
    leaf = world().leaf()

    assert leaf.says(b"LS+ %b\r\n" % (b"a" * 30)) == b""
    assert leaf.says(b"LS+ b\r\n") == b"-ERR 'maximum subscriptions exceeded'\r\n"
    assert leaf.says(b"LS- %b\r\nLS+ b\r\n" % (b"a" * 30)) == b""


def test_a_message_above_max_payload_ends_the_link() -> None:
    leaf = world("max_payload: 8, max_pending: 10000").leaf()

    assert leaf.says(b"LMSG a 9\r\n") == b"-ERR 'Maximum Payload Violation'\r\n"
    assert leaf.raw.ended


def test_as_many_leafs_as_may_be_are_let_in_and_one_more_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert limits.LEAFS_ACCEPTED_MAX > 2
    monkeypatch.setattr(registry, "LEAFS_ACCEPTED_MAX", 2)
    port = world()
    two = [port.leaf(name="a"), port.leaf(name="b")]

    third = SimLeaf(port)

    assert [leaf.raw.ended for leaf in two] == [False, False]
    assert third.greeting == b"-ERR 'maximum connections exceeded'\r\n"
    assert port.registry.refused == 1


def test_a_leaf_that_says_nothing_is_left_after_the_time_for_a_login() -> None:
    port = world()
    leaf = SimLeaf(port)

    port.clock.advance(2 * NS_PER_S - 1)
    early = leaf.hears()
    port.clock.advance(1)

    assert early == b""
    assert leaf.hears() == b"-ERR 'Authentication Timeout'\r\n"
    assert leaf.raw.ended
    assert port.registry.open == {}


class Shaken:
    """TLS whose handshake is over."""

    def version(self) -> str:
        return "TLSv1.3"

    def cipher(self) -> str:
        return "TLS_AES_128_GCM_SHA256"


def test_behind_tls_that_came_first_a_leaf_has_the_time_for_a_login_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = world()
    port.seams.rules = replace(port.seams.rules, entry_ns=60 * NS_PER_S)
    monkeypatch.setattr(MemoryTransport, "tls", Shaken())
    leaf = SimLeaf(port)

    port.clock.advance(2 * NS_PER_S)

    assert leaf.hears() == b"-ERR 'Authentication Timeout'\r\n"


def test_what_a_lost_leaf_wanted_is_withdrawn_from_the_others() -> None:
    port = world()
    stays, goes = port.leaf(name="a", cluster="a"), port.leaf(name="b", cluster="b")
    many = limits.LEAF_REMOVE_SLICE + 1
    goes.says(b"".join(b"LS+ s.%d\r\n" % number for number in range(many)))
    assert stays.hears().count(b"LS+ s.") == many

    goes.end.close()
    for _ in range(5):
        port.settle()

    assert stays.hears().count(b"LS- s.") == many
    assert port.server.account().leafs.keys() == {1}


def test_of_a_lost_leaf_s_interest_less_is_taken_out_the_more_links_are_told() -> None:
    port = world()
    goes = port.leaf(name="goes", cluster="goes")
    many = 100
    goes.says(b"".join(b"LS+ s.%d\r\n" % number for number in range(many)))
    others = limits.TURN_WORK // limits.LINK_WORK // many + 2
    for number in range(others):
        port.leaf(name=f"n{number}", cluster=f"n{number}")
    (link, *_) = port.registry.links()

    link.drop("for the test")
    left = len(link.peer.subs)
    for _ in range(5):
        port.settle()

    assert 0 < left < many
    assert not link.peer.subs


def test_a_queue_s_weight_is_passed_on_when_it_changes() -> None:
    port = world()
    one, two = port.leaf(name="a", cluster="a"), port.leaf(name="b", cluster="b")

    one.says(b"LS+ w Q 2\r\n")
    port.client().says(b"SUB w Q 1\r\n")
    one.says(b"LS+ w Q 5\r\n")
    one.says(b"LS- w Q\r\n")

    assert two.hears() == b"LS+ w Q 2\r\nLS+ w Q 3\r\nLS+ w Q 6\r\nLS+ w Q 1\r\n"


def test_leafz_shows_the_leaf_and_who_it_is() -> None:
    port = world("authorization { user: u, password: p }")
    leaf = port.leaf(user="u", compress_mode="off", **{"pass": "p"})
    leaf.says(b"LS+ a\r\n")

    (link,) = port.registry.links()
    row = link.leafz()

    assert (row.name, row.account, row.user, row.is_spoke) == ("edge", "$G", "u", False)
    assert (row.subscriptions, row.compression, row.ip) == (1, "off", "127.0.0.1")
    assert link.facts().kind == "Leafnode"


@pytest.mark.parametrize("more", [b"LXX\r\n", b"LS+ $LDS.x y z w\r\n", b"LMSG a b c d e\r\n"])
def test_what_is_wrong_behind_connect_ends_a_leaf_that_is_up(more: bytes) -> None:
    port = world()
    port.registry.watcher = seen = Seen()

    leaf = SimLeaf(port)
    leaf.says(b"CONNECT %b\r\n%b" % (json.dumps(CLAIM).encode(), more))
    port.settle()

    assert leaf.raw.ended
    assert seen.told == ["accepted", "lost"]


class Seen:
    """Notes what happens to leafs."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def leaf_accepted(self, link: AcceptedLink) -> None:
        assert link.peer.account is not None
        self.told.append("accepted")

    def leaf_refused(self, link: AcceptedLink, reason: str) -> None:
        self.told.append(f"refused: {link.peer.cid} {reason}")

    def leaf_turned_away(self, link: AcceptedLink) -> None:
        self.told.append(f"turned away from {link.leafz().account}: {link.closed_state}")

    def leaf_lost(self, link: AcceptedLink) -> None:
        assert link.linked_ns
        self.told.append("lost")


def test_a_connect_with_secrets_leaves_none_behind() -> None:
    port = world("authorization { user: u, password: CANARY }")
    leaf = port.leaf(user="u", **{"pass": "CANARY"})
    assert json.loads(leaf.first.partition(b"\r\n")[0][5:])["connect_info"]

    (link,) = port.registry.links()

    assert "CANARY" not in repr(link.session.claim)
    assert link.identity is not None
    assert "CANARY" not in repr(link.identity)


HOSTILE = st.lists(
    st.sampled_from(
        [
            *(b"CONNECT {}\r\n", b'CONNECT {"name":"x","remote_account":"$G"}\r\n', b"CONN"),
            *(b"LS+ a\r\n", b"LS- a\r\n", b"LS+ a q 2\r\n", b"PING\r\n", b"PONG\r\n", b"\r\n"),
            *(b"LMSG in 1\r\nx\r\n", b"HMSG in 9 3\r\n", b"LMSG in 5\r\nx\r\n", b"+OK\r\n"),
            *(b"-ERR 'x'\r\n", b"INFO {}\r\n", b"LS+ $LDS.x\r\n", b"LS+ $KV.b.k\r\n"),
            *(b"\xff\x06\x00\x00S2sTwO", b"HMSG in + r q 12 13\r\nNATS/1.0\r\n\r\nx\r\n"),
        ]
    )
    | st.binary(max_size=30),
    max_size=12,
)


@given(HOSTILE, st.booleans(), st.integers(0, 7))
def test_whatever_a_leaf_says_nothing_breaks_and_what_we_send_re_parses(
    steps: list[bytes], connects: bool, chop_bytes: int
) -> None:
    port = world()
    client = port.client()
    client.says(b"SUB in 1\r\n")
    leaf = port.leaf() if connects else SimLeaf(port)
    leaf.link.chop_bytes = chop_bytes
    sent = leaf.first

    for step in steps:
        sent += leaf.says(step)
        client.says(b"PUB a 1\r\nx\r\n")
    leaf.end.close()
    sent += leaf.hears()
    port.settle()

    assert port.server.turn.faults == 0
    lines = re.sub(rb"LMSG a( \| q)? 1\r\nx\r\n", b"", sent).split(b"\r\n")
    for line in filter(None, lines):
        parse_leaf_line(line)
    assert port.registry.open == {}
    assert port.server.account().links == []
    assert list(port.server.account().leaf_interest) == []


TOKENS = st.sampled_from(["a", "b", "*", ">"])
PATTERNS = (
    st.lists(TOKENS, min_size=1, max_size=3)
    .map(".".join)
    .filter(lambda text: subjects.is_valid(text.encode()))
)
SUBJECTS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join)


@given(
    st.lists(PATTERNS, min_size=1, max_size=3),
    st.lists(PATTERNS, max_size=2),
    st.lists(SUBJECTS, min_size=1, max_size=4),
    st.booleans(),
)
def test_a_leaf_gets_and_says_what_its_user_may_and_nothing_else(
    allow: list[str], deny: list[str], tried: list[str], is_hub: bool
) -> None:
    user = {"allow": allow, "deny": deny}
    rules = f"permissions {{ publish {json.dumps(user)}, subscribe {json.dumps(user)} }}"
    port = world(f"authorization {{ users [ {{user: a, password: p, {rules}}}, {FREE} ] }}")
    leaf = port.leaf(user="a", is_hub=is_hub, **{"pass": "p"})
    leaf.says(b"LS+ >\r\n")
    client = port.client(b'{"verbose":false,"user":"free","pass":"p"}')
    client.says(b"SUB > 1\r\n")
    leaf.hears()

    for subject in tried:
        allowed = is_allowed(subject, allow, deny)
        client.says(b"PUB %b 1\r\nx\r\n" % subject.encode())
        assert (b"LMSG %b 1" % subject.encode() in leaf.hears()) is allowed
    for subject in tried:
        allowed = is_allowed(subject, allow, deny)
        said = leaf.says(b"LMSG %b 1\r\nx\r\n" % subject.encode())
        assert (b"MSG %b 1 1" % subject.encode() in client.hears()) is allowed
        assert (b"Permissions Violation" in said) is (not allowed and not is_hub)
        if leaf.raw.ended:
            return


FREE = "{user: free, password: p}"


def is_allowed(subject: str, allow: list[str], deny: list[str]) -> bool:
    """The same by the slow way, one pattern after the other."""
    one = subject.encode()
    allowed = any(subjects.matches(pattern.encode(), one) for pattern in allow)
    return allowed and not any(subjects.matches(pattern.encode(), one) for pattern in deny)
