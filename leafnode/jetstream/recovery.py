"""The way of an account's streams from the stores back into service, in slices.

Knows the account's streams and the order in which they come back; not what their windows hold:
`recover`. Truth: nats-server 2.15.1 server/jetstream.go (EnableJetStream).
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from leafnode.jetstream.recover import DedupeRebuild
from leafnode.limits import RECOVERED_PER_TURN
from leafnode.slices import in_slices
from leafnode.store.api import is_unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StreamRecord


class Recovery:
    """Takes over what the stores hold: 1,000 streams at once held the loop for 0.45 s."""

    __slots__ = ("_found", "_jetstream", "_unread", "_waiting")

    def __init__(self, jetstream: AccountJetStream) -> None:
        self._jetstream = jetstream
        self._unread: dict[str, StreamRecord] = {}  # by name: not taken over yet
        self._found: list[Stream] = []
        self._waiting = 1  # windows that are read, and the walk that has them read

    def start(self, ready: Callable[[], None]) -> None:
        """Take some streams over now and the others later, then let all be used and call `ready`.

        Until then the API does not answer: nobody changes one that is not open.
        """
        context = self._jetstream.context
        for store in (context.file_store, context.memory_store):
            for record in store.streams():
                if record.account == context.account.name and not is_unfinished(record.name):
                    self._unread[record.name] = record
        self._go_through(self._read_back(ready))

    def skip(self, name: str) -> None:
        """Leave a stream out that the store read from disk again: whoever was told takes it over,
        as it is now.
        """
        self._unread.pop(name, None)

    def abandon(self) -> None:
        """Leave all out that were not taken over: they are deleted, or JetStream is off."""
        self._unread.clear()

    def _go_through(self, steps: Iterator[None]) -> None:
        in_slices(self._jetstream.context.clock.call_later, steps, RECOVERED_PER_TURN)

    def _read_back(self, ready: Callable[[], None]) -> Iterator[None]:
        def one_done() -> None:
            self._waiting -= 1
            if not self._waiting:
                self._go_through(self._open(ready))

        while self._unread:
            record = self._unread.pop(next(iter(self._unread)))
            self._waiting += 1
            stream = self._jetstream.recover_stream(record)
            self._found.append(stream)
            DedupeRebuild(stream, one_done).start()
            yield from _steps_of(stream)
        one_done()

    def _open(self, ready: Callable[[], None]) -> Iterator[None]:
        """Open all, then the API, then what asks others through the API: mirrors and sources."""
        found, self._found = self._found, []
        for stream in found:
            _serve(stream)
            yield from _steps_of(stream)
        self._jetstream.open_api()
        ready()
        for stream in found:
            if not stream.closed:
                stream.origins.open()
                yield


def open_stream(stream: Stream) -> None:
    """Let a stream be used, with its consumers."""
    _serve(stream)
    if not stream.closed:
        stream.origins.open()


def _serve(stream: Stream) -> None:
    if stream.closed:  # deleted again, or shut down, while its window was read
        return
    stream.serve()
    for consumer in stream.consumers.values():
        consumer.open()


def _steps_of(stream: Stream) -> Iterator[None]:
    """Yield as many steps as it takes to build or open a stream."""
    return repeat(None, 1 + len(stream.consumers))
