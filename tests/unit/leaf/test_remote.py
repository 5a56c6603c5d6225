"""Dialing, waiting and telling how it is. Source: nats-server 2.15.1, its delays measured."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.options import LeafRemote, TlsOptions
from leafnode.errors import AuthError
from leafnode.files import FileReader
from leafnode.leaf import remote
from leafnode.leaf.alert import in_words
from leafnode.leaf.login import Login
from leafnode.leaf.remote import RemoteState
from leafnode.limits import LEAF_QUICK_DIALS, LEAF_RECONNECT_MAX_NS
from leafnode.routing.account import Account, Limits
from tests.hub.jwt import Operator
from tests.sim.clock import WALL_START_NS
from tests.sim.leaf_hub import INFO, INFO2, LeafWorld, ScriptedHub, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from leafnode.clients.facts import ClosedConnection
    from leafnode.leaf.handler import HubLink

REMOTE = LeafRemote(("nats-leaf://hub:7422",))
REFUSING = b"-ERR 'Authorization Violation'\r\n"


async def test_a_link_that_is_up_says_so() -> None:
    world = LeafWorld(REMOTE)
    linked = []
    world.remote.on_linked.append(lambda: linked.append(world.remote.status.hub_name))
    async with world.running():
        await turns()

        status = world.remote.status
        assert status.state is RemoteState.CONNECTED
        assert (status.url, status.hub_name, status.hub_domain) == ("hub:7422", "hub", "hub")
        assert status.remote_account == "APP"
        assert status.connected_since_ns >= WALL_START_NS
        assert (status.connects, status.reconnects, status.last_error) == (1, 0, "")
        assert linked == ["hub"]
    assert world.remote.status.state is RemoteState.STOPPED
    await turns()
    assert world.hub.session.is_lost


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (TimeoutError(110, "Connect call failed ('10.0.0.1', 7422)"), "no answer in time"),
        (TimeoutError("the proxy p did not answer"), "the proxy p did not answer"),
    ],
)
async def test_what_took_too_long_is_named_where_that_is_known(
    error: TimeoutError, words: str
) -> None:
    assert remote._words(error) == words


@pytest.mark.parametrize("reason", ["WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", None])
def test_what_speaks_no_tls_is_told_in_words(reason: str | None) -> None:
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1006)")
    error.reason = reason  # type: ignore[assignment]

    words = remote._words(error)

    assert words.startswith("what answers speaks no TLS there") is (reason is not None)


def test_what_else_tls_says_is_told_without_the_place_in_a_library() -> None:
    error = ssl.SSLError(1, "[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] x (_ssl.c:2580)")
    error.reason = "SSLV3_ALERT_CERTIFICATE_EXPIRED"

    assert remote._words(error) == "TLS: sslv3 alert certificate expired"
    assert in_words(remote._words(error)) == "TLS: this remote's certificate has expired"


async def test_an_account_that_is_full_is_not_the_hubs_fault() -> None:
    world = LeafWorld(REMOTE)
    world.account.limits = Limits(max_leafnodes=0)
    async with world.running():
        await turns()

        words = "the account has all the leaf connections here that it may have"
        assert world.remote.status.last_error == words


async def test_a_remote_whose_account_is_not_there_says_so_and_dials_once_it_is() -> None:
    world, asked = LeafWorld(REMOTE), []

    async def find() -> Account:
        asked.append(len(world.hub.sessions))
        if len(asked) < 3:
            raise AuthError("account A: account jwt not found")
        return world.account

    away = Account("A", world.turn.outbox)
    world.remote = remote.Remote(
        REMOTE, away, world.environment, reconnect_ns=NS_PER_S, find_account=find
    )
    async with world.running():
        await turns()
        assert world.remote.status.last_error == "account A: account jwt not found"

        await asyncio.sleep(30)
        assert world.remote.status.state is RemoteState.CONNECTED
        assert world.remote.account is world.account
        assert asked == [0, 0, 0]


async def test_a_disabled_remote_is_not_dialed() -> None:
    world = LeafWorld(LeafRemote(("nats-leaf://hub:7422",), disabled=True))

    await world.remote.run()

    assert world.remote.status.state is RemoteState.DISABLED
    assert world.hub.sessions == []


def test_a_remote_has_an_address_without_credentials_before_it_dials() -> None:
    world = LeafWorld(LeafRemote(("nats-leaf://ann:CANARY@hub:7422",), disabled=True))

    assert world.remote.status.url == "hub:7422"
    assert "CANARY" not in repr(world.remote.status)


async def test_after_a_lost_link_the_reconnect_interval_passes_before_the_next_dial() -> None:
    world = LeafWorld(REMOTE)
    lost = []
    world.remote.on_lost.append(lambda _: lost.append(1))
    async with world.running():
        await turns()
        await asyncio.sleep(10)
        cut(world.hub)
        await turns()
        assert world.remote.status.state is RemoteState.WAITING
        assert "connection lost" in world.remote.status.last_error
        assert lost == [1]

        await asyncio.sleep(0.99)
        before = len(world.hub.sessions)
        await asyncio.sleep(0.02)
        await turns()

        assert before == 1
        assert world.remote.status.state is RemoteState.CONNECTED
        assert world.remote.status.reconnects == 1


async def test_a_hub_that_is_away_is_dialed_quickly_at_first_and_less_often_later() -> None:
    world = LeafWorld(REMOTE)
    world.network.unlisten(host="hub", port=7422)
    async with world.running():
        await turns()
        assert "nobody listens" in world.remote.status.last_error

        await asyncio.sleep(LEAF_QUICK_DIALS)
        quick = world.remote.status.dials
        await asyncio.sleep(24 * 3600)
        day = world.remote.status.dials
        await asyncio.sleep(3600)

        assert LEAF_QUICK_DIALS / 2 <= quick <= LEAF_QUICK_DIALS + 1
        hour = world.remote.status.dials - day
        assert 3600 / 31 - 5 <= hour <= 3600 / 10


async def test_a_hub_that_returns_is_linked_within_two_reconnect_intervals() -> None:
    world = LeafWorld(REMOTE)
    world.network.unlisten(host="hub", port=7422)
    async with world.running():
        await asyncio.sleep(30)
        world.listen("hub")

        await asyncio.sleep(2.01)
        await turns()

        assert world.remote.status.state is RemoteState.CONNECTED


async def test_refused_credentials_are_visible_at_once_and_tried_less_and_less_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = LeafWorld(
        LeafRemote(("nats-leaf://ann:CANARY@hub:7422",)), hub=ScriptedHub(answer=REFUSING)
    )
    async with world.running():
        await turns()
        end_of(world.hub)
        await turns()
        first = world.remote.status.last_error
        for _ in range(20):
            await asyncio.sleep(LEAF_RECONNECT_MAX_NS / NS_PER_S)
            end_of(world.hub)
            await turns()

        assert first.startswith("Authorization Violation: ")
        assert "credentials" in first
        assert 10 <= len(world.hub.sessions) <= 30
        lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert 1 <= len(lines) < len(world.hub.sessions)
        assert "CANARY" not in caplog.text


async def test_a_loop_is_waited_out_for_thirty_seconds() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        own = world.environment.loop_subjects.subject_of("$G")
        world.hub.say(b"LS+ " + own + b"\r\n")
        await turns()
        assert b"-ERR 'Loop detected" in world.hub.got()

        await asyncio.sleep(30.9)
        before = len(world.hub.sessions)
        await asyncio.sleep(0.2)

        assert before == 1
        assert len(world.hub.sessions) == 2
        assert "loop detected" in world.remote.status.last_error


@pytest.mark.parametrize("text", ["maximum subscriptions exceeded", "Invalid Subscription"])
async def test_what_a_hub_does_not_serve_is_said_for_as_long_as_the_link_is_up(text: str) -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        assert world.remote.status.unserved == ""

        world.remote.hub_error("Permissions Violation for Publish to x", "why")
        assert world.remote.status.unserved == ""
        world.remote.hub_error(text, "why")
        assert world.remote.status.unserved == f"{text}: why"

        world.remote.link_up(world.remote.link.session.hub)
        assert world.remote.status.unserved == ""


async def test_a_silent_hub_is_left_and_named() -> None:
    world = LeafWorld(REMOTE, hub=ScriptedHub(greeting=b""))
    async with world.running():
        await asyncio.sleep(1.1)

        assert "no INFO" in world.remote.status.last_error
        assert world.hub.session.got == b""


async def test_a_hub_that_fell_silent_is_left_as_stale_and_dialed_again() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await asyncio.sleep(2 * 120 + 3)

        assert world.remote.status.stale_connections == 1
        assert "2 PINGs went unanswered" in world.remote.status.last_error
        assert len(world.hub.sessions) == 2


async def test_a_hub_that_nothing_reaches_any_more_is_left_soon(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As behind a NAT that forgot the connection: nobody says that it is gone."""
    world = LeafWorld(REMOTE)
    async with world.running():
        await asyncio.sleep(10)
        world.hub.say(b"PONG\r\n")
        await asyncio.sleep(100)
        world.network.links[-1].deaf = True

        await asyncio.sleep(11 + 20)  # the next PING comes at 121 s
        assert len(world.hub.sessions) == 1
        await asyncio.sleep(2)

        assert world.remote.status.stale_connections == 1
        assert "nothing has reached the hub for 20 s" in caplog.text
        assert len(world.hub.sessions) == 2
        assert world.remote.status.state is RemoteState.CONNECTED


