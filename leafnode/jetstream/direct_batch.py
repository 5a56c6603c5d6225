"""Direct Get of several messages: from a sequence on, or the last one of each of some subjects.

Reads a page at a time and sends it before it reads on, in turn with all others of the account; ends
with a status that says what is left, or when nobody hears it any more.
Knows one stream and one reply subject. Bounded by DIRECT_SUBJECTS_MAX subjects, and by the bytes
that the request or MAX_PENDING_BYTES allow. Truth: ADR-31, measured on nats-server 2.15.1;
server/stream.go getDirectRequest, getDirectMulti.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.go_time import format_time
from leafnode.jetstream.errors import store_status
from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.jetstream.api_types import MsgGetRequest
    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StoredMsg

_NOT_FOUND: Final = header.status(404, b"Message Not Found")
_NO_RESULTS: Final = header.status(404, b"No Results")
# Names and subjects hold no line end; `header.build` would look for one in each.
_ORIGIN: Final = (
    b"NATS/1.0\r\nNats-Stream: %b\r\nNats-Subject: %b\r\nNats-Sequence: %d\r\n"
    b"Nats-Time-Stamp: %b\r\n%b\r\n"
)
_PLACE: Final = b"Nats-Num-Pending: %d\r\nNats-Last-Sequence: %d\r\n"
_OVER: Final = object()
_TOO_MANY: Final = header.status(413, b"Too Many Results")


def append_header(block: bytes, added: bytes) -> bytes:
    """Return a header block (may be empty) with the lines of `added` after its own."""
    if not block:
        return added
    return block[:-2] + added[len(header.VERSION) + 2 :]


def origin_header(stream: Stream, msg: StoredMsg, more: bytes = b"") -> bytes:
    """Return a block that says where a message is stored, with `more` lines behind."""
    return _ORIGIN % (
        *(stream.name.encode(), msg.subject, msg.seq),
        *(format_time(msg.ts_ns).encode(), more),
    )


class _Sender:
    """What both kinds do with a message, and how they end."""

    def __init__(
        self, stream: Stream, reply: bytes, request: MsgGetRequest, *, no_header: bool = False
    ) -> None:
        self.stream = stream
        self.pending = 0  # how many are left after the one that was sent
        self.last_seq = 0
        self._reply = reply
        self._left_bytes = request.max_bytes or limits.MAX_PENDING_BYTES
        self._no_header = no_header

    def send(self, msg: StoredMsg) -> bool:
        """Send one message; False when no more fit, or nobody heard it."""
        context = self.stream.context
        if self._no_header:
            heard = context.send(self._reply, msg.payload)
        else:
            added = origin_header(self.stream, msg, _PLACE % (self.pending, self.last_seq))
            block = append_header(msg.header, added)
            heard = context.send(self._reply, block + msg.payload, header_size=len(block))
        self.last_seq = msg.seq
        self._left_bytes -= len(msg.subject) + len(msg.body)
        return heard > 0 and self._left_bytes > 0

    def status(self, block: bytes) -> None:
        self.stream.context.send_status(self._reply, block)

    def end(self, upto_seq: int = 0) -> None:
        """Say that this was all."""
        fields = [
            (b"Nats-Num-Pending", b"%d" % self.pending),
            (b"Nats-Last-Sequence", b"%d" % self.last_seq),
        ]
        if upto_seq:
            fields.append((b"Nats-UpTo-Sequence", b"%d" % upto_seq))
        self.status(header.status(204, b"EOB", fields))

    def refused(self, error: StoreError) -> None:
        """The store does not read now."""
        self.stream.trouble.note("Direct get refused", error)
        self.status(store_status(error))

    def next(self, step: Callable[[], None], msgs: int = limits.READ_BATCH_MSGS) -> None:
        """Go on when it is this answer's turn: reads that answer at once do not pile up."""
        context = self.stream.context
        context.rounds.add(context.clock, partial(self._step, step), msgs)

    def go_on(self, step: Callable[[], None]) -> None:
        """Go on before all other answers: what this one gathers goes first."""
        context = self.stream.context
        context.rounds.go_on(context.clock, partial(self._step, step))

    def begin(self, step: Callable[[], None]) -> None:
        """Begin when it is this answer's turn. Raises StoreBusy."""
        context = self.stream.context
        context.rounds.begin(context.clock, partial(self._step, step))

    def _step(self, step: Callable[[], None]) -> None:
        if self.stream.closed:
            return
        try:
            step()
        except StoreError as error:
            self.refused(error)


class DirectRange:
    """Up to `batch` messages from a sequence or time on, of some subjects or all."""

    def __init__(self, stream: Stream, reply: bytes, request: MsgGetRequest) -> None:
        self._sender = _Sender(stream, reply, request, no_header=request.no_hdr)
        self._counts = not request.no_hdr  # without headers the count is not kept either
        self._stream = stream
        self._left = request.batch
        self._patterns = [request.next_by_subj.encode()] if request.next_by_subj else []
        self._next_seq = request.seq
        self._start_ns = request.start_time
        self._sent = False

    def start(self) -> None:
        """Begin. Raises StoreBusy."""
        self._sender.begin(self._first)

    def _first(self) -> None:
        self._look(self._stream.store.prepare(*self._patterns))

    def _look(self, steps: Iterator[None]) -> None:
        """Look for the subjects, in steps, then begin to read."""
        if next(steps, _OVER) is not _OVER:
            self._sender.go_on(partial(self._look, steps))
            return
        store = self._stream.store
        if self._start_ns is not None:
            self._next_seq = store.seq_at(self._start_ns)
        self._sender.pending = store.num_pending(self._patterns, self._next_seq)
        if self._left < 0:
            self._sender.end()
            return
        self._read()

    def _read(self) -> None:
        most = min(self._left, limits.READ_BATCH_MSGS)
        self._stream.store.read(
            max(1, self._next_seq), self._patterns, most, limits.PREFETCH_BYTES, self._on_page
        )

    def _on_page(self, page: list[StoredMsg]) -> None:
        sender = self._sender
        for msg in page:
            sender.pending -= self._counts and sender.pending > 0
            self._sent = True
            self._left -= 1
            self._next_seq = msg.seq + 1
            if not sender.send(msg):
                sender.end()
                return
        if not self._sent:
            sender.status(_NOT_FOUND)
        elif not page or not self._left:
            sender.end()
        else:
            sender.next(self._read)


