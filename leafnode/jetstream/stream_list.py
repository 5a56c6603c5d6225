"""STREAM.NAMES and STREAM.LIST: the streams of an account, or those that take a subject, by pages.

At once, or where many subjects are looked at or much is shown, in steps and in turn with other long
answers; of a stream that is deleted meanwhile nothing is told. Truth: measured on nats-server
2.15.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leafnode import limits
from leafnode.jetstream.api_types import StreamNamesRequest
from leafnode.jetstream.request import page
from leafnode.jetstream.stream_api import stream_info, take_steps
from leafnode.protocol.subject import collides

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.jetstream.request import Request
    from leafnode.jetstream.stream import Stream


def names(js: AccountJetStream, request: Request) -> None:
    """STREAM.NAMES."""
    body = request.optional(StreamNamesRequest, "JSApiStreamNamesRequest")
    found: list[Stream] = []

    def tell() -> None:
        there = [stream.name for stream in found if not stream.closed]
        offset, paging = page(len(there), body.offset, limits.NAMES_PAGE)
        shown = there[offset : offset + limits.NAMES_PAGE]
        request.finish({**paging, "streams": shown or None})

    steps, is_long = _match(js, body.subject, found), _asks_many(js, body.subject)
    take_steps(js, request, steps, tell, is_long=is_long)


def listing(js: AccountJetStream, request: Request) -> None:
    """STREAM.LIST."""
    _List(js, request).begin()


class _List:
    """One answer to STREAM.LIST on its way."""

    def __init__(self, js: AccountJetStream, request: Request) -> None:
        self._js = js
        self._request = request
        self._body = request.optional(StreamNamesRequest, "JSApiStreamListRequest")
        self._found: list[Stream] = []
        self._shown: list[dict[str, Any]] = []
        self._gone = 0  # of those that were found

    def begin(self) -> None:
        """Gather what is asked for, at once or in steps. Raises StoreError."""
        js = self._js
        origins = sum(len(stream.config.sources) for stream in js.streams.values())
        parts = origins + min(len(js.streams), limits.LIST_PAGE)
        is_long = parts > limits.INFOS_PER_STEP or _asks_many(js, self._body.subject)
        take_steps(js, self._request, self._steps(), self._tell, is_long=is_long)

    def _steps(self) -> Iterator[None]:
        yield from _match(self._js, self._body.subject, self._found)
        offset, left = max(0, self._body.offset), limits.INFOS_PER_STEP
        for stream in self._found[offset : offset + limits.LIST_PAGE]:
            if left <= 0:
                left = limits.INFOS_PER_STEP
                yield
            if stream.closed:
                self._gone += 1
                continue
            self._shown.append(stream_info(self._js, stream, dynamic=False))
            left -= 1 + len(stream.config.sources)

    def _tell(self) -> None:
        total = len(self._found) - self._gone
        _, paging = page(total, self._body.offset, limits.LIST_PAGE)
        self._request.finish({**paging, "streams": self._shown})


def _asks_many(js: AccountJetStream, subject: str) -> bool:
    """Say whether a subject is held against more than one step looks at."""
    subjects = sum(len(stream.config.subjects) for stream in js.streams.values())
    return bool(subject) and subjects > limits.SUBJECTS_PER_STEP


def _match(js: AccountJetStream, subject: str, found: list[Stream]) -> Iterator[None]:
    """Find the streams that take a subject, or all, in the order of their names."""
    pattern, left = subject.encode(), limits.SUBJECTS_PER_STEP
    for _, stream in sorted(js.streams.items()):
        if left <= 0:
            left = limits.SUBJECTS_PER_STEP
            yield
        own = stream.config.subjects if subject else ()
        left -= len(own)
        if not subject or any(collides(one.encode(), pattern) for one in own):
            found.append(stream)
