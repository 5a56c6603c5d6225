"""Advisories: what JetStream tells an account about its streams and consumers, on `$JS.EVENT.`.

Sent only when somebody listens. Truth: nats-server 2.15.1, io.nats.jetstream.advisory.v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.jetstream import wire
from leafnode.jetstream.go_time import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.jetstream.context import Context

_PREFIX: Final = "$JS.EVENT.ADVISORY."
_TYPE: Final = "io.nats.jetstream.advisory.v1."


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
    where = (_PREFIX + subject).encode()
    if not context.account.has_interest(where):
        return
    event: dict[str, object] = {
        "type": _TYPE + kind,
        "id": context.nuid(),
        "timestamp": format_time(context.clock.wall_ns()),
    }
    event.update(fields)
    if context.facts.domain:
        event["domain"] = context.facts.domain
    context.send(where, wire.encode(event))
