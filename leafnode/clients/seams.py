"""What the client connections of one listener share: options, clock, randomness, who may come in.

Knows none of the connections. Truth: docs/ARCHITECTURE.md, "Layers".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leafnode.auth.identity import ConnectionType
from leafnode.protocol.client_session import SessionRules

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.clients.authenticator import Authenticator
    from leafnode.clients.registry import Registry
    from leafnode.clock import Clock
    from leafnode.config.options import Options
    from leafnode.protocol.info import ServerInfo
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Outbox


@dataclass(slots=True)
class ClientSeams:
    """What all client connections of a server share."""

    options: Options
    info: ServerInfo  # what every INFO starts from; client_id, client_ip and nonce are added
    clock: Clock
    random: Random  # for jitter
    token_bytes: Callable[[int], bytes]  # for nonces
    outbox: Outbox
    account: Callable[[str], Account]
    authenticator: Authenticator
    registry: Registry
    next_cid: Callable[[], int]
    kind: ConnectionType = ConnectionType.STANDARD
    map_certificate: bool = False  # the listener's verify_and_map
    no_auth_user: str = ""  # the listener's own; empty: the server's
    entry_ns: int = 0  # what TLS and a PROXY header may take before a login begins
    rules: SessionRules = field(init=False)  # derived, one for all connections

    def __post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Derive what follows from the options, after they changed."""
        self.rules = SessionRules(
            max_control_line_bytes=self.options.max_control_line_bytes,
            auth_required=self.authenticator.required,
            auth_timeout_ns=self.options.login_timeout_ns,
            ping_interval_ns=self.options.ping_interval_ns,
            ping_max=self.options.ping_max,
            entry_ns=self.entry_ns,
        )
