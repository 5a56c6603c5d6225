"""When a stream was made first.

One that comes out of an archive has another time of creation, as on nats-server 2.15.1, and is the
stream that it was all the same. A record beside its consumers, of which the metadata that responses
show tells. Truth: docs/compatibility.md, "JetStream".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.go_time import format_time

if TYPE_CHECKING:
    from leafnode.jetstream.stream import Stream

RECORD: Final = ".made"  # no consumer has a dot in its name
KEY: Final = "_leafnode.made"


def made_ns(stream: Stream) -> int:
    """Return the wall time at which it was made, whatever archives it went through since."""
    record = stream.root.consumer(stream.context.account.name, stream.name, RECORD)
    return stream.created_ns if record is None else record.created_ns


def shown(stream: Stream) -> dict[str, str]:
    """Return what the metadata says of it; nothing for one that is as it was made."""
    made = made_ns(stream)
    return {} if made == stream.created_ns else {KEY: format_time(made)}
