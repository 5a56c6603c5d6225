"""Advisories: what JetStream tells an account about its streams and consumers, on `$JS.EVENT.`.

Sent only when somebody listens. Truth: nats-server 2.15.1, io.nats.jetstream.advisory.v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.go_time import ZERO_TIME, format_time
from leafnode.jetstream import wire
from leafnode.protocol.client_info import ClientInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.jetstream.context import Context
    from leafnode.routing.peer import Peer

_PREFIX: Final = "$JS.EVENT.ADVISORY."
_METRIC: Final = "$JS.EVENT.METRIC."
_METRIC_TYPE: Final = "io.nats.jetstream.metric.v1.consumer_ack"
_TYPE: Final = "io.nats.jetstream.advisory.v1."
_API: Final = b"$JS.EVENT.ADVISORY.API"
# The others are a stream's, and go out like what it delivers: the lines differ by a blank.
_OF_THE_SERVER: Final = frozenset(
    {
        "api_audit",
        "snapshot_create",
        "snapshot_complete",
        "restore_create",
        "restore_complete",
        "stream_batch_abandoned",
    }
)


def is_audited(context: Context) -> bool:
    """Say whether anybody listens to what is asked and answered."""
    return context.account.has_interest(_API)


def api_audit(
    context: Context, origin: Peer, *, subject: bytes, request: bytes, response: bytes
) -> None:
    """Tell who asked what, and what was answered."""
    fields: dict[str, object] = {
        "server": context.facts.name,
        "client": client_of(context, origin),
        "subject": subject.decode("utf-8", "replace"),
    }
    if request:
        fields["request"] = request.decode("utf-8", "replace")
    fields["response"] = response.decode()
    _send(context, "API", "api_audit", fields)


def client_of(context: Context, origin: Peer | None) -> ClientInfo:
    """Return what advisories say of who asks."""
    info = context.client_info(origin) if origin is not None else None
    info = info or ClientInfo(acc=context.account.name)
    return msgspec.structs.replace(info, jwt="", alts=[])


def snapshot_create(
    context: Context, stream: str, state: Mapping[str, object], client: ClientInfo
) -> None:
    """Tell that a snapshot begins."""
    fields = {"stream": stream, "state": state, "client": client}
    _send(context, f"STREAM.SNAPSHOT_CREATE.{stream}", "snapshot_create", fields)


def snapshot_complete(
    context: Context, stream: str, start_ns: int, client: ClientInfo, *, error: str
) -> None:
    """Tell that a snapshot is over; `error` empty: it is whole."""
    fields = {**_span(context, stream, start_ns), "client": client}
    if error:
        fields["error"] = error
    _send(context, f"STREAM.SNAPSHOT_COMPLETE.{stream}", "snapshot_complete", fields)


def restore_create(context: Context, stream: str, client: ClientInfo) -> None:
    """Tell that a restore begins."""
    fields = {"stream": stream, "client": client}
    _send(context, f"STREAM.RESTORE_CREATE.{stream}", "restore_create", fields)


def restore_complete(
    context: Context, stream: str, start_ns: int, client: ClientInfo, *, size: int
) -> None:
    """Tell that a restore is over, whatever came of it; `size` bytes were taken in."""
    fields = {**_span(context, stream, start_ns), "bytes": size, "client": client}
    _send(context, f"STREAM.RESTORE_COMPLETE.{stream}", "restore_complete", fields)


def _span(context: Context, stream: str, start_ns: int) -> dict[str, object]:
    end_ns = context.clock.wall_ns()
    return {"stream": stream, "start": format_time(start_ns), "end": format_time(end_ns)}


def stream_action(context: Context, stream: str, action: str) -> None:
    """Tell that a stream was created, modified or deleted."""
    word = {"create": "CREATED", "modify": "UPDATED", "delete": "DELETED"}[action]
    fields = {"stream": stream, "action": action}
    _send(context, f"STREAM.{word}.{stream}", "stream_action", fields)


def consumer_action(context: Context, stream: str, consumer: str, action: str) -> None:
    """Tell that a consumer was created or deleted."""
    word = {"create": "CREATED", "delete": "DELETED"}[action]
    fields = {"stream": stream, "consumer": consumer, "action": action}
    _send(context, f"CONSUMER.{word}.{stream}.{consumer}", "consumer_action", fields)


def consumer_pause(
    context: Context, stream: str, consumer: str, *, paused: bool, until_ns: int | None
) -> None:
    """Tell that a consumer is paused, or goes on."""
    until = ZERO_TIME if until_ns is None else format_time(until_ns)
    fields = {"stream": stream, "consumer": consumer, "paused": paused, "pause_until": until}
    _send(context, f"CONSUMER.PAUSE.{stream}.{consumer}", "consumer_pause", fields)


def group_pinned(context: Context, stream: str, consumer: str, group: str, pin: str) -> None:
    """Tell that a client of a priority group has the consumer for itself."""
    fields = {**_group(context, stream, consumer, group), "pinned_id": pin}
    _send(context, f"CONSUMER.PINNED.{stream}.{consumer}", "consumer_group_pinned", fields)


def group_unpinned(context: Context, stream: str, consumer: str, group: str, reason: str) -> None:
    """Tell that it has it no more."""
    fields = {**_group(context, stream, consumer, group), "reason": reason}
    _send(context, f"CONSUMER.UNPINNED.{stream}.{consumer}", "consumer_group_unpinned", fields)


def _group(context: Context, stream: str, consumer: str, group: str) -> dict[str, object]:
    account = context.account.name
    return {"account": account, "stream": stream, "consumer": consumer, "group": group}


def batch_abandoned(context: Context, stream: str, batch: str, reason: str) -> None:
    """Tell that a batch will not be stored."""
    fields = {"stream": stream, "batch": batch, "reason": reason}
    _send(context, f"STREAM.BATCH_ABANDONED.{stream}", "stream_batch_abandoned", fields)


def max_deliver(
    context: Context, stream: str, consumer: str, stream_seq: int, deliveries: int
) -> None:
    """Tell that a message is out of attempts."""
    fields = {
        "stream": stream,
        "consumer": consumer,
        "stream_seq": stream_seq,
        "deliveries": deliveries,
    }
    _send(context, f"CONSUMER.MAX_DELIVERIES.{stream}.{consumer}", "max_deliver", fields)


def nak(
    context: Context, stream: str, consumer: str, *, seqs: tuple[int, int], deliveries: int
) -> None:
    """Tell of a negative acknowledgement; `seqs` is (consumer sequence, stream sequence)."""
    fields = _message(stream, consumer, seqs, deliveries)
    _send(context, f"CONSUMER.MSG_NAKED.{stream}.{consumer}", "nak", fields)


def terminated(
    context: Context,
    stream: str,
    consumer: str,
    *,
    seqs: tuple[int, int],
    deliveries: int,
    reason: str = "",
) -> None:
    """Tell that a message will not be delivered again; `seqs` is (consumer, stream sequence)."""
    fields = _message(stream, consumer, seqs, deliveries)
    if reason:
        fields["reason"] = reason
    _send(context, f"CONSUMER.MSG_TERMINATED.{stream}.{consumer}", "terminated", fields)


def consumer_ack(
    context: Context, stream: str, consumer: str, fields: Mapping[str, object]
) -> None:
    """Tell how long an acknowledged message was out."""
    _publish(context, f"{_METRIC}CONSUMER.ACK.{stream}.{consumer}", _METRIC_TYPE, fields)


def _message(
    stream: str, consumer: str, seqs: tuple[int, int], deliveries: int
) -> dict[str, object]:
    return {
        "stream": stream,
        "consumer": consumer,
        "consumer_seq": seqs[0],
        "stream_seq": seqs[1],
        "deliveries": deliveries,
    }


def _send(context: Context, subject: str, kind: str, fields: Mapping[str, object]) -> None:
    _publish(context, _PREFIX + subject, _TYPE + kind, fields)


def _publish(context: Context, subject: str, kind: str, fields: Mapping[str, object]) -> None:
    where = subject.encode()
    if not context.account.has_interest(where) or not context.account.takes_news(where):
        return
    event: dict[str, object] = {
        "type": kind,
        "id": context.nuid(),
        "timestamp": format_time(context.clock.wall_ns()),
    }
    event.update(fields)
    if context.facts.domain:
        event["domain"] = context.facts.domain
    send = (
        context.account.announce
        if kind[len(_TYPE) :] in _OF_THE_SERVER
        else context.account.publish
    )
    send(where, wire.encode(event))