class DirectLast:
    """The last message of each matching subject, as of a sequence or time, in order."""

    def __init__(self, stream: Stream, reply: bytes, request: MsgGetRequest) -> None:
        self._sender = _Sender(stream, reply, request)
        self._stream = stream
        self._request = request
        self._upto_seq = 0
        self._is_bound = True  # what comes from now on is beyond what was asked for
        self._unsure: list[bytes] = []  # subjects whose last message is beyond `_upto_seq`
        self._matched = False
        self._found: list[tuple[int, bytes]] = []  # what is to be sent, and of which subject
        self._left = request.batch or limits.DIRECT_SUBJECTS_MAX
        self._looks_left = limits.DIRECT_SUBJECTS_MAX  # for what was replaced since it was found

    def start(self) -> None:
        """Begin. Raises StoreBusy."""
        self._sender.begin(self._first)

    def _first(self) -> None:
        """Look for the subjects, in steps."""
        store, request = self._stream.store, self._request
        end_seq = store.committed_seq()
        if request.up_to_seq > end_seq and self._stream.config.storage == "file":
            self._sender.status(_NO_RESULTS)  # beyond its end nothing is looked for there
            return
        self._upto_seq = request.up_to_seq or end_seq
        self._is_bound = request.up_to_seq > 0
        if request.up_to_time is not None:  # all of what is staged may be before that
            before_seq = store.seq_at(request.up_to_time) - 1
            self._is_bound = before_seq < end_seq
            self._upto_seq = min(before_seq, end_seq)
        self._look(self._matching(list(map(str.encode, request.multi_last))))

    def _look(self, steps: Iterator[None]) -> None:
        is_over = next(steps, _OVER) is _OVER
        if max(len(self._found), len(self._unsure)) > limits.DIRECT_SUBJECTS_MAX:
            self._sender.status(_TOO_MANY)
        elif is_over:
            self._step()
        else:
            self._sender.go_on(partial(self._look, steps))

    def _matching(self, patterns: list[bytes]) -> Iterator[None]:
        """Gather the last sequences of the subjects that match; yield after so many of them."""
        store = self._stream.store
        yield from store.prepare(*patterns)
        names = store.names(*patterns)
        while some := list(islice(names, limits.SUBJECTS_PER_STEP)):
            for name in some:
                self._note(name)
            if len(some) == limits.SUBJECTS_PER_STEP:
                yield

    def _note(self, name: bytes) -> None:
        """Note a subject by what is staged. Where that is newer, what is on disk may be a value
        that the newer one replaces; only the store knows.
        """
        store = self._stream.store
        last = store.last_of(name)
        if 0 < last <= self._upto_seq:
            self._take(last, name)
        elif last and (not self._is_bound or last > store.committed_seq()):
            self._unsure.append(name)
        elif last:
            state = store.subject_state(name)
            if state is not None and state.first_seq <= self._upto_seq:
                self._unsure.append(name)

    def _take(self, seq: int, name: bytes) -> None:
        self._matched = True
        if seq >= self._request.seq:
            self._found.append((seq, name))

    def _step(self) -> None:
        if self._unsure:
            name = self._unsure.pop()
            on_last = partial(self._on_last, name)
            self._stream.store.last(name, on_last, upto_seq=self._upto_seq)
        elif len(self._found) > limits.DIRECT_SUBJECTS_MAX:
            self._sender.status(_TOO_MANY)
        elif not self._matched:
            self._sender.status(_NO_RESULTS)
        else:
            self._found.sort(reverse=True)
            self._get()

    def _on_last(self, name: bytes, msg: StoredMsg | None) -> None:
        if msg is not None:
            self._take(msg.seq, name)
        elif not self._is_bound:  # the value of then was replaced since, or there was none
            self._sender.next(partial(self._look_again, name), 1)
            return
        self._go_on()

    def _look_again(self, name: bytes) -> None:
        self._stream.store.last(name, partial(self._on_newer, name))

    def _on_newer(self, name: bytes, msg: StoredMsg | None) -> None:
        end_ns = self._request.up_to_time
        if msg is not None and (end_ns is None or msg.ts_ns < end_ns):
            self._take(msg.seq, name)
            self._found.sort(reverse=True)
        self._go_on()

    def _get(self) -> None:
        if not self._found or not self._left:
            self._sender.end(self._upto_seq)
            return
        self._sender.pending = len(self._found) - 1
        seq, name = self._found.pop()
        self._stream.store.get(seq, partial(self._on_msg, name))

    def _on_msg(self, name: bytes, msg: StoredMsg | None) -> None:
        if msg is not None:
            self._left -= 1
            if not self._sender.send(msg):
                self._sender.end(self._upto_seq)
                return
        elif not self._is_bound and self._looks_left:  # it was removed meanwhile, or replaced
            self._looks_left -= 1
            self._sender.next(partial(self._look_again, name), 1)
            return
        self._go_on()

    def _go_on(self) -> None:
        self._sender.next(self._get if self._sender.last_seq else self._step, 1)
