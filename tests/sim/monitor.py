"""A server's views with something in each, and a transport that keeps what is written."""

from __future__ import annotations

from typing import Any

from leafnode.bridge.devices import Device
from leafnode.bridge.hotplug import HotplugStatus
from leafnode.bridge.status import PortStatus
from leafnode.clients.facts import ClosedConnection, ConnectionFacts, SubscriptionFacts
from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.leaf.terms import LeafzRow
from leafnode.monitor.steps import at_once
from leafnode.monitor.views import (
    AccountFaults,
    AccountView,
    Caches,
    ClientFaults,
    JetStreamAccountView,
    JetStreamFaults,
    JetStreamView,
    LeafFaults,
    NetFaults,
    OwnCounters,
    RemoteFacts,
    RemoteView,
    ServerCounters,
    ServerFacts,
    StoreView,
    StreamView,
    SublistView,
    SystemFaults,
    Views,
)
from leafnode.routing.account import Account
from leafnode.routing.peer import Kind, Outbox, Peer
from leafnode.store.api import StoreStats
from leafnode.uplink.status import (
    BudgetStatus,
    Counters,
    LedgerLine,
    Protection,
    State,
    UplinkStatus,
)
from tests.sim.clock import MONOTONIC_START_NS, WALL_START_NS

SECRET = "s3cr3t-canary"
OUTBOX = Outbox(lambda: None)


class MemoryTransport:
    """Implements leafnode.net.transport.Transport, as far as a server's session uses it."""

    def __init__(self) -> None:
        self.peer = "127.0.0.1:50000"
        self.written = b""
        self.pending = 0
        self.coding = 0
        self.paused = False
        self.closed = False
        self.aborted = False
        self.unread = False

    def write(self, chunks: list[bytes]) -> None:
        if not self.closed:
            self.written += b"".join(chunks)

    def pending_bytes(self) -> int:
        return self.pending

    def has_unread(self) -> bool:
        return self.unread

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def yield_turn(self) -> None:
        raise AssertionError("HTTP requests have turns of their own")

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    async def start_tls(self, context: object, server_hostname: str) -> None:
        raise AssertionError("a server's session starts no TLS")


def facts(**changes: Any) -> ServerFacts:
    values: dict[str, Any] = {
        "server_id": "NSERVER",
        "server_name": "edge",
        "version": "2.15.1",
        "leafnode_version": "0.1.0",
        "proto": 1,
        "host": "127.0.0.1",
        "port": 4222,
        "http_host": "127.0.0.1",
        "http_port": 8222,
        "auth_required": False,
        "auth_timeout_ns": 2 * NS_PER_S,
        "max_connections": 65536,
        "max_control_line": 4096,
        "max_payload": 1048576,
        "max_pending": 67108864,
        "ping_interval_ns": 120 * NS_PER_S,
        "ping_max": 2,
        "write_deadline_ns": 10 * NS_PER_S,
        "start_ns": WALL_START_NS,
        "start_monotonic_ns": MONOTONIC_START_NS,
        "remotes": (RemoteFacts("$G", (f"nats-leaf://user:{SECRET}@hub.example:7422",)),),
    }
    return ServerFacts(**(values | changes))


class FakeConnection:
    """Implements leafnode.monitor.views.Connection."""

    def __init__(self, facts: ConnectionFacts) -> None:
        self._facts = facts
        self.peer = Peer(facts.cid, Kind.CLIENT, OUTBOX)
        self.peer.account = Account(facts.account, OUTBOX)

    def facts(self) -> ConnectionFacts:
        return self._facts


def open_(cid: int, **changes: Any) -> FakeConnection:
    return FakeConnection(connection(cid, **changes))


def closed(cid: int, reason: str = "Client Closed", **changes: Any) -> ClosedConnection:
    sub = SubscriptionFacts(b"gone.*", b"", b"1", 3, account="$G", cid=cid)
    stop_ns = WALL_START_NS + cid
    return ClosedConnection(connection(cid, **changes), stop_ns, reason, (sub,))


