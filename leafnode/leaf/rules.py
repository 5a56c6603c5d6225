"""What may cross a leaf link, each way: the deny table, the user's options, the hub's word.

Pure. A spoke's directions are named from it: import is what comes in, export what goes out; a hub
has its user's names: it may send what the leaf imports. Filtering is the sender's duty: a hub
answers plain `$JS.API` requests of a leaf and takes its `$KV` writes, so each JetStream call would
be answered, and each stream made, twice. Truth: nats-server 2.15.1 server/leafnode.go; the table
and the hub's behaviour are measured on its binary.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from leafnode.protocol import subject as subjects
from leafnode.protocol.leaf_op import SubjectRulesInfo
from leafnode.routing.gateway_replies import unrouted
from leafnode.routing.leaf_interest import LOOP_PREFIX
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.subject_set import SubjectSet

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from leafnode.routing.peer import Outbox

    # Rules in the making: a user's lists may be long, so there are many small steps.
    Making = Generator[None, None, "LinkRules"]

# Own to each server, whatever the domains are. $SYS: both sides serve `$SYS.REQ.USER.INFO` and
# its like, so a request that crossed would get two answers.
_JETSTREAM: Final = (b"$JS.API.>", b"$KV.>", b"$OBJ.>")
_SYSTEM: Final = b"$SYS.>"
_NEVER_CROSSES: Final = (*_JETSTREAM, _SYSTEM)
# Between system accounts, which are there for `$SYS`. Domains are never extended: that is raft.
_NEVER_BETWEEN_SYSTEMS: Final = (*_JETSTREAM, b"$JSC.>", b"$NRG.>")
# Replies that a peer may always get: service import replies and acknowledgements.
_EXEMPT_MESSAGES: Final = (b"_R_.", b"$JS.ACK.")
# Interest that is the link's own business.
_EXEMPT_INTEREST: Final = (LOOP_PREFIX, b"_GR_.", b"$GR.")
# A hub says that it has JetStream, for a leaf that uses it as its own; others do not ask it there.
_API: Final = b"$JS.API."


class Verdict(Enum):
    """What becomes of an LS+ of the other side."""

    TAKEN = auto()
    IGNORED = auto()  # it could never be served
    VIOLATION = auto()  # the leaf was told that it may not


@dataclass(frozen=True, slots=True)
class LinkRules:
    """The rules of one link.

    `permissions` are the other side's as a peer of our account: what it may publish here, and what
    it may receive. `announce` judges our LS+ lines, `accept` the other side's. `strict`: a literal
    that `accept` forbids is a violation, as a hub sees it.
    """

    permissions: Permissions
    announce: Rules
    accept: Rules
    strict: bool = False

    def may_announce(self, subject: bytes, payer: Outbox) -> bool:
        """Judge an LS+ of ours: a literal outside ends the link, a wildcard may overlap."""
        return self.announce.allows_partly(subject, payer)

    def judge(self, subject: bytes, payer: Outbox) -> Verdict:
        """Judge an LS+ of the other side, which is work of `payer`'s turn.

        A hub takes every wildcard and filters what it sends; `$SYS` is ignored, because each server
        answers its own users and real leafs announce it.
        """
        if not self.strict:
            return Verdict.TAKEN if self.accept.may_let(subject, payer) else Verdict.IGNORED
        payer.work_left -= self.accept.work
        if subject.startswith(b"$SYS.") and self.accept.denies(subject):
            return Verdict.IGNORED
        if not subjects.is_literal(subject) or self.accept.allows(subject):
            return Verdict.TAKEN
        return Verdict.VIOLATION


class LeafRules(Rules):
    """Judges interest. Sessions of MQTT clients are a server's own, whatever its user may."""

    __slots__ = ()

    unlisted = (b"$MQTT.",)


class ExportRules(LeafRules):
    """Judges messages. A reply that a gateway has wrapped is judged by the subject inside."""

    __slots__ = ()

    def allows(self, subject: bytes, queue: bytes = b"") -> bool:
        return super().allows(unrouted(subject), queue)


@dataclass(frozen=True, slots=True)
class Between:
    """The two ends of a link: their JetStream domains, and whether they are system accounts."""

    domain: str  # ours
    other_domain: str
    is_system: bool = False
    shares_jetstream: bool = False  # ours uses the other side's as its own: `default_js_domain`

    @property
    def never_in(self) -> tuple[bytes, ...]:
        """What the other side has of its own."""
        if self.shares_jetstream and not self.is_system:
            return (_SYSTEM,)
        return _NEVER_BETWEEN_SYSTEMS if self.is_system else _NEVER_CROSSES

    @property
    def never_out(self) -> tuple[bytes, ...]:
        """What is ours alone; what is meant for our own domain is not sent away, too."""
        is_apart = self.domain and self.domain != self.other_domain
        if is_apart and not self.shares_jetstream:
            return (*self.never_in, b"$JS.%b.API.>" % self.domain.encode("utf-8", "replace"))
        return self.never_in


