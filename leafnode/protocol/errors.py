"""What a peer can get wrong, with the bytes that nats-server 2.15.1 answers.

The texts are literal and not uniform ('Maximum Payload Violation' beside 'maximum control line
exceeded'): tests/conformance/transcripts holds each of them against the real server.
"""

from __future__ import annotations

from typing import Final

from leafnode.errors import ProtocolError
from leafnode.go_json import GO_ESCAPES


class ParserError(ProtocolError):
    """A control line that starts like a known operation and is malformed: closed without a word."""


class Complaint(ProtocolError):  # noqa: N818
    """A client's own -ERR: closed without a word, too."""


class ConnectMalformed(ParserError):  # noqa: N818 -- what happened
    """A CONNECT that is not the JSON of one; says what is wrong, and nothing of what was read."""


class UnknownOperation(ProtocolError):  # noqa: N818 -- named after its wire text
    """Bytes that are no NATS operation."""

    wire_error = b"Unknown Protocol Operation"


class MaxControlLine(ProtocolError):  # noqa: N818
    """A control line longer than max_control_line."""

    wire_error = b"maximum control line exceeded"


class MaxPayloadViolation(ProtocolError):  # noqa: N818
    """A payload, headers included, larger than max_payload."""

    wire_error = b"Maximum Payload Violation"


class InvalidSubject(ProtocolError):  # noqa: N818
    """A SUB whose subject is no subject. The connection lives."""

    wire_error = b"Invalid Subject"
    closes = False


class InvalidPublishSubject(ProtocolError):  # noqa: N818
    """A PUB in pedantic mode whose subject is not a valid literal. The connection lives."""

    wire_error = b"Invalid Publish Subject"
    closes = False


class AuthorizationViolation(ProtocolError):  # noqa: N818
    """Missing or wrong credentials, or an operation before CONNECT where credentials are needed."""

    wire_error = b"Authorization Violation"


class AuthenticationTimeout(ProtocolError):  # noqa: N818
    """No CONNECT within the deadline, counted from accept."""

    wire_error = b"Authentication Timeout"


class UserAuthenticationExpired(ProtocolError):  # noqa: N818
    """The user's credentials held until now."""

    wire_error = b"User Authentication Expired"


class AccountAuthenticationExpired(ProtocolError):  # noqa: N818
    """The account's JWT held until now, or the account was removed."""

    wire_error = b"Account Authentication Expired"


class UserAuthenticationRevoked(ProtocolError):  # noqa: N818
    """The account says that the user's JWT holds no more."""

    wire_error = b"User Authentication Revoked"


class CredentialsChanged(ProtocolError):  # noqa: N818
    """What signed the user's JWT is gone or differs: closed without a word."""


class InvalidClientProtocol(ProtocolError):  # noqa: N818
    """CONNECT names a protocol number that does not exist."""

    wire_error = b"invalid client protocol"


class NoRespondersRequiresHeaders(ProtocolError):  # noqa: N818
    """CONNECT asks for no_responders without headers."""

    wire_error = b"no responders requires headers support"


class StaleConnection(ProtocolError):  # noqa: N818
    """ping_max PINGs went unanswered."""

    wire_error = b"Stale Connection"


class MaxConnectionsExceeded(ProtocolError):  # noqa: N818
    """max_connections are open already."""

    wire_error = b"maximum connections exceeded"


class ConnectionThrottled(ProtocolError):  # noqa: N818
    """Too many are on their way in; whoever comes again later finds a place."""

    wire_error = b"Connection throttling is active. Please try again later."


class MaxAccountConnectionsExceeded(ProtocolError):  # noqa: N818
    """The account has as many clients as it may, or more since its limit fell."""

    wire_error = b"maximum account active connections exceeded"


class MaxSubscriptionsExceeded(ProtocolError):  # noqa: N818
    """max_subscriptions of this connection are in use. The connection lives."""

    wire_error = b"maximum subscriptions exceeded"
    closes = False


class SlowConsumer(ProtocolError):  # noqa: N818
    """More than max_pending bytes wait for a client that does not read."""

    wire_error = b"Slow Consumer"


class Worded(ProtocolError):  # noqa: N818 -- what it is
    """An error whose text says what it was about."""

    wire_text: bytes


class PermissionsViolation(Worded):
    """A subject that the user may not publish or subscribe to. The connection lives."""

    closes = False

    def __init__(
        self, verb: bytes, subject: bytes, queue: bytes = b"", *, sid: bytes = b""
    ) -> None:
        super().__init__(verb, subject, queue)
        self.sid = sid
        text = b"Permissions Violation for %b to %b" % (verb, quoted(subject))
        if queue:
            text += b" using queue " + quoted(queue)
        self.wire_text = text


class SubscriptionWithdrawn(PermissionsViolation):
    """A subscription that a reload took away. The connection lives."""

    def __init__(self, subject: bytes, queue: bytes, sid: bytes) -> None:
        super().__init__(b"Subscription", subject, queue, sid=sid)
        self.wire_text += b" (sid %b)" % quoted(sid)


class ReplyViolation(PermissionsViolation):
    """A message that asks for answers on a subject that only servers use. The connection lives."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(b"Publish", reply)
        self.wire_text = b"Permissions Violation for Publish with Reply of " + quoted(reply)


class TooManyTokens(PermissionsViolation):
    """A SUB whose subject has more than max_subscription_tokens. The connection lives."""

    def __init__(self, subject: bytes, *, sid: bytes = b"") -> None:
        super().__init__(b"Subscription", subject, sid=sid)
        self.wire_text += b", too many tokens"


def quoted(text: bytes) -> bytes:
    """Return it as Go's %q shows it: in quotes, with what cannot be printed escaped."""
    shown = text.decode("utf-8", "surrogateescape").translate(_QUOTED)
    if not shown.isprintable():  # more than control characters and odd bytes: one by one
        shown = "".join(map(_shown, shown))
    return b'"%b"' % shown.encode()


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


# A whole subject of them is the work of one call.
_QUOTED: Final = {code: _shown(chr(code)) for code in (*range(32), 127, *range(0xDC80, 0xDD00))}
_QUOTED.update({ord(char): escaped for char, escaped in GO_ESCAPES.items()})


def wire_line(error: ProtocolError) -> bytes:
    """Return the -ERR line for an error, empty for one that closes silently."""
    text = error.wire_text if isinstance(error, Worded) else error.wire_error
    return b"-ERR '%b'\r\n" % text if text else b""
