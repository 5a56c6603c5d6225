"""Two inboxes for all answers that a part of the server waits for: the hub's, and this server's.

Knows an account and a clock; not what the answers mean. One wildcard inbox costs one line of
interest on the leaf link, however many questions are asked; no link is told of the other one.
Truth: leafnode/routing/account.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.nuid import nuid
from leafnode.routing.ask import ask
from leafnode.uplink.alarm import Alarm

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.clock import Clock
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Delivery

# Nobody guesses it (71 bits); each message carries it up, and its PubAck down.
_NAME_CHARS: Final = 12
_OWN: Final = frozenset({b"a", b"m"})  # what this server itself answers, and nobody else


class Letter(NamedTuple):
    """One answer. `topic` is what stands behind the handler's name in the subject."""

    topic: bytes
    body: bytes
    header_size: int
    from_hub: bool
    lost_bytes: int = 0  # that were behind the body: it was too large to be kept

    @property
    def size(self) -> int:
        return len(self.body) + self.lost_bytes


class Mailbox:
    """Answers to `_INBOX.<id>.<name>.<topic>` go to the handler of that name, messages to
    `on_message`.

    A pull consumer's messages come with their own subject, so they are told apart by it. Each leaf
    link of the account is told of the hub's inbox: `is_hub` says who is the hub that was asked. In
    the other one only what this server says counts, whoever else may publish there; and as clients
    can have it say much, where is a secret of each request until it is answered.
    """

    def __init__(
        self,
        account: Account,
        clock: Clock,
        random: Random,
        is_hub: Callable[[Peer], bool] | None = None,
    ) -> None:
        """`is_hub` None: no hub is asked."""
        self._account = account
        self._is_hub = is_hub
        self._clock = clock
        self._random = random
        self._own, self._hubs = (f"_INBOX.{nuid(random, _NAME_CHARS)}.".encode() for _ in range(2))
        self._handlers: dict[bytes, Callable[[Letter], None]] = {b"a": self._answered}
        self._asked: dict[bytes, tuple[Callable[[bytes | None], None], Alarm]] = {}
        self.on_message: Callable[[bytes, bytes, int, bytes], None] | None = None
        self._subs = [account.subscribe(self._own + b">", self._said_here, is_private=True)]
        if is_hub is not None:
            hubs = account.subscribe(self._hubs + b">", self._said_there)
            self._subs.append(hubs)
            account.inboxes[self._hubs] = hubs

    @property
    def inbox(self) -> bytes:
        """An address that the hub's answers come to."""
        return self.address(b"p", b"1")

    def close(self) -> None:
        """Forget every question and end the subscription."""
        for sub in self._subs:
            self._account.unsubscribe(sub)
        self._account.inboxes.pop(self._hubs, None)
        for _, alarm in self._asked.values():
            alarm.cancel()
        self._asked.clear()

    def on(self, name: bytes, handler: Callable[[Letter], None]) -> None:
        self._handlers[name] = handler

    def address(self, name: bytes, topic: bytes) -> bytes:
        return (self._own if name in _OWN else self._hubs) + name + b"." + topic

    def new_topic(self) -> bytes:
        """Return a topic that nobody guesses."""
        return nuid(self._random, _NAME_CHARS).encode()

    def ask(
        self,
        subject: bytes,
        body: bytes,
        then: Callable[[bytes | None], None],
        timeout_ns: int,
        *,
        header_size: int = 0,
    ) -> None:
        """Send a request. `then` gets the first answer, or None when nobody answers in time."""
        topic = self.new_topic()
        alarm = Alarm(self._clock, lambda: self._finish(topic, None))
        self._asked[topic] = (then, alarm)
        alarm.set(timeout_ns)
        reply = self.address(b"a", topic)
        origin = self._account.to_itself
        if not ask(
            self._account, subject, body, header_size=header_size, reply=reply, origin=origin
        ):
            # Nobody is there. `then` runs in a later turn, as it does for every other failure.
            alarm.set(0)

    def _answered(self, letter: Letter) -> None:
        self._finish(letter.topic, letter.body[letter.header_size :])

    def _finish(self, topic: bytes, body: bytes | None) -> None:
        asked = self._asked.pop(topic, None)
        if asked is not None:
            then, alarm = asked
            alarm.cancel()
            then(body)

    def _said_there(self, delivery: Delivery) -> None:
        assert self._is_hub is not None, "else there is no such inbox"
        from_hub = self._is_hub(delivery.origin)
        name, _, topic = delivery.subject[len(self._hubs) :].partition(b".")
        handler = self._handlers.get(name) if name not in _OWN else None
        if handler is not None:
            for _, header_size, body in delivery.messages:
                handler(Letter(topic, body, header_size, from_hub, delivery.lost_bytes))

    def _said_here(self, delivery: Delivery) -> None:
        if delivery.origin not in {self._account.system, self._account.answering}:
            return  # a client of ours, or who hangs below us, made it up
        answer = delivery.subject.startswith(self._own)
        name, _, topic = delivery.subject[len(self._own) :].partition(b".")
        handler = self._handlers.get(name) if answer and name in _OWN else None
        for reply, header_size, body in delivery.messages:
            if handler is not None:
                handler(Letter(topic, body, header_size, from_hub=False))
            elif not answer and self.on_message is not None:
                self.on_message(delivery.subject, reply, header_size, body)
