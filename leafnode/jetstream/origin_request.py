"""What an origin is asked for, in the words of its API: a consumer made for one reader, or one that
its people made to be read by name.

Pure: subjects, JSON and header lines. Servers know more or less of it: the newest form comes first,
and `older` gives the next one to try. Truth: nats-server 2.15.1 server/stream.go
(setupMirrorConsumer, trySetupSourceConsumer), server/consumer.go createSourcingConsumerHash.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.go_time import format_time
from leafnode.jetstream import wire
from leafnode.jetstream.origin_config import index_name
from leafnode.jetstream.origin_message import wanted
from leafnode.nuid import hash8
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.jetstream.api_types import StreamSource
    from leafnode.jetstream.stream import Stream

IDENTITY: Final = b"Nats-Stream-Identity"
_LEVEL: Final = b"Nats-Required-Api-Level"
_WITH_IDENTITY: Final = 5
_DURABLE: Final = 4  # and `sourcing`
_PLAIN: Final = 0
_ACK_WAIT_NS: Final = 22 * 3600 * 1_000_000_000  # of a consumer that is never acknowledged


def _acknowledged(at_once: int) -> dict[str, Any]:
    if at_once:
        return {"ack_policy": "flow_control", "max_ack_pending": at_once}
    return {"ack_policy": "none", "ack_wait": _ACK_WAIT_NS, "max_deliver": 1}


@dataclass(frozen=True, slots=True)
class OriginRequest:
    """The form of a request: which API, and how much its server has to know."""

    stream: Stream
    origin: StreamSource
    kind: str  # MIRROR or SRC
    level: int

    @classmethod
    def newest(cls, stream: Stream, origin: StreamSource, kind: str) -> OriginRequest:
        """Return the form that a server of our own version understands."""
        return cls(stream, origin, kind, _DURABLE if kind == "MIRROR" else _WITH_IDENTITY)

    @property
    def older(self) -> OriginRequest | None:
        """The form for a server that did not understand this one, None when there is none."""
        if self.named or self.level == _PLAIN:
            return None
        return replace(self, level=_DURABLE if self.level == _WITH_IDENTITY else _PLAIN)

    @property
    def named(self) -> bool:
        """Whether the origin's people made the consumer."""
        return self.origin.consumer is not None

    @property
    def name(self) -> str:
        """The consumer's name, the same for as long as the stream is called so."""
        if self.origin.consumer is not None:
            return self.origin.consumer.name
        words = [self.stream.name, self.stream.context.account.name]
        if self.stream.context.facts.domain:
            words.append(self.stream.context.facts.domain)
        if self.kind == "SRC":
            words.append(index_name(self.origin))
        return f"JS_{self.kind}_{hash8(' '.join(words))}"

    def deliver_subject(self, token: str) -> str:
        """Return where messages are to be sent; `token` tells one attempt from the next."""
        if self.origin.consumer is not None:
            return self.origin.consumer.deliver_subject
        external = self.origin.external
        prefix = external.deliver if external is not None and external.deliver else "$JS"
        return f"{prefix}.{self.kind[0]}.{token}"

    def message(
        self, seq: int, token: str, identity: bytes, *, at_once: int = 0
    ) -> tuple[bytes, bytes, bytes]:
        """Return (subject, header block, body); the origin's messages up to `seq` are known.

        `at_once`: how many more it may send unacknowledged, where its server counts them at all.
        """
        block = self._block(identity)
        if self.named:
            subject = f"{self._api}.CONSUMER.RESET.{self.origin.name}.{self.name}"
            return subject.encode(), block, b""
        name = self.name if self.level else f"{self.name}_{token}"
        config = self._start(seq) | {
            "name": name,
            "deliver_subject": self.deliver_subject(token),
            **_acknowledged(at_once if self.level else 0),
            "idle_heartbeat": limits.ORIGIN_HEARTBEAT_NS,
            "flow_control": True,
            "direct": True,
            "inactive_threshold": limits.ORIGIN_SILENCE_NS,
            "metadata": self._metadata(),
        }
        if self.level:
            config["sourcing"] = True
        subject = f"{self._api}.CONSUMER.CREATE.{self.origin.name}"
        if "filter_subject" in config:
            subject += f".{name}.{config['filter_subject']}"
        body = wire.encode({"stream_name": self.origin.name, "config": config})
        return subject.encode(), block, body

    def deletion(self, name: str) -> bytes:
        """Return the subject that asks for a consumer's end."""
        return f"{self._api}.CONSUMER.DELETE.{self.origin.name}.{name}".encode()

    @property
    def _api(self) -> str:
        external = self.origin.external
        return external.api if external is not None and external.api else "$JS.API"

    def _block(self, identity: bytes) -> bytes:
        lines = []
        if self.level and not (self.named and self.kind == "MIRROR"):
            lines.append((_LEVEL, b"%d" % self.level))
        if self.level == _WITH_IDENTITY:
            lines.append((IDENTITY, identity))
        return header.build(lines) if lines else b""

    def _start(self, seq: int) -> dict[str, Any]:
        """Go on behind what is known; the options count only once."""
        begin: dict[str, Any] = {"deliver_policy": "all"}
        origin = self.origin
        if seq or origin.opt_start_seq:
            from_seq = seq + 1 if seq else origin.opt_start_seq
            begin = {"deliver_policy": "by_start_sequence", "opt_start_seq": from_seq}
        elif origin.opt_start_time is not None:
            time = format_time(origin.opt_start_time)
            begin = {"deliver_policy": "by_start_time", "opt_start_time": time}
        return begin | wanted(origin)

    def _metadata(self) -> dict[str, str]:
        """Say to the origin's people whose consumer it is."""
        context, prefix = self.stream.context, f"_nats.{self.kind.lower()}"
        metadata = {f"{prefix}.stream": self.stream.name, f"{prefix}.acc": context.account.name}
        if context.facts.domain:
            metadata[f"{prefix}.domain"] = context.facts.domain
        return metadata
