"""What monitoring sees of an account's JetStream: its streams, each shown when it is looked at.

Knows streams from outside; not which of them is asked for. Truth: nats-server 2.15.1
server/monitor.go accountDetail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from leafnode.monitor.views import JetStreamAccountView, StreamView

if TYPE_CHECKING:
    from leafnode.jetstream.jetstream import AccountJetStream, Usage
    from leafnode.jetstream.stream import Stream


def jetstream_of(account: AccountJetStream, usage: Usage) -> JetStreamAccountView:
    return JetStreamAccountView(
        name=account.context.account.name,
        memory=usage.memory_bytes,
        storage=usage.file_bytes,
        api_total=account.stats.total,
        api_errors=account.stats.errors,
        streams=_Streams(account),
        reserved_memory=0 if account.bounds.tiers else account.bounds.max_memory_bytes,
        reserved_storage=0 if account.bounds.tiers else account.bounds.max_file_bytes,
    )


class _Streams(Sequence[StreamView]):
    """The streams of an account by name, each shown when it is looked at."""

    def __init__(self, account: AccountJetStream) -> None:
        self._streams = [stream for _, stream in sorted(account.streams.items())]

    def __len__(self) -> int:
        return len(self._streams)

    @overload
    def __getitem__(self, index: int) -> StreamView: ...

    @overload
    def __getitem__(self, index: slice) -> list[StreamView]: ...

    def __getitem__(self, index: int | slice) -> StreamView | list[StreamView]:
        if isinstance(index, slice):
            return [_stream(stream) for stream in self._streams[index]]
        return _stream(self._streams[index])


def _stream(stream: Stream) -> StreamView:
    return StreamView(
        name=stream.name,
        created_ns=stream.created_ns,
        config=lambda: stream.shown_config(dynamic=False),
        state=stream.state,
        consumers=lambda: (
            consumer.info(dynamic=False) for consumer in list(stream.visible_consumers())
        ),
        origins=stream.origins.shown,
        damage=str(stream.store.damage() or ""),
    )
