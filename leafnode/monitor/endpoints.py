"""Which path answers what over HTTP: one table.

Knows paths, content types and status codes; not HTTP itself, and not what an answer says. Truth:
docs/monitoring.md; measured on nats-server 2.15.1.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes

from leafnode import go_json
from leafnode.monitor import process
from leafnode.monitor.metrics import metrics
from leafnode.monitor.monitor import ENDPOINTS
from leafnode.monitor.options import MetricsOptions
from leafnode.monitor.own import serialz, uplinkz
from leafnode.monitor.query import BadQuery, Query
from leafnode.monitor.steps import at_once
from leafnode.monitor.text import pretty_steps

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.monitor.monitor import Monitor
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import Views

JSON: Final = "application/json"
JSON_UTF8: Final = "application/json; charset=utf-8"
JAVASCRIPT: Final = "application/javascript"
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"


class Answer(NamedTuple):
    """What goes back: HTTP status, content type, body in pieces."""

    status: int
    content_type: str
    pieces: Sequence[bytes]
    location: str = ""  # where it is to be found instead

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


Page = Callable[[Query], "Steps[Answer]"]

NOT_FOUND: Final = Answer(404, TEXT, (b"404 page not found\n",))
_CALLBACK: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.]{0,127}")
# As nats-server counts them: under other names than the path, or not at all.
_COUNTED_AS: Final = {"/subscriptionsz": "/subsz"}
# By Go's url.URL: a path of these stays as it came, any other is escaped anew.
_GOOD_PATH: Final = re.compile(r"(?:[A-Za-z0-9_.~!$&'()*+,;=:@/\[\]-]|%[0-9A-Fa-f]{2})*")
_KEPT_IN_PATH: Final = "/$&+,:;=@"
_NOT_COUNTED: Final = frozenset({"/stacksz", "/raftz", "/ipqueuesz", "/debug/vars"})
# Options that cannot be read count as no request, elsewhere they do.
_COUNTED_ONCE_READ: Final = frozenset({"/connz", "/routez"})
_INDENTS: Final = {"/ipqueuesz": 3}


class Endpoints:
    """Answers requests by path, and counts them."""

    def __init__(self, monitor: Monitor, base_path: str = "") -> None:
        self._monitor = monitor
        self._pages: dict[str, Page] = {
            "/": self._index,
            **{f"/{name.lower()}": partial(self._json, name) for name in ENDPOINTS},
            "/subscriptionsz": partial(self._json, "SUBSZ"),
            "/healthz": self._healthz,
            "/debug/vars": self._expvar,
            "/stacksz": lambda _: at_once(Answer(200, JSON, (process.stacks(),))),
            "/raftz": lambda _: at_once(Answer(404, TEXT, (b"No Raft nodes registered",))),
            "/metrics": self._metrics,
            "/uplinkz": partial(self._own, uplinkz),
            "/serialz": partial(self._own, serialz),
        }
        del self._pages["/expvarz"]  # it has this name in `$SYS` requests only
        self._names = {_below(base_path, name): name for name in self._pages}

    def answer(self, target: str) -> Steps[Answer]:
        """Answer a request target such as `/connz?limit=1`."""
        path, _, text = _local(target).partition("?")
        clean = _clean(path)  # as it came: an escaped dot or slash is part of a name, as there
        if clean != path:
            return at_once(_moved(_escaped(clean) + (f"?{text}" if text else "")))
        name = self._names.get(unquote(path))
        if name is None:
            return at_once(NOT_FOUND)
        return self._counted(name, self._pages[name], text)

    def _counted(self, name: str, page: Page, text: str) -> Steps[Answer]:
        if name not in _NOT_COUNTED | _COUNTED_ONCE_READ:
            self._count(_COUNTED_AS.get(name, name))
        try:
            query = Query(text)
            answer = yield from page(query)
            return _called_back(answer, query.text("callback"))
        except BadQuery as err:
            return Answer(400, TEXT, (str(err).encode(),))

    def _count(self, path: str) -> None:
        stats = self._monitor.http_req_stats
        stats[path] = stats.get(path, 0) + 1

    def _json(self, name: str, query: Query) -> Steps[Answer]:
        path = f"/{name.lower()}"
        options = ENDPOINTS[name].options.from_query(query)
        if path in _COUNTED_ONCE_READ:
            self._count(path)
        answer = yield from self._monitor.ask(name, options)
        indent = _INDENTS.get(path, 2)
        return Answer(200, JSON, (yield from pretty_steps(answer, indent)))

    def _own(self, page: Callable[[Views, Clock], dict[str, object]], _: Query) -> Steps[Answer]:
        answer = page(self._monitor.views, self._monitor.clock)
        return Answer(200, JSON, (yield from pretty_steps(answer)))

    def _healthz(self, query: Query) -> Steps[Answer]:
        options = ENDPOINTS["HEALTHZ"].options.from_query(query)
        answer = yield from self._monitor.ask("HEALTHZ", options)
        status = answer.pop("status_code")
        assert isinstance(status, int), "healthz sets it"
        return Answer(status, JSON, (go_json.encode(answer),))

    def _expvar(self, _: Query) -> Steps[Answer]:
        return at_once(Answer(200, JSON_UTF8, (go_json.encode(self._monitor.expvarz()), b"\n")))

    def _metrics(self, query: Query) -> Steps[Answer]:
        options = MetricsOptions.from_query(query)
        return Answer(200, PROMETHEUS, (yield from metrics(self._monitor, options)))

    def _index(self, _: Query) -> Steps[Answer]:
        # Own text only: nothing of what clients or devices say is in it.
        links = "".join(
            f'<li><a href="{path}">{name}</a></li>' for path, name in self._names.items()
        )
        body = f"<!doctype html><title>leafnode</title><h1>leafnode</h1><ul>{links}</ul>"
        return at_once(Answer(200, HTML, (body.encode(),)))


def _local(target: str) -> str:
    """Return a target without the scheme and host that a proxy's request has."""
    scheme, _, rest = target.partition("://")
    return f"/{rest.partition('/')[2]}" if scheme in {"http", "https"} else target


def _clean(path: str) -> str:
    """Return the path without empty and dot elements, as Go's http.ServeMux wants it."""
    clean = posixpath.normpath(f"/{path.lstrip('/')}")
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


def _escaped(path: str) -> str:
    return path if _GOOD_PATH.fullmatch(path) else quote(unquote_to_bytes(path), _KEPT_IN_PATH)


def _moved(location: str) -> Answer:
    shown = escape(location).replace("&#x27;", "&#39;")  # as Go has it
    body = f'<a href="{shown}">Temporary Redirect</a>.\n\n'
    return Answer(307, HTML, (body.encode(),), location)


def _below(base_path: str, path: str) -> str:
    """Return the path below the base path, as Go's path.Join has it."""
    return posixpath.normpath(f"/{base_path.strip('/')}{path}".replace("//", "/"))


def _called_back(answer: Answer, callback: str) -> Answer:
    """Return JSON as a call of the function that a page names: JSONP. Raises BadQuery."""
    if not callback or answer.content_type != JSON:
        return answer
    if not _CALLBACK.fullmatch(callback):
        raise BadQuery("invalid callback: it must be the name of a function")
    pieces = (callback.encode(), b"(", *answer.pieces, b")")
    return Answer(answer.status, JAVASCRIPT, pieces)
