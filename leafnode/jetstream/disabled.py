"""What an account without JetStream is answered, on a server that has it for others.

Knows the table of endpoints and one account; no stores. Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.jetstream import wire
from leafnode.jetstream.api import Endpoint, find_endpoint, is_served_elsewhere
from leafnode.jetstream.api_types import RESPONSE_TYPE
from leafnode.jetstream.domain import DomainMapping, send_no_responders
from leafnode.jetstream.errors import js_error

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery, Subscription

_API: Final = b"$JS.API.>"
_INFO: Final = "account_info"


class NotEnabled:
    """Refuses every request of one account: 10039.

    `system`: it is the system account, whose answers have no kind of their own but to INFO.
    """

    def __init__(self, account: Account, domain: str, *, system: bool = False) -> None:
        self.account = account
        self._system = system
        self._domain = DomainMapping(account, domain)
        self._sub: Subscription | None = None

    def open(self) -> None:
        """Begin to refuse."""
        self._sub = self.account.subscribe(_API, self._on_request)
        self._domain.open()

    def close(self) -> None:
        """Stop answering."""
        self._domain.close()
        if self._sub is not None:
            self.account.unsubscribe(self._sub)
            self._sub = None

    def _on_request(self, delivery: Delivery) -> None:
        found = find_endpoint(delivery.subject)
        for reply, _, _ in delivery.messages:
            if found is None:
                if is_served_elsewhere(delivery.subject):
                    send_no_responders(self.account, delivery.origin, reply, delivery.subject)
            elif reply:
                self.account.publish(reply, self._refusal(found[0]))

    def _refusal(self, endpoint: Endpoint) -> bytes:
        if self._system and endpoint.kind != _INFO:
            return _refusal("system", {})
        return _refusal(endpoint.kind, endpoint.on_error)


def _refusal(kind: str, more: dict[str, Any]) -> bytes:
    error = js_error(10039)
    answer: dict[str, Any] = {
        "type": f"{RESPONSE_TYPE}{kind}_response",
        "error": {
            "code": error.code,
            "err_code": error.err_code,
            "description": error.description,
        },
        **more,
    }
    return wire.encode(answer)