def account(name: str, **changes: Any) -> AccountView:
    numbers = SublistView(2, 4, 3, 1, 10, 5, lambda: (2, 6))
    values: dict[str, Any] = {"clients": 2, "leafs": 1, "sublist": numbers}
    return AccountView(name, **(values | changes))


def connection(cid: int, **changes: Any) -> ConnectionFacts:
    values: dict[str, Any] = {
        "cid": cid,
        "ip": "127.0.0.1",
        "port": 40000 + cid,
        "account": "$G",
        "user": "",
        "name": f"client {cid}",
        "lang": "python3",
        "version": "2.16.0",
        "start_ns": WALL_START_NS,
        "last_activity_ns": WALL_START_NS + cid,
        "rtt_ns": 416_123,
        "uptime_ns": 61 * NS_PER_S,
        "idle_ns": NS_PER_S,
        "pending_bytes": 0,
        "in_msgs": 10 * cid,
        "out_msgs": 0,
        "in_bytes": 0,
        "out_bytes": 0,
        "subscriptions": 100 - cid,
    }
    return ConnectionFacts(**(values | changes))


def leaf(cid: int = 5) -> LeafzRow:
    return LeafzRow(
        id=cid,
        name="hub",
        is_spoke=True,
        account="$G",
        ip="127.0.0.1",
        port=7422,
        rtt_ns=421_000,
        in_msgs=1,
        out_msgs=2,
        in_bytes=3,
        out_bytes=4,
        subscriptions=1,
        compression="off",
    )


def stream() -> StreamView:
    state = {"messages": 1, "bytes": 39, "first_seq": 1, "last_seq": 1, "consumer_count": 1}
    state["num_subjects"] = 1
    consumer = {
        "stream_name": "EV",
        "name": "D1",
        "config": {"durable_name": "D1"},
        "delivered": {
            "consumer_seq": 2,
            "stream_seq": 3,
            "last_active": format_time(WALL_START_NS - 2 * NS_PER_S),
        },
        "ack_floor": {"consumer_seq": 1, "stream_seq": 1},
        "num_ack_pending": 1,
        "num_redelivered": 0,
        "num_waiting": 0,
        "num_pending": 4,
        "ts": format_time(WALL_START_NS),
    }
    config = {"name": "EV", "subjects": ["ev.>"], "max_bytes": -1, "max_msgs": 7}
    external = {"api": "$JS.hub.API", "deliver": ""}
    sources = [
        {"name": "UP", "lag": 5, "active": -1, "filter_subject": "a"},
        {"name": "UP", "lag": 6, "active": 9, "filter_subject": "b"},
        {"name": "UP", "external": external, "lag": 1, "active": 8},
    ]
    return StreamView(
        name="EV",
        created_ns=WALL_START_NS,
        config=lambda: config,
        state=lambda: state,
        consumers=lambda: iter([consumer]),
        origins=lambda: {"sources": sources},
    )


def jetstream(**changes: Any) -> JetStreamView:
    account = JetStreamAccountView("$G", 0, 39, 2, 1, [stream()])
    values: dict[str, Any] = {
        "max_memory": -1,
        "max_storage": -1,
        "store_dir": "./data",
        "domain": "edge",
        "api_level": 5,
        "accounts": [account],
    }
    return JetStreamView(**(values | changes))


def uplink(**changes: Any) -> UplinkStatus:
    values: dict[str, Any] = {
        "uplink": "",
        "account": "$G",
        "priority": 5,
        "order": "oldest_first",
        "held": "",
        "backlog": "",
        "lag_bytes": 300,
        "lag_seconds": 1.5,
        "stream": "EV",
        "hub_stream": "AGG",
        "domain": "hub",
        "prefix": "edge.",
        "state": State.RUNNING,
        "protection": Protection.ASKED,
        "lag_messages": 3,
        "window_messages": 1,
        "window_bytes": 10,
        "in_flight": 1,
        "problem": "",
        "acked_seq": 7,
        "counters": Counters(uplinked=7),
        "last_ack_ns": WALL_START_NS,
        "last_error": "",
    }
    return UplinkStatus(**(values | changes))


