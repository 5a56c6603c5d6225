"""What an account without JetStream is answered, on a server that has it for others.

The system account is one of these, and may have another account's streams deleted. Knows the table
of endpoints and one account; no stores. Truth: measured on nats-server 2.15.1;
server/jetstream_api.go jsLeaderAccountPurgeRequest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from leafnode.errors import StoreError
from leafnode.jetstream import wire
from leafnode.jetstream.api import Endpoint, find_endpoint, is_served_elsewhere
from leafnode.jetstream.api_types import RESPONSE_TYPE
from leafnode.jetstream.domain import DomainMapping, send_no_responders
from leafnode.jetstream.errors import error_fields, js_error
from leafnode.routing.answers import is_request

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery, Subscription

log = logging.getLogger(__name__)

Purge = Callable[[str, Callable[["StoreError | None"], None]], None]

_API: Final = b"$JS.API.>"
_PURGE: Final = b"$JS.API.ACCOUNT.PURGE."
_INFO: Final = "account_info"


class NotEnabled:
    """Refuses every request of one account: 10039.

    `purge`: it is the system account, whose answers have no kind of their own but to INFO, and this
    deletes the streams of an account that it names.
    """

    def __init__(self, account: Account, domain: str, *, purge: Purge | None = None) -> None:
        self.account = account
        self._purge = purge
        self._domain = DomainMapping(account, domain)
        self._sub: Subscription | None = None

    def open(self) -> None:
        """Begin to refuse."""
        self._sub = self.account.subscribe(_API, self._on_request, is_service=True)
        self._domain.open()

    def close(self) -> None:
        """Stop answering."""
        self._domain.close()
        if self._sub is not None:
            self.account.unsubscribe(self._sub)
            self._sub = None

    def _on_request(self, delivery: Delivery) -> None:
        if not is_request(delivery):
            return
        found = find_endpoint(delivery.subject)
        for reply, _, _ in delivery.messages:
            if self._purge is not None and _is_purge(delivery.subject):
                self._on_purge(self._purge, delivery.subject[len(_PURGE) :], reply)
            elif found is None:
                if self._is_for_nobody(delivery):
                    send_no_responders(self.account, delivery.origin, reply, delivery.subject)
            elif reply and not self.account.leafs:  # who is behind a link may answer
                self.account.answer(reply, self._refusal(found[0]))

    def _is_for_nobody(self, delivery: Delivery) -> bool:
        """Say so of a pull or a Direct Get that no other server, account or client serves."""
        subject, origin = delivery.subject, delivery.origin
        return is_served_elsewhere(subject) and self.account.is_sole(self._sub, subject, origin)

    def _refusal(self, endpoint: Endpoint) -> bytes:
        error = {"error": error_fields(js_error(10039))}
        if self._purge is not None and endpoint.kind != _INFO:
            return _answer("system", error)
        return _answer(endpoint.kind, error | endpoint.on_error)

    def _on_purge(self, purge: Purge, token: bytes, reply: bytes) -> None:
        """Have an account's streams deleted, and say so once they are; of an unknown one, too."""
        name = token.decode("utf-8", "replace")

        def purged(error: StoreError | None) -> None:
            if error is None:
                fields: dict[str, Any] = {"initiated": True}
            else:
                fields = {"error": error_fields(js_error(10050, str(error) or "store failed"))}
            self._send(reply, fields)

        if "/" in name or "\\" in name:
            error = js_error(10051, "account name can not contain path separators")
            self._send(reply, {"error": error_fields(error)})
            return
        log.info("Streams of an account are deleted by request: account=%s", name)
        try:
            purge(name, purged)
        except StoreError as error:
            purged(error)

    def _send(self, reply: bytes, fields: dict[str, Any]) -> None:
        if reply:
            self.account.answer(reply, _answer("account_purge", fields))


def _is_purge(subject: bytes) -> bool:
    return subject.startswith(_PURGE) and b"." not in subject[len(_PURGE) :]


def _answer(kind: str, fields: dict[str, Any]) -> bytes:
    return wire.encode({"type": f"{RESPONSE_TYPE}{kind}_response", **fields})
