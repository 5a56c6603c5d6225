"""Streams of an account whose deletion failed, and their consumers, until it shows what is so.

The store has such a stream again, sooner or later, and with it the consumers that it keeps: those
that are in memory alone are kept here, and who waits at the others. Or the store was wrong, and it
is gone: then they are told so. One entry for each deletion that failed, until its stream is back.
Knows streams and their store; not how they come back: `recovery`. Truth: docs/store.md, "Read
anew".
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.stream import Stream

log = logging.getLogger(__name__)


class Deleted:
    """What one account remembers of them. `tell` says that a stream is gone after all."""

    __slots__ = ("_clock", "_kept", "_tell")

    def __init__(self, clock: Clock, tell: Callable[[Stream, list[Consumer]], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._kept: dict[str, list[Consumer]] = {}

    def keep(self, stream: Stream, consumers: list[Consumer]) -> None:
        """The deletion of this stream was called a failure."""
        log.error("Stream could not be deleted: stream=%s", stream.name)
        self._kept[stream.name] = consumers
        self._look_later(stream, consumers)

    def taken_back(self, name: str) -> list[Consumer]:
        """The stream of this name is known again: return its consumers, and forget them."""
        return self._kept.pop(name, [])

    def close(self) -> None:
        """Look no more."""
        self._kept.clear()

    def _look_later(self, stream: Stream, consumers: list[Consumer]) -> None:
        look = partial(self._look, stream, consumers)
        self._clock.call_later(limits.DELIVER_RETRY_MAX_NS, look)

    def _look(self, stream: Stream, consumers: list[Consumer]) -> None:
        if self._kept.get(stream.name) is not consumers:
            return
        if isinstance(stream.root.failed(), StoreFailed):  # it was not read again yet
            self._look_later(stream, consumers)
        elif all(record.store is not stream.store for record in stream.root.streams()):
            del self._kept[stream.name]
            self._tell(stream, consumers)
