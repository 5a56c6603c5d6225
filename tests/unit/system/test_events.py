"""leafnode.system.events: what the system account is told, with nats-server's subjects and keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.auth.authenticator import Authenticator
from leafnode.auth.identity import LoginRefused
from leafnode.clients.handler import ClientHandler
from leafnode.clients.renewal import renew_all
from leafnode.clock import NS_PER_S
from leafnode.config.account_options import AccountOptions
from leafnode.config.options import Authorization, Options, User
from leafnode.limits import SYSTEM_EVENTS_MAX
from leafnode.routing.account import Limits
from leafnode.system.events import Burst
from tests.sim.clock import FakeClock
from tests.sim.monitor import leaf
from tests.sim.system import SystemWorld

if TYPE_CHECKING:
    from leafnode.clients.facts import ConnectionFacts

CONNECT = b'{"verbose":false,"name":"joe","lang":"go","version":"1.2","user":"u","pass":"p"}'
LOCKED = Options(authorization=Authorization(user="u", password="p"))


def test_a_client_that_logs_in_is_told_with_what_it_is() -> None:
    world = SystemWorld()
    world.listen()

    world.client(CONNECT)

    [(subject, event)] = world.told
    assert subject == "$SYS.ACCOUNT.$G.CONNECT"
    assert list(event) == ["type", "id", "timestamp", "server", "client"]
    assert event["type"] == "io.nats.server.advisory.v1.client_connect"
    assert event["client"] == {
        "start": event["client"]["start"],
        "host": "127.0.0.1",
        "id": 1,
        "acc": "$G",
        "user": "u",
        "name": "joe",
        "lang": "go",
        "ver": "1.2",
        "name_tag": "$G",
        "kind": "Client",
        "client_type": "nats",
    }


def test_a_client_that_leaves_is_told_with_its_traffic_seen_from_its_side() -> None:
    world = SystemWorld()
    client = world.client(CONNECT)
    client.says(b"SUB a 1\r\nPUB a 2\r\nhi\r\n")
    world.listen()

    client.end.close()
    world.settle()

    [(subject, event)] = world.told
    assert subject == "$SYS.ACCOUNT.$G.DISCONNECT"
    assert list(event) == [
        *("type", "id", "timestamp", "server", "client", "sent", "received", "reason"),
    ]
    assert event["type"] == "io.nats.server.advisory.v1.client_disconnect"
    assert (event["sent"], event["received"]) == ({"msgs": 1, "bytes": 2}, {"msgs": 1, "bytes": 2})
    assert event["reason"] == "Client Closed"
    assert {"start", "stop"} <= set(event["client"])


def test_nothing_is_asked_of_a_client_s_certificates_that_no_event_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, bool]] = []

    def facts(client: ClientHandler, **how: bool) -> ConnectionFacts:
        asked.append(how)
        return client.plain_facts()

    monkeypatch.setattr(ClientHandler, "facts", facts)
    world = SystemWorld(LOCKED)
    world.listen()

    world.client(CONNECT).end.close()
    world.client(b'{"user":"eve","pass":"no"}')
    world.settle()

    assert len(world.told) == 4
    assert asked == [{"with_certificates": False}] * 2  # of what is remembered of those gone


def test_a_refused_login_is_told_to_the_server_and_then_as_a_disconnect() -> None:
    world = SystemWorld(LOCKED)
    world.listen()

    world.client(b'{"user":"eve","pass":"no","name":"x","lang":"go"}')

    subjects = [subject for subject, _ in world.told]
    assert subjects == ["$SYS.SERVER.NSERVER.CLIENT.AUTH.ERR", "$SYS.ACCOUNT.$G.DISCONNECT"]
    event = world.told[0][1]
    assert event["type"] == "io.nats.server.advisory.v1.client_disconnect"
    assert event["reason"] == "Authentication Failure"
    assert (event["client"]["user"], event["client"]["name"]) == ("eve", "x")
    assert event["client"]["acc"] == "$G"


def test_the_global_account_is_told_of_a_refused_login_as_well() -> None:
    world = SystemWorld(LOCKED)
    told = world.hear("$G", b"$SYS.>")

    world.client(b'{"user":"eve","pass":"no","name":"x","lang":"go"}')
    world.client(b'{"auth_token":"canary"}')

    assert [subject for subject, _ in told] == ["$SYS.ACCOUNT.CLIENT.AUTH.ERR"] * 2
    first, second = (event for _, event in told)
    assert first["type"] == "io.nats.server.advisory.v1.client_disconnect"
    assert first["reason"] == "Authentication Failure"
    assert (first["client"]["user"], first["client"]["acc"]) == ("eve", "$G")
    assert second["client"]["user"] == "[REDACTED]"


def test_an_account_whose_service_refused_is_told_why_in_place_of_the_global_one() -> None:
    world = SystemWorld(LOCKED)
    told, elsewhere = world.hear("AUTH", b">"), world.hear("$G", b">")
    client = world.client(CONNECT)
    refusal = LoginRefused("the service said no")
    refusal.asked, refusal.told = "AUTH", "The service said no"

    world.events.client_refused(client.handler, "Authentication Failure", refusal)

    [(_, event)] = told
    assert (event["client"]["acc"], event["reason"]) == ("AUTH", "The service said no")
    assert elsewhere == []


def test_who_is_cut_hears_of_it_by_its_error_alone() -> None:
    world = SystemWorld(LOCKED)
    cut, other = world.client(CONNECT), world.client(CONNECT)
    for client in (cut, other):
        client.says(b"SUB > 1\r\n")
    world.client(b'{"user":"eve","pass":"no"}')
    assert all(b"CLIENT.AUTH.ERR" in client.hears() for client in (cut, other))
    authenticator = world.server.seams.authenticator
    assert isinstance(authenticator, Authenticator)
    authenticator.apply(Options(authorization=Authorization(user="u", password="new")))

    list(renew_all([cut.handler], ClientHandler.again))
    world.settle()

    assert cut.hears() == b"-ERR 'Authorization Violation'\r\n"
    assert cut.raw.ended
    assert other.hears().startswith(b"MSG $SYS.ACCOUNT.CLIENT.AUTH.ERR 1 ")


@pytest.mark.parametrize(
    ("connect", "reason", "is_refused"),
    [
        (b'{"account":"A"}', "Authentication Failure", True),
        (b'{"protocol":9}', "Bad Client Protocol Version", False),
        (b'{"no_responders":true}', "No Responders Requires Headers", False),
    ],
)
def test_who_proved_who_it_is_and_is_refused_came_and_went_in_its_account(
    connect: bytes, reason: str, *, is_refused: bool
) -> None:
    world = SystemWorld(LOCKED)
    world.listen()
    told = world.hear("$G", b">")

    world.client(b'{"user":"u","pass":"p","name":"n",' + connect[1:])

    assert told == []
    refused = ["$SYS.SERVER.NSERVER.CLIENT.AUTH.ERR"] if is_refused else []
    came, went = "$SYS.ACCOUNT.$G.CONNECT", "$SYS.ACCOUNT.$G.DISCONNECT"
    assert [subject for subject, _ in world.told] == [came, *refused, went]
    clients = [event["client"] for _, event in world.told]
    assert {(one["acc"], one["user"], one["name"]) for one in clients} == {("$G", "u", "n")}
    (closed,) = world.server.registry.closed_ring
    assert (closed.facts.account, closed.facts.user, closed.reason) == ("$G", "u", reason)


def test_whose_account_has_connections_enough_goes_in_that_account() -> None:
    account = AccountOptions("A", users=(User("u", password="p"),))
    world = SystemWorld(Options(accounts=(account,)))
    world.server.account("A").limits = Limits(max_connections=0)
    world.listen()

    world.client(CONNECT)

    ((subject, event),) = world.told
    assert subject == "$SYS.ACCOUNT.A.DISCONNECT"
    assert event["reason"] == "Maximum Account Connections Exceeded"
    assert (event["client"]["acc"], event["client"]["user"]) == ("A", "u")


def test_no_event_shows_a_password() -> None:
    world = SystemWorld(LOCKED)
    world.listen()

    world.client(b'{"user":"eve","pass":"canary","auth_token":"canary","jwt":"canary"}')

    assert "canary" not in str(world.told)


def test_nothing_is_built_where_nobody_listens() -> None:
    world = SystemWorld()

    world.client(CONNECT).end.close()
    world.settle()

    assert world.envelope.server()["seq"] == 1


def test_an_account_says_how_many_connections_it_has_now_and_every_30_s() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.ACCOUNT.*.SERVER.CONNS")
    world.tally.link("A", 1)

    world.events.connections_changed("A")
    world.clock.advance(61 * NS_PER_S)

    assert [event["type"] for _, event in world.told] == [
        "io.nats.server.advisory.v1.account_connections"
    ] * 3
    assert list(world.told[0][1])[:7] == [
        "type",
        "id",
        "timestamp",
        "server",
        "acc",
        "name",
        "conns",
    ]


def test_the_old_subject_of_an_accounts_connections_is_served_too() -> None:
    world = SystemWorld()
    world.listen()

    world.events.connections_changed("A")

    assert [subject for subject, _ in world.told] == [
        "$SYS.SERVER.ACCOUNT.A.CONNS",
        "$SYS.ACCOUNT.A.SERVER.CONNS",
    ]


def test_an_account_that_nobody_is_connected_to_is_not_told_of_again() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.ACCOUNT.*.SERVER.CONNS")

    world.events.connections_changed("A")
    world.clock.advance(120 * NS_PER_S)

    assert len(world.told) == 1


def test_the_global_accounts_connections_are_told_to_nobody() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.*.*.*.CONNS")

    world.client(CONNECT)

    assert world.told == []


def test_a_leaf_link_is_told_when_it_comes_and_when_it_goes() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.ACCOUNT.*.*")

    world.events.leaf_connected(leaf(), 1_000)
    world.events.leaf_closed(leaf(), 1_000, "Client Closed")

    assert [subject for subject, _ in world.told] == [
        "$SYS.ACCOUNT.$G.CONNECT",
        "$SYS.ACCOUNT.$G.DISCONNECT",
    ]
    client = world.told[0][1]["client"]
    assert (client["kind"], client["id"], client["host"]) == ("Leafnode", 5, "127.0.0.1")
    assert world.told[1][1]["sent"] == {"msgs": 1, "bytes": 3}
    assert world.tally.leafs("$G") == 0


def test_a_leaf_that_came_to_us_is_told_with_what_it_says_of_itself() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.SERVER.*.CLIENT.AUTH.ERR")
    said = replace(leaf(), account="", user="u", said_name="edge", version="2.15.1")

    world.events.leaf_refused(said, 1_000, "Authentication Failure")

    (subject, event) = world.told[0]
    assert subject == "$SYS.SERVER.NSERVER.CLIENT.AUTH.ERR"
    assert event["reason"] == "Authentication Failure"
    client = event["client"]
    assert (client["acc"], client["user"], client["name"]) == ("N/A", "u", "edge")
    assert "name_tag" not in client


def test_a_leaf_for_which_its_account_has_no_room_goes_and_is_not_counted() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.ACCOUNT.*.*")

    world.events.leaf_turned_away(leaf(), 1_000, "Maximum Account Connections Exceeded")

    ((subject, event),) = world.told
    assert subject == "$SYS.ACCOUNT.$G.DISCONNECT"
    assert event["reason"] == "Maximum Account Connections Exceeded"
    assert world.tally.leafs("$G") == 0


def test_the_servers_end_and_its_lame_duck_mode_are_told() -> None:
    world = SystemWorld()
    world.listen()

    world.events.lame_duck()
    world.events.shutdown()

    assert [subject for subject, _ in world.told] == [
        "$SYS.SERVER.NSERVER.LAMEDUCK",
        "$SYS.SERVER.NSERVER.SHUTDOWN",
    ]
    assert world.told[0][1]["id"] == "NSERVER"


def test_events_up_to_the_bound_are_sent_and_one_more_is_dropped_until_the_next_second() -> None:
    clock = FakeClock()
    burst = Burst(clock)

    admitted = sum(burst.admits() for _ in range(SYSTEM_EVENTS_MAX + 1))
    clock.advance(NS_PER_S)

    assert (admitted, burst.dropped) == (SYSTEM_EVENTS_MAX, 1)
    assert burst.admits()


def test_a_slow_consumer_is_counted_for_its_account() -> None:
    world = SystemWorld()
    client = world.client(CONNECT)

    world.events.client_late(client.handler)  # and goes on
    late = world.tally.slow_consumers("$G")
    client.handler.close("Slow Consumer (Pending Bytes)")

    assert (late, world.tally.slow_consumers("$G")) == (1, 2)
    world.events.leaf_connected(leaf(), 1_000)
    world.events.leaf_closed(leaf(), 1_000, "Slow Consumer (Write Deadline)", slow=3)
    assert world.tally.slow_consumers(leaf().account) == 3 + 2 * (leaf().account == "$G")
