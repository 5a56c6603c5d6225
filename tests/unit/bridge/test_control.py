"""Requests to the ports of a gateway: who may ask, and what is answered."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.control import PortControl
from leafnode.bridge.devices import Devices
from leafnode.bridge.machine import this_machine
from leafnode.clock import NS_PER_S
from leafnode.routing.peer import Kind, Peer
from tests.unit.bridge.world import World, line_port, run

if TYPE_CHECKING:
    from leafnode.bridge.runner import PortRunner
    from leafnode.bridge.status import PortStatus
    from leafnode.routing.subscription import Delivery


class Asked:
    """A port, its control, and somebody who asks."""

    def __init__(self, allowed: str = "local") -> None:
        self.world = World(line_port())
        self.control = PortControl(self.world.account, self.world.clock, "gw", self)
        self.control.allow(allowed)
        self.answers: list[dict[str, Any]] = []
        self.looks = 0  # at the ports, for a list of them
        self.devices = Devices(self.world.clock)
        self.world.account.subscribe(b"_INBOX.me.>", self._answered)

    def port(self, name: str) -> PortRunner | None:
        return self.world.runner if name == "scale" else None

    def status(self) -> list[PortStatus]:
        self.looks += 1
        return [self.world.runner.status()]

    def ask(
        self, subject: str, body: bytes = b"", *, origin: Peer | None = None, reply: bytes = b""
    ) -> int:
        return self.world.account.publish(
            subject.encode(), body, reply=reply or b"_INBOX.me.1", origin=origin
        )

    def ask_port(self, verb: str, body: bytes = b"", **how: Any) -> int:
        return self.ask(f"$LEAFNODE.REQ.gw.PORT.scale.{verb}", body, **how)

    def _answered(self, delivery: Delivery) -> None:
        self.answers += [json.loads(body) for _, _, body in delivery.messages]

    async def answered(self, count: int = 1) -> dict[str, Any]:
        await self.world.until(lambda: len(self.answers) >= count)
        return self.answers[-1]


def test_every_gateway_and_one_gateway_tell_their_ports() -> None:
    asked = Asked()

    for subject in ("$LEAFNODE.REQ.PORTS", "$LEAFNODE.REQ.gw.PORTS"):
        asked.ask(subject)
        answer = asked.answers.pop()
        assert answer["server"] == "gw"
        [row] = answer["ports"]
        assert (row["name"], row["device"], row["open"]) == ("scale", "/dev/fake", False)


def test_all_who_ask_in_one_turn_get_the_same_list_and_pay_for_it() -> None:
    """3,000 requests in a read made turns of 0.6 s with 24 ports."""
    asked = Asked()
    outbox = asked.world.account.system.outbox

    before = outbox.work_left
    for _ in range(50):
        asked.ask("$LEAFNODE.REQ.PORTS")

    assert (asked.looks, len(asked.answers)) == (1, 50)
    assert before - outbox.work_left >= port_bounds.ROW_WORK + 50 * port_bounds.REQUEST_WORK
    asked.world.clock.advance(0)
    asked.ask("$LEAFNODE.REQ.PORTS")
    assert asked.looks == 2


def test_each_request_to_a_port_is_paid_for() -> None:
    asked = Asked()
    outbox = asked.world.account.system.outbox

    before = outbox.work_left
    for _ in range(10):
        asked.ask_port("RETURN")

    assert before - outbox.work_left >= 10 * port_bounds.REQUEST_WORK


def test_a_port_is_lent_once_it_is_closed_and_given_back() -> None:
    asked = Asked()

    async def story(world: World) -> None:
        await world.opened()
        asked.ask_port("LEND", b'{"seconds": 60}')
        assert await asked.answered() == {
            "server": "gw",
            "port": "scale",
            "path": "/dev/fake",
            "seconds": 60.0,
            "machine": this_machine(),
            "rs485": "",
        }
        assert world.line.closes == 1
        assert world.runner.status().lent_ns == 60 * NS_PER_S
        asked.ask_port("RETURN")
        assert (await asked.answered(2))["was_lent"] is True
        await world.opened()
        asked.ask_port("RETURN")
        assert (await asked.answered(3))["was_lent"] is False

    run(asked.world, story)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"60",
        b"{}",
        b'{"seconds": "60"}',
        b'{"seconds": 0.5}',
        b'{"seconds": -1}',
        b'{"seconds": 86401}',
        b'{"seconds": 1e999}',
        b'{"seconds": 60, "more": 1}',
        b'{"seconds": 60, "lease": "' + b"y" * 65 + b'"}',
        b'{"seconds": 60, "lease": 1}',
        b'{"seconds": 60, "holder": "' + b"y" * 129 + b'"}',
        b'{"seconds": 60, "holder": "\\u001b[31m"}',
        b'{"seconds": 60, "x": "' + b"y" * 2000 + b'"}',
        b"\xff",
    ],
)
def test_a_lending_without_a_sensible_time_is_refused(body: bytes) -> None:
    asked = Asked()

    asked.ask_port("LEND", body)

    assert asked.answers[0]["error"].startswith("expected")
    assert asked.world.runner.life.lent_ns == 0


def test_who_asks_for_less_time_than_a_port_is_lent_for_hears_for_how_long_it_is() -> None:
    asked = Asked()

    async def story(world: World) -> None:
        await world.opened()
        asked.ask_port("LEND", b'{"seconds": 3600}')
        await asked.answered()
        world.clock.advance(NS_PER_S // 2)
        asked.ask_port("LEND", b'{"seconds": 5}')
        assert (await asked.answered(2))["seconds"] == 3600
        assert world.runner.status().lent_ns == 3600 * NS_PER_S - NS_PER_S // 2

    run(asked.world, story)


def test_a_lease_is_refused_to_others_and_given_back_by_its_name() -> None:
    asked = Asked()

    async def story(world: World) -> None:
        await world.opened()
        asked.ask_port("LEND", b'{"seconds": 30, "lease": "%b", "holder": "me"}' % (b"y" * 64))
        await asked.answered()
        asked.ask_port("LEND", b'{"seconds": 60}')
        assert (await asked.answered(2))["error"].startswith("the port is lent to me, for 30 s")
        asked.ask_port("RETURN", b'{"lease": "z"}')
        assert (await asked.answered(3))["was_lent"] is False
        asked.ask_port("RETURN", b'{"lease": "%b"}' % (b"y" * 64))
        assert (await asked.answered(4))["was_lent"] is True
        await world.opened()

    run(asked.world, story)


@pytest.mark.parametrize("body", [b"x", b"{}", b'{"lease": 1}', b'{"lease": "a", "more": 1}'])
def test_a_return_that_says_nothing_sensible_returns_nothing(body: bytes) -> None:
    asked = Asked()

    asked.ask_port("LEND", b'{"seconds": 60, "lease": "a"}')
    asked.ask_port("RETURN", body)

    assert asked.answers[0]["error"].startswith('expected {"lease": ')
    assert asked.world.runner.life.loan is not None


def test_a_port_that_many_wait_for_is_refused_to_the_next() -> None:
    asked = Asked()

    for _ in range(limits.PORT_LENDERS_MAX + 1):
        asked.ask_port("LEND", b'{"seconds": 60}')

    assert asked.answers == [
        {
            "server": "gw",
            "port": "scale",
            "error": "the port does not close, and others wait for it already",
        }
    ]


def test_who_looks_on_sees_bytes_and_what_they_become() -> None:
    asked = Asked()

    async def story(world: World) -> None:
        await world.opened()
        asked.ask_port("MONITOR")
        assert (await asked.answered())["seconds"] == 30
        world.say(b"21.5\r\n")
        await asked.answered(3)
        asked.ask_port("UNMONITOR", b"_INBOX.me.1", reply=b"_INBOX.me.2")
        await asked.answered(4)
        world.say(b"22\r\n")
        await world.until(lambda: world.runner.status().stored == 2)

    run(asked.world, story)

    _, read, published, _ = asked.answers
    assert base64.b64decode(read["rx"]) == b"21.5\r\n"
    assert (published["subject"], base64.b64decode(published["payload"])) == ("s.scale", b"21.5")


def test_nobody_can_have_a_port_told_to_a_subject_that_is_no_inbox() -> None:
    asked = Asked()
    heard: list[Delivery] = []
    asked.world.account.subscribe(b"$JS.API.>", heard.append)
    asked.world.account.subscribe(b"other.>", heard.append)

    for reply in (b"$JS.API.STREAM.DELETE.S", b"other.x"):
        for verb in ("MONITOR", "UNMONITOR", "LEND", "RETURN", "OTHER"):
            asked.ask_port(verb, reply=reply)
        asked.ask("$LEAFNODE.REQ.PORTS", reply=reply)

    assert not asked.world.runner.taps
    assert heard == []
    assert asked.control.replies_refused == 12


def test_so_many_may_look_on_and_no_more() -> None:
    asked = Asked()
    for number in range(port_bounds.PORT_MONITORS_MAX + 1):
        asked.ask_port("MONITOR", reply=b"_INBOX.me.%d" % number)

    assert asked.answers[-1]["error"] == f"{port_bounds.PORT_MONITORS_MAX} look on already"


@pytest.mark.parametrize(("allowed", "is_answered"), [("local", False), ("all", True)])
def test_a_leaf_link_asks_only_where_that_is_allowed(allowed: str, is_answered: bool) -> None:
    asked = Asked(allowed)
    leaf = Peer(7, Kind.LEAF, asked.world.account.system.outbox)

    asked.ask_port("RETURN", origin=leaf)

    assert ("was_lent" in asked.answers[0]) is is_answered
    if not is_answered:
        assert "control: all" in asked.answers[0]["error"]


def test_when_it_is_off_nobody_listens() -> None:
    asked = Asked("off")
    assert asked.ask("$LEAFNODE.REQ.PORTS") == 0

    asked.control.allow("local")
    asked.control.allow("local")
    assert asked.ask("$LEAFNODE.REQ.PORTS") == 1
    asked.control.allow("off")
    assert asked.ask_port("RETURN") == 0


def test_unknown_ports_and_verbs_are_named() -> None:
    asked = Asked()

    asked.ask("$LEAFNODE.REQ.gw.PORT.nothing.LEND", b'{"seconds": 60}')
    asked.ask_port("DELETE")

    assert [answer["error"] for answer in asked.answers] == [
        "there is no such port",
        "expected LEND, RETURN, MONITOR or UNMONITOR",
    ]


def test_a_request_without_a_reply_is_done_and_not_answered() -> None:
    asked = Asked()

    async def story(world: World) -> None:
        await world.opened()
        world.account.publish(b"$LEAFNODE.REQ.gw.PORT.scale.LEND", b'{"seconds": 60}')
        world.account.publish(b"$LEAFNODE.REQ.PORTS")
        await world.until(lambda: world.line.closes == 1)
        await asyncio.sleep(0)

    run(asked.world, story)

    assert asked.answers == []
