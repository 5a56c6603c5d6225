"""leafnode.clients.websocket: options, INFO and codes of clients over WebSocket."""

from __future__ import annotations

import pytest

from leafnode.clients.facts import CLOSED_STATES
from leafnode.clients.greeting import server_info
from leafnode.clients.websocket import (
    INTERNAL_ERROR,
    close_code,
    has_own_login,
    websocket_info,
    websocket_options,
)
from leafnode.clock import NS_PER_S
from leafnode.config.listener_options import ListenerTls, Websocket, WebsocketAuthorization
from leafnode.config.options import Authorization, Options

LEAF_ERRORS = "leafnode.protocol.leaf_errors"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("Client Closed", 1000),
        ("Server Shutdown", 1001),
        ("Stale Connection", 1001),
        ("Parse Error", 1002),
        ("Authentication Timeout", 1008),
        ("Authentication Failure", 1008),
        ("Slow Consumer (Pending Bytes)", 1008),
        ("Maximum Message Payload Exceeded", 1009),
        ("something else", INTERNAL_ERROR),
    ],
)
def test_codes_are_those_of_nats_server(reason: str, code: int) -> None:
    assert close_code(reason) == code


def test_every_closed_state_but_one_has_a_code() -> None:
    unnamed = {state for state in CLOSED_STATES.values() if close_code(state) == INTERNAL_ERROR}

    of_leafs = {CLOSED_STATES[error] for error in CLOSED_STATES if error.__module__ == LEAF_ERRORS}
    assert unnamed <= {"No Responders Requires Headers", "Kicked", *of_leafs}


def test_the_listener_s_own_login_timeout_and_ping_interval_hold() -> None:
    options = Options(authorization=Authorization(user="a", password="b", timeout_ns=NS_PER_S))
    own = WebsocketAuthorization(token="t", timeout_ns=3 * NS_PER_S)

    found = websocket_options(options, Websocket(authorization=own, ping_interval_ns=7))

    assert (found.authorization.user, found.authorization.token) == ("", "t")
    assert found.authorization.timeout_ns == 3 * NS_PER_S
    assert found.ping_interval_ns == 7
    assert has_own_login(Websocket(authorization=own))


def test_without_its_own_the_server_s_hold() -> None:
    options = Options(authorization=Authorization(user="a", password="b"))
    timeout_alone = WebsocketAuthorization(timeout_ns=5)

    assert websocket_options(options, Websocket()) == options
    assert websocket_options(options, Websocket(authorization=timeout_alone)).authorization == (
        Authorization(user="a", password="b", timeout_ns=5)
    )
    assert not has_own_login(Websocket(authorization=timeout_alone))


def test_info_names_the_listener_and_its_tls() -> None:
    info = server_info(
        Options(), server_id="N1", server_name="edge", port=4222, auth_required=False
    )

    plain = websocket_info(info, Websocket(host="ws.example", no_tls=True), port=80)
    secure = websocket_info(info, Websocket(tls=ListenerTls(), no_auth_user="joe"), port=443)

    assert (plain.host, plain.port, plain.tls_required, plain.auth_required) == (
        *("ws.example", 80),
        *(False, False),
    )
    assert (secure.tls_required, secure.tls_available, secure.auth_required) == (True, True, True)
