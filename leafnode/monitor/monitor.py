"""The endpoints by name: one table, for HTTP and for `$SYS` requests alike.

Knows names, options and who answers; neither HTTP nor subjects. Truth: docs/monitoring.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from leafnode.go_time import format_time
from leafnode.monitor import options as o
from leafnode.monitor import process
from leafnode.monitor.steps import at_once
from leafnode.monitor.views import HttpFaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.monitor.query import Query
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import Views


class QueryOptions(Protocol):
    """Options of an endpoint: a frozen msgspec.Struct, so that JSON decodes to it too."""

    @classmethod
    def from_query(cls, query: Query) -> QueryOptions:
        """Raises BadQuery."""
        ...


class Monitor:
    """Answers by name, on what the views tell. One for the server, with or without HTTP."""

    def __init__(self, views: Views, clock: Clock) -> None:
        self.views = views
        self.clock = clock
        self.http_req_stats: dict[str, int] = {}  # by path; bounded by the paths there are
        self.http = HttpFaults()

    def ask(self, name: str, options: QueryOptions) -> Steps[dict[str, object]]:
        """Return the answer of an endpoint of ENDPOINTS, in steps, which may raise BadQuery."""
        return ENDPOINTS[name].answer(self, options)

    def _head(self) -> dict[str, object]:
        return {
            "server_id": self.views.facts.server_id,
            "now": format_time(self.clock.wall_ns()),
        }

    def varz(self) -> Steps[dict[str, object]]:
        from leafnode.monitor.varz import varz

        return varz(self.views, self.clock, self.http_req_stats, self.http)

    def routez(self) -> dict[str, object]:
        facts = self.views.facts
        head = self._head()
        name = {"server_id": head["server_id"], "server_name": facts.server_name}
        return name | {"now": head["now"], "num_routes": 0, "routes": []}

    def gatewayz(self) -> dict[str, object]:
        return self._head() | {"outbound_gateways": {}, "inbound_gateways": {}}

    def ipqueuesz(self, options: o.IpqueueszOptions) -> dict[str, object]:
        return {
            name: {"pending": pending}
            for name, pending in sorted(self.views.queues().items())
            if (pending or options.all) and options.filter in name
        }

    def expvarz(self) -> dict[str, object]:
        return {"cmdline": process.command_line(), "memstats": process.memory_stats()}


class Endpoint(NamedTuple):
    """What may be asked, and who answers."""

    options: type[QueryOptions]
    answer: Callable[[Monitor, Any], Steps[dict[str, object]]]


# Each is imported by who asks for it first: what nobody asks for costs no memory.


def _connz(m: Monitor, options: o.ConnzOptions) -> Steps[dict[str, object]]:
    from leafnode.monitor.connz import connz

    return connz(m.views, m.clock, options)


def _subsz(m: Monitor, options: o.SubszOptions) -> Steps[dict[str, object]]:
    from leafnode.monitor.subsz import subsz

    return subsz(m.views, m.clock, options)


def _leafz(m: Monitor, options: o.LeafzOptions) -> Steps[dict[str, object]]:
    from leafnode.monitor.leafz import leafz

    return leafz(m.views, m.clock, options)


def _accountz(m: Monitor, options: o.AccountzOptions) -> Steps[dict[str, object]]:
    from leafnode.monitor.accountz import accountz

    return accountz(m.views, m.clock, options)


def _accstatz(m: Monitor, options: o.AccstatzOptions) -> Steps[dict[str, object]]:
    from leafnode.monitor.accountz import accstatz

    return accstatz(m.views, m.clock, options)


def _jsz(m: Monitor, options: o.JszOptions) -> Steps[dict[str, object]]:
    from leafnode.monitor.jsz import jsz

    return jsz(m.views, m.clock, options)


def _healthz(m: Monitor, options: o.HealthzOptions) -> Steps[dict[str, object]]:
    from leafnode.monitor.healthz import healthz

    return healthz(m.views, options)


# By the name that a `$SYS.REQ.SERVER.PING.<name>` request has; the path is that in small letters.
ENDPOINTS: Final[dict[str, Endpoint]] = {
    "VARZ": Endpoint(o.Nothing, lambda m, _: m.varz()),
    "CONNZ": Endpoint(o.ConnzOptions, _connz),
    "SUBSZ": Endpoint(o.SubszOptions, _subsz),
    "ROUTEZ": Endpoint(o.RoutezOptions, lambda m, _: at_once(m.routez())),
    "GATEWAYZ": Endpoint(o.GatewayzOptions, lambda m, _: at_once(m.gatewayz())),
    "LEAFZ": Endpoint(o.LeafzOptions, _leafz),
    "ACCOUNTZ": Endpoint(o.AccountzOptions, _accountz),
    "ACCSTATZ": Endpoint(o.AccstatzOptions, _accstatz),
    "JSZ": Endpoint(o.JszOptions, _jsz),
    "HEALTHZ": Endpoint(o.HealthzOptions, _healthz),
    "IPQUEUESZ": Endpoint(o.IpqueueszOptions, lambda m, options: at_once(m.ipqueuesz(options))),
    "EXPVARZ": Endpoint(o.Nothing, lambda m, _: at_once(m.expvarz())),
}
