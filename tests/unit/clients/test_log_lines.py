"""The log of what clients do wrong: nats-server 2.15.1's words (measured), bounded, no secret."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from leafnode.auth.identity import Identity, LoginRefused
from leafnode.clients import log_lines
from leafnode.clients.log_lines import ErrorLines, label, withdrawn
from leafnode.config.options import (
    Authorization,
    Options,
    PermissionsOptions,
    SubjectRules,
    User,
)
from leafnode.limits import CLIENT_ERROR_LINES_MAX, REFUSAL_SHOWN_CHARS_MAX
from tests.sim.clients import ClientWorld

if TYPE_CHECKING:
    from leafnode.errors import ProtocolError

RULES = PermissionsOptions(SubjectRules(allow=("ok",)), SubjectRules(allow=("ok", "a.>")))
USERS = (User(user="u", password="canary", permissions=RULES),)
OPTIONS = Options(
    authorization=Authorization(users=USERS), max_subscription_tokens=5, max_subscriptions=1
)
LOGIN = {"verbose": False, "user": "u", "pass": "canary", "name": "n1", "lang": "py"}
WHO = '127.0.0.1:49153 - cid:1 - "v1.2:py:n1" - "$G/user:u" - '


def errors_after(
    caplog: pytest.LogCaptureFixture, said: bytes, login: dict[str, object] | None = None
) -> list[str]:
    world = ClientWorld(OPTIONS)
    connect = json.dumps(LOGIN | {"version": "1.2"} | (login or {})).encode()
    world.client(connect).says(said)
    assert "canary" not in caplog.text
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (b"PUB no 2\r\nhi\r\n", 'Publish Violation - Subject "no"'),
        (b"PUB ok _R_.x 2\r\nhi\r\n", 'Publish Violation - Reply "_R_.x"'),
        (b"SUB no 1\r\n", 'Subscription Violation - Subject "no", SID 1'),
        (b"SUB no q 7\r\n", 'Subscription Violation - Subject "no", Queue: "q", SID 7'),
        (
            b"SUB a.b.c.d.e.f 1\r\n",
            'Subscription Violation Too Many Tokens - Subject "a.b.c.d.e.f", SID 1',
        ),
        (b"SUB ok 1\r\nSUB ok 2\r\n", "maximum subscriptions exceeded"),
        (b"PUB a 99999999\r\n", "maximum payload exceeded"),
        (b"PUB " + b"a" * 5000 + b" 1\r\n", "maximum control line exceeded"),
        (b"canary canary\r\n", "Client parser ERROR"),
        (b"PUB canary\r\n", "Client parser ERROR"),
        (
            b'CONNECT {"canary" canary}\r\n',
            "CONNECT is malformed: JSON is malformed: expected ':' (byte 10)",
        ),
        (b"PUB no\x1b[2J 2\r\nhi\r\n", 'Publish Violation - Subject "no\\x1b[2J"'),
    ],
)
def test_what_a_client_does_wrong_is_told_with_who_it_is(
    said: bytes, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert errors_after(caplog, said) == [WHO + line]


@pytest.mark.parametrize(
    ("login", "who"),
    [
        ({"user": "x"}, ' - User "x"'),
        ({"user": "", "pass": "", "auth_token": "canary"}, ' - Token "[REDACTED]"'),
        ({"user": "", "pass": "", "nkey": "SUcanary"}, ' - Nkey "[REDACTED]"'),
        ({"user": "", "pass": ""}, ""),
    ],
)
def test_of_a_refused_login_only_the_name_is_told(
    login: dict[str, object], who: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert errors_after(caplog, b"", login) == [
        f"127.0.0.1:49153 - cid:1 - authentication error{who}"
    ]


def test_an_operation_without_a_login_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ClientWorld(OPTIONS).client(b"").says(b"PUB a 0\r\n\r\n")

    (record,) = caplog.records
    assert record.getMessage() == "127.0.0.1:49153 - cid:1 - authentication error"


def test_a_connection_is_told_when_it_begins_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "leafnode.clients")
    client = ClientWorld(Options()).client(b'{"name":"n","verbose":false}')
    client.end.close()
    client.hears()

    # `text`: the label is made while the line is written
    assert "127.0.0.1:49153 - cid:1 - Client connection created\n" in caplog.text
    assert '49153 - cid:1 - "n" - Client connection closed: Client Closed\n' in caplog.text


def test_a_flood_of_violations_writes_a_bounded_number_of_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = errors_after(caplog, b"PUB no 0\r\n\r\n" * (CLIENT_ERROR_LINES_MAX + 90))

    assert len(lines) == CLIENT_ERROR_LINES_MAX


def test_no_text_is_made_for_a_line_that_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ProtocolError] = []
    monkeypatch.setattr(log_lines, "error_text", lambda _, error: made.append(error))

    ClientWorld(OPTIONS).client(json.dumps(LOGIN).encode()).says(b"PUB no 0\r\n\r\n" * 50)

    assert len(made) == CLIENT_ERROR_LINES_MAX


@pytest.mark.parametrize(
    ("queue", "text"),
    [
        (b"", 'Removed sub "a" (sid "1") for User "u" - not authorized'),
        (b"q", 'Removed sub "a" using queue "q" (sid "1") for User "u" - not authorized'),
    ],
)
def test_a_subscription_that_a_reload_takes_away_is_told(queue: bytes, text: str) -> None:
    world = ClientWorld(OPTIONS)
    world.client(json.dumps(LOGIN).encode())

    assert withdrawn(world.server.registry.open[1], b"a", queue, b"1") == text


def test_whom_no_auth_user_let_in_is_named_by_that() -> None:
    users = (User(user="guest", password="p"),)
    options = Options(no_auth_user="guest", authorization=Authorization(users=users))
    world = ClientWorld(options)
    world.client(b"{}")
    world.client(b"").says(b"PING\r\n")  # and no CONNECT
    connected, silent = world.server.registry.open.values()

    assert label(connected).endswith(' - cid:1 - "$G/user:guest"')
    assert label(silent).endswith(" - cid:2")
    for client in (connected, silent):
        told = withdrawn(client, b"a", b"", b"1")
        assert told == 'Removed sub "a" (sid "1") for User "guest" - not authorized'


def test_whom_a_service_let_in_is_called_as_it_says() -> None:
    world = ClientWorld(OPTIONS)
    world.client(json.dumps(LOGIN).encode())
    client = world.server.registry.open[1]

    client.become(Identity(user="bob", key="UBOB"))

    assert label(client).endswith('"$G/user:bob"')


def test_why_a_login_was_refused_is_one_line_of_bounded_length(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal = LoginRefused("x")
    refusal.error = "Bad src Ip 127.0.0.1"
    refusal.warning = "no\r\nway" + "y" * REFUSAL_SHOWN_CHARS_MAX

    ErrorLines().refused("127.0.0.1:1 - cid:1", refusal, 0)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "127.0.0.1:1 - cid:1 - Bad src Ip 127.0.0.1"),
        ("WARNING", "no??way" + "y" * (REFUSAL_SHOWN_CHARS_MAX - 7)),
    ]


def test_why_logins_are_refused_is_told_for_so_many_in_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines, refusal = ErrorLines(), LoginRefused("x")
    refusal.warning = "no way"

    for _ in range(CLIENT_ERROR_LINES_MAX + 1):
        lines.refused("127.0.0.1:1 - cid:1", refusal, 0)

    assert caplog.messages == ["no way"] * CLIENT_ERROR_LINES_MAX
    assert lines.unlogged == 1


def test_an_account_is_called_by_its_key_and_what_people_call_it() -> None:
    world = ClientWorld(OPTIONS)
    world.client(json.dumps(LOGIN).encode())
    client = world.server.registry.open[1]
    assert client.peer.account is not None

    client.peer.account.title = 'ACC/fac\ntory"'

    assert label(client).endswith(' - "ACC/fac\\ntory\\"/user:u"')
