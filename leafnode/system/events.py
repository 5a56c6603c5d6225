"""What the system account is told as it happens: clients and leaf links that come, go or are
refused, accounts whose connections change, the server's end.

Knows facts about connections; not connections, and not who listens. An event that nobody listens to
is never built. Truth: nats-server 2.15.1 server/events.go; subjects, keys and types measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, cast

from leafnode.clients.facts import ACCOUNT_FULL
from leafnode.go_time import format_time
from leafnode.limits import ACCOUNT_CONNS_INTERVAL_NS, SYSTEM_EVENTS_MAX, SYSTEM_EVENTS_NS
from leafnode.net.outbound import SLOW_PENDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.auth.identity import LoginRefused
    from leafnode.clients.facts import ConnectionFacts
    from leafnode.clock import Clock, Timer
    from leafnode.leaf.terms import LeafzRow
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.system.envelope import Envelope
    from leafnode.system.statistics import AccountStatistics
    from leafnode.system.tally import Tally

CONNECTED: Final = "io.nats.server.advisory.v1.client_connect"
DISCONNECTED: Final = "io.nats.server.advisory.v1.client_disconnect"
CONNECTIONS: Final = "io.nats.server.advisory.v1.account_connections"

ACCOUNT_AUTH_ERROR: Final = b"$SYS.ACCOUNT.CLIENT.AUTH.ERR"  # in an account, of its own logins

_GLOBAL: Final = "$G"  # its connections are announced to nobody, as on nats-server


class Connection(Protocol):
    """A client connection, as far as an event needs it."""

    peer: Peer

    def plain_facts(self) -> ConnectionFacts: ...


class Events:
    """Sends events, and counts who is connected. Implements clients.registry.Watcher."""

    def __init__(
        self,
        envelope: Envelope,
        tally: Tally,
        statistics: AccountStatistics,
        account: Callable[[str], Account | None],
    ) -> None:
        """`account` finds an account by its name."""
        self._envelope = envelope
        self._account = account
        self._tally = tally
        self._statistics = statistics
        self._burst = Burst(envelope.clock)
        self._is_over = False
        self._heartbeats: dict[str, Timer] = {}  # by account; bounded by the accounts there are

    @property
    def dropped(self) -> int:
        """Events not sent because too many came at once."""
        return self._burst.dropped

    # --- clients.registry.Watcher

    def client_accepted(self, client: Connection) -> None:
        peer = client.peer
        assert peer.account is not None, "a client that logged in is in an account"
        account = peer.account.name
        self._leave(peer.cid)
        self._tally.enter(peer.cid, account)
        self.connections_changed(account)
        subject = f"$SYS.ACCOUNT.{account}.CONNECT"
        self._send(subject, CONNECTED, lambda: self._came(client.plain_facts()))

    def client_refused(
        self, client: Connection, reason: str, refusal: LoginRefused | None = None
    ) -> None:
        if refusal is not None:
            self._tell_account(client, refusal)
        subject = f"$SYS.SERVER.{self._envelope.about.id}.CLIENT.AUTH.ERR"
        self._send(subject, DISCONNECTED, lambda: self._ended(client.plain_facts(), reason))

    def client_late(self, client: Connection) -> None:
        account = client.peer.account
        if account is not None:
            self._tally.was_slow(account.name)

    def client_closed(self, client: Connection, reason: str) -> None:
        # nats-server keeps those who have not logged in where those are who need not.
        account = self._leave(client.peer.cid)
        if reason == ACCOUNT_FULL:
            account = client.plain_facts().account
        account = account or _GLOBAL
        if reason == SLOW_PENDING:
            self._tally.was_slow(account)
        subject = f"$SYS.ACCOUNT.{account}.DISCONNECT"
        self._send(subject, DISCONNECTED, lambda: self._ended(client.plain_facts(), reason))

    def _leave(self, cid: int) -> str:
        """Take a client out of its account and return the account's name, if it was in one."""
        account = self._tally.leave(cid)
        if account:
            self.connections_changed(account)
        return account

    def _tell_account(self, client: Connection, refusal: LoginRefused) -> None:
        """Tell the account whose service was to decide of a login that did not hold.

        Else the global one: there those are who are nobody yet.
        """
        account = self._account(refusal.asked or _GLOBAL)
        if account is None or not account.has_interest(ACCOUNT_AUTH_ERROR):
            return
        if self._burst.admits():
            envelope = self._envelope
            ended = self._ended(client.plain_facts(), refusal.told)
            ended["client"] = dict(cast("dict[str, object]", ended["client"]), acc=account.name)
            message = envelope.typed(DISCONNECTED) | {"server": envelope.server()} | ended
            envelope.publish(ACCOUNT_AUTH_ERROR.decode(), message, account)

    # --- leaf links

    def leaf_connected(self, leaf: LeafzRow, start_ns: int) -> None:
        self._tally.link(leaf.account, 1)
        self.connections_changed(leaf.account)
        subject = f"$SYS.ACCOUNT.{leaf.account}.CONNECT"
        self._send(subject, CONNECTED, lambda: {"client": leaf_info(leaf, start_ns)})

    def leaf_closed(self, leaf: LeafzRow, start_ns: int, reason: str, *, slow: int = 0) -> None:
        """Tell of a link's end; `reason` is what monitoring calls it, `slow` how often it was."""
        if self._is_over:
            return
        self._tally.was_slow(leaf.account, slow)
        self._tally.link(leaf.account, -1)
        self.connections_changed(leaf.account)
        self.leaf_turned_away(leaf, start_ns, reason)

    def leaf_turned_away(self, leaf: LeafzRow, start_ns: int, reason: str) -> None:
        """Tell of the end of one that is not counted: its account had links enough."""
        stop = self._envelope.now()

        def build() -> dict[str, object]:
            return {
                "client": leaf_info(leaf, start_ns, stop=stop),
                "sent": {"msgs": leaf.in_msgs, "bytes": leaf.in_bytes},
                "received": {"msgs": leaf.out_msgs, "bytes": leaf.out_bytes},
                "reason": reason,
            }

        self._send(f"$SYS.ACCOUNT.{leaf.account}.DISCONNECT", DISCONNECTED, build)

    def leaf_refused(self, leaf: LeafzRow, start_ns: int, reason: str) -> None:
        """Tell of a leaf whose login did not hold."""
        subject = f"$SYS.SERVER.{self._envelope.about.id}.CLIENT.AUTH.ERR"

        def build() -> dict[str, object]:
            stop = self._envelope.now()
            return {
                "client": leaf_info(leaf, start_ns, stop=stop),
                "sent": {"msgs": 0, "bytes": 0},
                "received": {"msgs": 0, "bytes": 0},
                "reason": reason,
            }

        self._send(subject, DISCONNECTED, build)

    # --- accounts

    def connections_changed(self, account: str) -> None:
        """Announce how many connections an account has, now and every 30 s while it has any."""
        if account == _GLOBAL:
            return
        timer = self._heartbeats.pop(account, None)
        if timer is not None:
            timer.cancel()
        if self._tally.connections(account):
            self._heartbeats[account] = self._envelope.clock.call_later(
                ACCOUNT_CONNS_INTERVAL_NS, lambda: self.connections_changed(account)
            )
        for subject in _connections_subjects(account):
            self._send(subject, CONNECTIONS, lambda: self._statistics.stat(account))

    def connections(self, account: str) -> dict[str, object]:
        """Return the message that `connections_changed` sends, for who asks for it."""
        envelope = self._envelope
        head = envelope.typed(CONNECTIONS) | {"server": envelope.server()}
        return head | self._statistics.stat(account)

    # --- the server

    def lame_duck(self) -> None:
        self._farewell("LAMEDUCK")

    def shutdown(self) -> None:
        """Say goodbye, and send nothing of what ends from now on."""
        self._farewell("SHUTDOWN")
        self._is_over = True
        for timer in self._heartbeats.values():
            timer.cancel()
        self._heartbeats.clear()

    def _farewell(self, what: str) -> None:
        subject = f"$SYS.SERVER.{self._envelope.about.id}.{what}"
        if self._envelope.account.has_interest(subject.encode()):
            self._envelope.publish(subject, self._envelope.server())

    # ---

    def _send(self, subject: str, kind: str, build: Callable[[], dict[str, object]]) -> None:
        envelope = self._envelope
        if not envelope.account.has_interest(subject.encode()) or not self._burst.admits():
            return
        envelope.publish(subject, envelope.typed(kind) | {"server": envelope.server()} | build())

    def _name_tag(self, facts: ConnectionFacts) -> str:
        return self._statistics.name_tag(facts.account or _GLOBAL)

    def _came(self, facts: ConnectionFacts) -> dict[str, object]:
        return {"client": client_info(facts, self._name_tag(facts))}

    def _ended(self, facts: ConnectionFacts, reason: str) -> dict[str, object]:
        # From where the client stands: it sent what came in here.
        return {
            "client": client_info(facts, self._name_tag(facts), stop=self._envelope.now()),
            "sent": {"msgs": facts.in_msgs, "bytes": facts.in_bytes},
            "received": {"msgs": facts.out_msgs, "bytes": facts.out_bytes},
            "reason": reason,
        }


