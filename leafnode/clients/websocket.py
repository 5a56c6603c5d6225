"""What is different for a client that comes over WebSocket: options, INFO, codes for its end.

Knows options and nats-server's closed states; not frames. Truth: nats-server 2.15.1
server/websocket.go createWSClient, wsEnqueueCloseMessage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from leafnode.config.listener_options import Websocket
    from leafnode.config.options import Options
    from leafnode.protocol.info import ServerInfo

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011

_CODES: Final = {
    "Client Closed": NORMAL,
    "Authentication Timeout": POLICY_VIOLATION,
    "Authentication Failure": POLICY_VIOLATION,
    "Authentication Expired": POLICY_VIOLATION,
    "Credentials Revoked": POLICY_VIOLATION,
    "Missing Account": POLICY_VIOLATION,
    "Slow Consumer (Pending Bytes)": POLICY_VIOLATION,
    "Slow Consumer (Write Deadline)": POLICY_VIOLATION,
    "Maximum Account Connections Exceeded": POLICY_VIOLATION,
    "Maximum Connections Exceeded": POLICY_VIOLATION,
    "Maximum Control Line Exceeded": POLICY_VIOLATION,
    "Maximum Subscriptions Exceeded": POLICY_VIOLATION,
    "Parse Error": PROTOCOL_ERROR,
    "Protocol Violation": PROTOCOL_ERROR,
    "Bad Client Protocol Version": PROTOCOL_ERROR,
    "Maximum Message Payload Exceeded": TOO_BIG,
    "Write Error": GOING_AWAY,
    "Read Error": GOING_AWAY,
    "Stale Connection": GOING_AWAY,
    "Server Shutdown": GOING_AWAY,
}


def close_code(reason: str) -> int:
    """Return the status of the frame that tells a client why its connection ends."""
    return _CODES.get(reason, INTERNAL_ERROR)


def websocket_options(options: Options, websocket: Websocket) -> Options:
    """Return the options that hold for this listener's clients."""
    own = websocket.authorization
    authorization = options.authorization
    if own is not None:
        if own.user or own.token:
            authorization = replace(
                authorization, user=own.user, password=own.password, token=own.token
            )
        if own.timeout_ns:
            authorization = replace(authorization, timeout_ns=own.timeout_ns)
    return replace(
        options,
        authorization=authorization,
        ping_interval_ns=websocket.ping_interval_ns or options.ping_interval_ns,
    )


def has_own_login(websocket: Websocket) -> bool:
    """Say whether the listener has a login of its own instead of the server's."""
    own = websocket.authorization
    return own is not None and bool(own.user or own.token)


def websocket_info(info: ServerInfo, websocket: Websocket, *, port: int) -> ServerInfo:
    """Return INFO as this listener's clients get it. `port` is the one that is listened on."""
    is_tls = websocket.tls is not None
    return msgspec.structs.replace(
        info,
        host=websocket.host,
        port=port,
        tls_required=is_tls,
        tls_available=is_tls,
        auth_required=info.auth_required
        or has_own_login(websocket)
        or bool(websocket.no_auth_user),
    )