async def test_a_hub_that_is_doubted_is_left_within_twenty_seconds_unless_it_is_there() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await asyncio.sleep(10)
        world.hub.say(b"PONG\r\n")
        await turns()
        link = world.remote.link
        assert link is not None
        world.hub.got()
        link.peer.caught_up(world.clock.monotonic_ns())
        await turns()
        assert world.hub.got() == b"PING\r\n"
        world.hub.say(b"PONG\r\n")
        await asyncio.sleep(30)
        assert len(world.hub.sessions) == 1

        world.network.links[-1].deaf = True
        link.peer.caught_up(world.clock.monotonic_ns())
        await asyncio.sleep(19.9)
        assert len(world.hub.sessions) == 1
        await asyncio.sleep(1.2)

        assert len(world.hub.sessions) == 2


async def test_a_client_port_is_named_as_such() -> None:
    info = b'INFO {"server_id":"NH","client_id":7,"client_ip":"127.0.0.1","headers":true}\r\n'
    world = LeafWorld(REMOTE, hub=ScriptedHub(greeting=info))
    async with world.running():
        await turns()

        assert "client port" in world.remote.status.last_error
        assert world.hub.session.got == b""


async def test_the_next_address_is_tried_and_what_the_hub_announced_is_among_them() -> None:
    options = LeafRemote(("nats-leaf://dead:7422", "nats-leaf://hub:7422"), no_randomize=True)
    info2 = INFO2.replace(b'"hub:7422"', b'"hub:7422","n2:7422"')
    world = LeafWorld(options, hub=ScriptedHub(answer=info2))
    second = ScriptedHub()
    world.listen("n2", second)
    async with world.running():
        await asyncio.sleep(2.1)
        assert world.remote.status.url == "hub:7422"

        world.network.unlisten(host="hub", port=7422)
        cut(world.hub)
        await asyncio.sleep(5)

        assert world.remote.status.url == "n2:7422"
        assert world.remote.status.state is RemoteState.CONNECTED
        assert second.got().startswith(b"CONNECT {")


