"""Which path answers what: one table.

Knows paths and content types; not HTTP. Truth: docs/monitoring.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.monitor.connz import connz
from leafnode.monitor.healthz import healthz
from leafnode.monitor.jsz import jsz
from leafnode.monitor.leafz import leafz
from leafnode.monitor.own import serialz, uplinkz
from leafnode.monitor.query import BadQuery, Query
from leafnode.monitor.text import compact, pretty
from leafnode.monitor.varz import varz
from leafnode.monitor.views import HttpFaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.monitor.views import Views

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"


class Answer(NamedTuple):
    """What goes back: HTTP status, content type, body."""

    status: int
    content_type: str
    body: bytes


NOT_FOUND: Final = Answer(404, TEXT, b"404 page not found\n")


class Endpoints:
    """Answers requests by path, and counts them."""

    def __init__(self, views: Views, clock: Clock) -> None:
        self._views = views
        self._clock = clock
        self.http_req_stats: dict[str, int] = {}  # by path; bounded by the paths there are
        self.http = HttpFaults()
        self._pages: dict[str, Callable[[Query], Answer]] = {
            "/": self._index,
            "/varz": lambda _: _json(varz(views, clock, self.http_req_stats, self.http)),
            "/connz": lambda query: _json(connz(views, clock, query)),
            "/leafz": lambda query: _json(leafz(views, clock, query)),
            "/jsz": lambda query: _json(jsz(views, clock, query)),
            "/healthz": self._healthz,
            "/uplinkz": lambda _: _json(uplinkz(views, clock)),
            "/serialz": lambda _: _json(serialz(views, clock)),
        }

    def answer(self, target: str) -> Answer:
        """Answer a request target such as `/connz?limit=1`."""
        path, _, text = target.partition("?")
        page = self._pages.get(path)
        if page is None:
            return NOT_FOUND
        self.http_req_stats[path] = self.http_req_stats.get(path, 0) + 1
        try:
            return page(Query(text))
        except BadQuery as err:
            return Answer(400, TEXT, str(err).encode())

    def _healthz(self, query: Query) -> Answer:
        status, answer = healthz(self._views, query)
        return Answer(status, JSON, compact(answer))

    def _index(self, _: Query) -> Answer:
        # Own text only: nothing of what clients or devices say is in it.
        links = "".join(f'<li><a href=".{path}">{path}</a></li>' for path in self._pages)
        body = f"<!doctype html><title>leafnode</title><h1>leafnode</h1><ul>{links}</ul>"
        return Answer(200, HTML, body.encode())


def _json(answer: dict[str, object]) -> Answer:
    return Answer(200, JSON, pretty(answer))
