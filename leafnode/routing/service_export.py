"""What an account offers to others: a service, and how long it has for how many answers.

Knows what is owed; not how a request comes or an answer leaves. Truth: nats-server 2.15.1
server/accounts.go serviceExport.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from leafnode.protocol.client_info import ClientInfo
    from leafnode.routing.account import Account
    from leafnode.routing.latency import Latency
    from leafnode.routing.owed import Response


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> None: ...


class Answers(Enum):
    """How many messages an answer has."""

    ONE = "singleton"
    MANY = "stream"  # until an empty one


class Passed(NamedTuple):
    """One service that a message came through, as a request or as an answer."""

    export: ServiceExport
    share: bool
    info: ClientInfo | None
    is_answer: bool = False


class ServiceExport:
    """A service of an account, and the answers that it owes."""

    __slots__ = (
        "account",
        "allow_trace",
        "answers",
        "latency",
        "open",
        "subject",
        "threshold_ns",
        "timer",
    )

    def __init__(
        self,
        account: Account,
        subject: bytes,
        *,
        answers: Answers,
        threshold_ns: int,
        latency: Latency | None,
        allow_trace: bool = False,
    ) -> None:
        """`allow_trace`: who traces a request may see what becomes of it in this account."""
        self.account = account
        self.allow_trace = allow_trace
        self.subject = subject
        self.answers = answers
        self.threshold_ns = threshold_ns
        self.latency = latency
        self.open: dict[bytes, Response] = {}  # by reply, the one that waits longest first
        self.timer: Timer | None = None
