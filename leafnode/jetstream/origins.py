"""What a stream reads from other streams: nothing, one mirror or any number of sources.

Knows which there are as the configuration changes; not what they do. Truth: nats-server 2.15.1
server/stream.go (updateWithAdvisory).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leafnode.jetstream.mirror import Mirror
from leafnode.jetstream.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.jetstream.ingest import Ingest
    from leafnode.jetstream.stream import Stream


class Origins:
    """The origins of one stream."""

    def __init__(self, stream: Stream, ingest: Ingest) -> None:
        self._stream = stream
        self._ingest = ingest
        self._mirror: Mirror | None = None
        self._sources: Sources | None = None

    def open(self) -> None:
        """Begin to read what the configuration names, and end what it names no more."""
        origin = self._stream.config.mirror
        if origin is None and self._mirror is not None:
            self._mirror.close(for_good=True)
            self._mirror = None
        elif self._mirror is not None:
            self._mirror.update()
        elif origin is not None:
            self._mirror = Mirror(self._stream, self._ingest, origin)
            self._begin_soon(self._mirror)
        if self._sources is not None:
            self._sources.configure()
        elif self._stream.config.sources:
            self._sources = Sources(self._stream, self._ingest)
            self._begin_soon(self._sources)

    def _begin_soon(self, one: Mirror | Sources) -> None:
        """Not now: the origin may be recovered or made in this turn, and the stream deleted."""

        def begin() -> None:
            if one is self._mirror or one is self._sources:
                one.open()

        self._stream.context.clock.call_later(0, begin)

    def close(self, *, for_good: bool) -> None:
        """Read no more; see OriginReader.close."""
        if self._mirror is not None:
            self._mirror.close(for_good=for_good)
            self._mirror = None
        if self._sources is not None:
            self._sources.close(for_good=for_good)
            self._sources = None

    def rolled_back(self) -> None:
        """The store went back to what is on disk."""
        if self._mirror is not None:
            self._mirror.rolled_back()
        if self._sources is not None:
            self._sources.rolled_back()

    def answers_for(self, name: str) -> bool:
        """Say whether Direct Get for an origin of that name is answered by its mirror."""
        return self._mirror is not None and self._mirror.answers_for(name)

    def shown(self) -> dict[str, Any]:
        """Return the fields of stream info."""
        if self._mirror is not None:
            return {"mirror": self._mirror.shown()}
        if self._sources is not None and self._stream.config.sources:
            return {"sources": self._sources.shown()}
        return {}


def answers_direct(streams: Mapping[str, Stream], name: str) -> bool:
    """Say whether some stream answers Direct Get for that name: itself, or as its mirror."""
    stream = streams.get(name)
    if stream is not None and stream.config.allow_direct:
        return True
    return any(one.origins.answers_for(name) for one in streams.values())
