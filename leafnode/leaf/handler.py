"""One connection to a hub, that we dialed: how it becomes a link, and what it tells its owner.

Knows the session and the remote's options; not addresses, dialing or when to try again (remote),
and not what a link does once it is up (link). Truth: nats-server 2.15.1 server/leafnode.go,
measured on its binary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from leafnode.leaf.link import Link
from leafnode.leaf.rules import Between, hub_rules, spoke_rules
from leafnode.leaf.terms import Terms
from leafnode.limits import LEAF_CONTROL_LINE_BYTES, LEAF_INTEREST_BYTES_MAX, LEAF_INTEREST_MAX
from leafnode.protocol import leaf_events as events
from leafnode.protocol.errors import MaxAccountConnectionsExceeded, MaxSubscriptionsExceeded
from leafnode.protocol.leaf_dialer import DialingSession
from leafnode.protocol.leaf_errors import LoopDetected
from leafnode.protocol.leaf_events import State
from leafnode.routing.peer import LeafSide
from leafnode.routing.permissions import Permissions, Rules

if TYPE_CHECKING:
    from leafnode.config.options import LeafRemote
    from leafnode.leaf.rules import Making
    from leafnode.leaf.terms import LeafEnvironment
    from leafnode.net.transport import Transport
    from leafnode.protocol.leaf_dialer import LeafSettings
    from leafnode.protocol.leaf_op import LeafInfo
    from leafnode.routing.account import Account


class LinkOwner(Protocol):
    """Who is told what a link learns."""

    def link_up(self, info: LeafInfo) -> None:
        """Interest was announced, and the hub's is in place as far as it came with its INFO."""
        ...

    def hub_info(self, info: LeafInfo) -> None: ...

    def hub_error(self, text: str, cause: str) -> None: ...

    def link_changed(self) -> None:
        """TLS is to be started, or the link is over."""
        ...


class HubLink(Link):
    """A link that we dialed, from dial to loss."""

    def __init__(
        self,
        environment: LeafEnvironment,
        remote: LeafRemote,
        account: Account,
        settings: LeafSettings,
        owner: LinkOwner,
    ) -> None:
        self.session = DialingSession(settings)
        super().__init__(environment, self.session)
        self._remote = remote
        self._account = account
        self._owner = owner
        self._is_dialed_websocket = settings.websocket

    def connected(self, transport: Transport) -> None:
        self.session.begin(self._clock.monotonic_ns())
        super().connected(transport)

    def tls_started(self) -> None:
        """Go on after the transport's TLS handshake."""
        if not self.over:
            self.session.tls_started(self._clock.monotonic_ns())
            self._settle()
            self._arm()

    @property
    def awaits_tls(self) -> bool:
        return self.session.state is State.AWAIT_TLS

    def _act(self, event: events.LeafEvent) -> None:
        match event:
            case events.Linked(info):
                self._link_up(info)
            case events.InfoChanged(info):
                self._info_changed(info)
            case events.PeerError(text, cause):
                self._owner.hub_error(text, cause)
            case events.StartTls():
                self._owner.link_changed()
            case _:
                raise AssertionError("a session that dialed sees nothing else")

    @property
    def is_websocket(self) -> bool:
        return self._is_dialed_websocket

    def _ended(self) -> None:
        self._owner.link_changed()

    def _link_up(self, info: LeafInfo) -> None:
        environment, account, remote = self._environment, self._account, self._remote
        side = LeafSide(
            info.cluster or f" {self.peer.cid}",
            is_hub=not remote.hub,
            is_isolated=environment.isolates or remote.isolates,
        )
        below = [one.leaf for one in account.leafs.values() if not one.leaf.is_hub]
        if any(leaf.origin == side.origin for leaf in below):
            raise LoopDetected(account.name)  # what hangs below us is our hub, too
        if not account.join(self.peer):
            raise MaxAccountConnectionsExceeded
        terms = Terms(
            name=info.server_name,
            side=side,
            headers=info.headers,
            traces=info.traces,
            max_interest=LEAF_INTEREST_MAX,
        )
        self._begin(account, terms, self._rules_for(info))

    def _max_payload_bytes(self) -> int:
        own_bytes = self._environment.max_payload_bytes
        self.peer.max_answer_bytes = _answer_bytes_max(own_bytes, self.session.hub.max_payload)
        return own_bytes

    def _is_up(self) -> None:
        self._owner.link_up(self.session.hub)

    def _rules_for(self, info: LeafInfo) -> Making:
        environment, remote = self._environment, self._remote
        is_system = self._account.name == environment.system_account
        is_shared = self._account.name in environment.without_domain
        between = Between(environment.domain, info.domain, is_system, is_shared)
        if remote.hub:
            denied = yield from Rules.made(deny=[one.encode() for one in remote.deny_imports])
            user = Permissions(denied, Rules())
            return (yield from hub_rules(between, user, deny_pub=remote.deny_exports))
        return (
            yield from spoke_rules(
                between,
                deny_imports=remote.deny_imports,
                deny_exports=remote.deny_exports,
                hub_import=info.import_rules,
                hub_export=info.export_rules,
            )
        )

    def _info_changed(self, info: LeafInfo) -> None:
        if info.import_rules is None and info.export_rules is None:
            self._owner.hub_info(info)
            return
        # Routes all over the account were decided with the old rules: a new link decides anew.
        self.session.end(b"", "the hub changed this user's permissions: connecting anew")
        self._settle()

    def _too_much_interest(self, most: int) -> None:
        size = f"{LEAF_INTEREST_BYTES_MAX >> 20} MiB"
        reason = f"the hub announced more than {most} subscriptions, or {size} of them"
        self.session.end(
            MaxSubscriptionsExceeded.wire_error, reason, error=MaxSubscriptionsExceeded
        )
        self._settle()


def _answer_bytes_max(own_bytes: int, hub_bytes: int) -> int:
    """Return how much a hub may answer with: a message, in base64, and what is said of it.

    Truth: nats-server 2.15.1 server/jetstream_api.go jsMsgGetRequest, which has no form without it.
    """
    return -(-max(own_bytes, hub_bytes) * 4 // 3) + LEAF_CONTROL_LINE_BYTES
