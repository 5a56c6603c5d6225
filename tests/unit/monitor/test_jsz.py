"""/jsz. Keys: nats-server 2.15.1."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from leafnode.monitor.jsz import UNLIMITED, jsz
from leafnode.monitor.options import JszOptions
from leafnode.monitor.query import Query
from leafnode.slices import finish
from tests.sim.clock import FakeClock
from tests.sim.monitor import jetstream, views


def answer(query: str = "", **changes: Any) -> dict[str, Any]:
    options = JszOptions.from_query(Query(query))
    return finish(jsz(views(**changes), FakeClock(), options))


def test_totals_are_there_without_details() -> None:
    got = answer()

    assert (got["streams"], got["consumers"], got["messages"], got["bytes"]) == (1, 1, 1, 39)
    assert got["api"] == {"level": 5, "total": 2, "errors": 1}
    assert got["config"]["domain"] == "edge"
    assert (got["config"]["sync_interval"], got["config"]["sync_always"]) == (120 * 10**9, True)
    assert "account_details" not in got


def test_what_is_configured_is_shown() -> None:
    view = jetstream(limits={"max_ack_pending": 5}, strict=False)
    got = answer(jetstream=lambda: view)

    assert got["limits"] == {"max_ack_pending": 5}
    assert "strict" not in got["config"]
    assert answer()["config"]["strict"] is True


def test_details_grow_with_what_is_asked_for() -> None:
    accounts = answer("accounts=1")["account_details"][0]
    assert (accounts["name"], accounts["reserved_storage"]) == ("$G", UNLIMITED)
    assert "stream_detail" not in accounts

    stream = answer("streams=1")["account_details"][0]["stream_detail"][0]
    assert sorted(stream) == ["cluster", "created", "name", "sources", "state"]

    stream = answer("consumers=1")["account_details"][0]["stream_detail"][0]
    (consumer,) = stream["consumer_detail"]
    assert (consumer["stream_name"], consumer["name"]) == ("EV", "D1")
    assert "config" not in consumer

    stream = answer("consumers=1&config=1")["account_details"][0]["stream_detail"][0]
    assert stream["config"]["subjects"] == ["ev.>"]
    assert stream["consumer_detail"][0]["config"] == {"durable_name": "D1"}


def test_an_account_can_be_chosen() -> None:
    assert answer("acc=$G")["account_details"][0]["name"] == "$G"
    assert "account_details" not in answer("acc=NOPE&streams=1")


def test_jetstream_that_is_off_says_so() -> None:
    got = answer(jetstream=lambda: None)

    assert got["disabled"] is True
    assert got["config"] == {"max_memory": 0, "max_storage": 0}
    assert got["streams"] == 0


def test_many_accounts_of_one_stream_are_added_up_in_slices() -> None:
    many = [replace(jetstream().accounts[0], name=f"A{number}") for number in range(100)]
    shown = views(jetstream=lambda: replace(jetstream(), accounts=many))

    assert len(list(jsz(shown, FakeClock(), JszOptions()))) >= 6