def _connections_subjects(account: str) -> tuple[str, str]:
    return f"$SYS.SERVER.ACCOUNT.{account}.CONNS", f"$SYS.ACCOUNT.{account}.SERVER.CONNS"


class Burst:
    """Admits SYSTEM_EVENTS_MAX events within SYSTEM_EVENTS_NS; more are dropped and counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_ns = clock.monotonic_ns()
        self._count = 0
        self.dropped = 0

    def admits(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._since_ns >= SYSTEM_EVENTS_NS:
            self._since_ns, self._count = now_ns, 0
        if self._count >= SYSTEM_EVENTS_MAX:
            self.dropped += 1
            return False
        self._count += 1
        return True


def client_info(facts: ConnectionFacts, name_tag: str, *, stop: str = "") -> dict[str, object]:
    """Return a client as events show it; what is empty is left out.

    `name_tag` is what people call its account.
    """
    shown: dict[str, object] = {
        "start": format_time(facts.start_ns),
        "host": facts.ip,
        "id": facts.cid,
        "acc": facts.account or _GLOBAL,
        "user": facts.user,
        "name": facts.name,
        "lang": facts.lang,
        "ver": facts.version,
        "rtt": facts.rtt_ns // 1000 * 1000 if stop else 0,
        "stop": stop,
        "jwt": facts.jwt,
        "issuer_key": facts.issuer_key,
        "name_tag": name_tag,
        "tags": list(facts.tags),
        "kind": "Client",
        "client_type": facts.type,
    }
    return {key: value for key, value in shown.items() if value}


def leaf_info(leaf: LeafzRow, start_ns: int, *, stop: str = "") -> dict[str, object]:
    """Return a leaf link as events show it."""
    shown: dict[str, object] = {
        "start": format_time(start_ns),
        "host": leaf.ip,
        "id": leaf.id,
        "acc": leaf.account or "N/A",
        "user": leaf.user,
        "name": leaf.said_name,
        "ver": leaf.version,
        "rtt": leaf.rtt_ns // 1000 * 1000 if stop else 0,
        "stop": stop,
        "name_tag": leaf.account,
        "kind": "Leafnode",
    }
    return {key: value for key, value in shown.items() if value}
