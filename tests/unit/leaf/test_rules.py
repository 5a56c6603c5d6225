"""What may cross a link. Source: nats-server 2.15.1, the deny table by domain measured on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.leaf.rules import (
    Between,
    LinkRules,
    Verdict,
    hub_below_rules,
    hub_rules,
    spoke_rules,
)
from leafnode.protocol import subject as subjects
from leafnode.protocol.leaf_op import SubjectRulesInfo
from leafnode.routing.permissions import Permissions, Rules
from tests.sim.making import counted, made
from tests.sim.peers import outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.leaf.rules import Making


def rules(domain: str = "edge", hub_domain: str = "hub", **more: object) -> LinkRules:
    return made(spoke_rules(Between(domain, hub_domain), **more))  # type: ignore[arg-type]


def may_announce(link: LinkRules, subject: bytes) -> bool:
    return link.may_announce(subject, outbox())


def judge(link: LinkRules, subject: bytes) -> Verdict:
    return link.judge(subject, outbox())


@pytest.mark.parametrize(
    ("domain", "hub_domain"),
    [("edge", "hub"), ("same", "same"), ("", ""), ("", "hub"), ("edge", "")],
)
@pytest.mark.parametrize(
    "subject", [b"$JS.API.INFO", b"$KV.b.k", b"$OBJ.b.C.x", b"$SYS.REQ.USER.INFO"]
)
def test_what_each_server_has_of_its_own_never_crosses(
    domain: str, hub_domain: str, subject: bytes
) -> None:
    link = rules(domain, hub_domain)

    assert not link.permissions.may_publish(subject)
    assert not link.permissions.subscribe.allows(subject)
    assert not may_announce(link, subject)
    assert judge(link, subject) is Verdict.IGNORED


def test_the_own_domain_is_served_to_the_hub_and_never_asked_of_it() -> None:
    link = rules("edge", "hub")

    assert may_announce(link, b"$JS.edge.API.STREAM.>")
    assert link.permissions.may_publish(b"$JS.edge.API.STREAM.INFO.S")
    assert not link.permissions.subscribe.allows(b"$JS.edge.API.STREAM.INFO.S")
    assert link.permissions.subscribe.allows(b"$JS.hub.API.STREAM.INFO.S")


def test_with_equal_domains_the_prefixed_api_is_not_denied() -> None:
    assert rules("same", "same").permissions.subscribe.allows(b"$JS.same.API.INFO")


def test_wildcard_interest_that_only_overlaps_what_is_denied_is_announced() -> None:
    link = rules()

    assert may_announce(link, b">")
    assert may_announce(link, b"$JS.>")
    assert not may_announce(link, b"$JS.API.STREAM.*")
    assert not may_announce(link, b"$JS.API.>")


def test_the_users_deny_lists_hold_each_in_its_direction() -> None:
    link = rules(deny_imports=("no.in.>",), deny_exports=("no.out.>",))

    assert not link.permissions.may_publish(b"no.in.a")
    assert not may_announce(link, b"no.in.a")
    assert link.permissions.subscribe.allows(b"no.in.a")
    assert not link.permissions.subscribe.allows(b"no.out.a")
    assert judge(link, b"no.out.a") is Verdict.IGNORED
    assert link.permissions.may_publish(b"no.out.a")


def test_interest_is_taken_where_a_part_of_it_may_be_sent() -> None:
    link = rules(deny_exports=("no.*",))

    assert judge(link, b"no.>") is Verdict.TAKEN  # no.a.b may be sent
    assert judge(link, b"no.*") is Verdict.IGNORED
    assert judge(link, b"no.a") is Verdict.IGNORED


def test_the_hubs_permissions_hold_as_its_info_gives_them() -> None:
    link = rules(
        hub_import=SubjectRulesInfo(["in.>"], ["in.no"]),
        hub_export=SubjectRulesInfo(["out.>", "_INBOX.>"], ["out.no"]),
    )

    assert link.permissions.may_publish(b"in.a")
    assert not link.permissions.may_publish(b"in.no")
    assert not link.permissions.may_publish(b"else")
    assert link.permissions.subscribe.allows(b"out.a")
    assert link.permissions.subscribe.allows(b"_INBOX.x")
    assert not link.permissions.subscribe.allows(b"out.no")
    assert not link.permissions.subscribe.allows(b"else")


def test_a_literal_outside_import_is_not_announced_but_an_overlapping_wildcard_is() -> None:
    link = rules(hub_import=SubjectRulesInfo(["in.>"], ["in.no"]))

    assert may_announce(link, b"in.a")
    assert may_announce(link, b">")
    assert may_announce(link, b"*.a")
    assert not may_announce(link, b"else")
    assert not may_announce(link, b"in.no")
    assert not may_announce(link, b"out.>")


def test_acks_and_service_replies_pass_whatever_the_lists_say() -> None:
    narrow = SubjectRulesInfo(["only.this"], [])
    link = rules(hub_import=narrow, hub_export=narrow)

    for subject in (b"$JS.ACK.S.C.1.1.1.1.0", b"_R_.a66HsP.LOKgct"):
        assert link.permissions.may_publish(subject)
        assert link.permissions.subscribe.allows(subject)
        assert judge(link, subject) is Verdict.TAKEN


def test_the_links_own_subjects_are_announced_whatever_the_lists_say() -> None:
    link = rules(hub_import=SubjectRulesInfo(["only.this"], []))

    assert may_announce(link, b"$LDS.abc")
    assert judge(link, b"_GR_.>") is Verdict.TAKEN


def test_a_reply_that_a_gateway_wrapped_is_judged_by_what_is_inside() -> None:
    link = rules(hub_export=SubjectRulesInfo(["_INBOX.>"], []))

    assert link.permissions.subscribe.allows(b"_GR_.36IaNN.tYay1U._INBOX.lRrE")
    assert not link.permissions.subscribe.allows(b"_GR_.36IaNN.tYay1U.secret")
    assert not link.permissions.subscribe.allows(b"_GR_.36IaNN.tYay1U.$JS.API.INFO")


def test_a_rule_for_a_queue_says_nothing_of_messages_that_come_nor_of_interest() -> None:
    """The hub judges its queue groups by it, as nats-server does on both ends (measured)."""
    link = rules(hub_import=SubjectRulesInfo([], ["jobs workers", " "]))

    assert link.permissions.may_publish(b"jobs")
    assert may_announce(link, b"jobs")

    link = rules(hub_import=SubjectRulesInfo(["jobs workers", "in.>"], []))

    assert not link.permissions.may_publish(b"jobs")
    assert not may_announce(link, b"jobs")
    assert may_announce(link, b"in.a")


def test_a_denial_with_a_queue_of_what_goes_out_is_one_of_its_subject() -> None:
    link = rules(hub_export=SubjectRulesInfo(["a q", "b.>"], ["b.c workers", " "]))

    assert link.permissions.subscribe.allows(b"b.d")
    assert not link.permissions.subscribe.allows(b"b.c")
    assert not link.permissions.subscribe.allows(b"a")


@pytest.mark.parametrize("side", ["spoke", "hub", "hub below"])
def test_sessions_of_mqtt_need_to_be_on_no_allow_list_and_may_be_denied(side: str) -> None:
    lists = [b"only.this"], [b"$MQTT.no"]
    if side == "spoke":
        info = SubjectRulesInfo(*([one.decode() for one in two] for two in lists))
        link = rules(hub_import=info, hub_export=info)
    else:
        make = hub_rules if side == "hub" else hub_below_rules
        link = made(make(Between("hub", "edge"), Permissions(Rules(*lists), Rules(*lists))))

    for subject in (b"$MQTT.sub.x", b"$MQTT.msgs.a.b"):
        assert link.permissions.may_publish(subject)
        assert link.permissions.subscribe.allows(subject)
        assert may_announce(link, subject)
        assert judge(link, subject) is Verdict.TAKEN
    for subject in (b"$MQTT.no", b"else"):
        assert not link.permissions.may_publish(subject)
        assert not link.permissions.subscribe.allows(subject)
        assert not may_announce(link, subject)
        assert judge(link, subject) is not Verdict.TAKEN


def test_a_hub_says_that_it_has_jetstream_and_nothing_else_of_its_own() -> None:
    link = made(hub_rules(Between("hub", "edge"), None))
    system = made(hub_rules(Between("hub", "edge", is_system=True), None))

    assert may_announce(link, b"$JS.API.>")
    assert not may_announce(system, b"$JS.API.>")
    for subject in (b"$KV.b.>", b"$OBJ.b.>", b"$SYS.REQ.USER.INFO"):
        assert not may_announce(link, subject)


TOKEN = st.sampled_from([b"a", b"b", b"*", b">"])
PATTERN = st.lists(TOKEN, min_size=1, max_size=3).map(b".".join).filter(subjects.is_valid)
LITERAL = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(b".".join)


@given(st.lists(PATTERN, max_size=3), st.lists(PATTERN, max_size=3), LITERAL)
def test_a_message_crosses_if_and_only_if_the_lists_allow_it(
    allow: list[bytes], deny: list[bytes], subject: bytes
) -> None:
    info = SubjectRulesInfo([p.decode() for p in allow], [p.decode() for p in deny])
    link = rules(hub_import=info, hub_export=info)

    allowed = not allow or any(subjects.matches(p, subject) for p in allow)
    denied = any(subjects.matches(p, subject) for p in deny)

    assert link.permissions.subscribe.allows(subject) == (allowed and not denied)
    assert link.permissions.may_publish(subject) == (allowed and not denied)
    assert may_announce(link, subject) == (allowed and not denied)


def test_who_has_no_domain_by_default_uses_the_jetstream_of_the_other_side() -> None:
    apart = Between("edge", "hub")
    shared = Between("edge", "hub", shares_jetstream=True)

    assert b"$JS.API.>" in apart.never_in
    assert shared.never_in == shared.never_out == (b"$SYS.>",)
    system = Between("edge", "hub", is_system=True, shares_jetstream=True)
    assert b"$JS.API.>" in system.never_out


@pytest.mark.parametrize("make", [hub_rules, hub_below_rules])
def test_a_user_s_long_lists_are_looked_at_for_its_first_leaf_alone(
    make: Callable[..., Making],
) -> None:
    long = [b"a.%d.*" % number for number in range(500)]
    user = Permissions(Rules(long), Rules(long))

    first, steps = counted(make(Between("hub", "one"), user))
    second, steps_again = counted(make(Between("hub", "two"), user))

    assert steps >= 1000
    assert steps_again < 20
    assert not first.permissions.may_publish(b"b")
    assert second.permissions.may_publish(b"a.7.x")


@pytest.mark.parametrize("make", [hub_rules, hub_below_rules])
def test_much_that_a_leaf_asks_not_to_be_sent_is_looked_at_in_steps(
    make: Callable[..., Making],
) -> None:
    rules, steps = counted(
        make(Between("hub", "leaf"), None, deny_pub=[f"a.{n}.*" for n in range(500)])
    )

    assert steps >= 500
    assert not rules.permissions.subscribe.allows(b"a.7.x")
    assert rules.permissions.subscribe.allows(b"b")


def test_much_that_a_hub_s_user_may_is_looked_at_in_steps() -> None:
    long = [f"a.{number}.*" for number in range(500)]
    info = SubjectRulesInfo(long, None)

    link, steps = counted(spoke_rules(Between("edge", "hub"), hub_import=info, hub_export=info))

    assert steps >= 2000  # two lists, and what wildcards have in common with them
    assert link.permissions.may_publish(b"a.7.x")
    assert not link.permissions.subscribe.allows(b"b")