async def test_announced_addresses_are_left_alone_if_the_remote_says_so() -> None:
    options = LeafRemote(("nats-leaf://hub:7422",), ignore_discovered_servers=True)
    world = LeafWorld(options, hub=ScriptedHub(answer=INFO2.replace(b'"hub:7422"', b'"n2:7422"')))
    second = ScriptedHub()
    world.listen("n2", second)
    async with world.running():
        await turns()
        cut(world.hub)
        await asyncio.sleep(5)

        assert second.sessions == []
        assert len(world.hub.sessions) == 2


@pytest.mark.parametrize(
    "options",
    [
        LeafRemote(("tls://ann:CANARY@hub:7422",)),
        LeafRemote(("nats-leaf://ann:CANARY@hub:7422",), tls=TlsOptions()),
    ],
)
async def test_a_remote_that_asks_for_tls_never_sends_its_credentials_in_clear(
    options: LeafRemote,
) -> None:
    world = LeafWorld(options)
    async with world.running():
        await turns()

        assert world.hub.session.got == b""
        assert "TLS" in world.remote.status.last_error


async def test_a_failed_tls_handshake_is_told_and_tried_again() -> None:
    greeting = INFO.replace(b'"headers"', b'"tls_required":true,"headers"')
    world = LeafWorld(REMOTE, hub=ScriptedHub(greeting=greeting))
    gone: list[ClosedConnection] = []
    world.remote.adopt(replace(world.environment, remember=gone.append), reconnect_ns=NS_PER_S)
    async with world.running():
        await asyncio.sleep(1.5)

        assert world.remote.status.last_error.startswith("TLS: ")
        assert gone[0].reason == "TLS Handshake Failure"
        assert len(world.hub.sessions) >= 2
        assert all(session.got == b"" for session in world.hub.sessions)


