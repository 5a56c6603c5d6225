"""One stream with pull consumers, spoken to through `$JS.API` as any client does.

The smallest JetStream that an uplink needs: STREAM.INFO, CONSUMER.CREATE and INFO, MSG.NEXT, acks,
redelivery after the ack wait; and streams that are made through the API, which keep what they take.
It outlives the uplink that uses it, as a store outlives a process.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from leafnode.go_time import format_time
from leafnode.protocol.header import get as header_of

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery, Subscription
    from tests.sim.clock import FakeClock, FakeTimer


@dataclass
class Pull:
    """A waiting pull request."""

    inbox: bytes
    batch: int
    max_bytes: int | None
    expires_at_ns: int
    is_served: bool = False
    no_wait: bool = False  # it ends with what is there, if that is anything
    timer: FakeTimer | None = None


@dataclass
class Consumer:
    """One durable pull consumer with explicit acknowledgement."""

    name: str
    config: dict[str, Any]
    delivered: int = 0  # stream sequence
    count: int = 0  # consumer sequence
    pending: dict[int, int] = field(default_factory=dict)  # seq -> when its ack wait ends
    pulls: list[Pull] = field(default_factory=list)
    is_paused: bool = False


@dataclass
class SideStream:
    """A stream that was made through the API: messages by subject, in order."""

    config: dict[str, Any]
    messages: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)  # with header, payload
    stored_ns: int = 0  # when the last one was stored
    ids: dict[bytes, int] = field(default_factory=dict)

    def payloads(self) -> list[bytes]:
        return [payload for _, _, payload in self.messages]


class Archive(NamedTuple):
    """A stream as it was."""

    messages: dict[int, tuple[bytes, int, bytes]]
    times: dict[int, int]
    last_seq: int
    size: int
    consumers: list[Consumer]
    created: str
    made: str


class LocalJetStream:
    """One stream of one account, and those that are made beside it."""

    def __init__(
        self,
        account: Account,
        clock: FakeClock,
        *,
        name: str = "EV",
        subjects: tuple[str, ...] = ("ev.>",),
        domain: str = "edge",
        created: str = "2026-01-01T00:00:00Z",
        siblings: tuple[str, ...] | None = (),
    ) -> None:
        """`siblings` are streams that another one answers for; None: all but its own."""
        self.siblings = siblings
        self.account = account
        self.clock = clock
        self.name = name
        self.subjects = subjects
        self.domain = domain
        self.created = self.made = created
        self.messages: dict[int, tuple[bytes, int, bytes]] = {}
        self.last_seq = 0
        self.consumers: dict[str, Consumer] = {}
        self.times: dict[int, int] = {}
        self.bounds: dict[str, Any] = {}  # what its configuration says of them; kept by who tests
        self.max_per_subject = 0  # the next one pushes the oldest out
        self.removed: list[bytes] = []  # payloads that went unasked for
        # Of those: what was passed over by then is not sent, though it comes back.
        self.deleted: set[bytes] = set()
        self._size = 0
        self.side: dict[str, SideStream] = {}
        self.denies_consumers = False
        self.max_batch = 0  # messages that one pull of a consumer may ask for; 0: any
        self._side_subs: list[Subscription] = []  # of the streams that were made through the API
        self.denies_streams = False  # none is made, and none of those takes anything
        self.commit_ns = 0  # so long each of those takes to store something
        self.acks: list[int] = []
        self.requests: list[str] = []
        self.others_take = 0  # of what the consumers give, and acknowledge nothing of it
        self.silent = False
        self.unreadable: set[int] = set()  # messages, as in a bad page of the store
        self.unreadable_sides = False  # the same in all that are made beside it
        self.names_page = 1024  # consumers in one answer
        self.is_work_queue = False  # what is acknowledged goes
        self.is_mirror = False
        self.transform: tuple[str, str] | None = None  # of its subjects, when it stores
        account.subscribe(b"$JS.API.>", self._api)
        account.subscribe(f"$JS.ACK.{name}.>".encode(), self._ack)

    def store(self, payload: bytes, subject: bytes = b"ev.a", header: bytes = b"") -> int:
        self.last_seq += 1
        self.messages[self.last_seq] = (subject, len(header), header + payload)
        self.times[self.last_seq] = self.clock.wall_ns()
        self._size += len(subject) + len(header) + len(payload)
        if self.max_per_subject:
            same = [seq for seq, one in self.messages.items() if one[0] == subject]
            self.delete(*same[: -self.max_per_subject])
        self._serve_all()
        return self.last_seq

    def after(self, seq: int) -> int:
        """How many messages there are behind a sequence."""
        return sum(1 for _ in takewhile(lambda one: one > seq, reversed(self.messages)))

    def delete(self, *seqs: int) -> None:
        """Somebody deletes messages; a consumer that had them does not wait for them any more."""
        for seq in seqs:
            subject, header_size, body = self.messages.pop(seq)
            self.removed.append(body[header_size:])
            self.deleted.add(body[header_size:])
            self._size -= len(subject) + len(body)
            for consumer in self.consumers.values():
                consumer.pending.pop(seq, None)

    def make_anew(self, created: str) -> None:
        """Somebody deletes the stream, and makes one of the same name and configuration."""
        self._clear(created)
        self._say_made()

    def _clear(self, created: str) -> None:
        for consumer in self.consumers.values():
            for pull in list(consumer.pulls):
                self._end(consumer, pull, b"409 Consumer Deleted")
        self.consumers.clear()
        self.removed += [body[size:] for _, size, body in self.messages.values()]
        self.messages.clear()
        self.times.clear()
        self.last_seq = self._size = 0
        self.created = self.made = created

    def archive(self, *, has_consumers: bool = True) -> Archive:
        """Return what an archive of the stream has: all of it, with its consumers or without."""
        consumers = self.consumers.values() if has_consumers else ()
        kept = [replace(one, pending=dict(one.pending), pulls=[]) for one in consumers]
        messages, times = dict(self.messages), dict(self.times)
        now = (self.created, self.made)
        return Archive(messages, times, self.last_seq, self._size, kept, *now)

    def is_as(self, archive: Archive) -> bool:
        """Say whether nothing was stored since the archive was made."""
        return (self.made, self.last_seq) == (archive.made, archive.last_seq)

    def restore(self, archive: Archive, created: str = "") -> None:
        """Put it back in the place of what is there: another stream (`created`), or a copy of the
        store in which it is the same.
        """
        self._clear(created or archive.created)
        self.made = archive.made
        self.messages, self.times = dict(archive.messages), dict(archive.times)
        self.last_seq, self._size = archive.last_seq, archive.size
        back = {body[size:] for _, size, body in self.messages.values()} - self.deleted
        self.removed = [one for one in self.removed if one not in back]
        for one in archive.consumers:
            due_ns = self.clock.monotonic_ns() + one.config["ack_wait"]
            pending = dict.fromkeys(one.pending, due_ns)
            consumer = replace(one, pending=pending, pulls=[])
            self.consumers[one.name] = consumer
            self.clock.call_later(one.config["ack_wait"], partial(self._serve, consumer))
        self._say_made()

    def _say_made(self) -> None:
        made = b"$JS.EVENT.ADVISORY.STREAM.CREATED.%b" % self.name.encode()
        self.account.publish(made, b"{}")

    def forget_pulls(self) -> None:
        """What happens to waiting requests when the process that sent them dies."""
        for consumer in self.consumers.values():
            consumer.pulls.clear()

    def _api(self, delivery: Delivery) -> None:
        verb = delivery.subject.decode().removeprefix("$JS.API.")
        is_pull = verb.startswith("CONSUMER.MSG.NEXT.")
        is_asked = self._is_asked(verb.split("."), is_pull=is_pull)
        for reply, header_size, body in delivery.messages:
            self.requests.append(verb)
            if not is_asked:
                continue
            request = msgspec.json.decode(body[header_size:] or b"{}")
            if is_pull:
                self._next(verb.rpartition(".")[2], reply, request)
            elif not self.silent:
                answer = msgspec.json.encode(self._answer(verb, request))
                self._tell(reply, answer, is_stored=verb.startswith("STREAM.CREATE."))

    def _is_asked(self, words: list[str], *, is_pull: bool) -> bool:
        if is_pull:
            return words[3] == self.name
        if self.siblings is None:
            return self.name in words
        return not any(name in words for name in self.siblings)

    def _answer(self, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        if verb.startswith("STREAM.CREATE."):
            return self._create_stream(request)
        if verb.startswith("STREAM.MSG.GET."):
            return self._get(verb.rpartition(".")[2], request)
        kind, action, stream, *rest = verb.split(".")
        if stream != self.name:
            return _error(10059, "stream not found")
        if kind == "STREAM":
            assert action == "INFO"
            retention = "workqueue" if self.is_work_queue else "limits"
            config: dict[str, Any] = {
                "name": self.name,
                "subjects": list(self.subjects),
                "retention": retention,
                **self.bounds,
            }
            if self.made != self.created:
                config["metadata"] = {"_leafnode.made": self.made}
            if self.is_mirror:
                config["mirror"] = {"name": "ORIGIN"}
            if self.transform is not None:
                source, destination = self.transform
                config["subject_transform"] = {"src": source, "dest": destination}
            state: dict[str, Any] = {
                "messages": len(self.messages),
                "bytes": self._size,
                "first_seq": next(iter(self.messages), self.last_seq + 1),
                "last_seq": self.last_seq,
                "first_ts": format_time(self.times.get(next(iter(self.messages), 0), 0)),
                "last_ts": format_time(self.times.get(self.last_seq, 0)),
                "num_subjects": len(set(map(itemgetter(0), self.messages.values()))),
            }
            if "subjects_filter" in request:
                counts = Counter(one.decode() for one, _, _ in self.messages.values())
                state["subjects"] = dict(counts)
            info = {"config": config, "created": self.created, "state": state}
            return info | {"domain": self.domain}
        if action == "NAMES":
            names = sorted(self.consumers)
            page = names[request["offset"] :][: self.names_page]
            return {"total": len(names), "offset": request["offset"], "consumers": page}
        if action == "CREATE":
            if self.denies_consumers:
                return _error(10026, "maximum consumers limit reached")
            if self.is_work_queue and self.consumers.keys() - {rest[0]}:
                return _error(10099, "multiple non-filtered consumers not allowed on workqueue")
            consumer = self.consumers.setdefault(rest[0], Consumer(rest[0], request["config"]))
            consumer.config = request["config"] | {"max_batch": self.max_batch}
        elif rest[0] not in self.consumers:
            return _error(10014, "consumer not found")
        return self._info(self.consumers[rest[0]])

    def _create_stream(self, config: dict[str, Any]) -> dict[str, Any]:
        if self.denies_streams:
            return _error(10027, "maximum number of streams reached")
        if config["name"] not in self.side:
            self.side[config["name"]] = SideStream(config)
            for pattern in config["subjects"]:
                keep = partial(self._keep, config["name"])
                self._side_subs.append(self.account.subscribe(pattern.encode(), keep))
        return {"config": config, "state": {"messages": 0}}

    def delete_side(self, name: str) -> None:
        """Somebody deletes a stream that was made through the API."""
        subjects = {pattern.encode() for pattern in self.side.pop(name).config["subjects"]}
        for sub in [one for one in self._side_subs if one.subject in subjects]:
            self.account.unsubscribe(sub)
            self._side_subs.remove(sub)

    def _keep(self, name: str, delivery: Delivery) -> None:
        side = self.side[name]
        for reply, header_size, body in delivery.messages:
            if self.denies_streams:
                answer = _error(10077, "maximum bytes exceeded")
                self.account.publish(reply, msgspec.json.encode(answer))
                continue
            msg_id = header_of(body[:header_size], b"Nats-Msg-Id")
            if msg_id is None or msg_id not in side.ids:
                side.messages.append((delivery.subject, body[:header_size], body[header_size:]))
                side.ids[msg_id or b""] = len(side.messages)
                side.stored_ns = self.clock.wall_ns()
            ack = {"stream": name, "domain": self.domain, "seq": len(side.messages)}
            self._tell(reply, msgspec.json.encode(ack), is_stored=True)

    def _tell(self, reply: bytes, answer: bytes, *, is_stored: bool) -> None:
        """Answer at once, or when it is stored."""

        def told() -> None:
            self.account.publish(reply, answer)

        if is_stored and self.commit_ns:
            self.clock.call_later(self.commit_ns, told)
        else:
            told()

    def _get(self, stream: str, request: dict[str, Any]) -> dict[str, Any]:
        if stream == self.name:
            seq = request["seq"]
            if "next_by_subj" in request:
                seq = min((one for one in self.messages if one >= seq), default=0)
            if seq not in self.messages:
                return _error(10037, "no message found")
            if seq in self.unreadable:
                return _error(10077, "database disk image is malformed")
            subject, header_size, body = self.messages[seq]
            message = {
                "seq": seq,
                "subject": subject.decode(),
                "hdrs": base64.b64encode(body[:header_size]).decode(),
                "data": base64.b64encode(body[header_size:]).decode(),
                "time": format_time(self.times[seq]),
            }
            return {"message": message}
        if stream not in self.side:
            return _error(10059, "stream not found")
        if self.unreadable_sides:
            return _error(10077, "database disk image is malformed")
        wanted = request["last_by_subj"].encode()
        kept = reversed(self.side[stream].messages)
        found = next((payload for name, _, payload in kept if name == wanted), None)
        if found is None:
            return _error(10037, "no message found")
        stored = format_time(self.side[stream].stored_ns)
        data = base64.b64encode(found).decode()
        return {"message": {"seq": 1, "data": data, "time": stored}}

    def _info(self, consumer: Consumer) -> dict[str, Any]:
        floor = min(consumer.pending, default=consumer.delivered + 1) - 1
        return {
            "name": consumer.name,
            "config": consumer.config,
            "delivered": {"consumer_seq": consumer.count, "stream_seq": consumer.delivered},
            "ack_floor": {"consumer_seq": 0, "stream_seq": floor},
            "num_ack_pending": len(consumer.pending),
            "num_pending": self._after(consumer.delivered),
            "paused": consumer.is_paused,
        }

    def _next(self, name: str, inbox: bytes, request: dict[str, Any]) -> None:
        if name not in self.consumers:
            nobody = b"NATS/1.0 503\r\n\r\n"
            self.account.publish(inbox, nobody, header_size=len(nobody))
            return
        most = self.consumers[name].config["max_batch"]
        if 0 < most < request["batch"]:  # an edit may have set it
            refusal = b"NATS/1.0 409 Exceeded MaxRequestBatch of %d\r\n\r\n" % most
            self.account.publish(inbox, refusal, header_size=len(refusal))
            return
        expires_at_ns = self.clock.monotonic_ns() + request["expires"]
        pull = Pull(inbox, request["batch"], request.get("max_bytes"), expires_at_ns)
        pull.no_wait = request.get("no_wait", False)
        consumer = self.consumers[name]
        consumer.pulls.append(pull)
        pull.timer = self.clock.call_later(request["expires"], lambda: self._expire(consumer, pull))
        self._serve(consumer)

    def _remove(self, consumer: Consumer, pull: Pull) -> None:
        consumer.pulls.remove(pull)
        if pull.timer is not None:
            pull.timer.cancel()

    def _expire(self, consumer: Consumer, pull: Pull) -> None:
        if pull in consumer.pulls:
            self._end(consumer, pull, b"408 Request Timeout")

    def _end(self, consumer: Consumer, pull: Pull, status: bytes) -> None:
        self._remove(consumer, pull)
        block = b"NATS/1.0 " + status + b"\r\n\r\n"
        self.account.publish(pull.inbox, block, header_size=len(block))

    def _ack(self, delivery: Delivery) -> None:
        stream, name, seq = (delivery.subject.decode().split(".")[place] for place in (2, 3, 5))
        if stream != self.name or name not in self.consumers:
            return
        assert delivery.messages[0][2] == b"+ACK"
        self.acks.append(int(seq))
        consumer = self.consumers[name]
        # What it did not give cannot be acknowledged: so it is here, and on nats-server 2.15.1.
        is_given = consumer.pending.pop(int(seq), None) is not None
        if is_given and self.is_work_queue and int(seq) in self.messages:
            subject, _, body = self.messages.pop(int(seq))
            self._size -= len(subject) + len(body)
        self.clock.call_later(0, lambda: self._serve(consumer))

    def _serve_all(self) -> None:
        for consumer in self.consumers.values():
            self._serve(consumer)

    def _serve(self, consumer: Consumer) -> None:
        while consumer.pulls and not consumer.is_paused:
            seq = self._due(consumer)
            if seq is None:
                served = [one for one in consumer.pulls if one.no_wait and one.is_served]
                for pull in served:
                    self._end(consumer, pull, b"404 No Messages")
                return
            if self.others_take:
                self.others_take -= 1
                self._give(consumer, seq)
                continue
            pull = consumer.pulls[0]
            pull.is_served = True
            subject, _, body = self.messages[seq]
            if pull.max_bytes is not None and len(subject) + len(body) > pull.max_bytes:
                self._end(consumer, pull, b"409 Message Size Exceeds MaxBytes")
                continue
            if pull.max_bytes is not None:
                pull.max_bytes -= len(subject) + len(body)
            pull.batch -= 1
            if pull.batch == 0:
                self._remove(consumer, pull)
            self._deliver(consumer, seq, pull)

    def _due(self, consumer: Consumer) -> int | None:
        now_ns = self.clock.monotonic_ns()
        late = [seq for seq, at_ns in consumer.pending.items() if at_ns <= now_ns]
        if late:
            return min(late)
        if len(consumer.pending) >= consumer.config["max_ack_pending"]:
            return None
        later = range(consumer.delivered + 1, self.last_seq + 1)
        return next((seq for seq in later if seq in self.messages), None)

    def _after(self, seq: int) -> int:
        """Return how many messages come after this one."""
        seqs = list(self.messages)  # ascending
        return len(seqs) - bisect_right(seqs, seq)

    def _give(self, consumer: Consumer, seq: int) -> None:
        ack_wait_ns = consumer.config["ack_wait"]
        consumer.delivered = max(consumer.delivered, seq)
        consumer.count += 1
        consumer.pending[seq] = self.clock.monotonic_ns() + ack_wait_ns
        self.clock.call_later(ack_wait_ns, lambda: self._serve(consumer))

    def _deliver(self, consumer: Consumer, seq: int, pull: Pull) -> None:
        self._give(consumer, seq)
        after = self._after(consumer.delivered)
        place = f"1.{seq}.{consumer.count}.{self.times[seq]}.{after}"
        reply = f"$JS.ACK.{self.name}.{consumer.name}.{place}"
        subject, header_size, body = self.messages[seq]
        message = (subject, reply.encode(), header_size, body)
        self.account.deliver(pull.inbox, [message], origin=self.account.answering)


def _error(err_code: int, description: str) -> dict[str, Any]:
    return {"error": {"code": 404, "err_code": err_code, "description": description}}