def budget(**changes: Any) -> BudgetStatus:
    values: dict[str, Any] = {
        "name": "main",
        "account": "$G",
        "remote": "",
        "connected": True,
        "day": "2026-11-27",
        "bytes_today": 120,
        "bytes_month": 900,
        "monthly_cap": 5000,
        "window_bytes": 16384,
        "ledger_problem": "",
        "today": [LedgerLine("ev", 2, 100, 20)],
    }
    return BudgetStatus(**(values | changes))


def port(**changes: Any) -> PortStatus:
    numbers: dict[str, Any] = dict.fromkeys(PortStatus.__dataclass_fields__, 0)
    values: dict[str, Any] = {
        "name": "scale",
        "device": "by-id:usb-FTDI_A1",
        "path": "/dev/ttyUSB0",
        "open": True,
        "low_latency": True,
        "paused": False,
        "last_error": "",
        "lent_to": "",
        "board": {"messages": 7},
        "function": {},
        "text": {},
        "line": {"overruns": 0},
        "modbus": {"polls": 9},
        "commands": {"waiting": 1},
        "slaves": [{"name": "meter", "address": 1, "failing": False, "problem": "", "timeouts": 3}],
    }
    return PortStatus(**(numbers | values | changes))


def device(**changes: Any) -> Device:
    values: dict[str, Any] = {
        "name": "press-4",
        "port": "scale",
        "framing": "link",
        "boot": 77,
        "window": 4,
        "frame_bytes": 256,
        "capabilities": ("log", "channel"),
        "seen_ns": 0,
        "up": True,
        "hellos": 1,
        "boots": 1,
        "readings": 9,
    }
    return Device(**(values | changes))


def own() -> OwnCounters:
    return OwnCounters(
        clients=ClientFaults(
            refused=1, auth_failures=2, logins_refused=3, logins_overflowed=4, logins_evicted=23
        ),
        net=NetFaults(
            faults=5,
            accept_pauses=6,
            accepts_held=56,
            turns_yielded=59,
            reads_deferred=60,
            entries_refused=40,
            entries_failed=41,
            entries_overdue=42,
            entries_throttled=43,
            websocket_refused=44,
            websocket_overdue=45,
            websocket_mistakes=46,
            websocket_evicted=47,
        ),
        caches=Caches(50, 51, 52, 53),
        accounts=AccountFaults(24, 25, 54, 58, 55, 57),
        leafs=LeafFaults(
            interest_ignored=7,
            reconnects=8,
            slow_consumers=9,
            stale_connections=10,
            refused=48,
            logins_evicted=49,
        ),
        jetstream=JetStreamFaults(
            refused=11,
            dedupe_evicted=12,
            stream_troubles=22,
            consumer_troubles=13,
            clock_jumps=14,
        ),
        store=StoreView(StoreStats(commits=15, refused=16, reads_refused=17), "disk is full"),
        system=SystemFaults(events_dropped=24, requests_refused=25),
    )


def views(**changes: Any) -> Views:
    values: dict[str, Any] = {
        "facts": facts(),
        "counters": lambda: ServerCounters(connections=2, leafnodes=1, slow_clients=1),
        "own": own,
        "connections": lambda: [open_(7), open_(8)],
        "subscriptions": lambda cid: [
            SubscriptionFacts(b"foo.>", b"q", b"%d" % cid, 4, cid=cid),
            SubscriptionFacts(b"<script>&", b"", b"2", 0, 9, cid=cid),
        ],
        "closed": lambda: [closed(3)],
        "accounts": lambda: ["$G", "$SYS"],
        "account": lambda name: account(name) if name in {"$G", "$SYS"} else None,
        "leafs": lambda: [leaf()],
        "remotes": lambda: [RemoteView(f"nats-leaf://u:{SECRET}@hub.example:7422", True, "")],
        "jetstream": jetstream,
        "uplinks": lambda: [uplink()],
        "budgets": lambda: [budget()],
        "ports": lambda: [port()],
        "devices": lambda: [device()],
        "hotplug": lambda: HotplugStatus(True, added=2, removed=1, last="add ttyUSB0"),
    }
    values |= changes
    for name in ("counters", "own", "jetstream"):  # in steps, where there is much
        values[name] = lambda answer=values[name]: at_once(answer())
    return Views(**values)