async def test_a_missing_credentials_file_is_told_and_the_hub_is_not_dialed(tmp_path: Path) -> None:
    path = tmp_path / "edge.creds"
    world = LeafWorld(LeafRemote(("nats-leaf://hub:7422",), credentials=str(path)))
    async with world.running():
        await asyncio.sleep(0.5)
        assert world.remote.status.last_error == f"{path}: No such file or directory"
        assert world.hub.sessions == []

        Operator(now_s=1).write_creds(path, "edge")
        await asyncio.sleep(2)
        await turns()

        assert world.remote.status.state is RemoteState.CONNECTED
        assert b'"jwt":"' in world.hub.session.got


async def test_credentials_that_are_a_pipe_for_a_while_are_told_and_dialing_goes_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "edge.creds"
    os.mkfifo(path)
    world = LeafWorld(LeafRemote(("nats-leaf://hub:7422",), credentials=str(path)))
    async with world.running():
        await asyncio.sleep(0.5)
        assert world.remote.status.last_error == f"{path}: is not a regular file"

        path.unlink()
        Operator(now_s=1).write_creds(path, "edge")
        await asyncio.sleep(2)
        await turns()

        assert world.remote.status.state is RemoteState.CONNECTED


async def test_files_that_hang_are_told_within_five_seconds_and_dialing_goes_on() -> None:
    jobs: list[asyncio.Future[Any]] = []

    def begin(work: Callable[[], Any]) -> asyncio.Future[Any]:
        del work
        jobs.append(asyncio.get_running_loop().create_future())
        if len(jobs) > 1:
            jobs[-1].set_result(Login())
        return jobs[-1]

    world = LeafWorld(LeafRemote(("nats-leaf://hub:7422",), credentials="/net/edge.creds"))
    world.remote._files = FileReader(begin)
    async with world.running():
        await asyncio.sleep(5)
        assert world.remote.status.last_error == "/net/edge.creds: the file system does not answer"
        await asyncio.sleep(100)
        assert len(jobs) == 1

        jobs[0].set_result(Login())  # at last; it is read anew
        await asyncio.sleep(100)

        assert world.remote.status.state is RemoteState.CONNECTED
        assert len(jobs) == 2


async def test_an_expired_jwt_is_named_when_the_hub_refuses_it(tmp_path: Path) -> None:
    path = tmp_path / "edge.creds"
    Operator(now_s=1).write_creds(path, "edge", exp=2)
    options = LeafRemote(("nats-leaf://hub:7422",), credentials=str(path))
    world = LeafWorld(options, hub=ScriptedHub(answer=REFUSING))
    async with world.running():
        await asyncio.sleep(0.5)

        assert f"the JWT in {path} has expired" in world.remote.status.last_error
        assert "clock is wrong" in world.remote.status.last_error


def test_a_url_that_cannot_be_used_is_refused_before_anything_is_dialed() -> None:
    with pytest.raises(ValueError, match="no scheme of a hub"):
        LeafWorld(LeafRemote(("http://ann:CANARY@hub",)))


async def test_a_fault_of_ours_is_logged_and_the_remote_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = LeafWorld(REMOTE)
    faults = [ZeroDivisionError("boom")]

    def listener(_: HubLink) -> None:
        if faults:
            raise faults.pop()

    world.remote.on_lost.append(listener)
    async with world.running():
        await turns()
        cut(world.hub)
        await asyncio.sleep(3)

        assert world.remote.status.state is RemoteState.CONNECTED
        assert "ZeroDivisionError" in caplog.text


async def test_a_hub_that_complains_without_end_fills_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        for number in range(1000):
            world.remote.hub_error(f"Permissions Violation for Publish to x.{number}", "why")
        await asyncio.sleep(60)
        world.remote.hub_error("later", "why")

    lines = [one for one in caplog.messages if one.startswith("Leaf link problem")]
    assert len(lines) == limits.LEAF_LOG_LINES_MAX + 1
    assert lines[-1].endswith("problem=later: why suppressed=940")
    assert "later" in world.remote.status.last_error


def cut(hub: ScriptedHub) -> None:
    """Let the hub's end of the connection vanish."""
    transport = hub.session.transport
    assert transport is not None
    transport.abort()


def end_of(hub: ScriptedHub) -> None:
    """Let the hub close after what it said."""
    transport = hub.session.transport
    assert transport is not None
    transport.close()
