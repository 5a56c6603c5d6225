"""An account without JetStream on a server that has it: measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest

from leafnode.jetstream.disabled import NotEnabled
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox

ERROR = b'"error":{"code":503,"err_code":10039,"description":"JetStream not enabled for account"}}'


def answers(subject: bytes, *, system: bool = False) -> list[bytes]:
    """What an account of a server with the domain `d` is answered."""
    account = Account("C", Outbox(lambda: None))
    refusing = NotEnabled(account, "d", system=system)
    refusing.open()
    heard: list[bytes] = []
    account.subscribe(b"reply", lambda run: heard.extend(m[2] for m in run.messages))
    account.publish(subject, b"", reply=b"reply")
    refusing.close()
    assert not account.has_interest(b"$JS.API.INFO")
    return heard


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        (b"$JS.API.INFO", b"account_info_response"),
        (b"$JS.d.API.INFO", b"account_info_response"),
        (b"$JS.API.STREAM.CREATE.S", b"stream_create_response"),
        (b"$JS.API.CONSUMER.DURABLE.CREATE.S.c", b"consumer_create_response"),
    ],
)
def test_a_request_is_refused_by_its_kind(subject: bytes, kind: bytes) -> None:
    assert answers(subject) == [b'{"type":"io.nats.jetstream.api.v1.%b",%b' % (kind, ERROR)]


def test_what_is_no_request_is_met_with_silence() -> None:
    assert answers(b"$JS.API.NONSENSE") == []


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        (b"$JS.API.INFO", b"account_info_response"),
        (b"$JS.API.STREAM.NAMES", b"system_response"),
        (b"$JS.API.STREAM.CREATE.S", b"system_response"),
    ],
)
def test_the_system_account_has_a_kind_of_answer_for_info_only(subject: bytes, kind: bytes) -> None:
    said = answers(subject, system=True)

    assert said == [b'{"type":"io.nats.jetstream.api.v1.%b",%b' % (kind, ERROR)]
