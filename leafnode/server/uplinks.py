"""The uplinks that run, each with the leaf link to its hub, and what they say on `$LEAFNODE.>`.

Knows how an uplink is built of accounts, remotes and a time zone; not how it works. Truth:
docs/uplink.md.
"""

from __future__ import annotations

import logging
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from leafnode import limits
from leafnode.config.uplink import url_without_user
from leafnode.errors import StoreBusy, StoreCorrupt
from leafnode.go_time import zone_of
from leafnode.monitor.own import uplink_row, uplinkz
from leafnode.routing.answers import Replies
from leafnode.routing.to_link import link_asks_for, publish_to_link
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.status import waiting, waiting_budget
from leafnode.uplink.uplink import Edge, Uplink

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from leafnode.config.options import UplinkOptions
    from leafnode.jetstream.stream import Stream
    from leafnode.leaf.handler import HubLink
    from leafnode.leaf.remote import Remote
    from leafnode.protocol.leaf_op import LeafInfo
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Delivery, Subscription
    from leafnode.server.jetstreams import JetStreams
    from leafnode.server.server import Server
    from leafnode.uplink.status import BudgetStatus, UplinkStatus

log = logging.getLogger(__name__)


class HubLinks:
    """The leaf links that lead to one hub, as an uplink wants to see them."""

    def __init__(self, remotes: list[Remote], account: str, url: str = "") -> None:
        """`remotes` are those of all accounts, and may change. Without a URL any of the account."""
        self._remotes = remotes
        self._account = account
        self._url = url

    def is_connected(self) -> bool:
        return bool(self._hubs())

    def send(
        self, subject: bytes, body: bytes, *, header_size: int = 0, reply: bytes = b""
    ) -> bool:
        """Send a message to one hub that asked for its subject; say whether there is one."""
        return any(
            publish_to_link(link.peer, subject, body, header_size=header_size, reply=reply)
            for link in self._links()
        )

    def asks_for(self, subject: bytes) -> bool:
        return any(link_asks_for(link.peer, subject) for link in self._links())

    def max_payload_bytes(self) -> int:
        """Return the smallest bound of the hubs; 0: not known."""
        return min((hub.max_payload for hub in self._hubs()), default=0)

    def doubt(self) -> None:
        for link in self._links():
            link.peer.caught_up(link.peer.outbox.now[0])

    def is_amid(self) -> bool:
        return any(link.is_amid for link in self._links())

    def lets_in(self, subject: bytes) -> bool:
        rules = [link.peer.permissions for link in self._links()]
        return not rules or any(one is None or one.publish.allows(subject) for one in rules)

    def lets_out(self, subject: bytes) -> bool:
        rules = [link.peer.permissions for link in self._links()]
        return not rules or any(one is None or one.subscribe.allows(subject) for one in rules)

    def is_hub(self, peer: Peer) -> bool:
        return any(link.peer is peer for link in self._links())

    def hub_run(self) -> str:
        return " ".join(hub.server_id for hub in self._hubs())

    def takes_headers(self) -> bool:
        return all(hub.headers for hub in self._hubs())

    def leads_by(self, remote: Remote) -> bool:
        """Say whether this remote is one of those."""
        if remote.account.name != self._account:
            return False
        return not self._url or self._url in map(url_without_user, remote.options.urls)

    def _hubs(self) -> list[LeafInfo]:
        return [link.session.hub for link in self._links()]

    def _links(self) -> list[HubLink]:
        links = [remote.link for remote in self._remotes if self.leads_by(remote)]
        return [link for link in links if link and link.linked_ns]


