"""An account without JetStream on a server that has it: measured on nats-server 2.15.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreError, StoreFailed
from leafnode.jetstream.disabled import NotEnabled, Purge
from leafnode.routing.account import Account
from leafnode.routing.peer import Kind, Outbox
from tests.sim.peers import FakePeer

if TYPE_CHECKING:
    from collections.abc import Callable

ERROR = b'"error":{"code":503,"err_code":10039,"description":"JetStream not enabled for account"}}'


def nothing_is_purged(name: str, done: Callable[[StoreError | None], None]) -> None:
    raise AssertionError(name, done)


def answers(subject: bytes, *, purge: Purge | None = None) -> list[bytes]:
    """What an account of a server with the domain `d` is answered."""
    account = Account("C", Outbox(lambda: None))
    refusing = NotEnabled(account, "d", purge=purge)
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
    said = answers(subject, purge=nothing_is_purged)

    assert said == [b'{"type":"io.nats.jetstream.api.v1.%b",%b' % (kind, ERROR)]


def purging(error: StoreError | None, names: list[str]) -> Purge:
    def purge(name: str, done: Callable[[StoreError | None], None]) -> None:
        names.append(name)
        done(error)

    return purge


KIND = b'{"type":"io.nats.jetstream.api.v1.account_purge_response",'


@pytest.mark.parametrize("subject", [b"$JS.API.ACCOUNT.PURGE.APP", b"$JS.d.API.ACCOUNT.PURGE.APP"])
def test_the_system_account_has_an_accounts_streams_deleted(subject: bytes) -> None:
    names: list[str] = []

    assert answers(subject, purge=purging(None, names)) == [KIND + b'"initiated":true}']
    assert names == ["APP"]


def test_what_the_store_refuses_is_told() -> None:
    said = answers(b"$JS.API.ACCOUNT.PURGE.APP", purge=purging(StoreFailed("no disk"), []))

    assert said == [KIND + b'"error":{"code":500,"err_code":10050,"description":"no disk"}}']


def test_a_name_with_a_separator_is_refused() -> None:
    said = answers(b"$JS.API.ACCOUNT.PURGE.A/B", purge=nothing_is_purged)

    text = b"account name can not contain path separators"
    assert said == [KIND + b'"error":{"code":500,"err_code":10051,"description":"%b"}}' % text]


@pytest.mark.parametrize("subject", [b"$JS.API.ACCOUNT.PURGE.A.B", b"$JS.API.ACCOUNT.PURGE"])
def test_other_subjects_are_met_with_silence(subject: bytes) -> None:
    assert answers(subject, purge=nothing_is_purged) == []


def test_another_account_deletes_nothing() -> None:
    assert answers(b"$JS.API.ACCOUNT.PURGE.APP") == []


@pytest.mark.parametrize("is_served", [False, True])
def test_a_pull_that_others_serve_is_not_told_that_nobody_does(*, is_served: bool) -> None:
    account = Account("C", Outbox(lambda: None))
    NotEnabled(account, "").open()
    client = FakePeer(account, 1)
    client.headers = client.no_responders = True
    client.subscribe(b"r", b"1")
    if is_served:
        FakePeer(account, 2, Kind.LEAF).subscribe(b"$JS.API.>", b"1")

    client.says(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C r 0\r\n\r\n")
    client.says(b"PUB $JS.API.DIRECT.GET.S r 0\r\n\r\n")

    assert client.got().count(b"NATS/1.0 503") == (0 if is_served else 2)


def test_an_account_with_a_leaf_link_lets_who_is_behind_it_answer() -> None:
    account = Account("C", Outbox(lambda: None))
    NotEnabled(account, "").open()
    client, link = FakePeer(account, 1), FakePeer(account, 2, Kind.LEAF)
    client.subscribe(b"r", b"1")
    asks = b"PUB $JS.API.INFO r 0\r\n\r\n"

    client.says(asks)
    assert b"10039" in client.got()
    account.join(link)
    client.says(asks)
    assert client.got() == b""
    account.leave(link)
    client.says(asks)
    assert b"10039" in client.got()
