"""Samples of acknowledgements: how long a message was out, told as a metric (`sample_freq`).

Knows one consumer; randomness is the context's. Truth: measured on nats-server 2.15.1;
io.nats.jetstream.metric.v1.consumer_ack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.jetstream import advisory

if TYPE_CHECKING:
    from leafnode.jetstream.ack import AckSubject
    from leafnode.jetstream.consumer import Consumer

_ALL = 100


def percent(sample_freq: str) -> int:
    """Return how many of a hundred are sampled; a checked configuration says `50` or `50%`."""
    digits = sample_freq.removesuffix("%")
    return int(digits) if digits else 0


def sample(consumer: Consumer, where: AckSubject) -> None:
    """Tell of a pending message that is about to be acknowledged, if it is one of the sampled."""
    seq = where.stream_seq
    share = percent(consumer.config.sample_freq)
    if share < _ALL and consumer.context.random.randrange(_ALL) >= share:
        return
    out_ns = consumer.context.clock.monotonic_ns() - consumer.pending.delivered_ns(seq)
    fields = {
        "stream": consumer.stream.name,
        "consumer": consumer.name,
        "consumer_seq": where.consumer_seq,
        "stream_seq": seq,
        "ack_time": max(0, out_ns),
        "deliveries": where.deliveries,
    }
    advisory.consumer_ack(consumer.context, consumer.stream.name, consumer.name, fields)
