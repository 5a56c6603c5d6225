"""Where an answer of the server's own may go: what answers with its rights lends them to nobody.

Knows subjects; not who asked for what. A request names the subject of its answer, and whoever sent
it had the right to send the request alone. Truth: docs/serial/commands.md, "Where answers go".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.routing.gateway_replies import unrouted

if TYPE_CHECKING:
    from logging import Logger

    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery

# Of every client, some with an own name behind it; and of a service import of another server,
# which no client can name (permissions.RESERVED_REPLIES).
_INBOXES: Final = (b"_INBOX.", b"_INBOX_", b"_R_.")
ACK_PREFIX: Final = b"$JS.ACK."  # of what a consumer delivers: it asks for nothing
_STEPS_MAX: Final = 64


def is_of_the_api(subject: bytes) -> bool:
    """Say whether JetStream is asked there, here or in another domain."""
    if not subject.startswith(b"$JS."):
        return False
    _, *rest = subject.split(b".", 3)
    return rest[:1] not in ([b"ACK"], [b"FC"]) and b"API" in rest[:2]


def is_answer(delivery: Delivery) -> bool:
    """Say whether this is an answer, by whatever mapping or import it arrives: of the server
    itself, in whatever account, or of a service of another account's.
    """
    account = delivery.origin.account
    if account is not None and delivery.origin is account.answering:
        return True
    return any(one.is_answer for one in delivery.passed)


def is_request(delivery: Delivery) -> bool:
    """Say whether somebody asks: it is no answer, nor what a stream delivers or publishes again."""
    account = delivery.origin.account
    if account is not None and delivery.origin is account.of_streams:
        return False
    return not is_answer(delivery)


def is_inbox(reply: bytes) -> bool:
    """Say whether an answer may go there."""
    return unrouted(reply).startswith(_INBOXES)


def where_it_was_asked(account: Account, reply: bytes) -> Account:
    """Return the account that imports the service which was asked, or the service's own."""
    response = account.services.responses.get(reply) if account.services is not None else None
    return account if response is None else response.importer.account


def where_it_arrives(account: Account, reply: bytes) -> tuple[Account, bytes]:
    """Return the account and the reply of who asked: service imports send an answer on there.

    No reply for one that does not arrive within as many steps as imports may follow each other.
    """
    for _ in range(_STEPS_MAX):
        response = account.services.responses.get(reply) if account.services is not None else None
        if response is None:
            return account, reply
        account, reply = response.importer.account, response.to
    return account, b""


class Replies:
    """Judges the replies of one place that answers, and counts what it gives no answer."""

    def __init__(self, log: Logger, what: str, account: Account) -> None:
        self._log = log
        self._account = account
        self._what = what
        self.refused = 0

    def checked(self, reply: bytes) -> bytes:
        """Return the reply if an answer may go there, else nothing: nobody waits then.

        A stream's delivery has a reply for its ack, and asks for nothing.
        """
        if not reply or is_inbox(where_it_arrives(self._account, reply)[1]):
            return reply
        if reply.startswith(ACK_PREFIX):
            return b""
        self._refuse("A request whose reply is no inbox is not answered: of=%s times=%d")
        return b""

    def takes(self, delivery: Delivery) -> bool:
        """Say whether it is a request at all; an answer is none, see above."""
        if is_answer(delivery):
            self._refuse("An answer is no request: of=%s times=%d")
            return False
        return True

    def _refuse(self, text: str) -> None:
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:  # seldom, however often somebody tries
            self._log.warning(text, self._what, self.refused)
