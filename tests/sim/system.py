"""A system account on a ClientWorld: what it is told and asked is read as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from leafnode.auth.identity import Identity
from leafnode.monitor.monitor import Monitor
from leafnode.monitor.views import AccountView, SublistView
from leafnode.system.answers import Acts, Answers, Sources
from leafnode.system.envelope import About, Envelope
from leafnode.system.events import Events
from leafnode.system.requests import Refused, Requests
from leafnode.system.statistics import AccountStatistics, Heartbeat
from leafnode.system.tally import Tally
from leafnode.system.user import user_info
from tests.sim.clients import ClientWorld
from tests.sim.monitor import views

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.options import Options
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Delivery

ABOUT = About(id="NSERVER", name="edge-7", host="127.0.0.1", domain="edge", tags=("line:3",))


class SystemWorld(ClientWorld):
    """A server of clients whose system account `$SYS` runs."""

    def __init__(self, options: Options | None = None, about: About = ABOUT) -> None:
        super().__init__(options)
        server = self.server
        self.system = server.account("$SYS")
        self.told: list[tuple[str, Any]] = []  # what `listen` heard: subject, JSON
        self.kicked: list[int] = []
        self.reloads: list[Callable[[str], None]] = []  # that were asked for, to be called back
        server.account("$G")
        self.shown: dict[str, Any] = {}  # what tests add to an account's view
        monitor = Monitor(
            views(
                leafs=list,
                jetstream=lambda: None,
                accounts=lambda: list(server.accounts),
                account=self._account_view,
                connections=lambda: list(server.registry.open.values()),
            ),
            self.clock,
        )
        self.envelope = Envelope(about, self.system, self.clock, server.random)
        self.tally = Tally()
        self.statistics = AccountStatistics(monitor.views, self.tally)
        self.events = Events(self.envelope, self.tally, self.statistics, server.accounts.get)
        self.heartbeat = Heartbeat(self.envelope, monitor.views, self.statistics)
        self.requests = Requests(self.envelope)
        sources = Sources(
            monitor=monitor,
            statistics=self.statistics,
            heartbeat=self.heartbeat,
            events=self.events,
            acts=Acts(
                kick=self._kick,
                lame_duck=self._kick,
                reload=self.reloads.append,
                user_info=self._user_info,
            ),
        )
        self.answers = Answers(self.envelope, sources)
        self.answers.serve(self.requests)
        self.answers.serve_account(server.account("$G"), self.requests)
        server.registry.watcher = self.events

    def listen(self, subject: bytes = b">") -> None:
        """Note what the system account is told."""
        self.told = self.hear("$SYS", subject)

    def hear(self, account: str, subject: bytes) -> list[tuple[str, Any]]:
        """Return what an account will be told, as it comes."""
        told: list[tuple[str, Any]] = []

        def note(delivery: Delivery) -> None:
            for _, header_size, body in delivery.messages:
                told.append((delivery.subject.decode(), json.loads(body[header_size:])))

        self.server.account(account).subscribe(subject, note)
        return told

    def ask(
        self, subject: bytes, body: bytes = b"", *, header: bytes = b"", account: str = "$SYS"
    ) -> Any:
        """Send a request of the server's own; return the answer's JSON, None without one."""
        got: list[bytes] = []

        def note(delivery: Delivery) -> None:
            got.extend(body for _, _, body in delivery.messages)

        asked = self.server.account(account)
        inbox = asked.subscribe(b"_INBOX.x", note)
        asked.publish(subject, header + body, header_size=len(header), reply=b"_INBOX.x")
        self.settle()
        asked.unsubscribe(inbox)
        if not got:
            return None
        return got[0] if header else json.loads(got[0])

    def _account_view(self, name: str) -> AccountView | None:
        account = self.server.accounts.get(name)
        if account is None:
            return None
        values: dict[str, Any] = {
            "clients": self.tally.clients(name),
            "leafs": self.tally.leafs(name),
            "traffic": account.traffic,
            "sublist": SublistView(count=account.sublist.count),
        }
        return AccountView(name, **(values | self.shown))

    def _kick(self, cid: int) -> None:
        if cid == 404:
            raise Refused("no such client or leafnode id")
        self.kicked.append(cid)

    def _user_info(self, asker: Peer) -> dict[str, object]:
        return user_info(asker, Identity(), self.clock.wall_ns(), user="joe")
