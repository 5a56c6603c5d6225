"""A stream as the bridge sees one: takes messages, commits or fails them, answers in order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from leafnode.protocol import header
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox

if TYPE_CHECKING:
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Delivery, Subscription

NO_SPACE = {
    "code": 503,
    "err_code": 10047,
    "description": "insufficient storage resources available",
}
TOO_LARGE = {"code": 400, "err_code": 10054, "description": "message size exceeds maximum allowed"}


def new_account() -> Account:
    return Account("$G", Outbox(lambda: None))


class FakeStream:
    """Captures `pattern`. `refusal` is answered at once, else `commit` or `fail` answers."""

    def __init__(
        self, account: Account, pattern: bytes, name: str = "S", *, origin: Peer | None = None
    ) -> None:
        """`origin`: the link over which its answers come; None: it is this server's."""
        self.name = name
        self.origin = origin
        self.account = account
        self.subjects: list[bytes] = []
        self.payloads: list[bytes] = []
        self.ids: list[bytes] = []
        self.headers: list[bytes] = []
        self.received = 0
        self.refusal: dict[str, object] | None = None
        self.too_large: bytes | None = None  # a payload that it never takes
        self.silent = False
        self.commits_at_once = False
        self._staged: list[tuple[bytes, bytes, bytes, bytes]] = []
        self._seqs: dict[bytes, int] = {}
        self._pattern = pattern
        self._sub = self._subscribe()

    def _subscribe(self) -> Subscription:
        sub = self.account.subscribe(self._pattern, self._on_delivery)
        sub.stream = self.name if self.origin is None else ""
        return sub

    def close(self) -> None:
        """Nobody captures the subjects any more; what is staged is still answered."""
        self.account.unsubscribe(self._sub)

    def reopen(self) -> None:
        self.close()
        self._sub = self._subscribe()

    @property
    def staged(self) -> int:
        return len(self._staged)

    def commit(self) -> None:
        """Everything staged is on disk now: answer in order."""
        staged, self._staged = self._staged, []
        for subject, reply, block, payload in staged:
            msg_id = header.get(block, b"Nats-Msg-Id")
            assert msg_id is not None
            ack: dict[str, object] = {"stream": self.name}
            if msg_id in self._seqs:
                ack |= {"seq": self._seqs[msg_id], "duplicate": True}
            else:
                self.subjects.append(subject)
                self.payloads.append(payload)
                self.ids.append(msg_id)
                self.headers.append(block)
                self._seqs[msg_id] = len(self.ids)
                ack["seq"] = len(self.ids)
            self._answer(reply, ack)

    def forget(self) -> None:
        """The duplicate window is over."""
        self._seqs.clear()

    def commit_first(self) -> None:
        """The oldest of what is staged is on disk now, the others are not yet."""
        later, self._staged = self._staged[1:], self._staged[:1]
        self.commit()
        self._staged = later

    def refuse_first(self) -> None:
        """The oldest of what is staged is refused, the others may be taken yet: a hub's stream."""
        _, reply, _, _ = self._staged.pop(0)
        self._answer(reply, {"stream": self.name, "seq": 0, "error": NO_SPACE})

    def commit_unheard(self) -> None:
        """On disk, but no answer arrives."""
        replies = [(subject, b"nowhere", block, data) for subject, _, block, data in self._staged]
        self._staged = replies
        self.commit()

    def fail(self) -> None:
        """The COMMIT failed: nothing of it is stored."""
        staged, self._staged = self._staged, []
        for _, reply, _, _ in staged:
            self._answer(reply, {"stream": self.name, "seq": 0, "error": NO_SPACE})

    def _on_delivery(self, delivery: Delivery) -> None:
        for reply, header_size, body in delivery.messages:
            self.received += 1
            if self.silent:
                continue
            refusal = TOO_LARGE if body[header_size:] == self.too_large else self.refusal
            if refusal is not None:
                self._answer(reply, {"stream": self.name, "seq": 0, "error": refusal})
                continue
            self._staged.append((delivery.subject, reply, body[:header_size], body[header_size:]))
            if self.commits_at_once:
                self.commit()

    def _answer(self, reply: bytes, answer: dict[str, object]) -> None:
        self.account.publish(reply, json.dumps(answer).encode(), origin=self.origin)
