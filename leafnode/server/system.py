"""The system account of a running server: what `leafnode.system` needs, read from the parts.

Knows the server and the system package; neither knows the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.server.features import links
from leafnode.server.in_turns import walk
from leafnode.server.operators import serve_claims
from leafnode.system.answers import Acts, Answers, Sources
from leafnode.system.envelope import About, Envelope
from leafnode.system.events import Events
from leafnode.system.requests import NoAnswer, Refused, Requests
from leafnode.system.statistics import AccountStatistics, Heartbeat
from leafnode.system.tally import Tally
from leafnode.system.trace import TraceEvents
from leafnode.system.user import user_info

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from leafnode.leaf.accepted import AcceptedLink
    from leafnode.leaf.link import Link
    from leafnode.leaf.remote import Remote
    from leafnode.monitor.monitor import Monitor
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.server.server import Server
    from leafnode.system.claims import ClaimsRequests


class System:
    """Everything that runs for the system account."""

    def __init__(self, server: Server, account: Account, monitor: Monitor) -> None:
        self._server = server
        self.envelope = Envelope(_about(server), account, server.clock, server.random)
        self.tally = Tally()
        statistics = self._statistics = AccountStatistics(monitor.views, self.tally)
        self.events = Events(self.envelope, self.tally, statistics, server.accounts.get)
        self.heartbeat = Heartbeat(self.envelope, monitor.views, statistics)
        self.requests = Requests(self.envelope)
        self.traces = TraceEvents(self.envelope, server.random)
        sources = Sources(
            monitor=monitor,
            statistics=statistics,
            heartbeat=self.heartbeat,
            events=self.events,
            acts=Acts(
                kick=self._kick,
                lame_duck=self._lame_duck,
                reload=self._reload,
                user_info=self._user_info,
            ),
        )
        self.answers = Answers(self.envelope, sources)
        self._claims: ClaimsRequests | None = None

    def start(self) -> None:
        """Listen for requests, follow connections, and send statistics from now on."""
        server = self._server
        self.answers.serve(self.requests)
        self.follow_accounts(server.accounts)
        server.account_set.on_update.append(self.follow_accounts)
        server.registry.watcher = self.events
        server.on_lame_duck.append(self.events.lame_duck)
        for remote in server.features.remotes:
            self.follow(remote)
        if server.leafs is not None:
            server.leafs.watcher = AcceptedLeafEvents(self.events)
        self.serve_claims()
        self.heartbeat.start()

    def serve_claims(self) -> None:
        """Answer requests about account JWTs, by where those come from now."""
        if self._claims is None:
            self._claims = serve_claims(self._server, self.envelope)
        else:
            self._claims.start()

    def follow(self, remote: Remote) -> None:
        """Tell of this remote's links from now on."""
        LeafEvents(remote, self.events)

    async def refresh(self) -> None:
        """Take over what a reload has changed; what is new is followed in turns."""
        self.envelope.about = _about(self._server)
        await walk(self._server.turn.outbox, self._following(list(self._server.accounts)))

    def follow_accounts(self, names: Collection[str]) -> None:
        """Serve and trace those of these accounts that are new."""
        for _ in self._following(names):
            pass

    def _following(self, names: Collection[str]) -> Iterator[None]:
        for name in names:
            account = self._server.accounts.get(name)
            if account is None or account.tracer is self.traces:
                continue
            account.tracer = self.traces
            if account is not self.envelope.account:
                self.answers.serve_account(account, self.requests)
            yield

    def stop(self) -> None:
        """Say goodbye; what ends from now on is told to nobody."""
        self._server.registry.watcher = None
        if self._server.leafs is not None:
            self._server.leafs.watcher = None
        self.heartbeat.stop()
        self.events.shutdown()

    # --- what requests make the server do

    def _kick(self, cid: int) -> None:
        client = self._server.registry.open.get(cid)
        if client is not None:
            client.close("Kicked")
            return
        for link in links(self._server):
            if link.peer.cid == cid:
                link.kick()
                return
        raise Refused("no such client or leafnode id")

    def _lame_duck(self, cid: int) -> None:
        client = self._server.registry.open.get(cid)
        if client is None:
            raise Refused("no such client id")
        if not client.tell_lame_duck():
            raise Refused(
                "client does not support Lame Duck Mode or is not ready to receive the notification"
            )

    def _reload(self, done: Callable[[str], None]) -> None:
        async def run() -> None:
            done(await self._server.reload())

        _ = self._server.begin(run(), name="reload by request")

    def _user_info(self, asker: Peer) -> dict[str, object]:
        client = self._server.registry.open.get(asker.cid)
        if client is None or client.identity is None:
            raise NoAnswer  # it is gone
        user, now_ns = client.plain_facts().authorized_user, self._server.clock.wall_ns()
        answer = user_info(asker, client.identity, now_ns, user=user)
        return answer | {"account_name": self._statistics.name_tag(str(answer["account"]))}


class LeafEvents:
    """Tells of one remote's links."""

    def __init__(self, remote: Remote, events: Events) -> None:
        self._remote = remote
        self._events = events
        self._start_ns = 0
        remote.on_linked.append(self._linked)
        remote.on_lost.append(self._lost)

    def _linked(self) -> None:
        self._start_ns = self._remote.status.connected_since_ns
        row = self._remote.leafz()
        assert row is not None, "it is told when the link is there"
        self._events.leaf_connected(row, self._start_ns)

    def _lost(self, link: Link) -> None:
        self._events.leaf_closed(link.leafz(), self._start_ns, link.closed_state, slow=link.slow)


class AcceptedLeafEvents:
    """Tells of the leafs below us. Implements leaf.registry.LeafWatcher."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def leaf_accepted(self, link: AcceptedLink) -> None:
        self._events.leaf_connected(link.leafz(), link.start_ns)

    def leaf_refused(self, link: AcceptedLink, reason: str) -> None:
        self._events.leaf_refused(link.leafz(), link.start_ns, reason)

    def leaf_turned_away(self, link: AcceptedLink) -> None:
        self._events.leaf_turned_away(link.leafz(), link.start_ns, link.closed_state)

    def leaf_lost(self, link: AcceptedLink) -> None:
        self._events.leaf_closed(link.leafz(), link.start_ns, link.closed_state, slow=link.slow)


def _about(server: Server) -> About:
    return About(
        id=server.id,
        name=server.name,
        host=server.options.host,
        domain=server.domain,
        tags=server.options.server_tags,
        metadata=dict(server.options.server_metadata),
        jetstream=server.options.jetstream is not None,
    )
