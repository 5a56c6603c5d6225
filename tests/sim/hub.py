"""A hub with one stream behind a leaf link, as an account of ours sees it.

It answers like nats-server 2.15.1 (measured): PubAcks with domain and `"duplicate": true`, a
duplicate window by time, STREAM.MSG.GET by sequence and by last subject. The link can lose what it
carries.
"""

from __future__ import annotations

import base64
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.protocol import header, subject
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from leafnode.routing.to_link import link_asks_for, publish_to_link

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.protocol.transform import Transform
    from leafnode.routing.account import Account
    from tests.sim.clock import FakeClock

DUPLICATE_WINDOW_NS = 120 * NS_PER_S
RTT_NS = 20_000_000


@dataclass
class Stored:
    """One message of the hub's stream."""

    subject: bytes
    header: bytes
    payload: bytes
    stored_ns: int = 0


class FakeHub:
    """One stream of one hub, and the leaf link to it. Up from the start."""

    def __init__(
        self,
        account: Account,
        clock: FakeClock,
        *,
        domain: str = "hub",
        stream: str = "AGG",
        subjects: tuple[bytes, ...] = (b"edge.>",),
    ) -> None:
        self.account = account
        self.clock = clock
        self.domain = domain
        self.stream = stream
        self.subjects = subjects
        self.peer = Peer(900, Kind.LEAF, account.system.outbox)
        self.peer.flush = self._flush
        self.peer.account = account
        self.stored: dict[int, Stored] = {}
        self._by_subject: dict[bytes, list[int]] = {}  # ascending; what is gone may be in it
        self._matches: dict[bytes, list[list[int]]] = {}  # by pattern, of those
        self.last_seq = 0
        self.ahead_ns = 0  # its clock
        self.former: list[bytes] = []  # what streams held that were made anew since
        self.received: list[bytes] = []  # ids of everything that arrived, duplicates too
        self.questions: list[dict[str, Any]] = []
        self.refuses: set[bytes] = set()  # payloads that get an error PubAck
        self.refusal = (10077, "maximum bytes exceeded")  # for now; 10054 would be for good
        self.loses: list[bytes] = []  # payloads: neither stored nor answered, once for each
        self.swallows: set[bytes] = set()  # subjects: some subscriber's, and not the stream's
        self.rtt_ns = RTT_NS
        self.bytes_per_s = 0  # of the link, upstream; 0: any number
        self._free_ns = 0  # when the link has sent what it was given
        self.answers_per_s = 0  # bytes, downstream; 0: any number
        self._answered_ns = 0  # when the link has brought what the hub said
        self.beside: list[bytes] = []  # what others answer to each message, before the stream
        self.loses_acks = False
        self.loses_answers = False
        self.denies_questions = False
        self.silent_streams: set[str] = set()  # that answer no question
        self.is_leaderless = False  # it says so to each question, and its stream stores nothing
        self.cannot_write = False  # its disk is full: it refuses what it can, and stores nothing
        self.denies_inboxes = False  # by permissions, as the next one: the link knows of both
        self.denies_api = False
        self.denied: set[bytes] = set()  # subjects, by the same
        self.drops_headers = False
        self.queue_ns = 0  # so long a message waits in the stream's queue; questions pass it
        self.window_ns = DUPLICATE_WINDOW_NS
        self.knocks: list[bytes] = []  # payloads of what was expected by another stream
        self.is_alone = False  # its leader has no followers: what comes is proposed, and no more
        self._proposed: dict[bytes, Callable[[], None]] = {}  # by id
        self.transform: Transform | None = None  # of the stream's subjects
        self.max_payload = 0
        self.account_max = 0  # of its account, which it tells nobody
        self.on_violation: Callable[[], None] = lambda: None
        self.run = "NHUB"  # another one after a restart of its server
        self.doubts = 0  # how often the link was asked whether it is there
        self.queued_ns_max = 0  # the longest that anything waited for the link
        self._ids: dict[bytes, tuple[int, int]] = {}  # id -> (seq, when)
        self._subs: list[Subscription] = []
        self._epoch = 0
        self._carried_before = 0
        self.up()

    def is_connected(self) -> bool:
        return bool(self._subs)

    def send(
        self, subject: bytes, body: bytes, *, header_size: int = 0, reply: bytes = b""
    ) -> bool:
        if not self.lets_out(subject):
            return False
        return publish_to_link(self.peer, subject, body, header_size=header_size, reply=reply)

    def asks_for(self, subject: bytes) -> bool:
        return self.lets_out(subject) and link_asks_for(self.peer, subject)

    def max_payload_bytes(self) -> int:
        return self.max_payload

    def doubt(self) -> None:
        self.doubts += 1

    def is_amid(self) -> bool:
        return self.clock.monotonic_ns() < self._answered_ns

    def lets_in(self, subject: bytes) -> bool:
        return not (self.denies_inboxes and subject.startswith(b"_INBOX."))

    def lets_out(self, subject: bytes) -> bool:
        return subject not in self.denied and not (self.denies_api and b".API." in subject)

    def is_hub(self, peer: Peer) -> bool:
        return peer is self.peer

    @property
    def carried_bytes(self) -> int:
        """What the link carried since it came up last."""
        return self.peer.traffic.out_bytes - self._carried_before

    def hub_run(self) -> str:
        return self.run

    def takes_headers(self) -> bool:
        return not self.drops_headers

    def up(self) -> None:
        """The link is there, and so is the hub's interest."""
        self._carried_before = self.peer.traffic.out_bytes
        api = () if self.denies_api else (f"$JS.{self.domain}.API.>".encode(),)
        for pattern in (*self.subjects, *api):
            self.ask_for(pattern)

    def ask_for(self, pattern: bytes) -> None:
        """Somebody there wants this from now on."""
        sub = Subscription(self.peer, pattern)
        self.account.insert(sub)
        self._subs.append(sub)

    def ask_no_more(self, pattern: bytes) -> None:
        """Nobody there wants it any more, as far as this link is told."""
        for sub in [one for one in self._subs if one.subject == pattern]:
            self.account.remove(sub)
            self._subs.remove(sub)

    def down(self) -> None:
        """The link is cut: what is on its way, both ways, is lost."""
        self._epoch += 1
        self._free_ns = self._answered_ns = 0
        for sub in self._subs:
            self.account.remove(sub)
        self._subs.clear()
        self.peer.take()

    def payloads(self) -> list[bytes]:
        return [stored.payload for _, stored in sorted(self.stored.items())]

    def publish(self, subject_: bytes, payload: bytes) -> None:
        """Somebody at the hub publishes into its stream."""
        self._store(Stored(subject_, b"", payload))

    def make_anew(self) -> None:
        """Somebody deletes its stream, and makes it as it was made before."""
        self.former += self.payloads()
        self.stored, self.last_seq = {}, 0
        for memory in (self._ids, self._by_subject, self._matches, self._proposed):
            memory.clear()

    def commit(self, most: int | None = None) -> None:
        """The followers are back, or another leader has so many of the proposals, and no more."""
        self.is_alone, proposed = False, list(self._proposed.values())
        self._proposed = {}
        for publish in proposed[:most]:
            publish()

    def _flush(self) -> None:
        epoch = self._epoch
        for chunk in self.peer.take():
            self._later(chunk, epoch)

    def _later(self, chunk: bytes, epoch: int) -> None:
        queued_ns = 0
        if self.bytes_per_s:
            now_ns = self.clock.monotonic_ns()
            takes_ns = len(chunk) * NS_PER_S // self.bytes_per_s
            self._free_ns = max(self._free_ns, now_ns) + takes_ns
            queued_ns = self._free_ns - now_ns
            self.queued_ns_max = max(self.queued_ns_max, queued_ns)
        self.clock.call_later(queued_ns + self.rtt_ns // 2, lambda: self._arrive(chunk, epoch))

    def _arrive(self, chunk: bytes, epoch: int) -> None:
        if epoch != self._epoch:
            return
        line, _, rest = chunk.partition(b"\r\n")
        verb, *args = line.split()
        header_size = int(args[-2]) if verb == b"HMSG" else 0
        reply = args[1] if len(args) > (3 if verb == b"HMSG" else 2) else b""
        body = rest[: int(args[-1])]
        if 0 < self.account_max < len(body):
            self.down()
            self.on_violation()
            return
        if args[0].startswith(b"$JS."):
            self._answer_later(reply, self._question(args[0], body), epoch)
        elif self.queue_ns:
            self.clock.call_later(
                self.queue_ns, lambda: self._publish(args[0], header_size, body, reply, epoch)
            )
        else:
            self._publish(args[0], header_size, body, reply, epoch)

    def _publish(
        self, subject_: bytes, header_size: int, body: bytes, reply: bytes, epoch: int
    ) -> None:
        msg_id = header.get(body[:header_size], b"Nats-Msg-Id") or b""
        if self.is_alone and msg_id in self._proposed:
            text = "duplicate message id is in process"
            error = {"code": 409, "err_code": 10158, "description": text}
            self._answer_later(reply, {"error": error, "stream": self.stream, "seq": 0}, epoch)
            return
        if self.is_alone and b"Nats-Expected-Stream" not in body:
            self._proposed[msg_id] = lambda: self._publish(
                subject_, header_size, body, reply, epoch
            )
            return
        for other in self.beside if reply else ():
            self.account.publish(reply, other, origin=self.peer)
        answer = self._publication(subject_, body[:header_size], body[header_size:])
        self._answer_later(reply, answer, epoch)

    def _answer_later(self, reply: bytes, answer: dict[str, Any] | None, epoch: int) -> None:
        if answer is None or not reply:
            return
        body, delay_ns = msgspec.json.encode(answer), 0
        if self.answers_per_s:
            now_ns = self.clock.monotonic_ns()
            takes_ns = len(body) * NS_PER_S // self.answers_per_s
            self._answered_ns = max(self._answered_ns, now_ns) + takes_ns
            delay_ns = self._answered_ns - now_ns
        self.clock.call_later(delay_ns + self.rtt_ns // 2, lambda: self._answer(reply, body, epoch))

    def _answer(self, reply: bytes, body: bytes, epoch: int) -> None:
        if epoch == self._epoch:
            self.account.publish(reply, body, origin=self.peer)

    def _publication(self, subject_: bytes, block: bytes, payload: bytes) -> dict[str, Any] | None:
        if subject_ in self.swallows or self.is_leaderless:
            return None
        if self.drops_headers:
            block = b""
        if self.transform is not None and subject.matches(self.transform.source, subject_):
            subject_ = self.transform.apply(subject_)
        msg_id = header.get(block, b"Nats-Msg-Id") or b""
        ack: dict[str, Any] = {"stream": self.stream, "domain": self.domain}
        now_ns = self.clock.monotonic_ns()
        known = self._ids.get(msg_id)
        expected = header.get(block, b"Nats-Expected-Stream")
        if expected is not None and expected != self.stream.encode():
            self.knocks.append(payload)
            error = {
                "code": 400,
                "err_code": 10060,
                "description": "expected stream does not match",
            }
            return None if self.loses_acks else {"error": error, "stream": self.stream, "seq": 0}
        self.received.append(msg_id)
        if self.cannot_write:
            return None
        if payload in self.loses:
            self.loses.remove(payload)
            return None
        if payload in self.refuses:
            err_code, text = self.refusal
            error = {"code": 400, "err_code": err_code, "description": text}
            return {"error": error, "stream": self.stream, "seq": 0}
        if msg_id and known is not None and now_ns - known[1] < self.window_ns:
            ack |= {"seq": known[0], "duplicate": True}
        else:
            ack["seq"] = self._store(Stored(subject_, block, payload))
            self._ids[msg_id] = (ack["seq"], now_ns)
        return None if self.loses_acks else ack

    def _store(self, stored: Stored) -> int:
        self.last_seq += 1
        stored.stored_ns = self.clock.wall_ns() + self.ahead_ns
        self.stored[self.last_seq] = stored
        seqs = self._by_subject.get(stored.subject)
        if seqs is None:
            seqs = self._by_subject[stored.subject] = []
            for pattern, matching in self._matches.items():
                if subject.matches(pattern, stored.subject):
                    matching.append(seqs)
        seqs.append(self.last_seq)
        return self.last_seq

    def _matching(self, pattern: bytes) -> list[list[int]]:
        if pattern not in self._matches:
            found = [
                seqs for one, seqs in self._by_subject.items() if subject.matches(pattern, one)
            ]
            self._matches[pattern] = found
        return self._matches[pattern]

    def _next(self, pattern: bytes, first: int) -> int | None:
        """Return the first message under a pattern from a sequence on."""
        found = []
        for seqs in self._matching(pattern):
            at = bisect_left(seqs, first)
            while at < len(seqs) and seqs[at] not in self.stored:
                at += 1
            found += seqs[at : at + 1]
        return min(found, default=None)

    def _newest(self, pattern: bytes) -> int | None:
        last = (
            next((seq for seq in reversed(seqs) if seq in self.stored), 0)
            for seqs in self._matching(pattern)
        )
        return max(last, default=0) or None

    def _question(self, api: bytes, body: bytes) -> dict[str, Any] | None:
        request = msgspec.json.decode(body)
        self.questions.append(request)
        if self.denies_questions or self.loses_answers:
            return None
        if api.decode().rpartition(".")[2] in self.silent_streams:
            return None
        if self.is_leaderless:
            text = "JetStream system temporarily unavailable"
            return {"error": {"code": 503, "err_code": 10008, "description": text}}
        if not api.endswith(f"STREAM.MSG.GET.{self.stream}".encode()):
            return {"error": {"code": 404, "err_code": 10059, "description": "stream not found"}}
        if "next_by_subj" in request:
            seq = self._next(request["next_by_subj"].encode(), request["seq"])
        elif "seq" in request:
            seq = request["seq"] if request["seq"] in self.stored else None
        else:
            seq = self._newest(request["last_by_subj"].encode())
        if seq is None:
            return {"error": {"code": 404, "err_code": 10037, "description": "no message found"}}
        found = self.stored[seq]
        message = {
            "subject": found.subject.decode(),
            "seq": seq,
            "hdrs": base64.b64encode(found.header).decode(),
            "data": base64.b64encode(found.payload).decode(),
            "time": format_time(found.stored_ns),
        }
        return {"message": message}


def hold(hub: FakeHub, payload: bytes, *, sendings: int = 1) -> list[Callable[[], None]]:
    """Have what it is sent with this payload wait, so many times; return what has each go on, in
    order: its leader has proposed it, or it is on its way over a link that is gone.
    """
    held: list[Callable[[], None]] = []
    publish = hub._publish

    def late(subject_: bytes, size: int, body: bytes, reply: bytes, epoch: int) -> None:
        is_knock = b"Nats-Expected-Stream" in body[:size]
        if body[size:] == payload and len(held) < sendings and not is_knock:
            held.append(lambda: publish(subject_, size, body, reply, epoch))
        else:
            publish(subject_, size, body, reply, epoch)

    hub._publish = late  # type: ignore[method-assign, assignment]
    return held
