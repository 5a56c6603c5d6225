"""What the system account is told every few seconds and on request: statistics of the server and of
each account.

Knows monitoring's views and the accounts' counters; changes nothing. Truth: nats-server 2.15.1
server/events.go ServerStats, AccountStat; keys and what is left out when 0 measured.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from leafnode.go_time import format_time
from leafnode.limits import STATSZ_FIRST_NS, STATSZ_INTERVAL_NS, STATSZ_QUIET_NS
from leafnode.monitor import process
from leafnode.monitor.steps import Run
from leafnode.monitor.text import number
from leafnode.monitor.views import AccountView

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import JetStreamView, ServerCounters, Views
    from leafnode.system.envelope import Envelope
    from leafnode.system.tally import Tally


class AccountStatistics:
    """Counters of accounts."""

    def __init__(self, views: Views, tally: Tally) -> None:
        self._views = views
        self._tally = tally

    def stat(self, name: str) -> dict[str, object]:
        """Return an account's counters; one that is gone has nothing but its name."""
        from leafnode.monitor.accountz import account_stat

        return account_stat(self._views.account(name) or AccountView(name))

    def name_tag(self, name: str) -> str:
        """Return what people call an account: its name, unless that is a public key."""
        return self._views.name_tag(name) or name

    def names(self) -> list[str]:
        return self._views.accounts()

    def active(self) -> list[str]:
        """Return the names of accounts that somebody is connected to."""
        return [name for name in self.names() if self._tally.connections(name)]

    def in_use(self, name: str) -> bool:
        """Say whether somebody is connected to an account."""
        return self._tally.connections(name) > 0


class Heartbeat:
    """Sends the server's statistics: soon after the start, then ever more rarely, up to 10 s."""

    def __init__(self, envelope: Envelope, views: Views, accounts: AccountStatistics) -> None:
        self._envelope = envelope
        self._views = views
        self._accounts = accounts
        self._interval_ns = STATSZ_FIRST_NS
        self._sent_ns: int | None = None
        self._timer: Timer | None = None
        self._run: Run[dict[str, object]] | None = None  # a broadcast in the making

    def start(self) -> None:
        self._call_in(self._interval_ns)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._run is not None:
            self._run.cancel()
            self._run = None

    def broadcast(self, *, at_once: bool = False) -> None:
        """Tell everybody; later, if they were told within the last second and nobody asks."""
        now_ns = self._envelope.clock.monotonic_ns()
        quiet_ns = min(STATSZ_QUIET_NS, self._interval_ns)
        if not at_once and self._sent_ns is not None and now_ns - self._sent_ns < quiet_ns:
            self._call_in(self._sent_ns + quiet_ns - now_ns)
            return
        self._sent_ns = now_ns
        subject = f"$SYS.SERVER.{self._envelope.about.id}.STATSZ"
        if self._envelope.account.has_interest(subject.encode()):
            if self._run is not None:
                self._run.cancel()  # it was not done in a second
            later = partial(self._envelope.clock.call_later, 0)
            self._run = Run(self.message(), later, partial(self._publish, subject), _raise)
            self._run.start()

    def message(self) -> Steps[dict[str, object]]:
        statsz = yield from self._statsz()
        return {"server": self._envelope.server(), "statsz": statsz}

    def _publish(self, subject: str, message: dict[str, object]) -> None:
        self._run = None
        self._envelope.publish(subject, message)

    def _call_in(self, delay_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._envelope.clock.call_later(delay_ns, self._on_time)

    def _on_time(self) -> None:
        self._interval_ns = min(2 * self._interval_ns, STATSZ_INTERVAL_NS)
        self.start()
        self.broadcast()

    def _statsz(self) -> Steps[dict[str, object]]:
        facts = self._views.facts
        counters = yield from self._views.counters()
        jetstream = yield from self._views.jetstream()
        uptime_ns = self._envelope.clock.monotonic_ns() - facts.start_monotonic_ns
        answer: dict[str, object] = {
            "start": format_time(facts.start_ns),
            "mem": process.memory_bytes(),
            "cores": process.cores(),
            "cpu": number(process.cpu_percent(uptime_ns)),
            "connections": counters.connections,
            "total_connections": counters.total_connections,
            "active_accounts": len(self._accounts.active()),
            "subscriptions": counters.subscriptions,
            "sent": _data(counters.out_msgs, counters.out_bytes),
            "sent_to_clients": _data(counters.out_client_msgs, counters.out_client_bytes),
            "received": _data(counters.in_msgs, counters.in_bytes),
            "received_from_clients": _data(counters.in_client_msgs, counters.in_client_bytes),
            "slow_consumers": counters.slow_clients + counters.slow_leafs,
        }
        answer |= _troubles(counters)
        answer["active_servers"] = 1
        if jetstream is not None:
            answer["jetstream"] = _jetstream(jetstream)
        return answer


def _raise(err: Exception) -> None:
    raise err


def _data(msgs: int, size: int) -> dict[str, object]:
    return {"msgs": msgs, "bytes": size}


def _troubles(counters: ServerCounters) -> dict[str, object]:
    """Slow and stale connections by kind, where there are any."""
    answer: dict[str, object] = {}
    nowhere = {"routes": 0, "gateways": 0}
    if counters.slow_clients or counters.slow_leafs:
        slow = {"clients": counters.slow_clients, **nowhere, "leafs": counters.slow_leafs}
        answer["slow_consumer_stats"] = slow
    if counters.stale_clients or counters.stale_leafs:
        stale = {"clients": counters.stale_clients, **nowhere, "leafs": counters.stale_leafs}
        answer["stale_connections"] = counters.stale_clients + counters.stale_leafs
        answer["stale_connection_stats"] = stale
    return answer


def _jetstream(jetstream: JetStreamView) -> dict[str, object]:
    from leafnode.monitor.jsz import server_config, server_limits, server_stats

    config = server_config(jetstream)
    del config["store_dir"]  # nobody's business outside
    return {"config": config, "stats": server_stats(jetstream), "limits": server_limits(jetstream)}
