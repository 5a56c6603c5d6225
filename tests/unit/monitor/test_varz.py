"""/varz. Keys and types: nats-server 2.15.1."""

from __future__ import annotations

from typing import Any

from leafnode.clock import NS_PER_S
from leafnode.monitor.varz import address, varz
from leafnode.monitor.views import HttpFaults, LeafPortFacts, RemoteFacts
from leafnode.slices import finish
from tests.sim.clock import FakeClock
from tests.sim.monitor import facts, views


def answer(**changes: Any) -> dict[str, Any]:
    clock = FakeClock()
    clock.advance(61 * NS_PER_S)
    return finish(varz(views(**changes), clock, {"/varz": 2}, HttpFaults(bad=3)))


def test_identity_limits_and_counters_are_there() -> None:
    got = answer()

    assert got["server_id"] == "NSERVER"
    assert got["max_payload"] == 1048576
    assert got["auth_timeout"] == 2
    assert got["uptime"] == "1m1s"
    assert got["connections"] == 2
    assert got["slow_consumers"] == 1
    assert got["http_req_stats"] == {"/varz": 2}


def test_whole_numbers_are_written_without_a_point() -> None:
    answers = answer(facts=facts(tls_timeout_ns=3 * NS_PER_S))

    assert repr([answers["auth_timeout"], answers["tls_timeout"]]) == "[2, 3]"
    assert repr(answer(facts=facts(tls_timeout_ns=NS_PER_S // 2))["tls_timeout"]) == "0.5"


def test_a_remote_is_shown_without_its_credentials() -> None:
    assert answer()["leaf"] == {"remotes": [{"local_account": "$G", "urls": ["hub.example:7422"]}]}
    assert address("nats-leaf://user:p@ss@hub:7422/x") == "hub:7422"
    assert address("tok@hub:7422") == "hub:7422"


def test_what_is_not_set_is_left_out_and_the_rest_shown() -> None:
    remote = RemoteFacts("A", ("tls://hub.example",), tls_timeout_ns=NS_PER_S * 3 // 2)
    got = answer(
        facts=facts(write_timeout="retry", trusted_proxies=("NA", "NB"), remotes=(remote,))
    )

    assert not {"write_timeout", "proxies"} & answer().keys()
    assert got["write_timeout"] == "retry"
    assert got["proxies"] == {"trusted": [{"key": "NA"}, {"key": "NB"}]}
    assert got["leaf"]["remotes"][0]["tls_timeout"] == 1.5


def test_the_port_for_leafs_is_shown_before_the_remotes() -> None:
    port = LeafPortFacts("127.0.0.1", 7422, 3 * NS_PER_S, 2 * NS_PER_S, tls_required=True)
    got = answer(facts=facts(leaf_port=port, remotes=()))["leaf"]

    assert got == {
        "host": "127.0.0.1",
        "port": 7422,
        "auth_timeout": 3,
        "tls_timeout": 2,
        "tls_required": True,
    }


def test_auth_is_named_only_when_it_is_on() -> None:
    assert "auth_required" not in answer()
    assert answer(facts=facts(auth_required=True))["auth_required"] is True


def test_jetstream_that_is_off_is_an_empty_object() -> None:
    assert answer()["jetstream"]["config"]["domain"] == "edge"
    assert answer(jetstream=lambda: None)["jetstream"] == {}


def test_what_is_ours_alone_is_under_one_key() -> None:
    ours = answer()["leafnode"]

    assert ours["version"] == "0.1.0"
    assert ours["http"]["bad"] == 3
    assert ours["store"]["refused"] == 16


def test_operators_and_the_end_of_a_certificate_are_shown_where_there_are_any() -> None:
    assert "tls_cert_not_after" not in answer()
    assert "trusted_operators_jwt" not in answer()

    got = answer(
        facts=facts(
            tls_not_after_s=1,
            config_digest="sha256:00",
            trusted_operators=("eyJ",),
            trusted_claims=({"sub": "O1"},),
        )
    )

    assert got["tls_cert_not_after"] == "1970-01-01T00:00:01Z"
    assert got["config_digest"] == "sha256:00"
    assert got["trusted_operators_jwt"] == ["eyJ"]
    assert got["trusted_operators_claim"] == [{"sub": "O1"}]
