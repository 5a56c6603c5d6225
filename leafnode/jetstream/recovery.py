"""The way of an account's streams from the stores back into service, in slices.

Knows the account's streams and the order in which they come back; not what their windows hold:
`recover`. Truth: nats-server 2.15.1 server/jetstream.go (EnableJetStream).
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from leafnode.jetstream.recover import DedupeRebuild
from leafnode.limits import RECOVERED_PER_TURN
from leafnode.slices import in_slices
from leafnode.store.api import is_unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from leafnode.jetstream.api_types import StreamConfig
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.jetstream.stream import Stream
    from leafnode.jetstream.undo import Undo
    from leafnode.store.api import StreamRecord

log = logging.getLogger(__name__)


class Recovery:
    """Takes over what the stores hold: 1,000 streams at once held the loop for 0.45 s."""

    __slots__ = ("_adopted", "_building", "_found", "_jetstream", "_unread", "_waiting")

    def __init__(self, jetstream: AccountJetStream) -> None:
        self._jetstream = jetstream
        self._unread: dict[str, StreamRecord] = {}  # by name: not taken over yet
        self._building: dict[str, object] = {}  # by name: what takes several turns
        self._found: list[tuple[StreamRecord, Stream]] = []
        self._adopted: dict[tuple[str, str], None] = {}  # storages and names, not looked at yet
        self._waiting = 1  # windows that are read, or subjects, and the walk that has them read

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

    def adopted(self, storage: str, undo: Undo, account: str, name: str) -> None:
        """The store read this stream from disk again, after a commit failed."""
        js = self._jetstream
        if account != js.context.account.name or js.is_shut_down:
            return
        undo.take()
        if is_unfinished(name):
            if name not in js.unfinished:  # it could not be deleted when its restore failed
                drop = partial(js.drop_unfinished, js.context.store_of(storage), name)
                js.context.clock.call_later(0, drop)
            return
        self._unread.pop(name, None)
        self._building.pop(name, None)  # it is built anew
        stream = js.streams.get(name)
        if stream is not None and stream.config.storage == storage:
            stream.rolled_back()
        if not self._adopted:  # not now: what follows may stage changes
            js.context.clock.call_later(0, self._take_back)
        self._adopted[storage, name] = None

    def abandon(self) -> None:
        """Leave all out that were not taken over: they are deleted, or JetStream is off."""
        self._unread.clear()
        self._building.clear()

    def _build(self, record: StreamRecord) -> Generator[None, None, Stream | None]:
        """Build what a store holds, and know it from then on; None: it was given up meanwhile."""
        js = self._jetstream
        this = self._building[record.name] = object()
        stream = js.stream_in(record)
        for _ in js.consumers.revive(stream):
            yield
            if self._building.get(record.name) is not this:
                return None
        del self._building[record.name]
        js.take_over(record.name, stream)
        return stream

    def _take_back(self) -> None:
        """Know what the stores have: what could not be deleted, and changed, is as it was."""
        adopted, self._adopted = self._adopted, {}
        js = self._jetstream
        found = [
            (record, js.config_of(record.name))
            for storage in ("file", "memory")
            for record in js.context.store_of(storage).streams()
            if record.account == js.context.account.name and (storage, record.name) in adopted
        ]
        self._go_through(self._taken_back(found))

    def _taken_back(self, found: list[tuple[StreamRecord, StreamConfig | None]]) -> Iterator[None]:
        js = self._jetstream
        for record, config in found:
            stream = js.streams.get(record.name)
            with self._others_go_on(record):
                if js.is_shut_down or not js.is_stored(record):
                    pass  # it is gone meanwhile
                elif stream is None:
                    log.warning("Stream is there again: stream=%s", record.name)
                    stream = yield from self._build(record)
                    if stream is not None:
                        then = partial(self._go_through, _opened(stream))
                        DedupeRebuild(stream, then).start()
                elif stream.store is record.store and stream.config is config:
                    yield from js.agreed(stream, record)
            yield

    @contextmanager
    def _others_go_on(self, record: StreamRecord) -> Iterator[None]:
        """One stream that cannot be taken over keeps no other from it."""
        js = self._jetstream
        try:
            yield
        except Exception as error:  # boundary: one stream
            log.exception("Stream is not served: account=%s stream=%s", record.account, record.name)
            if record.name not in js.streams and js.is_stored(record):
                js.set_aside(record, error)

    def open_restored(self, stream: Stream, then: Callable[[], None]) -> None:
        """Let a stream be used that is known with its consumers, then call `then`."""

        def steps() -> Iterator[None]:
            yield from _opened(stream)
            then()

        self._go_through(steps())

    def _go_through(self, steps: Iterator[None]) -> None:
        in_slices(self._jetstream.context.clock.call_later, steps, RECOVERED_PER_TURN)

    def _read_back(self, ready: Callable[[], None]) -> Iterator[None]:
        one_done = partial(self._one_done, lambda: self._go_through(self._open(ready)))
        while self._unread:
            record = self._unread.pop(next(iter(self._unread)))
            with self._others_go_on(record):
                stream = yield from self._build(record)
                if stream is not None:
                    self._found.append((record, stream))
                    self._waiting += 1
                    try:
                        DedupeRebuild(stream, one_done).start()
                    except BaseException:
                        one_done()
                        raise
            yield
        one_done()

    def _open(self, ready: Callable[[], None]) -> Iterator[None]:
        """Open all, and then, once all take in their subjects, the API."""
        found, self._found = self._found, []
        self._waiting = 1
        then = partial(self._go_through, self._ready(found, ready))
        for record, stream in found:
            with self._others_go_on(record):
                yield from _served(stream)
                self._waiting += 1
                stream.intake.when_settled(partial(self._one_done, then))
            yield
        self._one_done(then)

    def _one_done(self, then: Callable[[], None]) -> None:
        self._waiting -= 1
        if not self._waiting:
            then()

    def _ready(
        self, found: list[tuple[StreamRecord, Stream]], ready: Callable[[], None]
    ) -> Iterator[None]:
        """Open the API, then what asks others through the API: mirrors and sources."""
        self._jetstream.open_api()
        ready()
        for record, stream in found:
            if not stream.closed:
                with self._others_go_on(record):
                    stream.origins.open()
                yield


def _opened(stream: Stream) -> Iterator[None]:
    """Let a stream be used, in steps."""
    yield from _served(stream)
    if not stream.closed:
        stream.origins.open()


def _served(stream: Stream) -> Iterator[None]:
    """Let a stream be used but for its origins, a consumer in each step."""
    if stream.closed:  # deleted again, or shut down, while its window was read
        return
    stream.clear_out()  # before somebody gets what had gone already
    for consumer in tuple(stream.consumers.values()):
        if not consumer.closed:
            consumer.open()
        yield
    if not stream.closed:
        stream.serve()  # what comes in goes to all of them, and each hears its acks
        if stream.intake.is_changing:  # the next has another turn for its shadows
            yield from (None for _ in range(RECOVERED_PER_TURN))
