"""A JetStream domain: `$JS.<domain>.API.…` stands for `$JS.API.…` in every account.

Republishes a request under its own name with the same reply and origin. Knows subjects and one
account. Truth: measured on nats-server 2.15.1; the nine subjects are what a hub sees as interest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.protocol import header
from leafnode.routing.answers import is_request
from leafnode.routing.peer import Kind

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Delivery, Subscription

# (what follows the domain's prefix, what it is mapped to)
_API: Final = (
    b"INFO",
    b"STREAM.>",
    b"CONSUMER.>",
    b"DIRECT.>",
    b"META.>",
    b"SERVER.>",
    b"ACCOUNT.>",
)
_DATA: Final = (b"$KV.>", b"$OBJ.>")


def send_no_responders(account: Account, origin: Peer, reply: bytes, subject: bytes) -> None:
    """Tell a client that asked for it that nobody answers on `subject`."""
    if reply and origin.no_responders and origin.kind is Kind.CLIENT:
        if account.services is not None:
            account, reply, subject = account.services.unanswered(reply, subject)
        block = header.no_responders(subject)
        account.answer(reply, block, header_size=len(block))


class DomainMapping:
    """The mappings of one account; does nothing without a domain."""

    def __init__(self, account: Account, domain: str) -> None:
        self._account = account
        self._prefix = b"$JS.%b.API." % domain.encode() if domain else b""
        self._subs: list[Subscription] = []

    def open(self) -> None:
        """Begin to answer for the domain."""
        if not self._prefix:
            return
        for tail in _API:
            self._subs.append(
                self._account.subscribe(self._prefix + tail, self._on_api, is_service=True)
            )
        for tail in _DATA:
            self._subs.append(self._account.subscribe(self._prefix + tail, self._on_data))

    def close(self) -> None:
        """Stop answering."""
        for sub in self._subs:
            self._account.unsubscribe(sub)
        self._subs.clear()

    def _on_api(self, delivery: Delivery) -> None:
        if not (is_request(delivery) and delivery.subject.startswith(self._prefix)):
            return  # no request: the server's answer, or what a stream holds
        subject = b"$JS.API." + delivery.subject[len(self._prefix) :]
        _send_on(self._account, subject, delivery)

    def _on_data(self, delivery: Delivery) -> None:
        if not delivery.subject.startswith(self._prefix):
            return
        _send_on(self._account, delivery.subject[len(self._prefix) :], delivery)


class DefaultDomain:
    """An account without JetStream of its own uses another one's: `default_js_domain`."""

    def __init__(self, account: Account, domain: str) -> None:
        self.account = account
        self._prefix = b"$JS.%b.API." % domain.encode()
        self._sub: Subscription | None = None

    def open(self) -> None:
        """Begin to pass requests on."""
        self._sub = self.account.subscribe(b"$JS.API.>", self._on_api, is_service=True)

    def close(self) -> None:
        """Pass nothing on any more."""
        if self._sub is not None:
            self.account.unsubscribe(self._sub)
            self._sub = None

    def _on_api(self, delivery: Delivery) -> None:
        if not (is_request(delivery) and delivery.subject.startswith(b"$JS.API.")):
            return  # see `DomainMapping`
        subject = self._prefix + delivery.subject.removeprefix(b"$JS.API.")
        _send_on(self.account, subject, delivery)


def _send_on(account: Account, subject: bytes, delivery: Delivery) -> None:
    """Publish a request as its origin would have, under another name."""
    for reply, header_size, body in delivery.messages:
        received = account.publish(
            subject,
            body,
            header_size=header_size,
            reply=reply,
            origin=delivery.origin,
            passed=delivery.passed,
        )
        if not received:
            send_no_responders(account, delivery.origin, reply, subject)
