"""Message tracing: which messages are traced, and what became of each.

A message whose header names a destination (`Nats-Trace-Dest`) is delivered like any other, and
every step is noted; at the end the notes are published there. `Nats-Trace-Only` notes the steps
without delivering. Knows messages, peers and subscriptions; not how notes are written
(system.trace). What a header asks for is believed only where its sender may publish to the
destination itself.
Truth: nats-server 2.15.1 server/msgtrace.go; measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from leafnode.config.options import SYSTEM_ACCOUNT
from leafnode.limits import NOTE_WORK, SAME_HEADER_MAX, TRACE_NOTES_MAX, TRACE_WORK
from leafnode.protocol import header
from leafnode.protocol.errors import PermissionsViolation, wire_line
from leafnode.protocol.subject import is_valid_literal
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import is_listed, is_over, is_reserved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.routing.route import Message
    from leafnode.routing.subscription import Subscription

DEST: Final = b"Nats-Trace-Dest"
ONLY: Final = b"Nats-Trace-Only"
HOP: Final = b"Nats-Trace-Hop"
ORIGIN_ACCOUNT: Final = b"Nats-Trace-Origin-Account"
_FIRST_LINE: Final = header.VERSION + b"\r\n"
DISABLED: Final = b"trace disabled"  # no subject, so that nobody traces from here on
_PARENT: Final = b"traceparent"
_OF_AN_OLD_SERVER: Final = 'Message tracing disabled because of header "Nats-Trace-Origin-Account"'
_INVALID: Final = "The destination of a message trace is not valid, it is not traced"
_TRUE: Final = frozenset({b"1", b"true", b"on"})
_SAMPLED: Final = 1  # the flag of a traceparent

NO_ECHO: Final = "Not delivered because of no echo"
PUBLISH_DENIED: Final = "Not delivered because publish denied for this subject"
SUBSCRIBE_DENIED: Final = "Not delivered because subscription denies this subject"
SUBSCRIPTION_CLOSED: Final = "Not delivered because subscription is closed"
NOT_TRACED_ON: Final = (
    "Message delivered but remote does not support message tracing "
    "so no trace event generated from there"
)
ONLY_NOT_TRACED_ON: Final = "Not delivered because remote does not support message tracing"
CLIENT_CLOSED: Final = "Not delivered because client is closed"

# nats-server's numbers for what is at the other end.
_KINDS: Final = {Kind.CLIENT: 0, Kind.SYSTEM: 3, Kind.LEAF: 4}


class Note(NamedTuple):
    """One step: `type` is nats-server's, `fields` are its other keys in order."""

    type: str
    time_ns: int
    fields: dict[str, object]


class Tracer(Protocol):
    """What tracing needs of the server."""

    def wall_ns(self) -> int: ...

    def is_sampled(self, percent: int) -> bool:
        """Throw the dice for one message."""
        ...

    def complain(self, text: str) -> None:
        """Tell the operator that a message asked for something impossible."""
        ...

    def send(self, trace: Trace) -> None:
        """Publish what was noted."""
        ...


