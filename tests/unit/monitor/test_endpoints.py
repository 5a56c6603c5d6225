"""Paths, content types, status codes, and what never may be in an answer."""

from __future__ import annotations

import json

import pytest

from leafnode.monitor.endpoints import Answer, Endpoints
from leafnode.monitor.monitor import Monitor
from leafnode.slices import finish
from tests.sim.clock import FakeClock
from tests.sim.monitor import SECRET, views

COUNTED = [
    *("/", "/varz", "/connz", "/subsz", "/routez", "/gatewayz", "/leafz", "/accountz"),
    *("/accstatz", "/jsz", "/healthz", "/uplinkz", "/serialz", "/metrics"),
]
PATHS = [*COUNTED, "/subscriptionsz", "/ipqueuesz", "/stacksz", "/debug/vars"]


class World:
    """Endpoints, and what they count."""

    def __init__(self, base_path: str = "") -> None:
        self.monitor = Monitor(views(), FakeClock())
        self.endpoints = Endpoints(self.monitor, base_path)

    def get(self, target: str) -> Answer:
        return finish(self.endpoints.answer(target))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_and_is_linked(path: str) -> None:
    world = World()

    assert world.get(path).status == 200
    assert f'href="{path}"'.encode() in world.get("/").body


@pytest.mark.parametrize("path", COUNTED)
def test_requests_are_counted_by_path(path: str) -> None:
    world = World()

    world.get(path)

    assert world.monitor.http_req_stats == {path: 1}


def test_an_alias_counts_as_what_it_stands_for_and_some_paths_not_at_all() -> None:
    world = World()

    for path in ("/subscriptionsz", "/stacksz", "/raftz", "/ipqueuesz", "/debug/vars"):
        world.get(path)

    assert world.monitor.http_req_stats == {"/subsz": 1}


def test_connz_and_routez_count_when_their_options_are_read_the_others_before() -> None:
    world = World()

    for path in ("/connz?limit=x", "/routez?subs=x", "/subsz?subs=x", "/connz?sort=x"):
        assert world.get(path).status == 400

    assert world.monitor.http_req_stats == {"/subsz": 1, "/connz": 1}


@pytest.mark.parametrize(
    "path", ["/nope", "/varz/", "/mqtt", "/leafnode", "/expvarz", "http://x/nope"]
)
def test_another_path_is_not_found_and_not_counted(path: str) -> None:
    world = World()

    answer = world.get(path)

    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert world.monitor.http_req_stats == {}


def test_a_base_path_stands_before_every_path() -> None:
    world = World("nats/edge/")

    assert world.get("/nats/edge/varz").status == 200
    assert world.get("/nats/edge").status == 200
    assert world.get("/nats/edge/").status == 404
    assert world.get("/varz").status == 404
    assert world.monitor.http_req_stats == {"/varz": 1, "/": 1}
    assert b'href="/nats/edge/connz"' in world.get("/nats/edge").body


@pytest.mark.parametrize("target", ["http://x/leafz", "/leaf%7a"])
def test_a_proxys_target_and_an_escaped_path_are_understood(target: str) -> None:
    assert World().get(target).status == 200


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("//varz", "/varz"),
        ("/./connz?limit=1", "/connz?limit=1"),
        ("/x/../varz", "/varz"),
        ("", "/"),
        ("//evil.example/%0d%0aX:\r\ny", "/evil.example/%0D%0AX:%0D%0Ay"),
        ("/./(x)!*'[]", "/(x)!*'[]"),
        ("/./(x)|", "/%28x%29%7C"),
        ("/./%c3%28", "/%c3%28"),
        ("/a//b?", "/a/b"),
        ("/x/../%76arz", "/%76arz"),
        ("/x/../a%20b", "/a%20b"),
    ],
)
def test_a_path_that_is_not_clean_is_moved(target: str, location: str) -> None:
    answer = World().get(target)

    assert (answer.status, answer.location) == (307, location)


@pytest.mark.parametrize(
    "target", ["/%2e%2e/varz", "/%2e/varz", "/%2fvarz", "/varz%2f", "/varz/%2e"]
)
def test_an_escaped_dot_or_slash_leads_nowhere(target: str) -> None:
    assert World().get(target).status == 404


def test_without_raft_there_are_no_raft_groups() -> None:
    answer = World().get("/raftz")

    assert (answer.status, answer.body) == (404, b"No Raft nodes registered")


def test_the_same_json_goes_to_a_page_as_the_call_of_its_function() -> None:
    plain, called = World().get("/leafz"), World().get("/leafz?callback=my.show_1")

    assert called.content_type == "application/javascript"
    assert called.body == b"my.show_1(" + plain.body + b")"


@pytest.mark.parametrize("name", ["alert(1)//", "a b", "1a", "a" * 129, "%3Cscript%3E"])
def test_a_callback_that_is_no_function_name_is_refused(name: str) -> None:
    answer = World().get(f"/varz?callback={name.replace(' ', '%20')}")

    assert (answer.status, answer.content_type) == (400, "text/plain; charset=utf-8")


@pytest.mark.parametrize("path", [*PATHS, "/connz?subs=1&auth=1", "/jsz?consumers=1&config=1"])
def test_no_answer_holds_a_secret(path: str) -> None:
    assert SECRET.encode() not in World().get(path).body


def test_what_clients_say_cannot_become_markup() -> None:
    answer = World().get("/connz?subs=1")

    assert answer.content_type == "application/json"
    assert b"<" not in answer.body
    assert "<script>&" in json.loads(answer.body)["connections"][0]["subscriptions_list"]


def test_a_bad_query_is_a_400_in_plain_text() -> None:
    answer = World().get("/connz?subs=zz")

    assert answer.status == 400
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.body.startswith(b"Error decoding boolean for 'subs'")
