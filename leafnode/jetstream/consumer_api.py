"""The endpoints about consumers.

Each turns a request into the fields of its response. Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.jetstream.api_types import ConsumersRequest, CreateConsumerRequest
from leafnode.jetstream.errors import js_error, store_error
from leafnode.jetstream.json_value import has_more_commas
from leafnode.jetstream.names import UPLINK_DURABLES
from leafnode.jetstream.origin_request import IDENTITY
from leafnode.jetstream.request import page
from leafnode.protocol import header
from leafnode.protocol.subject import is_valid
from leafnode.slices import in_slices

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from leafnode.jetstream.api_types import ConsumerConfig
    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.jetstream.request import Request
    from leafnode.jetstream.stream import Stream


def create(js: AccountJetStream, request: Request) -> dict[str, Any] | None:
    """CONSUMER.CREATE.<stream>[.<consumer>[.<filter>]]."""
    body = _body(request)
    config = body.config
    if len(request.args) == 1:
        if config.durable_name:
            raise js_error(10020)
        return _create(js, request, body)
    name = request.args[1]
    _check_name(name)
    if config.durable_name and config.durable_name != name:
        raise js_error(10017)
    config.name = name  # whatever it says itself
    if len(request.args) > 2:
        if config.filter_subjects:
            raise js_error(10137)
        if config.filter_subject != ".".join(request.args[2:]):
            raise js_error(10131)
    return _create(js, request, body)


def create_durable(js: AccountJetStream, request: Request) -> dict[str, Any] | None:
    """CONSUMER.DURABLE.CREATE.<stream>.<consumer>, the form of older clients."""
    body = _body(request)
    name = request.args[1]
    _check_name(name)
    if not body.config.durable_name:
        raise js_error(10018)
    if body.config.durable_name != name:
        raise js_error(10017)
    body.config.name = name
    return _create(js, request, body)


def names(js: AccountJetStream, request: Request) -> dict[str, Any]:
    """CONSUMER.NAMES."""
    body = request.optional(ConsumersRequest, "JSApiConsumersRequest")
    found = sorted(one.name for one in js.stream(request.args[0]).visible_consumers())
    offset, paging = page(len(found), body.offset, limits.NAMES_PAGE)
    return {**paging, "consumers": found[offset : offset + limits.NAMES_PAGE]}


def listing(js: AccountJetStream, request: Request) -> dict[str, Any]:
    """CONSUMER.LIST."""
    body = request.optional(ConsumersRequest, "JSApiConsumersRequest")
    visible = js.stream(request.args[0]).visible_consumers()
    found = sorted((one.name, one) for one in visible)
    offset, paging = page(len(found), body.offset, limits.LIST_PAGE)
    shown = found[offset : offset + limits.LIST_PAGE]
    return {**paging, "consumers": [consumer.info(dynamic=False) for _, consumer in shown]}


def info(js: AccountJetStream, request: Request) -> dict[str, Any]:
    """CONSUMER.INFO."""
    request.expect_empty()
    return js.consumer(*request.args).info()


def delete(js: AccountJetStream, request: Request) -> dict[str, Any]:
    """CONSUMER.DELETE."""
    request.expect_empty()
    js.consumers.delete(js.consumer(*request.args))
    return {"success": True}


def check_owner(js: AccountJetStream, request: Request, present: Consumer | None) -> None:
    """Raise 10012 for the consumer of an uplink. With another filter, without payloads, or set
    forward, what it never sent would be acknowledged.
    """
    is_uplinks = present is not None and present.name.startswith(UPLINK_DURABLES)
    if is_uplinks and request.origin is not js.context.account.to_itself:
        raise js_error(10012, "it is an uplink's, which alone says how it is")


def _body(request: Request) -> CreateConsumerRequest:
    if has_more_commas(request.payload, limits.CONSUMER_COMMAS_MAX):
        raise js_error(10025, f"more than {limits.CONSUMER_COMMAS_MAX} members and elements")
    body = request.required(CreateConsumerRequest, "CreateConsumerRequest")
    if body.stream_name != request.args[0]:
        raise js_error(10056)
    return body


def _check_name(name: str) -> None:
    if "/" in name or "\\" in name:
        raise js_error(10127)
    if len(name) > limits.STREAM_NAME_MAX:
        raise js_error(10102, limits.STREAM_NAME_MAX)


def _create(
    js: AccountJetStream, request: Request, body: CreateConsumerRequest
) -> dict[str, Any] | None:
    """Create it now, or when its filters were matched against very many subjects."""
    if body.config.num_replicas > 1:
        raise js_error(10074)
    stream = js.stream(request.args[0])
    check_owner(js, request, stream.consumers.get(body.config.name))
    if request.origin is not None:  # its filters may be matched against all subjects
        subjects = stream.store.state().num_subjects
        request.origin.outbox.work_left -= limits.FILTERED_SUBJECT_WORK * subjects
    steps = _look(stream, body.config)
    try:
        next(steps)
    except StopIteration as found:
        return _create_now(js, request, body, found.value)
    js.lineup.hold(stream.name)
    in_slices(js.context.clock.call_later, _then(js, steps, request, body), 1)
    return None


def _look(stream: Stream, config: ConsumerConfig) -> Generator[None, None, list[int] | None]:
    """Match filters, and list what comes first of very many subjects. Raises StoreError."""
    store, filters = stream.store, list(filter(is_valid, config.filters))
    present = stream.consumers.get(config.name)
    if len(filters) <= limits.CONSUMER_FILTERS_MAX:  # else it is refused
        yield from store.prepare(*filters, start_seq=_begin(stream, config, present))
        if present is not None:
            yield from present.cursor.sift(filters)
    if not (present is None and config.deliver_policy == "last_per_subject" and filters):
        return None
    if stream.config.max_msgs_per_subject == 1:
        return None
    if store.state().num_subjects <= limits.LISTED_PER_STEP:
        return None
    return (yield from store.list_last(*filters))


def _begin(stream: Stream, config: ConsumerConfig, present: Consumer | None) -> int:
    """Return from where on messages are to be counted; 0: all of them. Raises StoreError."""
    if present is not None:
        return present.pending.delivered.stream_seq + 1
    if config.deliver_policy == "by_start_sequence":
        return config.opt_start_seq
    if config.deliver_policy == "by_start_time" and config.opt_start_time is not None:
        return stream.store.seq_at(config.opt_start_time)
    return 0


def _then(
    js: AccountJetStream,
    steps: Generator[None, None, list[int] | None],
    request: Request,
    body: CreateConsumerRequest,
) -> Iterator[None]:
    failed: StoreError | None = None
    listed: list[int] | None = None
    try:
        listed = yield from steps
    except StoreError as error:
        failed = error
    if js.is_shut_down:
        return
    if failed is not None:
        request.finish(store_error(failed))
    else:
        request.answer(partial(_create_now, js, request, body, listed))
    js.lineup.go_on(request.args[0])


def _create_now(
    js: AccountJetStream,
    request: Request,
    body: CreateConsumerRequest,
    listed: list[int] | None,
) -> dict[str, Any]:
    stream = js.stream(request.args[0])
    present = stream.consumers.get(body.config.name)
    if present is not None:  # CONSUMER.PAUSE changes that
        body.config.pause_until = present.config.pause_until
    if not (body.config.direct or body.config.sourcing):
        return _created(js, stream, body, listed)
    _for_an_origin(js, stream, body.config)
    wanted = header.get(request.block, IDENTITY)
    if wanted and wanted != stream.identity:
        raise js_error(10225, stream.identity.decode())
    answer = _created(js, stream, body, listed)
    request.lines.append((IDENTITY, stream.identity))
    return answer


def _created(
    js: AccountJetStream, stream: Stream, body: CreateConsumerRequest, listed: list[int] | None
) -> dict[str, Any]:
    """Create it and say what it is before it delivers anything."""
    consumer = js.consumers.create(stream, body, listed)
    answer = consumer.info()
    consumer.pump()
    return answer


def _for_an_origin(js: AccountJetStream, stream: Stream, config: ConsumerConfig) -> None:
    """What another stream reads is held for it where messages go with their acknowledgement; else
    a consumer of its own will do, under a name that no former one of it has.
    """
    if config.direct and config.sourcing and config.name:
        if stream.config.retention == "limits":
            config.name += "-" + js.consumers.free_name(stream)
            return
        config.direct = False
        config.durable_name = config.name
        config.ack_policy = "flow_control"
        config.ack_wait = config.max_deliver = config.inactive_threshold = 0
    present = stream.consumers.get(config.name)
    if present is not None and config.sourcing and config.durable_name:
        config.deliver_policy = present.config.deliver_policy
        config.opt_start_seq = present.config.opt_start_seq
        config.opt_start_time = present.config.opt_start_time