class Trace:
    """The notes about one message. It is sent when nobody holds it any more."""

    __slots__ = (
        "_held",
        "_hop",
        "_tracer",
        "account",
        "dest",
        "header",
        "hops",
        "notes",
        "only",
        "size",
    )

    def __init__(
        self, tracer: Tracer, account: Account, dest: bytes, block: bytes, size: int
    ) -> None:
        self._tracer = tracer
        self._held = 1  # by whoever delivers the message
        self._hop = b""  # where the message came from, on its way through servers
        self.account = account
        self.dest = dest
        self.header = block
        self.size = size
        self.only = False
        self.hops = 0
        self.notes: list[Note] = []

    def hold(self) -> None:
        """Wait for one more that has something to add."""
        self._held += 1

    def release(self) -> None:
        self._held -= 1
        if not self._held:
            self._tracer.send(self)

    def note(self, step: str, /, **fields: object) -> dict[str, object]:
        """Add a step; the fields may still be completed."""
        self.account.system.outbox.work_left -= NOTE_WORK
        self.notes.append(Note(step, self._tracer.wall_ns(), fields))
        return fields

    @property
    def _is_full(self) -> bool:
        """Say whether receivers are left out from here on: of very many the first tell enough."""
        return len(self.notes) >= TRACE_NOTES_MAX

    def came_in(self, peer: Peer, subject: bytes, hop: bytes) -> None:
        self._hop = hop
        fields: dict[str, object] = {"kind": _KINDS[peer.kind], "cid": peer.cid}
        if peer.name:
            fields["name"] = peer.name
        self.note("in", **fields, acc=self.account.name, subj=_text(subject))

    def refused(self, error: str) -> None:
        """The message did not get past its publisher's permissions or the server's limits."""
        self.notes[0].fields["error"] = error

    def was_mapped(self, subject: bytes) -> None:
        self.note("sm", to=_text(subject))

    def goes_to(self, sub: Subscription, *, error: str = "", hop: str = "") -> None:
        """Note that a message leaves for this subscription, or why it does not."""
        if self._is_full:
            return
        peer = sub.peer
        fields: dict[str, object] = {"kind": _KINDS[peer.kind], "cid": peer.cid}
        if peer.name:
            fields["name"] = peer.name
        if hop:
            fields["hop"] = hop
        if peer.account is not None and peer.account is not self.account:
            fields["acc"] = peer.account.name
        if peer.kind is Kind.CLIENT:
            fields["sub"] = _text(sub.subject)
            if sub.queue:
                fields["queue"] = _text(sub.queue)
        if error:
            fields["error"] = error
        self.note("eg", **fields)

    def is_held_back(self, sub: Subscription, origin: Peer) -> None:
        """Note why `may_deliver` said no."""
        peer = sub.peer
        if peer.kind is Kind.SYSTEM or (peer is origin and peer.is_leaf):
            return
        if is_over(sub):
            self.goes_to(sub, error=SUBSCRIPTION_CLOSED)
        elif peer.closing:
            self.goes_to(sub, error=CLIENT_CLOSED)
        elif peer is origin and not peer.echo:
            self.goes_to(sub, error=NO_ECHO)
        elif peer.kind is Kind.CLIENT:
            self.goes_to(sub, error=SUBSCRIBE_DENIED)
        elif not origin.is_leaf:
            self.goes_to(sub, error=PUBLISH_DENIED)

    def is_exported(self, sub: Subscription, shown: bytes) -> bool:
        """Note that another account gets the message as `shown`; say whether that may be followed.

        Where it may not, nothing more of it is noted.
        """
        assert sub.shadow is not None, "only an import is exported to"
        assert sub.peer.account is not None, "it subscribed in an account"
        if not self._is_full:
            self.note("se", acc=sub.peer.account.name, to=_text(shown))
        return sub.shadow.by.allow_trace

    def is_imported(self, exporter: Account, subject: bytes, to: bytes) -> None:
        """Note that a request goes to a service of another account, as `to`."""
        fields: dict[str, object] = {"from": _text(subject), "to": _text(to)}
        self.note("si", acc=exporter.name, **fields)

    def is_served(self, subject: bytes, to: bytes) -> bool:
        """Note that the server itself answers, as `to` of its system account, whose services are
        imported on nats-server. Nothing more is noted; say whether it is to be traced only.
        """
        services = self.account.services
        system = services.world.system if services is not None else None
        name = system.name if system is not None else SYSTEM_ACCOUNT
        self.note("si", acc=name, **{"from": _text(subject), "to": _text(to)})
        return self.only

    def sent_on(self, sub: Subscription, message: Message) -> Message | None:
        """Note that a message leaves for another server, and return it with its way up to there.

        Also one that is not to be delivered leaves: the other server notes what it would do. None
        where it would not know.
        """
        self.hops += 1
        own = b"%d" % self.hops
        hop = self._hop + b"." + own if self._hop else own
        error = ""
        if not sub.peer.traces:
            error = ONLY_NOT_TRACED_ON if self.only else NOT_TRACED_ON
        self.goes_to(sub, hop=hop.decode("utf-8", "replace"), error=error)
        if error and self.only:
            return None
        block = header.replaced(message.body[: message.header_size], HOP, hop)
        body = block + message.body[message.header_size :]
        return message._replace(header_size=len(block), body=body, sizes=b"")


class Refused(Exception):  # noqa: N818 -- what happened
    """The message goes nowhere; `error` is for its publisher, None: nothing is said."""

    def __init__(self, error: PermissionsViolation | None = None) -> None:
        super().__init__(error)
        self.error = error


def asks(account: Account, data: bytes) -> bool:
    """Say whether a message with a header may ask for a trace: cheap, and never wrongly no.

    Without a tracer here other servers may have one: who asks must be one who may.
    """
    if DEST in data:
        return True
    return bool(account.trace_dest) and _PARENT in data.lower()


def any_asks(account: Account, messages: list[bytes]) -> bool:
    """Say the same of many at once: one search in all of them costs a third of many.  HOT"""
    return asks(account, b"".join(messages))


class Begun(NamedTuple):
    """A trace if there is one, and the header as the message is to have it from here on."""

    trace: Trace | None
    block: bytes


