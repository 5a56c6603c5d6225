"""An origin's message as a mirror or a sourcing stream keeps it: headers and subject.

Pure. Truth: nats-server 2.15.1 server/stream.go (processInboundMirrorMsg, processInboundSourceMsg,
genSourceHeader, streamAndSeq).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leafnode.jetstream.direct_batch import append_header
from leafnode.protocol import header
from leafnode.protocol.subject import matches
from leafnode.protocol.transform import Transform
from leafnode.routing.request_header import REQUEST_INFO

if TYPE_CHECKING:
    from random import Random

    from leafnode.jetstream.api_types import StreamSource

SOURCE: Final = b"Nats-Stream-Source"
# What these demanded was looked at where the message was published.
_SPENT: Final = (b"Nats-Expected-", b"Nats-Batch-")
_DIGITS_MAX: Final = 19


class Transforms:
    """From the origin's subject to the one that is stored: the first that matches counts."""

    def __init__(self, origin: StreamSource, random: Random) -> None:
        self._random = random
        self._all = [
            Transform(one.src.encode(), one.dest.encode())
            for one in origin.subject_transforms
            if one.dest
        ]

    def apply(self, subject: bytes) -> bytes:
        for one in self._all:
            if matches(one.source, subject):
                return one.apply(subject, self._random)
        return subject


def wanted(origin: StreamSource) -> dict[str, Any]:
    """Return the consumer fields that name the subjects which are read."""
    filters = [one.src or ">" for one in origin.subject_transforms]
    if origin.filter_subject:
        filters = [origin.filter_subject]
    if not filters:
        return {}
    return {"filter_subject": filters[0]} if len(filters) == 1 else {"filter_subjects": filters}


def kept(header_size: int, body: bytes, *, drops: tuple[bytes, ...] = ()) -> tuple[int, bytes]:
    """Return (header size, body) without the lines whose demands are spent, and without `drops`."""
    block = header.without(body[:header_size], (*_SPENT, *drops))
    if len(block) == header_size:
        return header_size, body
    return len(block), block + body[header_size:]


class Sourced(NamedTuple):
    """What `Nats-Stream-Source` says: which source, how far, and which stream it was."""

    index_name: str
    seq: int
    identity: bytes


def sourced(
    header_size: int, body: bytes, *, index_name: str, seq: int, subject: bytes, identity: bytes
) -> tuple[int, bytes]:
    """Return (header size, body) with the line that says where the message is from."""
    header_size, body = kept(header_size, body, drops=(SOURCE + b":", REQUEST_INFO + b":"))
    name, source, destination = index_name.encode().split(b" ", 2)
    words = [name, b"%d" % seq, source, destination, subject]
    if identity:
        words.append(identity)
    line = header.build([(SOURCE, b" ".join(words))])
    block = append_header(body[:header_size], line)
    return len(block), block + body[header_size:]


def source_of(block: bytes) -> Sourced | None:
    """Read what `sourced` wrote, or None."""
    value = header.get(block, SOURCE)
    words = value.split(b" ") if value is not None else []
    if len(words) < 4 or not words[1].isdigit() or len(words[1]) > _DIGITS_MAX:
        return None
    index_name = b" ".join((words[0], words[2], words[3])).decode("utf-8", "replace")
    return Sourced(index_name, int(words[1]), words[5] if len(words) > 5 else b"")
