"""Who comes in without credentials where only the system account has users."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from leafnode.auth.authenticator import Authenticator
from leafnode.auth.identity import Identity, PeerFacts
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.protocol.info import DEFAULT_CONNECT
from leafnode.server.guests import guest_of, with_guests
from leafnode.server.reload import changes

if TYPE_CHECKING:
    from leafnode.config.options import Options

SYSTEM = 'accounts { "$SYS" { users: [{user: a, password: b}] } }'
GUEST = guest_of(Random(1))
STANDARD = PeerFacts(nonce=b"n")


def options(text: str) -> Options:
    return with_guests(bind(parse(text, "x.conf")), GUEST)


@pytest.mark.parametrize(
    ("text", "admits"),
    [
        ("", False),
        ("accounts {}", False),
        (SYSTEM, True),
        ("system_account: S, accounts { S {} }", True),
        ("no_system_account: true, " + SYSTEM, True),
        ("authorization {}, " + SYSTEM, False),
        ("accounts { A { users: [{user: a, password: b}] } }", False),
        ("system_account: S, accounts { S { users: [{user: a, password: b}] }, B {} }", False),
        ("no_auth_user: a, " + SYSTEM, False),
    ],
)
def test_guests_are_admitted_where_there_are_only_the_global_and_the_system_account(
    text: str, admits: bool
) -> None:
    assert options(text).admits_guests is admits
    assert (options(text).no_auth_user == GUEST.user) is admits


def test_a_system_account_that_is_named_is_there_whatever_no_system_account_says() -> None:
    assert options("no_system_account: true").no_system_account
    assert not options("no_system_account: true, " + SYSTEM).no_system_account


def test_who_came_in_before_there_were_users_stays_as_a_guest() -> None:
    authenticator = Authenticator(options(""))
    before = authenticator.check(DEFAULT_CONNECT, STANDARD)
    assert isinstance(before, Identity)

    authenticator.apply(options(SYSTEM))

    assert authenticator.again(before, STANDARD).user == GUEST.user


def test_a_reload_may_begin_and_end_to_admit_guests() -> None:
    closed, opened = options(""), options(SYSTEM)

    assert changes(replace(closed, config_digest=""), replace(opened, config_digest=""))
    assert changes(opened, closed)
    assert not changes(opened, options(SYSTEM))
