"""leafnode.auth.identity: names of connection types, and what an identity shows of itself."""

from __future__ import annotations

from leafnode.auth.identity import ConnectionType, Identity, LoginRefused, connection_types


def test_connection_types_know_no_case_and_unknown_ones_are_left_out() -> None:
    assert connection_types(["standard", "WEBSOCKET", "telnet"]) == {
        ConnectionType.STANDARD,
        ConnectionType.WEBSOCKET,
    }


def test_what_proves_an_identity_is_not_shown() -> None:
    assert "canary" not in repr(Identity(user="u", proof=b"canary"))


def test_a_refusal_has_one_text_and_a_reason_of_its_own() -> None:
    refusal = LoginRefused("unknown nkey")

    assert str(refusal) == "Authorization Violation"
    assert refusal.reason == "unknown nkey"