class _Running:
    """One uplink and what belongs to it."""

    def __init__(
        self, server: Server, options: UplinkOptions, names: Callable[[str], Set[str]]
    ) -> None:
        self.account = server.account(options.account)
        self.links = HubLinks(server.features.remotes, options.account, options.remote)
        self.uplink = Uplink(
            options,
            edge=Edge(
                self.account,
                server.name,
                names,
                lambda stream: no_room(server.features.jetstream, options.account, stream),
                lambda *place: after(server.features.jetstream, options.account, *place),
            ),
            zone=zone_of(options.budget.time_zone),
            clock=server.clock,
            random=server.random,
            link=self.links,
        )


class Uplinks:
    """All of them; `change` starts, keeps and stops."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._running: list[_Running] = []
        self._waiting: list[UplinkOptions] = []  # for their account
        self._wanted: tuple[UplinkOptions, ...] = ()
        self._voices: dict[str, Voice] = {}  # by account
        self._replies_refused = 0  # by those that are gone
        for remote in server.features.remotes:
            self.follow(remote)

    def change(self, wanted: tuple[UplinkOptions, ...]) -> None:
        """Let those run that are wanted. One whose options changed in any way begins anew; one
        whose account cannot be had yet (in operator mode) waits for it, as its remote does.
        """
        self._wanted = wanted
        kept = [one for one in self._running if self._stays(one, wanted)]
        for one in self._running:
            if one not in kept:
                one.uplink.stop()
                log.info("Uplink ended: name=%s", one.uplink.options.name or "main")
        there = {one.uplink.options: one for one in kept}
        self._running, self._waiting = [], []
        for options in wanted:
            if options.account in self._server.accounts:
                self._running.append(there.get(options) or self._start(options))
            else:
                self._waiting.append(options)
                what = (options.name or "main", options.account)
                log.warning("Uplink waits for its account: name=%s account=%s", *what)
        self._speak()

    def accounts_came(self) -> None:
        """Let those begin that waited for their account, as the options of now have them: what
        brings it may be a reload that says something else of them, too.
        """
        if any(options.account in self._server.accounts for options in self._waiting):
            self.change(self._server.options.uplinks)

    def _start(self, options: UplinkOptions) -> _Running:
        one = _Running(self._server, options, lambda stream: self._names(options.account, stream))
        one.uplink.start()
        streams = ", ".join(stream.stream for stream in options.streams)
        log.info("Uplink is on: name=%s streams=%s", options.name or "main", streams)
        return one

    def _names(self, account: str, stream: str) -> Set[str]:
        """Return which uplinks have this stream."""
        there = (one for one in self._wanted if one.account == account)
        return {one.name for one in there if any(row.stream == stream for row in one.streams)}

    def stop(self) -> None:
        self.change(())

    def follow(self, remote: Remote) -> None:
        """Tell the uplinks when this link comes and goes."""
        remote.on_linked.append(lambda: self._link_changed(remote))
        remote.on_lost.append(lambda link: self._link_lost(remote, link))

    def status(self) -> list[UplinkStatus]:
        running = [status for one in self._running for status in one.uplink.status()]
        name, problem = self._server.name, self._server.awaited.problem
        waits = (waiting(one, name, problem(one.account)) for one in self._waiting)
        return [*running, *chain.from_iterable(waits)]

    def budgets(self) -> list[BudgetStatus]:
        return [
            *(one.uplink.budget() for one in self._running),
            *map(waiting_budget, self._waiting),
        ]

    @property
    def replies_refused(self) -> int:
        """How many requests for uplinks had a reply that is no inbox."""
        there = sum(voice.replies_refused for voice in self._voices.values())
        return self._replies_refused + there

    def _link_lost(self, remote: Remote, link: HubLink) -> None:
        carried_bytes = link.peer.traffic.out_bytes
        self._link_changed(remote, link.session.refused_text, carried_bytes)

    def _link_changed(self, remote: Remote, refused: str = "", carried_bytes: int = 0) -> None:
        for one in self._running:
            if one.links.leads_by(remote):
                one.uplink.link_changed(refused, carried_bytes)

    def _stays(self, one: _Running, wanted: tuple[UplinkOptions, ...]) -> bool:
        options = one.uplink.options
        same = self._server.accounts.get(options.account) is one.account
        return same and options in wanted

    def _speak(self) -> None:
        """Have a voice in each account that an uplink is of."""
        accounts = {one.account.name: one.account for one in self._running}
        for name, voice in list(self._voices.items()):
            if accounts.get(name) is not voice.account:
                voice.close()
                self._replies_refused += voice.replies_refused
                del self._voices[name]
        for name, account in accounts.items():
            if name not in self._voices:
                self._voices[name] = Voice(self._server, account)


class Voice:
    """Says on `$LEAFNODE.UPLINK.<server>.<stream>` what has changed, and answers
    `$LEAFNODE.REQ.UPLINKZ` (every server) and `$LEAFNODE.REQ.<server>.UPLINKZ`.
    """

    def __init__(self, server: Server, account: Account) -> None:
        self.account = account
        self._server = server
        self._said: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._replies = Replies(log, "requests for uplinks", account)
        self._subs: list[Subscription] = [
            account.subscribe(subject.encode(), self._asked)
            for subject in ("$LEAFNODE.REQ.UPLINKZ", f"$LEAFNODE.REQ.{server.name}.UPLINKZ")
        ]
        self._alarm = Alarm(server.clock, self._look)
        self._look()

    @property
    def replies_refused(self) -> int:
        return self._replies.refused

    def close(self) -> None:
        self._alarm.cancel()
        for sub in self._subs:
            self.account.unsubscribe(sub)

    def _look(self) -> None:
        """Publish what is different; so often, and not for each step on the way."""
        self._alarm.set(limits.UPLINK_SAY_NS)
        uplinks = self._server.features.uplinks
        for one in uplinks.status() if uplinks is not None else ():
            if one.account != self.account.name:
                continue
            now = (one.state.value, one.held, one.last_error)
            if self._said.get((one.uplink, one.stream)) != now:
                self._said[one.uplink, one.stream] = now
                self._say(one)

    def _say(self, status: UplinkStatus) -> None:
        subject = f"$LEAFNODE.UPLINK.{self._server.name}.{status.stream}"
        body = {"server": self._server.name, **uplink_row(status)}
        self.account.publish(subject.encode(), msgspec.json.encode(body))

    def _asked(self, delivery: Delivery) -> None:
        monitor = self._server.features.monitor
        if monitor is None:
            return
        page = uplinkz(monitor.views, self._server.clock, self.account.name)
        answer = {"server": self._server.name, **page, "replies_refused": self.replies_refused}
        body = msgspec.json.encode(answer)
        for reply, _, _ in delivery.messages:
            if where := self._replies.checked(reply):
                self.account.answer(where, body)


def after(jetstream: JetStreams | None, account: str, stream: str, seq: int) -> int:
    """Return how many messages a stream holds behind a sequence; at most, where it cannot say."""
    there = _stream_of(jetstream, account, stream)
    if there is None:
        return 0
    try:
        return there.store.num_pending((), seq + 1)
    except (StoreBusy, StoreCorrupt):
        return max(0, there.store.last_seq() - max(seq, there.store.first_seq() - 1))


def _stream_of(jetstream: JetStreams | None, account: str, stream: str) -> Stream | None:
    one = jetstream.by_account.get(account) if jetstream is not None else None
    return one.streams.get(stream) if one is not None else None


def no_room(jetstream: JetStreams | None, account: str, stream: str) -> str:
    """Return which bound on all streams of one storage refuses what comes for this one; empty:
    none does.
    """
    there = _stream_of(jetstream, account, stream)
    if there is None or there.quota is None or (bound := there.quota.used_up()) is None:
        return ""
    storage = there.config.storage
    if bound.is_of_account:
        name = "max_memory" if storage == "memory" else "max_store"
        return f"{name} {bound.max_bytes} of the account"
    return f"max_{storage}_store {bound.max_bytes} of this server"
