"""What the log says of clients: who one is, and what it did wrong, in nats-server's words.

Knows CONNECTs and errors; not sockets, and no secret: names and public keys are all it shows. A
client can do wrong as often as it likes, so the lines of a second are bounded. Truth: nats-server
2.15.1 server/client.go, measured.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from leafnode.auth.identity import ConnectionType
from leafnode.auth.nkey import is_public_user_key
from leafnode.clock import NS_PER_S
from leafnode.limits import CLIENT_ERROR_LINES_MAX, REFUSAL_SHOWN_CHARS_MAX
from leafnode.protocol import errors
from leafnode.protocol.info import DEFAULT_CONNECT, REDACTED

if TYPE_CHECKING:
    from leafnode.auth.identity import Identity, LoginRefused
    from leafnode.errors import ProtocolError
    from leafnode.protocol.info import Connect
    from leafnode.routing.peer import Peer

log = logging.getLogger(__name__)

# Told at the level of errors; of other errors the text is that of the wire, if there is one.
_TEXTS: Final[dict[type[ProtocolError], str]] = {
    errors.MaxPayloadViolation: "maximum payload exceeded",
    errors.MaxControlLine: "maximum control line exceeded",
    errors.MaxConnectionsExceeded: "maximum connections exceeded",
    errors.ConnectionThrottled: "connection throttling is active",
    errors.MaxAccountConnectionsExceeded: "maximum account active connections exceeded",
    errors.MaxSubscriptionsExceeded: "maximum subscriptions exceeded",
    errors.InvalidClientProtocol: "invalid client protocol",
    errors.NoRespondersRequiresHeaders: "no responders requires headers support",
    errors.ParserError: "Client parser ERROR",  # what came may hold a secret
    errors.UnknownOperation: "Client parser ERROR",
}
_DEBUG_TEXTS: Final[dict[type[ProtocolError], str]] = {
    errors.StaleConnection: "Stale Client Connection - Closing",
    errors.AuthenticationTimeout: "Authentication Timeout",
    errors.UserAuthenticationExpired: "User Authentication Expired",
    errors.AccountAuthenticationExpired: "Account Authentication Expired",
    errors.UserAuthenticationRevoked: "User Authentication Revoked",
}


_WITH_DETAILS: Final = (
    errors.PermissionsViolation,
    errors.AuthorizationViolation,
    errors.ConnectMalformed,
)


_ID_NAMES: Final = {ConnectionType.STANDARD: "cid", ConnectionType.WEBSOCKET: "wid"}


class Named(Protocol):
    """What a client must tell to be named."""

    peer: Peer

    @property
    def kind(self) -> ConnectionType: ...

    @property
    def connect(self) -> Connect: ...

    @property
    def identity(self) -> Identity | None: ...

    def address(self) -> str: ...


class Label:
    """The label of a client, made only where a line is written."""

    __slots__ = ("_client",)

    def __init__(self, client: Named) -> None:
        self._client = client

    def __str__(self) -> str:
        return label(self._client)


def label(client: Named) -> str:
    """Return `ip:port - cid:5 - "v1.2:go:name" - "account/user:name"`, as far as it is known."""
    words = [login_label(client.address(), client.kind, client.peer.cid)]
    connect, account = client.connect, client.peer.account
    if client.identity is None:
        return words[0]
    version = f"v{connect.version}" if connect.version else ""
    named = ":".join(word for word in (version, connect.lang, connect.name) if word)
    user = _user_label(connect, client.identity)
    if named:
        words.append(_quoted(named))
    if user and account is not None:
        words.append(_quoted(f"{account.title}/{user}"))
    return " - ".join(words)


def login_label(address: str, kind: ConnectionType, cid: int) -> str:
    """Return what a connection is called that is nobody yet."""
    return f"{address} - {_ID_NAMES.get(kind, 'lid')}:{cid}"


def _user_label(connect: Connect, identity: Identity) -> str:
    if connect.nkey:
        return f"nkey:{connect.nkey}"
    if connect.user:
        # Whom an auth callout service names is called that, not what he said.
        is_named = bool(identity.key) and identity.user != identity.key
        return f"user:{identity.user if is_named else connect.user}"
    if identity.key:
        return f"jwt:{identity.key}"
    if connect.auth_token:
        return "token"
    # Whom a no_auth_user lets in is labelled once it has said CONNECT, as there.
    is_named = bool(identity.user) and connect is not DEFAULT_CONNECT
    return f"user:{identity.user}" if is_named else ""


def is_told(error: ProtocolError) -> bool:
    """Say whether a line tells of an error at its own level."""
    return isinstance(error, _WITH_DETAILS) or type(error) in _TEXTS


def error_text(client: Named, error: ProtocolError) -> str:
    """Return what that line says."""
    match error:
        case errors.ReplyViolation(args=(_, reply, *_)):
            return f"Publish Violation - Reply {_go_quoted(reply)}"
        case errors.TooManyTokens(args=(_, subject, *_), sid=sid):
            shown = _go_quoted(subject)
            return f"Subscription Violation Too Many Tokens - Subject {shown}, SID {_plain(sid)}"
        case errors.PermissionsViolation(args=(b"Publish", subject, *_)):
            return f"Publish Violation - Subject {_go_quoted(subject)}"
        case errors.PermissionsViolation(args=(_, subject, queue), sid=sid):
            shown = f", Queue: {_go_quoted(queue)}" if queue else ""
            return (
                f"Subscription Violation - Subject {_go_quoted(subject)}{shown}, SID {_plain(sid)}"
            )
        case errors.AuthorizationViolation():
            who = _who(client.connect)
            return f"authentication error - {who}" if who else "authentication error"
        case errors.ConnectMalformed():
            return str(error)
        case _:
            return _TEXTS[type(error)]


def _who(connect: Connect) -> str:
    if connect.nkey:
        # Somebody may send a seed by mistake.
        is_key = is_public_user_key(connect.nkey)
        return f'Nkey "{connect.nkey if is_key else REDACTED}"'
    if connect.user:
        return f"User {_quoted(connect.user)}"
    return f'Token "{REDACTED}"' if connect.auth_token else ""


def withdrawn(client: Named, subject: bytes, queue: bytes, sid: bytes) -> str:
    """Return what is told of a subscription that a reload took away."""
    group = f" using queue {_go_quoted(queue)}" if queue else ""
    identity = client.identity
    name = identity.user if identity is not None else ""  # of a no_auth_user, who says nothing
    who = _who(client.connect) or f"User {_quoted(name or 'N/A')}"
    shown = f"{_go_quoted(subject)}{group} (sid {_go_quoted(sid)})"
    return f"Removed sub {shown} for {who} - not authorized"


class ErrorLines:
    """Writes what clients do wrong, up to CLIENT_ERROR_LINES_MAX lines in a second."""

    __slots__ = ("_lines", "_of", "_since_ns", "unlogged")

    def __init__(self, of: str = "clients") -> None:
        self._of = of
        self._lines = 0
        self._since_ns = 0
        self.unlogged = 0  # of the second that runs

    def tell(self, client: Named, error: ProtocolError, now_ns: int) -> None:
        """Write a line for the error, if one is due and there is room."""
        if text := _DEBUG_TEXTS.get(type(error), ""):
            log.debug("%s - %s", label(client), text)
        elif is_told(error) and self.has_room(now_ns):  # a text may hold 4 KB, so it comes last
            log.error("%s - %s", label(client), error_text(client, error))

    def refused(self, who: str, refusal: LoginRefused, now_ns: int) -> None:
        """Write why a login was refused, where that is not what the client did."""
        if refusal.error and self.has_room(now_ns):
            log.error("%s - %s", who, refusal.error)
        if refusal.warning and self.has_room(now_ns):
            log.warning("%s", _shown(refusal.warning))

    def has_room(self, now_ns: int) -> bool:
        """Say whether one more line may be written, and count it as such."""
        if now_ns - self._since_ns >= NS_PER_S:
            self._begin(now_ns)
        if self._lines >= CLIENT_ERROR_LINES_MAX:
            self.unlogged += 1
            return False
        self._lines += 1
        return True

    def _begin(self, now_ns: int) -> None:
        """Begin another second, and say how much of the last one was left out."""
        if self.unlogged:
            log.error("%d more errors of %s were not logged", self.unlogged, self._of)
        self._since_ns, self._lines, self.unlogged = now_ns, 0, 0


def _go_quoted(text: bytes) -> str:
    return errors.quoted(text).decode("utf-8", "replace")


def _quoted(text: str) -> str:
    return _go_quoted(text.encode("utf-8", "surrogatepass"))


def _shown(text: str) -> str:
    """Return what a service says, as one line of the log."""
    text = text[:REFUSAL_SHOWN_CHARS_MAX]
    return "".join(char if char.isprintable() else "?" for char in text)


def _plain(sid: bytes) -> str:
    return _quoted(sid.decode("utf-8", "replace"))[1:-1]
