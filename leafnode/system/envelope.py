"""The `server` object that every message of the system account carries, and the account itself.

Knows who this server is and how its messages are written; not what is in them. Truth: nats-server
2.15.1 server/events.go ServerInfo, measured: the keys, their order and what is left out when empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from leafnode import go_json
from leafnode.go_time import format_time
from leafnode.nuid import nuid
from leafnode.protocol.info import COMPATIBLE_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from leafnode.clock import Clock
    from leafnode.routing.account import Account

# Bits of `flags`: JetStream is on. The others speak of snapshots between servers and of raft.
_JETSTREAM_ENABLED: Final = 1


@dataclass(frozen=True, slots=True)
class About:
    """What this server says of itself. `host` is where it listens."""

    id: str
    name: str
    host: str
    domain: str = ""
    cluster: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    jetstream: bool = False


class Envelope:
    """Writes messages of the system account, each with the next sequence number."""

    def __init__(self, about: About, account: Account, clock: Clock, random: Random) -> None:
        self.about = about  # replaced whole when a reload changes it
        self.account = account
        self.clock = clock
        self._random = random
        self._seq = 0

    def server(self) -> dict[str, object]:
        """Return the `server` object of the next message."""
        about = self.about
        self._seq += 1
        answer: dict[str, object] = {"name": about.name, "host": about.host, "id": about.id}
        optional: dict[str, object] = {"cluster": about.cluster, "domain": about.domain}
        answer |= {key: value for key, value in optional.items() if value}
        answer["ver"] = COMPATIBLE_VERSION
        if about.tags:
            answer["tags"] = list(about.tags)
        if about.metadata:
            answer["metadata"] = dict(about.metadata)
        return answer | {
            "jetstream": about.jetstream,
            "flags": _JETSTREAM_ENABLED if about.jetstream else 0,
            "seq": self._seq,
            "time": self.now(),
        }

    def typed(self, kind: str) -> dict[str, object]:
        """Return how an event begins: its type, an id of its own, the time."""
        return {"type": kind, "id": nuid(self._random), "timestamp": self.now()}

    def now(self) -> str:
        return format_time(self.clock.wall_ns())

    def publish(
        self,
        subject: str,
        message: Mapping[str, object] | list[object] | int,
        account: Account | None = None,
    ) -> None:
        """Send one message to whoever listens in the system account, or in another."""
        target, where = account or self.account, subject.encode()
        if target.takes_news(where):
            target.announce(where, go_json.encode(message))
