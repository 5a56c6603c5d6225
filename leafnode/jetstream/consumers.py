"""The consumers of one account: created, changed, deleted, and built again from what the store has.

Knows bounds, rules and the store; not JSON. Truth: nats-server 2.15.1 server/consumer.go.
"""

from __future__ import annotations

import logging
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreCorrupt, StoreError
from leafnode.jetstream import account_bounds, advisory, consumer_config, interest, wire
from leafnode.jetstream.api_types import ConsumerConfig
from leafnode.jetstream.consumer import Consumer
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.start import start_of
from leafnode.limits import PENDING_PER_STEP
from leafnode.nuid import nuid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.jetstream.api_types import CreateConsumerRequest
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import ConsumerRecord

log = logging.getLogger(__name__)

_EPHEMERAL_NAME_LENGTH = 8


class Consumers:
    """What changes the consumers of an account's streams; each stream keeps its own."""

    def __init__(self, js: AccountJetStream) -> None:
        self._js = js
        self._context = js.context

    def create(
        self, stream: Stream, request: CreateConsumerRequest, listed: list[int] | None = None
    ) -> Consumer:
        """Create a consumer or update the present one, as the request's action allows. `listed`:
        what is delivered first, where that was looked for. A new one waits for its first `pump`.
        """
        bounds = self._js.bounds
        most = account_bounds.most(bounds, self._context.bounds)
        config = consumer_config.checked(
            request.config, stream.config, most, pedantic=request.pedantic
        )
        present = stream.consumers.get(config.name) if config.name else None
        if present is not None:
            return self._update(present, config, request.action)
        if request.action == "update":
            raise js_error(10149)
        others = [one.config for one in stream.consumers.values() if not one.config.is_of_origin]
        if config.is_of_origin:  # does not count, and has a bound all the same
            if len(stream.consumers) >= 2 * limits.CONSUMERS_PER_STREAM_MAX:
                raise js_error(10026)
        else:
            account_bounds.check_consumers(bounds, stream.config, self._context.bounds, len(others))
        if stream.config.retention == "workqueue" and not config.is_of_origin:
            consumer_config.check_work_queue(config, others)
        name = config.name or self.free_name(stream)
        config = consumer_config.with_threshold(config, durable=bool(config.durable_name))
        created_ns = self._context.time.now_ns()
        one_each = stream.config.max_msgs_per_subject == 1
        start = start_of(stream.store, config, one_per_subject=one_each, listed=listed)
        consumer = Consumer(stream, name, config, created_ns, start=start, expired=self._on_expired)
        consumer.keeper.put()
        stream.consumers[name] = consumer
        consumer.open(waits=True)
        stream.undo.stage(
            partial(self._uncreate, consumer), partial(self._tell, consumer, "create")
        )
        return consumer

    def _tell(self, consumer: Consumer, action: str) -> None:
        if action == "delete":
            consumer.tell_deleted()
        if not consumer.config.direct:
            names = consumer.stream.name, consumer.name
            advisory.consumer_action(self._context, *names, action)

    def _update(self, consumer: Consumer, config: ConsumerConfig, action: str) -> Consumer:
        old, retention = consumer.config, consumer.stream.config.retention
        if action == "create":
            config = consumer_config.with_level_of(old, config)
            if old != config:
                raise js_error(10148)
        if config.inactive_threshold != old.inactive_threshold:
            config = consumer_config.with_threshold(config, durable=bool(old.durable_name))
        if old == config and not config.sourcing:
            consumer.pause.remind()
            return consumer
        if retention == "workqueue" and not config.is_of_origin:
            others = [
                other.config
                for other in consumer.stream.consumers.values()
                if other is not consumer and not other.config.is_of_origin
            ]
            consumer_config.check_partition(config, others)
        account = self._context.account
        consumer_config.check_update(old, config, is_bound=account.has_interest)
        back = consumer.checkpoint(position=config.sourcing or config.filters != old.filters)
        try:
            consumer.update(config)
            consumer.keeper.put()
        except StoreError:
            back()
            raise
        consumer.stream.undo.stage(back)
        if config.filters != old.filters:
            consumer.stream.interest_changed(interest.position(consumer))
        elif config.sourcing:
            consumer.stream.remove_done()
        consumer.pause.remind()
        return consumer

    def reset(self, consumer: Consumer, seq: int) -> None:
        """Let a consumer start over at this sequence. Raises StoreError."""
        back = consumer.checkpoint(position=True)
        try:
            consumer.reset(seq)
            consumer.keeper.put()
        except StoreError:
            back()
            raise
        consumer.stream.undo.stage(back)

    def _uncreate(self, consumer: Consumer) -> None:
        log.error(
            "Consumer could not be stored: stream=%s consumer=%s",
            *(consumer.stream.name, consumer.name),
        )
        consumer.close()
        consumer.tell_deleted()
        consumer.stream.consumers.pop(consumer.name, None)

    def delete(self, consumer: Consumer) -> None:
        """Delete a consumer; its waiting requests are told when that is on disk."""
        stream = consumer.stream
        if consumer.keeper.persists:
            stream.root.delete_consumer(self._context.account.name, stream.name, consumer.name)
        consumer.close()
        del stream.consumers[consumer.name]
        stream.undo.stage(
            partial(self._undelete, stream, consumer), partial(self._tell, consumer, "delete")
        )
        stream.interest_changed(interest.position(consumer))

    def _undelete(self, stream: Stream, consumer: Consumer) -> None:
        if not stream.closed and consumer.name not in stream.consumers:
            self.bring_back(stream, consumer)
            self._context.clock.call_later(0, partial(_open, consumer))

    def bring_back(self, stream: Stream, consumer: Consumer) -> None:
        """What was deleted is there again, where it was; it is not open."""
        consumer.revive(stream)
        stream.consumers[consumer.name] = consumer

    def bring_back_with(self, stream: Stream, consumer: Consumer) -> None:
        """The stream of this consumer is there again, with what the store has: that may be the
        consumer, too, as another object, and who waited waits there.
        """
        present = stream.consumers.get(consumer.name)
        if present is not None:
            present.outlet.wait_on(consumer.outlet)
        elif consumer.keeper.persists:
            consumer.tell_deleted()
        else:
            self.bring_back(stream, consumer)

    def _on_expired(self, consumer: Consumer) -> None:
        try:
            self.delete(consumer)
        except StoreError as error:
            consumer.trouble.note("Unused consumer not removed", error)
            consumer.arm_idle_timer()

    def free_name(self, stream: Stream) -> str:
        """Return a name that no consumer of the stream has."""
        while True:
            name = nuid(self._context.random, _EPHEMERAL_NAME_LENGTH)
            if name not in stream.consumers:
                return name

    def revive(self, stream: Stream, name: str = "") -> Iterator[Consumer]:
        """Build the consumers that the store has and the stream has not; they are not open. The
        same one is yielded in as many steps as it costs. `name`: what the store calls the stream.
        """
        account, owner = self._context.account.name, name or stream.name
        for found in [one.name for one in stream.root.consumers(account, owner)]:
            if found.startswith(".") or found in stream.consumers:
                continue
            kept = stream.root.consumer(account, owner, found)
            if kept is not None:  # else it was deleted between two steps
                consumer = self._stored(stream, kept)
                for _ in self._position(consumer, kept):
                    yield from repeat(consumer, limits.RECOVERED_PER_TURN)
                consumer.count_anew()
                stream.consumers[kept.name] = consumer
                filters = consumer.config.filters
                behind = consumer.pending.delivered.stream_seq + 1
                prepared = stream.store.prepare(*filters, start_seq=behind)
                for _ in chain(prepared, consumer.look()):
                    yield from repeat(consumer, limits.RECOVERED_PER_TURN)
                yield from repeat(consumer, 1 + len(consumer.pending) // PENDING_PER_STEP)

    def _stored(self, stream: Stream, kept: ConsumerRecord) -> Consumer:
        """Return one as it was made."""
        config = wire.decode(ConsumerConfig, kept.config, name="ConsumerConfig", strict=False)
        return Consumer(
            stream, kept.name, config, kept.created_ns, start=(1, []), expired=self._on_expired
        )

    @staticmethod
    def _position(consumer: Consumer, kept: ConsumerRecord) -> Iterator[None]:
        """Bring it to where it was left, in steps where that is much."""
        try:
            yield from consumer.keeper.restore(kept.state)
        except StoreCorrupt as error:  # it starts over: rather twice than never
            consumer.trouble.note("Position not read", error)


def _open(consumer: Consumer) -> None:
    if not consumer.closed:
        consumer.open()
