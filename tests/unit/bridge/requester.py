"""Who sends commands: what it hears at its inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery


class Heard(NamedTuple):
    """One answer. `code` 0: no error."""

    payload: bytes
    code: int = 0
    error: str = ""


class Requester:
    """Asks on subjects of an account; `heard` has the answers in their order."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.heard: list[Heard] = []
        account.subscribe(b"_INBOX.me.>", self._hear)

    def ask(self, subject: bytes, payload: bytes = b"", reply: bytes = b"_INBOX.me.1") -> bool:
        """Send a request; say whether anybody took it."""
        return bool(self._account.publish(subject, payload, reply=reply))

    def _hear(self, delivery: Delivery) -> None:
        for _, size, body in delivery.messages:
            code = header.get(body[:size], b"Nats-Service-Error-Code") or b"0"
            error = header.get(body[:size], b"Nats-Service-Error") or b""
            self.heard.append(Heard(body[size:], int(code), error.decode()))
