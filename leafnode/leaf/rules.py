"""What may cross a link to a hub, each way: the deny table, the user's options, the hub's word.

Pure. Directions are named from here: import is what comes in, export what goes out. Filtering is
the sender's duty: a hub answers plain `$JS.API` requests of a leaf and takes its `$KV` writes, so
each JetStream call would be answered, and each stream made, twice. Truth: nats-server 2.15.1
server/leafnode.go; the table and the hub's behaviour are measured on its binary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.leaf.loop import LOOP_PREFIX
from leafnode.routing.permissions import Permissions, Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.protocol.leaf_op import SubjectRulesInfo

# Own to each server, whatever the domains are. $SYS: both sides serve `$SYS.REQ.USER.INFO` and
# its like, so a request that crossed would get two answers.
_NEVER_CROSSES: Final = (b"$JS.API.>", b"$KV.>", b"$OBJ.>", b"$SYS.>")
# Replies that a peer may always get: service import replies and acknowledgements.
_EXEMPT_MESSAGES: Final = (b"_R_.", b"$JS.ACK.")
# Interest that is the link's own business.
_EXEMPT_INTEREST: Final = (LOOP_PREFIX, b"_GR_.", b"$GR.")
_GATEWAY_REPLY: Final = b"_GR_."
_GATEWAY_REPLY_PREFIX_BYTES: Final = 19  # _GR_.<6 of the cluster's hash>.<6 of the server's hash>.


@dataclass(frozen=True, slots=True)
class LinkRules:
    """The rules of one link.

    `permissions` are the hub's as a peer of our account: it publishes what we import, and
    receives what we export. `announce` judges our LS+ lines, `accept` the hub's.
    """

    permissions: Permissions
    announce: Rules
    accept: Rules

    def may_announce(self, subject: bytes) -> bool:
        """Judge an LS+ to the hub: a literal outside ends the link, a wildcard may overlap."""
        return self.announce.allows_pattern(subject, partly=True)

    def may_accept(self, subject: bytes) -> bool:
        """Judge an LS+ of the hub: one that could never be served is ignored."""
        return self.accept.allows_pattern(subject, partly=True)


class ExportRules(Rules):
    """Judges what goes out. A reply that a gateway has wrapped is judged by the subject inside."""

    __slots__ = ()

    def allows(self, subject: bytes, queue: bytes = b"") -> bool:
        if subject.startswith(_GATEWAY_REPLY):
            subject = subject[_GATEWAY_REPLY_PREFIX_BYTES:]
        return super().allows(subject, queue)


def link_rules(
    *,
    domain: str,
    hub_domain: str,
    deny_imports: Iterable[str] = (),
    deny_exports: Iterable[str] = (),
    hub_import: SubjectRulesInfo | None = None,
    hub_export: SubjectRulesInfo | None = None,
) -> LinkRules:
    """Return the rules of a link between non-system accounts.

    `hub_import` and `hub_export` are the permissions of our user at the hub, as its INFO gives
    them.
    """
    never_out: tuple[bytes, ...] = _NEVER_CROSSES
    if domain and domain != hub_domain:
        never_out = (*never_out, b"$JS.%b.API.>" % domain.encode())
    deny_in = (*_NEVER_CROSSES, *_encode(deny_imports), *_denied(hub_import))
    deny_out = (*never_out, *_encode(deny_exports), *_denied(hub_export))
    allow_in = _allowed(hub_import)
    allow_out = _allowed(hub_export)
    return LinkRules(
        permissions=Permissions(
            publish=Rules(allow_in, deny_in, exempt=_EXEMPT_MESSAGES),
            subscribe=ExportRules(allow_out, deny_out, exempt=_EXEMPT_MESSAGES),
        ),
        announce=Rules(allow_in, deny_in, exempt=_EXEMPT_INTEREST),
        accept=Rules(allow_out, deny_out, exempt=_EXEMPT_INTEREST + _EXEMPT_MESSAGES),
    )


def _allowed(info: SubjectRulesInfo | None) -> tuple[bytes, ...] | None:
    return _encode(info.allow) if info is not None and info.allow else None


def _denied(info: SubjectRulesInfo | None) -> tuple[bytes, ...]:
    return _encode(info.deny) if info is not None and info.deny else ()


def _encode(patterns: Iterable[str]) -> tuple[bytes, ...]:
    # "subject queue" restricts queue groups on nats-server; the subject is what holds for messages.
    words = (pattern.split() for pattern in patterns)
    return tuple(word[0].encode("utf-8", "replace") for word in words if word)
