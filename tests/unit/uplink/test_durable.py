"""With which durable consumer an uplink goes on, when its name or its hub has changed.

Truth: docs/uplink.md, "Names and durables".
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkOptions
from leafnode.uplink.durable import Search, choose
from leafnode.uplink.mailbox import Mailbox
from leafnode.uplink.owner import Owner, hub_of
from leafnode.uplink.status import State
from tests.sim.clock import FakeClock
from tests.sim.local_jetstream import Consumer, LocalJetStream
from tests.sim.peers import account
from tests.sim.uplink_world import OPTIONS, Site, numbers

if TYPE_CHECKING:
    from leafnode.uplink.answers import Failure

A = Owner("a", "AGG@hub")


def test_its_own_durable_is_gone_on_with_whatever_else_there_is() -> None:
    found = {"leafnode-uplink-EV": Owner("", "AGG@hub"), "leafnode-uplink-a-EV": A}

    assert choose(found, A, "EV", {"a"}) == "leafnode-uplink-a-EV"
    assert choose({"leafnode-uplink-EV": A}, A, "EV", {"a"}) == "leafnode-uplink-EV"


def test_one_that_nobody_has_any_more_is_taken_over_for_the_same_hub() -> None:
    former = {"leafnode-uplink-EV": Owner("", "AGG@hub")}

    assert choose(former, A, "EV", {"a", "b"}) == "leafnode-uplink-EV"
    assert choose(former, Owner("b", "AGG@two"), "EV", {"a", "b"}) == "leafnode-uplink-b-EV"
    assert choose(former, A, "EV", {"", "a"}) == "leafnode-uplink-a-EV"


def test_of_two_hubs_with_the_same_names_each_keeps_its_own() -> None:
    first, second = hub_of("AGG", "hub", "tls://one"), hub_of("AGG", "hub", "tls://two")
    former = {"leafnode-uplink-EV": Owner("", first)}

    assert choose(former, Owner("a", first), "EV", {"a", "b"}) == "leafnode-uplink-EV"
    assert choose(former, Owner("b", second), "EV", {"a", "b"}) == "leafnode-uplink-b-EV"


def test_one_whose_remote_was_not_told_is_taken_over_where_there_are_no_two_hubs() -> None:
    former = {"leafnode-uplink-EV": Owner("", hub_of("AGG", "hub", ""))}
    now = Owner("a", hub_of("AGG", "hub", "tls://one"))

    assert choose(former, now, "EV", {"a"}) == "leafnode-uplink-EV"
    assert choose(former, now, "EV", {"a", "b"}) == "leafnode-uplink-a-EV"


def test_one_of_an_older_version_is_taken_over_where_it_can_be_no_other() -> None:
    former = {"leafnode-uplink-EV": Owner("", None)}

    assert choose(former, A, "EV", {"a"}) == "leafnode-uplink-EV"
    assert choose(former, A, "EV", {"a", "b"}) == "leafnode-uplink-a-EV"
    two = former | {"leafnode-uplink-x-EV": Owner("x", None)}
    assert choose(two, A, "EV", {"a"}) == "leafnode-uplink-a-EV"


def test_one_of_another_hub_is_taken_over_only_on_a_work_queue() -> None:
    former = {"leafnode-uplink-EV": Owner("", "OLD@hub")}

    assert choose(former, A, "EV", {"a"}) == "leafnode-uplink-a-EV"
    assert choose(former, A, "EV", {"a"}, is_work_queue=True) == "leafnode-uplink-EV"


def test_a_name_that_another_uplink_took_over_is_not_used_twice() -> None:
    taken = {"leafnode-uplink-b-EV": A}

    found = choose(taken, Owner("b", "AGG@two"), "EV", {"a", "b"})
    assert found == "leafnode-uplink-b-EV-2"
    taken[found] = Owner("b", "AGG@two")
    assert choose(taken, Owner("b", "AGG@two"), "EV", {"a", "b"}) == found


class Searching:
    """A stream with consumers, and what a search among them found."""

    def __init__(self, *names: str) -> None:
        self.clock = FakeClock()
        acc = account()
        self.jetstream = LocalJetStream(acc, self.clock)
        for name in names:
            self.jetstream.consumers[name] = Consumer(name, {})
        mailbox = Mailbox(acc, self.clock, random.Random(1))
        self.search = Search(mailbox, "EV", A, lambda: {"a"})
        self.found: list[str | Failure] = []

    def begin(self) -> None:
        self.search.begin(self.found.append, is_work_queue=False)


def test_a_search_looks_at_all_pages_and_only_at_what_is_called_like_an_uplinks() -> None:
    searching = Searching("a1", "a2", "dashboard", "leafnode-uplink-EV", "zz")
    searching.jetstream.names_page = 2

    searching.begin()

    assert searching.found == ["leafnode-uplink-EV"]
    asked = [one for one in searching.jetstream.requests if "INFO" in one]
    assert asked == ["CONSUMER.INFO.EV.leafnode-uplink-EV"]


def test_a_search_looks_at_a_bounded_number_and_at_its_own_whatever_else_there_is() -> None:
    others = [f"leafnode-uplink-{n:03}-EV" for n in range(limits.UPLINK_DURABLES_MAX + 1)]
    searching = Searching(*others, "leafnode-uplink-a-EV")

    searching.begin()

    assert searching.found == ["leafnode-uplink-a-EV"]
    asked = sum("INFO" in one for one in searching.jetstream.requests)
    assert asked == limits.UPLINK_DURABLES_MAX


def test_a_search_that_gets_no_answer_says_so() -> None:
    searching = Searching()
    searching.jetstream.silent = True

    searching.begin()
    searching.clock.advance(limits.UPLINK_API_TIMEOUT_NS)

    assert [str(one) for one in searching.found] == ["the local JetStream does not answer"]


def renamed(site: Site, name: str, **change: Any) -> None:
    """Let the uplink have another name from now on, as a reload does."""
    site.uplink.stop()
    stream = replace(OPTIONS, **change)
    site.options = UplinkOptions(streams=(stream,), name=name)
    for local in site.local.values():
        local.forget_pulls()
    site.uplink = site._new()
    site.start()


@pytest.mark.parametrize("is_work_queue", [True, False])
@pytest.mark.parametrize("hub_stream", ["AGG", ""])
def test_an_uplink_that_gets_a_name_goes_on_where_it_was(
    is_work_queue: bool, hub_stream: str
) -> None:
    site = Site(replace(OPTIONS, hub_stream=hub_stream))
    site.local["EV"].is_work_queue = is_work_queue
    site.start()
    site.store("EV", *numbers(1, 5))
    site.clock.advance(NS_PER_S)
    site.link_down()
    site.store("EV", *numbers(6, 9))
    site.clock.advance(NS_PER_S)

    renamed(site, "a", hub_stream=hub_stream)
    site.link_up()
    site.clock.advance(10 * NS_PER_S)
    renamed(site, "b", hub_stream=hub_stream)
    site.store("EV", b"10")
    site.clock.advance(10 * NS_PER_S)

    assert site.status("EV").state is State.RUNNING
    assert site.hub.payloads() == numbers(1, 10)
    assert list(site.local["EV"].consumers) == ["leafnode-uplink-EV"]
    assert len(site.hub.received) == 10  # nothing was sent twice
    assert site.status("EV").lag_messages == 0


def test_what_is_kept_of_a_stream_goes_on_with_its_durable() -> None:
    site = Site(OPTIONS)
    site.start()
    site.store("EV", b"1")
    site.clock.advance(NS_PER_S)

    renamed(site, "a")
    renamed(site, "a", subject_prefix="edge.new.")
    site.store("EV", b"2")
    site.clock.advance(5 * NS_PER_S)

    kept = [name for name, _, _ in site.side["KV_LEAFNODE_UPLINK"].messages if b".ways." in name]
    assert set(kept) == {b"$KV.LEAFNODE_UPLINK.main.ways.EV"}
    asked = [one.get("last_by_subj") for one in site.hub.questions]
    assert "edge.ev.>" in asked[-4:]
    assert "edge.new.ev.>" in asked[-4:]