def spoke_rules(
    between: Between,
    *,
    deny_imports: Iterable[str] = (),
    deny_exports: Iterable[str] = (),
    hub_import: SubjectRulesInfo | None = None,
    hub_export: SubjectRulesInfo | None = None,
) -> Making:
    """Make the rules of a link that we dialed, on which the other side is our hub.

    `hub_import` and `hub_export` are the permissions of our user at the hub, as its INFO gives
    them.
    """
    comes = yield from Rules.made(_allowed(hub_import), _denied(hub_import))
    # What goes out is of no queue: nats-server takes such a denial for one of the subject.
    denied = _encode(hub_export.deny or ()) if hub_export is not None else ()
    goes = yield from Rules.made(_allowed(hub_export), denied)
    deny_in = yield from SubjectSet.made((*between.never_in, *_encode(deny_imports)))
    deny_out = yield from SubjectSet.made((*between.never_out, *_encode(deny_exports)))
    yield from comes.prepare()
    yield from goes.prepare()
    taken, sent = _EXEMPT_MESSAGES, _EXEMPT_INTEREST + _EXEMPT_MESSAGES
    # An entry for a queue group is the hub's to judge by: it says nothing of what is not of one.
    return LinkRules(
        permissions=Permissions(
            publish=LeafRules.over(comes, deny=deny_in, exempt=taken, is_plain=True),
            subscribe=ExportRules.over(goes, deny=deny_out, exempt=taken, is_plain=True),
        ),
        announce=LeafRules.over(comes, deny=deny_in, exempt=_EXEMPT_INTEREST, is_plain=True),
        accept=LeafRules.over(goes, deny=deny_out, exempt=sent, is_plain=True),
    )


def hub_below_rules(
    between: Between, user: Permissions | None, *, deny_pub: Iterable[str] = ()
) -> Making:
    """Make the rules of a link that was dialed by one who says that it is our hub.

    That is a role, and no right: its user here may no more than under another role. What is
    forbidden is dropped and does not end the link. `deny_pub` is what it asked not to be sent.
    """
    may = user or Permissions(Rules(), Rules())
    comes, goes = may.publish, may.subscribe
    deny_in = SubjectSet(between.never_in)
    deny_out = yield from SubjectSet.made((*between.never_out, *_encode(deny_pub)))
    yield from comes.prepare()
    yield from goes.prepare()
    return LinkRules(
        permissions=Permissions(
            publish=ExportRules.over(comes, deny=deny_in, exempt=_EXEMPT_MESSAGES),
            subscribe=ExportRules.over(goes, deny=deny_out, is_plain=True),
            responses=may.responses,
        ),
        announce=LeafRules.over(comes, deny=deny_in, exempt=_EXEMPT_INTEREST),
        accept=LeafRules.over(goes, deny=deny_out, exempt=_EXEMPT_INTEREST, is_plain=True),
    )


def hub_rules(
    between: Between, user: Permissions | None, *, deny_pub: Iterable[str] = ()
) -> Making:
    """Make the rules of a link on which we are the hub, for the leaf's user here.

    It may send what its user may publish, JetStream's own subjects too: keeping those back is the
    leaf's duty. `deny_pub` is what the leaf asked not to be sent.
    """
    may = user or Permissions(Rules(), Rules())
    imports, exports = may.subscribe, may.publish
    deny_in = SubjectSet(between.never_in)
    deny_out = yield from SubjectSet.made((*between.never_out, *_encode(deny_pub)))
    yield from exports.prepare()
    yield from imports.prepare()
    told = (*_EXEMPT_INTEREST, *(() if between.is_system else (_API,)))
    # An entry for a queue group says nothing of messages that are sent on.
    return LinkRules(
        permissions=Permissions(
            publish=ExportRules.over(exports, exempt=_EXEMPT_MESSAGES),
            subscribe=ExportRules.over(imports, deny=deny_out, is_plain=True),
            responses=may.responses,
        ),
        announce=LeafRules.over(exports, deny=deny_in, exempt=told),
        accept=LeafRules.over(imports, deny=deny_out, exempt=_EXEMPT_INTEREST, is_plain=True),
        strict=True,
    )


def told(rules: Rules) -> SubjectRulesInfo | None:
    """Return one direction of a user's permissions as INFO tells it; None: everything goes."""
    allowed, denied = rules.allowed, rules.denied
    if allowed is None and not denied:
        return None
    return SubjectRulesInfo(
        [one.decode("utf-8", "replace") for one in allowed] if allowed else None,
        [one.decode("utf-8", "replace") for one in denied] if denied else None,
    )


def _allowed(info: SubjectRulesInfo | None) -> tuple[bytes, ...] | None:
    """Return the entries that INFO allows, `subject` or `subject queue`; None: everything."""
    return _encode(info.allow, words=2) if info is not None and info.allow else None


def _denied(info: SubjectRulesInfo | None) -> tuple[bytes, ...]:
    return _encode(info.deny, words=2) if info is not None and info.deny else ()


def _encode(patterns: Iterable[str], words: int = 1) -> tuple[bytes, ...]:
    """Return so many words of each: the subject, and the queue that it is restricted to."""
    found = (pattern.split()[:words] for pattern in patterns)
    return tuple(" ".join(one).encode("utf-8", "replace") for one in found if one)