def begin(account: Account, peer: Peer, subject: bytes, block: bytes, size: int) -> Begun:
    """Start the trace that a header asks for. Raises Refused.

    `size` is that of the whole message.
    """
    tracer = account.tracer
    peer.outbox.work_left -= TRACE_WORK + len(block)
    only = False
    try:
        only = next(_scan(block, block, ONLY), b"").lower() in _TRUE
        fields = _fields(block)
        if fields is None:
            return Begun(None, block)
        only = only and DEST in fields
        dest = _destination(account, peer, fields, tracer)
    except _NoTrace as no:
        if only:
            raise Refused from None
        return Begun(None, without_trace(block) if no.for_all else block)
    # By the lists alone: what somebody may answer is no place for notes.
    if is_reserved(dest) or not is_listed(peer, dest):
        raise Refused(PermissionsViolation(b"Publish", dest))
    if tracer is None:
        if only:
            raise Refused
        return Begun(None, block)
    trace = Trace(tracer, account, dest, block, size)
    trace.only = only
    hop = fields[HOP] if peer.kind is not Kind.CLIENT else b""
    trace.came_in(peer, subject, hop)
    return Begun(trace, block)


def refuse(peer: Peer, refusal: Refused) -> None:
    """Tell a client why its message went nowhere."""
    if refusal.error is not None and peer.kind is Kind.CLIENT:
        peer.send(wire_line(refusal.error))


def without_trace(block: bytes) -> bytes:
    """Return a header that makes no server trace the message any more."""
    return header.replaced(block, DEST, DISABLED)


class _NoTrace(Exception):  # noqa: N818 -- what follows
    """The header asks for nothing that can be done. `for_all`: no other server is to trace it."""

    def __init__(self, *, for_all: bool) -> None:
        super().__init__(for_all)
        self.for_all = for_all


def _destination(
    account: Account, peer: Peer, fields: dict[bytes, bytes], tracer: Tracer | None
) -> bytes:
    """Return where the notes go. Raises _NoTrace."""
    dest = fields.get(DEST, b"")
    if not dest:  # a traceparent alone: the account says where to, and how many of them
        dest = account.trace_dest
        if not dest or tracer is None:
            raise _NoTrace(for_all=False)
        if peer.kind is Kind.CLIENT and not tracer.is_sampled(account.trace_sampling):
            raise _NoTrace(for_all=True)
        return dest
    is_old = bool(fields[ORIGIN_ACCOUNT])
    if not is_old and is_valid_literal(dest):
        return dest
    if tracer is not None:
        tracer.complain(_OF_AN_OLD_SERVER if is_old else _INVALID)
    raise _NoTrace(for_all=is_old)


def _fields(block: bytes) -> dict[bytes, bytes] | None:
    """Return the first value of each header about a trace, or None where none asks for one.

    Other servers look at the same header. What this one overlooks they would trace to where its
    sender may not publish, so it is read by the same rules. Raises _NoTrace.
    """
    if not block.startswith(_FIRST_LINE):
        return None
    fields = {}
    dest = next(_scan(block, block, DEST), b"")
    if dest == DISABLED:
        return None
    if dest:
        fields[DEST] = dest
    elif not any(_is_sampled(value) for value in _scan(block, block.lower(), _PARENT)):
        return None
    for name in (HOP, ORIGIN_ACCOUNT):
        fields[name] = next(_scan(block, block, name), b"")
    return fields


def _scan(block: bytes, folded: bytes, name: bytes) -> Iterator[bytes]:
    """Yield what is said under a name, where it is not empty, as nats-server finds it.

    There a name reaches from behind the last value to the next colon, wherever that is: it stands
    alone behind the first line and behind one with a colon. An empty line ends nothing. `folded` is
    the block with the letters that count. Raises _NoTrace behind the SAME_HEADER_MAXth time.
    """
    line = b"\r\n%b:" % name
    at = folded.find(line)
    for _ in range(SAME_HEADER_MAX):
        if at < 0:
            return
        start = at + len(line)
        end = block.find(b"\r\n", start)
        if end < 0:
            return
        before = block.rfind(b"\r\n", 0, at) + 2
        if at + 2 == len(_FIRST_LINE) or block.find(b":", before, at) >= 0:
            value = block[start:end].strip(b" \t")
            if value:
                yield value
        at = folded.find(line, start)
    if at >= 0:
        raise _NoTrace(for_all=True)


def _is_sampled(value: bytes) -> bool:
    """Read the flags of a W3C trace context: `version-trace-parent-flags`."""
    parts = value.split(b"-")
    if len(parts) != 4 or len(parts[3]) != 2:
        return False
    try:
        flags = int(parts[3], 16)
    except ValueError:
        return False
    return flags < 0x80 and bool(flags & _SAMPLED)  # Go reads them as a signed byte


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
