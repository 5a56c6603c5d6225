"""One connection of a leaf below us: it logs in, becomes a link of its account, and ends.

Knows the session, the login of `clients.login` and the registry of leafs; not listeners or TLS
(net.entry), and not what a link does once it is up (link). Truth: nats-server 2.15.1
server/leafnode.go processLeafNodeConnect, server/auth.go isLeafNodeAuthorized; measured on its
binary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from leafnode.auth.authenticator import new_nonce
from leafnode.auth.identity import ConnectionType
from leafnode.clients.bounds import bounds_of
from leafnode.clients.facts import CLIENT_CLOSED, account_of, closed_state
from leafnode.clients.login import Login
from leafnode.leaf.link import Link
from leafnode.leaf.rules import Between, hub_below_rules, hub_rules, told
from leafnode.leaf.terms import Terms
from leafnode.limits import CONNECT_WORK, LEAF_INTEREST_MAX
from leafnode.protocol import leaf_events as events
from leafnode.protocol.errors import (
    AuthenticationTimeout,
    AuthorizationViolation,
    MaxConnectionsExceeded,
    MaxSubscriptionsExceeded,
)
from leafnode.protocol.info import raw_user
from leafnode.protocol.leaf_acceptor import AcceptingSession, AcceptRules
from leafnode.protocol.leaf_events import State
from leafnode.routing.peer import LeafSide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.auth.identity import Identity
    from leafnode.clients.seams import ClientSeams
    from leafnode.errors import ProtocolError
    from leafnode.leaf.registry import LeafRegistry
    from leafnode.leaf.rules import Making
    from leafnode.leaf.terms import LeafEnvironment, LeafzRow
    from leafnode.net.transport import Transport
    from leafnode.protocol.info import Connect
    from leafnode.protocol.leaf_greeting import LeafServerInfo
    from leafnode.routing.account import Account

_NO_COOKIES: Final[Mapping[str, str]] = MappingProxyType({})
_NONE: Final = "not supported"


@dataclass(slots=True)
class LeafSeams:
    """What all leafs of one listener share. `login` is what a login needs of the server."""

    environment: LeafEnvironment
    login: ClientSeams
    info: LeafServerInfo  # what every INFO starts from
    rules: AcceptRules
    registry: LeafRegistry


class AcceptedLink(Link):
    """Implements net.entry.Guest and clients.login.Client for one leaf."""

    def __init__(self, seams: LeafSeams) -> None:
        self._seams = seams
        environment = seams.environment
        self._nonce = new_nonce(seams.login.token_bytes)
        now_ns = environment.clock.monotonic_ns()
        # Its number follows below: the session greets only once it is connected.
        self.session = AcceptingSession(seams.info, seams.rules, now_ns=now_ns)
        super().__init__(environment, self.session)
        self.session.identify(self.peer.cid, self._nonce.decode())
        self._start_wall_ns = environment.clock.wall_ns()
        self._login = Login(seams.login, self)
        self._login.nonce = self._nonce

    # net.entry.Guest

    def connected(self, transport: Transport) -> None:
        is_through = transport.tls is not None or not self._seams.rules.entry_ns
        if is_through:
            self.session.entered(self._clock.monotonic_ns())
        self._tls_first = transport.tls is not None and not self.is_websocket
        super().connected(transport)
        if not self._seams.registry.admit(self):
            self.refuse(MaxConnectionsExceeded())
            return
        self.session.greet()
        self._settle()
        if is_through:
            self._await_login()

    def entered(self) -> None:
        if not self.over:
            self.session.entered(self._clock.monotonic_ns())
            self._arm()
            self._await_login()

    def _await_login(self) -> None:
        """Wait with those of the same address, for its CONNECT; there may be no place."""
        self._seams.registry.await_login(self, self.address().rpartition(":")[0])

    def lost(self, reason: str) -> None:
        super().lost(reason)
        self._let_go()
        self._login.lose_client()

    # clients.login.Client

    @property
    def is_gone(self) -> bool:
        return self.over or self.transport is None

    def wait(self) -> None:
        assert self.transport is not None, "CONNECT came by it"
        self.transport.pause_reading()
        self._seams.registry.waiting.leave(self.peer.cid)

    def go_on(self) -> None:
        if not self.over and self.transport is not None:
            self.transport.resume_reading()
            self.transport.yield_turn()
            self._arm()

    def address(self) -> str:
        return self.transport.peer if self.transport is not None else ""

    def credentials(self) -> Mapping[str, str]:
        return self.transport.credentials if self.transport is not None else _NO_COOKIES

    def begin_check(self) -> None:
        """Nobody comes in here without CONNECT."""

    def accept(self, connect: Connect, identity: Identity) -> None:
        """Let the leaf in as this identity. Raises ProtocolError where it may not be one."""
        self._login.bind(identity)
        account = self.peer.account
        assert account is not None, "bound just now"
        answer = self._answer(account, identity)
        self.session.check(connect, answer)
        registry = self._seams.registry
        registry.waiting.leave(self.peer.cid)
        twin = registry.twin_of(self)
        loop_subject = self._environment.loop_subjects.subject_of(account.name)
        self.session.accept(answer, loop_subject, self._clock.monotonic_ns())
        if twin is not None:
            twin.replace()
        self._settle()
        terms = self._terms_for(account, identity)
        self._begin(account, terms, self._rules_for(account, identity))

    def refuse(self, error: ProtocolError) -> None:
        """Say why, and end the link where that is what follows."""
        if self.over:
            return
        if isinstance(error, AuthorizationViolation | AuthenticationTimeout):
            state = closed_state(type(error))
            refusal = self._login.refusal
            self._seams.registry.rejected(self, refusal.state if refusal else state)
        self._session.fail(error)
        self._settle()
        self._arm()

    # for the registry and monitoring

    @property
    def identity(self) -> Identity | None:
        """Who it is; None: nobody yet."""
        return self._login.identity

    @property
    def is_turned_away(self) -> bool:
        """Whether its account had no room for it."""
        return self._login.outside is not None

    def leafz(self) -> LeafzRow:
        account = account_of(self.peer, self._login.outside)
        return replace(super().leafz(), account=account)

    def close(self, reason: str) -> None:
        """End the link, sending what is pending."""
        self._flush()
        self.drop(reason, reason)

    def replace(self) -> None:
        """Go, because the same server has come anew."""
        from leafnode.protocol.leaf_errors import DuplicateLeafConnection

        self._fail(DuplicateLeafConnection())

    # of this side alone

    def _act(self, event: events.LeafEvent) -> None:
        match event:
            case events.Claimed(_, login):
                self.peer.outbox.work_left -= CONNECT_WORK
                self._login.connect(login)
            case events.PeerError(text, cause):
                self._seams.registry.complained(self, text, cause)
            case _:
                raise AssertionError("a session that was dialed sees nothing else")

    def _fail(self, error: ProtocolError) -> None:
        self.refuse(error)

    def _due(self) -> None:
        transport = self.transport
        is_checking = self.session.state is State.CHECKING
        if is_checking and transport is not None and transport.has_lost_peer():
            self.drop("gone while its credentials were checked", CLIENT_CLOSED)
            return
        if self.session.state is State.AWAIT_CONNECT:
            self._seams.registry.rejected(self, closed_state(AuthenticationTimeout))
        super()._due()

    def _came_up(self) -> None:
        self._seams.registry.linked(self)

    def _ended(self) -> None:
        self._login.end()
        self._seams.registry.discard(self)

    def _compression(self) -> str:
        claim = self.session.claim
        said = claim.compress_mode if claim is not None else ""
        return self.session.compression or said or _NONE

    @property
    def is_websocket(self) -> bool:
        return self._seams.login.kind is ConnectionType.LEAFNODE_WS

    def _said(self) -> dict[str, str]:
        claim, user = self.session.claim, self.identity.user if self.identity is not None else ""
        if claim is None:
            return {}
        user = user or raw_user(self._login.claimed)  # what nothing proves is shown, too
        return {
            "user": user,
            "said_name": claim.name,
            "version": claim.version,
            "proxy": self._login.proxy,
        }

    @property
    def start_ns(self) -> int:
        return self._start_wall_ns

    def _answer(self, account: Account, identity: Identity) -> LeafServerInfo:
        user = identity.permissions
        return self.session.answer(
            account.name,
            acc_is_sys=account.name == self._environment.system_account,
            import_rules=told(user.subscribe) if user is not None else None,
            export_rules=told(user.publish) if user is not None else None,
        )

    def _terms_for(self, account: Account, identity: Identity) -> Terms:
        environment, claim = self._environment, self.session.claim
        assert claim is not None, "it said who it is"
        side = LeafSide(
            claim.cluster or f" {self.peer.cid}",
            is_hub=claim.is_hub,
            # On nats-server 2.15.1, too, a hub that dialed is isolated by us alone (measured).
            is_isolated=environment.isolates or (claim.isolate and not claim.is_hub),
        )
        most = bounds_of(self._seams.login.options, account.limits, identity).max_subscriptions
        return Terms(
            name=claim.name,
            side=side,
            headers=claim.headers and self._seams.info.headers,
            traces=claim.traces,
            max_interest=LEAF_INTEREST_MAX if most is None else min(most, LEAF_INTEREST_MAX),
        )

    def _max_payload_bytes(self) -> int:
        account, most = self.peer.account, self._environment.max_payload_bytes
        assert account is not None, "it is bound"
        options = replace(self._seams.login.options, max_payload_bytes=most)
        return bounds_of(options, account.limits, self.identity).max_payload_bytes

    def _rules_for(self, account: Account, identity: Identity) -> Making:
        environment, claim = self._environment, self.session.claim
        assert claim is not None, "it said who it is"
        is_system = account.name == environment.system_account
        is_shared = account.name in environment.without_domain
        between = Between(environment.domain, claim.domain, is_system, is_shared)
        make = hub_below_rules if claim.is_hub else hub_rules
        return make(between, identity.permissions, deny_pub=claim.deny_pub or ())

    def _too_much_interest(self, most: int) -> None:
        """The link lives: only this subject is not served."""
        del most
        self._session.refuse_too_many(MaxSubscriptionsExceeded.wire_error)
        data = self._session.data_to_send()
        self.peer.send(data)
