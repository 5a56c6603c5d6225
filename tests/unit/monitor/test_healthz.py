"""/healthz. Texts and status codes: nats-server 2.15.1; `leafnode=true` is ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from leafnode.monitor.healthz import healthz
from leafnode.monitor.options import HealthzOptions
from leafnode.monitor.query import Query
from leafnode.monitor.views import AwaitedAccount, LeftDurable, RemoteView
from leafnode.slices import finish
from tests.sim.monitor import SECRET, jetstream, port, uplink, views

if TYPE_CHECKING:
    from collections.abc import Callable


def answer(query: str = "", **changes: Any) -> tuple[int, dict[str, Any]]:
    options = HealthzOptions.from_query(Query(query))
    answer = finish(healthz(views(**changes), options))
    status = answer.pop("status_code")
    assert isinstance(status, int)
    return status, answer


def down() -> list[RemoteView]:
    return [RemoteView(f"nats-leaf://u:{SECRET}@hub:7422", False, "Authorization Violation")]


@pytest.mark.parametrize(
    "query",
    ["", "details=1", "js-enabled-only=1", "leafnode=1", "account=$G&stream=EV&consumer=D1"],
)
def test_a_server_that_is_well_says_ok(query: str) -> None:
    assert answer(query) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("query", "code", "status", "error"),
    [
        ("account=NOPE", 404, "unavailable", 'JetStream account "NOPE" not found'),
        ("account=%ff%0a", 404, "unavailable", r'JetStream account "\xff\n" not found'),
        (
            "account=$G&stream=NO",
            404,
            "unavailable",
            'JetStream stream "NO" not found on account "$G"',
        ),
        (
            "account=$G&stream=EV&consumer=NO",
            404,
            "unavailable",
            'JetStream consumer "NO" not found for stream "EV" on account "$G"',
        ),
        (
            "stream=X",
            400,
            "error",
            '"account" must not be empty when checking stream health',
        ),
        (
            "consumer=x",
            400,
            "error",
            '"stream" must not be empty when checking consumer health',
        ),
    ],
)
def test_what_is_missing_is_named(query: str, code: int, status: str, error: str) -> None:
    assert answer(query) == (code, {"status": status, "error": error})


def test_an_account_without_streams_is_not_found() -> None:
    """Nats-server looks for its directory, which the first stream makes."""
    empty = [replace(jetstream().accounts[0], streams=[])]

    for query in ("account=$G", "account=$G&stream=x", "account=$G&stream=x&consumer=y"):
        code, got = answer(query, jetstream=lambda: replace(jetstream(), accounts=empty))
        assert (code, got["error"]) == (404, 'JetStream account "$G" not found')


@pytest.mark.parametrize("query", ["", "js-enabled-only=1", "js-server-only=1", "leafnode=1"])
def test_who_lets_no_clients_in_is_not_ready(query: str) -> None:
    code, got = answer(query, closed_entrances=lambda: ["server", "websocket"])

    error = "failed to be ready for connections after 1ms: server, websocket"
    assert (code, got) == (500, {"status": "error", "error": error})


def test_details_say_that_it_is_about_connections() -> None:
    code, got = answer("details=1", closed_entrances=lambda: ["server"])

    error = "failed to be ready for connections after 1ms: server"
    assert (code, got["status"]) == (500, "error")
    assert got["errors"] == [{"type": "CONNECTION", "error": error}]


def test_details_list_the_errors() -> None:
    assert answer("details=true&account=NOPE") == (
        404,
        {
            "status": "error",
            "errors": [
                {
                    "type": "ACCOUNT",
                    "account": "NOPE",
                    "error": 'JetStream account "NOPE" not found',
                }
            ],
        },
    )


def test_a_store_that_failed_is_unavailable() -> None:
    code, got = answer(jetstream=lambda: jetstream(failure="fsync: Input/output error"))

    assert code == 503
    assert got["error"] == "JetStream cannot store: fsync: Input/output error"


def test_an_offline_gateway_is_healthy_unless_the_outside_is_asked_for_too() -> None:
    assert answer(remotes=down)[0] == 200

    code, got = answer("leafnode=true", remotes=down)
    assert code == 503
    assert got == {
        "status": "unavailable",
        "error": "remote hub:7422 is not connected: Authorization Violation",
    }


DEAF = {"name": "m1", "problem": "no answer at coil 4"}


def test_an_account_that_something_waits_for_is_named() -> None:
    missing = AwaitedAccount("ACC", "serial ports", "account missing")
    assert answer(awaited=lambda: [missing])[0] == 200

    code, got = answer("leafnode=true&details=true", awaited=lambda: [missing])

    assert code == 503
    assert got["errors"] == [
        {
            "type": "ACCOUNT",
            "account": "ACC",
            "error": "serial ports without account ACC: account missing",
        }
    ]


def test_every_cause_outside_is_named() -> None:
    code, got = answer(
        "leafnode=true&details=true",
        remotes=down,
        uplinks=lambda: [
            uplink(problem="is refused: too large"),
            uplink(backlog="the backlog is full: max_msgs 5"),
            uplink(),
        ],
        left_durables=lambda: [
            LeftDurable("$G", "EV", "leafnode-uplink-EV", "", 12, holds=True),
            LeftDurable("$G", "AL", "leafnode-uplink-AL", "", 3, holds=False),
        ],
        ports=lambda: [
            port(open=False, last_error="no such device"),
            port(),
            port(function={"running": 0}, last_error="the function failed: it ended"),
            port(function={"running": 0}),
            port(open=False, lent_ns=59 * 10**9),
            port(open=False, lent_ns=29 * 10**9, lent_to="minicom, pid 7 on gw"),
            port(
                slaves=[
                    {"name": "m1", "problem": "no answer at coil 4"},
                    {"name": "m2", "problem": ""},
                ]
            ),
            port(
                open=False,
                last_error="gone",
                slaves=[{"name": "m1", "problem": "no answer at coil 4"}],
            ),
        ],
    )

    assert code == 503
    assert [(error["type"], error["error"]) for error in got["errors"]] == [
        ("LEAFNODE", "remote hub:7422 is not connected: Authorization Violation"),
        ("UPLINK", "uplink of stream EV is refused: too large"),
        ("UPLINK", "uplink of stream EV: the backlog is full: max_msgs 5"),
        (
            "UPLINK",
            "consumer leafnode-uplink-EV of stream EV is of no uplink any more, and 12 messages "
            "stay for it",
        ),
        ("SERIAL", "serial port scale is not open: no such device"),
        ("SERIAL", "serial port scale: the function failed: it ended"),
        ("SERIAL", "serial port scale is lent for 59 s more"),
        ("SERIAL", "serial port scale is lent to minicom, pid 7 on gw, for 29 s more"),
        ("SERIAL", "slave m1 of serial port scale: no answer at coil 4"),
        ("SERIAL", "serial port scale is not open: gone"),
    ]


@pytest.mark.parametrize("remotes", [list, down])
def test_warnings_are_told_and_change_no_verdict(
    remotes: Callable[[], list[RemoteView]],
) -> None:
    code, plain = answer("leafnode=true", remotes=remotes)

    warned = answer("leafnode=true", remotes=remotes, warnings=lambda: ["everybody may connect"])
    assert warned == (code, plain | {"warnings": ["everybody may connect"]})
    assert answer(warnings=lambda: ["everybody may connect"]) == (200, {"status": "ok"})


def test_a_remote_that_is_switched_off_is_no_cause() -> None:
    off = RemoteView("hub:7422", False, "", disabled=True)

    assert answer("leafnode=true", remotes=lambda: [off])[0] == 200


def test_a_hub_that_does_not_serve_all_interest_is_a_cause() -> None:
    short = RemoteView("hub:7422", True, "", unserved="maximum subscriptions exceeded: why")

    code, told = answer("leafnode=true", remotes=lambda: [short])

    words = "remote hub:7422 does not bring all that is wanted here: "
    assert (code, told["error"]) == (503, f"{words}maximum subscriptions exceeded: why")


def test_a_damaged_stream_is_named_and_the_server_is_not_well() -> None:
    view = jetstream()
    damaged = replace(
        view.accounts[0].streams[0], damage="the checksum of message 29 does not hold"
    )
    account = replace(view.accounts[0], streams=[damaged])
    broken = replace(view, accounts=[account])
    error = (
        'JetStream stream "EV" on account "$G" is damaged: the checksum of message 29 does not hold'
    )

    for query in ("", "account=$G&stream=EV"):
        code, said = answer(query, jetstream=lambda: broken)

        assert (code, said) == (503, {"status": "unavailable", "error": error})


def test_many_streams_are_looked_at_in_several_turns() -> None:
    view = jetstream()
    account = replace(view.accounts[0], streams=[view.accounts[0].streams[0]] * 600)
    many = views(jetstream=lambda: replace(view, accounts=[account]))

    assert len(list(healthz(many, HealthzOptions()))) == 600 // 256


def test_many_accounts_of_one_stream_are_looked_at_in_slices() -> None:
    one = jetstream().accounts[0]
    many = [replace(one, name=f"A{number}") for number in range(1_000)]
    shown = views(jetstream=lambda: replace(jetstream(), accounts=many))

    assert len(list(healthz(shown, HealthzOptions()))) >= 3
