"""leafnode.monitor.monitor: every endpoint by its name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from leafnode.monitor.monitor import ENDPOINTS, Monitor
from leafnode.monitor.options import IpqueueszOptions, Nothing
from leafnode.monitor.query import Query
from leafnode.slices import finish
from tests.sim.clock import FakeClock
from tests.sim.monitor import views


def ask(name: str, options: Any = None, **changes: Any) -> dict[str, Any]:
    options = options or ENDPOINTS[name].options.from_query(Query(""))
    return finish(Monitor(views(**changes), FakeClock()).ask(name, options))


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_empty_json_object_asks_with_the_defaults(name: str) -> None:
    options = ENDPOINTS[name].options

    assert msgspec.json.decode(b"{}", type=options) == options.from_query(Query(""))
    assert isinstance(ask(name), dict)


def test_without_routes_and_gateways_their_answers_are_well_formed() -> None:
    now = "2027-01-15T08:00:00Z"
    assert ask("ROUTEZ") == {
        "server_id": "NSERVER",
        "server_name": "edge",
        "now": now,
        "num_routes": 0,
        "routes": [],
    }
    assert ask("GATEWAYZ") == {
        "server_id": "NSERVER",
        "now": now,
        "outbound_gateways": {},
        "inbound_gateways": {},
    }


def test_queues_are_shown_when_something_waits_or_all_are_asked_for() -> None:
    waiting = {"store commits": 3, "store reads": 0}

    assert ask("IPQUEUESZ", queues=lambda: waiting) == {"store commits": {"pending": 3}}
    every = ask("IPQUEUESZ", IpqueueszOptions(all=True, filter="reads"), queues=lambda: waiting)
    assert every == {"store reads": {"pending": 0}}


def test_expvar_has_the_command_and_memory() -> None:
    answer = ask("EXPVARZ", Nothing())

    assert answer["cmdline"]
    assert answer["memstats"]["Sys"] > 0


def test_healthz_carries_its_status_code() -> None:
    assert ask("HEALTHZ") == {"status": "ok", "status_code": 200}
