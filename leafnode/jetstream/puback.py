"""What publishers into one stream are told once a transaction with their messages is on disk.

One for all runs of messages in it, which mostly have a subject each: what is sent, and the wake-up
of consumers, is done once. Knows replies and answers; not how messages are judged.
Truth: docs/adr/0003; docs/store.md, rule 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.routing.answers import is_of_the_api

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.errors import StoreError
    from leafnode.jetstream.reshape import Copy
    from leafnode.jetstream.stream import Stream
    from leafnode.routing.account import Account

# (reply, answer, whether the answer promises that the message is stored)
Answer = tuple[bytes, bytes, bool]


class PubAcks:
    """The callback of one transaction. `failure` makes the answer to messages that were not stored.

    Refusals and repeats wait, too, and are no rows that the store would bound: whoever adds looks
    at `Context.answers` before.
    """

    __slots__ = ("_answers", "_copies", "_failure", "_msg_id", "_seq", "_stream")

    def __init__(self, stream: Stream, failure: Callable[[StoreError], bytes]) -> None:
        self._stream = stream
        self._failure = failure
        self._answers: list[Answer] = []
        self._copies: list[Copy] = []
        self._seq = 0  # the newest by the end of the last run, and its id
        self._msg_id = b""

    def add(self, answers: list[Answer], copies: list[Copy]) -> None:
        """Add a run whose messages were staged just now."""
        self._answers += answers
        self._stream.context.answers.count += len(answers)
        self._copies += copies
        self._seq = self._stream.store.last_seq()
        self._msg_id = self._stream.last_msg_id

    def _send_copies(self, account: Account) -> None:
        aside = account.system.outbox.aside
        before = aside.added
        for copy in self._copies:
            if is_of_the_api(copy.subject):
                continue  # it would be a request with the server's rights
            size = copy.header_size
            account.publish(
                copy.subject,
                copy.body,
                header_size=size,
                origin=account.of_streams,
                in_order=True,
            )
        if aside.added > before:
            self._stream.copies_to = aside.last

    def __call__(self, error: StoreError | None) -> None:
        """The transaction is on disk, or will never be."""
        stream = self._stream
        account = stream.context.account
        stream.context.answers.count -= len(self._answers)
        if error is None:
            if self._copies:
                self._send_copies(account)
            account.publish_replies([(reply, answer) for reply, answer, _ in self._answers])
            if self._seq <= stream.store.committed_seq():  # not so for a refusal while it failed
                stream.kept_msg_id = self._msg_id
            stream.committed()
            return
        failure = self._failure(error)
        account.publish_replies(
            [(reply, failure if stored else answer) for reply, answer, stored in self._answers]
        )
