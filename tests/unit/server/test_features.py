"""leafnode.server.features: what a board may; the rest is run whole by tests/interop."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

from leafnode.auth.claims import AccountBody, AccountClaims, Permissions, Rules
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.server.features import board_permissions
from leafnode.server.server import Seams, Server
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    import pytest

    from leafnode.auth.operator import OperatorMode


def serving(text: str = "") -> Server:
    chance = random.Random(1)
    options = bind(parse(text, "x.conf"))
    return Server(options, Seams(FakeClock(), chance, chance.randbytes))


def test_a_board_may_what_anybody_of_its_account_may_whose_rules_are_made_once() -> None:
    """Each of a board's messages took 106 ms where the account's lists had 9,000 entries."""
    server = serving('accounts { A { default_permissions { publish: "a.>" } }, B {} }')

    rules = board_permissions(server, "A")

    assert rules is not None
    assert rules.may_publish(b"a.x")
    assert not rules.may_publish(b"b")
    assert board_permissions(server, "A") is rules
    assert board_permissions(server, "B") is board_permissions(server, "$G") is None


def test_with_an_operator_a_board_may_what_the_jwt_of_its_account_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = AccountBody(default_permissions=Permissions(pub=Rules(allow=("a.>",))))

    class Loaded:
        """An account that somebody uses."""

        claims = AccountClaims(iss="O", sub="A", nats=body)

    class Operator:
        """Knows one account."""

        class known:  # noqa: N801 -- as it is called there
            by_name = {"A": Loaded}  # noqa: RUF012

    server = serving()
    monkeypatch.setattr(server, "operator", cast("OperatorMode", Operator))

    rules = board_permissions(server, "A")

    assert rules is not None
    assert not rules.may_publish(b"b")
    assert board_permissions(server, "A") is rules
    assert board_permissions(server, "B") is None
