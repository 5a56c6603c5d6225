"""Paths, content types, and what never may be in an answer."""

from __future__ import annotations

import json

import pytest

from leafnode.monitor.endpoints import Endpoints
from tests.sim.clock import FakeClock
from tests.sim.monitor import SECRET, views

PATHS = ["/", "/varz", "/connz", "/leafz", "/jsz", "/healthz", "/uplinkz", "/serialz"]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_and_is_linked_and_counted(path: str) -> None:
    endpoints = Endpoints(views(), FakeClock())

    answer = endpoints.answer(path)

    assert answer.status == 200
    assert f'href=".{path}"'.encode() in endpoints.answer("/").body
    assert endpoints.http_req_stats[path] >= 1


@pytest.mark.parametrize(
    "path", ["", "/nope", "/varz/", "//varz", "/mqtt", "/leafnode", "/debug/vars", "http://x/varz"]
)
def test_another_path_is_not_found_and_not_counted(path: str) -> None:
    endpoints = Endpoints(views(), FakeClock())

    answer = endpoints.answer(path)

    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert endpoints.http_req_stats == {}


@pytest.mark.parametrize("path", [*PATHS, "/connz?subs=1&auth=1", "/jsz?consumers=1&config=1"])
def test_no_answer_holds_a_secret(path: str) -> None:
    answer = Endpoints(views(), FakeClock()).answer(path)

    assert SECRET.encode() not in answer.body


def test_what_clients_say_cannot_become_markup() -> None:
    answer = Endpoints(views(), FakeClock()).answer("/connz?subs=1")

    assert answer.content_type == "application/json"
    assert b"<" not in answer.body
    assert "<script>&" in json.loads(answer.body)["connections"][0]["subscriptions_list"]


def test_a_bad_query_is_a_400_in_plain_text() -> None:
    answer = Endpoints(views(), FakeClock()).answer("/connz?subs=zz")

    assert answer.status == 400
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.body.startswith(b"Error decoding boolean for 'subs'")
