"""One message of another stream into this one: what is still checked, and what no longer.

What the publisher demanded was looked at where it was published; sizes, limits and repeats are
looked at here. Truth: nats-server 2.15.1 server/stream.go (processJetStreamMsg, `sourced`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.jetstream import counters
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.origin_message import SOURCE
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.jetstream.ingest import Ingest
    from leafnode.jetstream.stream import Stream


def take_over(
    stream: Stream,
    ingest: Ingest,
    subject: bytes,
    message: tuple[int, bytes],
    ts_ns: int,
    *,
    seq: int = 0,
) -> bytes:
    """Store (header size, body) and return the subject that it is stored under.

    `seq`: a mirror keeps the origin's, and the subject as it is. `Ingest.end_run` has to follow.
    Raises JetStreamError, StoreError.
    """
    config = stream.config
    header_size, body = message
    fields = dict(reversed(header.parse(body[:header_size])))
    if config.sealed:
        raise js_error(10109)
    if not seq:
        subject = ingest.stored_subject(subject)
        msg_id = fields.get(b"Nats-Msg-Id", b"")
        if msg_id and ingest.judge.find(msg_id) is not None:
            return subject
    total = None
    if config.allow_msg_counter:
        total, header_size, body = _summed(stream, subject, (header_size, body), fields)
    rollup = b""
    if config.allow_rollup_hdrs and not config.deny_purge:
        rollup = ingest.judge.rollup(fields.get(b"Nats-Rollup", b""))
    ingest.judge.check_size(subject, header_size, body, rollup=bool(rollup))
    if not config.allow_msg_ttl:
        fields.pop(b"Nats-TTL", None)
    judged = ingest.judge.judged(header_size, body, fields, rollup)
    if rollup:
        stream.errands.check_room()
    if stream.quota is not None:
        stream.quota.refresh()
    is_wanted = ingest.judge.is_wanted(subject)
    if is_wanted:
        ingest.count(subject, header_size, body)
    ingest.store(subject, judged._replace(total=total, is_wanted=is_wanted), ts_ns, seq=seq)
    return subject


def _summed(
    stream: Stream, subject: bytes, message: tuple[int, bytes], fields: dict[bytes, bytes]
) -> tuple[counters.Total, int, bytes]:
    """Return the new total of a counter, and (header size, body) as it is stored."""
    header_size, body = message
    if not fields.get(b"Nats-Incr"):
        raise js_error(10169)
    words = fields.get(SOURCE, b"").decode("utf-8", "replace").split(" ")
    source = (words[0], words[4] if len(words) > 4 else subject.decode("utf-8", "replace"))
    present = stream.counters.total(subject)
    total, block = counters.summed(present, body[:header_size], body[header_size:], source)
    return (total, *counters.with_total(block, total))
