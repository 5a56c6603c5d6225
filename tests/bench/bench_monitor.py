"""The longest turn of the loop that an answer of monitoring takes, and what it takes in all.

    .venv/bin/python -m tests.bench.bench_monitor [connections] [subscriptions] [streams]

Clients in memory, every answer through the HTTP session, one turn after another: what is measured
is the processor time of each turn, JSON and h11 included: how long others wait for it. Figures
depend on the machine, so nothing is asserted about them; that each answer is whole is.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING, Final

from msgspec import structs

from leafnode.clients.facts import subscription_facts
from leafnode.monitor.endpoints import Endpoints
from leafnode.monitor.http_server import HttpServer
from leafnode.monitor.monitor import Monitor
from leafnode.monitor.views import AccountView, SublistView
from leafnode.routing.subscription import Subscription
from leafnode.server.stream_views import jetstream_of
from tests.sim.clients import ClientWorld
from tests.sim.clock import FakeClock
from tests.sim.monitor import MemoryTransport, jetstream, views
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.monitor.views import Views
    from tests.sim.clock import FakeTimer

SIZES: Final = (10_000, 100_000, 1_000)
TARGETS: Final = (
    *("/varz", "/connz", "/connz?limit=10000", "/connz?limit=10000&sort=msgs_to&auth=1"),
    *("/connz?limit=10000&subs=detail", "/connz?state=closed&limit=10000", "/connz?cid=9"),
    *("/connz?acc=$G&filter_subject=sensors.5.*", "/subsz", "/subsz?subs=1"),
    *("/subsz?subs=1&limit=10000", "/subsz?subs=1&test=sensors.77.temperature", "/accstatz"),
    *("/jsz", "/jsz?consumers=1&config=1", "/healthz", "/metrics"),
    "/metrics?connz_detailed=1&subs=1",
)


class CountingTransport(MemoryTransport):
    """Keeps the pieces as they come: to copy megabytes is not the server's work."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, chunks: list[bytes]) -> None:
        self.pieces += chunks


class TimedClock(FakeClock):
    """Notes how long each call takes that waits for its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.turns_ms: list[float] = []

    def timed(self, callback: Callable[[], object]) -> None:
        start = time.thread_time()
        callback()
        self.turns_ms.append((time.thread_time() - start) * 1e3)

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> FakeTimer:
        return super().call_later(delay_ns, lambda: self.timed(callback))


def busy(connections: int, subscriptions: int, streams: int) -> Views:
    """A server's views with so much of each; half as many connections are closed already."""
    clients = ClientWorld()
    for number in range(connections):
        clients.client(b'{"verbose":false,"name":"client %d","lang":"go","version":"1"}' % number)
    registry, account = clients.server.registry, clients.server.account()
    open_ = list(registry.open.values())
    for number in range(subscriptions):
        peer = open_[number % connections].peer
        sub = Subscription(peer, b"sensors.%d.temperature" % number, sid=b"%d" % number)
        peer.subs[sub.sid] = sub
        account.insert(sub)
    for handler in open_[: connections // 2]:
        registry.remember(handler, "Client Closed", clients.clock.wall_ns())
    js = World()
    for number in range(streams):
        js.create_stream(f"S{number}", subjects=[f"s.{number}.>"])
        js.create_consumer(f"S{number}", "C")
    shown = structs.replace(jetstream(), accounts=[jetstream_of(js.js, js.js.usage())])
    return views(
        connections=lambda: list(registry.open.values()),
        closed=lambda: registry.closed_ring,
        subscriptions=lambda cid: [
            subscription_facts(sub) for sub in registry.open[cid].peer.subs.values()
        ],
        accounts=lambda: ["$G"],
        account=lambda name: AccountView(name, sublist=SublistView(account.sublist.count)),
        all_subscriptions=lambda _: iter(account.sublist),
        jetstream=lambda: shown,
    )


def measure(seen: Views, target: str) -> tuple[float, float, int, int]:
    """Return the longest turn and all of them in milliseconds, their count, and bytes."""
    clock = TimedClock()
    monitor = Monitor(seen, clock)
    session = HttpServer(Endpoints(monitor), clock, monitor.http).session()
    transport = CountingTransport()
    session.connected(transport)
    clock.timed(lambda: session.received(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    clock.advance(0)
    assert transport.pieces[0].startswith(b"HTTP/1.1 200 OK"), transport.pieces[0]
    turns = clock.turns_ms
    return max(turns), sum(turns), len(turns), sum(map(len, transport.pieces))


def main() -> None:
    sizes = tuple(map(int, sys.argv[1:])) or SIZES
    seen = busy(*(sizes + SIZES[len(sizes) :]))
    gc.collect()
    gc.freeze()
    print(f"{'target':46} {'longest turn':>12} {'all turns':>10} {'turns':>6} {'bytes':>10}")
    for target in TARGETS:
        longest, total, turns, size = min(measure(seen, target) for _ in range(3))
        print(f"{target:46} {longest:9.2f} ms {total:7.1f} ms {turns:6} {size:10}")


if __name__ == "__main__":
    main()
