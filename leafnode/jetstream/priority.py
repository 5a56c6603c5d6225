"""Priority groups of a pull consumer: who of those that wait is served (ADR-42).

`overflow`: those that ask for it are served only when much is to do. `pinned_client`: one client
is, until it stops asking. `prioritized`: those with a lower number first. Knows requests and one
consumer; not messages. Truth: measured on nats-server 2.15.1; server/consumer.go nextWaiting.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from leafnode.go_time import format_time
from leafnode.jetstream import advisory
from leafnode.jetstream.errors import js_error
from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leafnode.clock import Timer
    from leafnode.jetstream.api_types import ConsumerConfig, NextRequest
    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.pull import PullRequest

_NAME: Final = re.compile(r"[A-Za-z0-9/_=)(+-]{1,16}")
_PRIORITY_MAX: Final = 9


def _bad(text: bytes) -> bytes:
    return header.status(400, b"Bad Request - " + text)


_NOT_OVERFLOW: Final = _bad(b"Not a Overflow Priority consumer")
_NOT_PINNED: Final = _bad(b"Not a Pinned Client Priority consumer")
_RANGE: Final = _bad(b"Priority must be between 0 and 9")
_NO_GROUP: Final = _bad(b"Priority Group missing")
_OTHER_GROUP: Final = _bad(b"Invalid Priority Group")
_MISMATCH: Final = header.status(423, b"Nats-Pin-Id mismatch")


class Turn(Enum):
    """What becomes of a waiting request now, if anything."""

    SERVE = "serve"
    END = "end"  # its pin is an old one


def check_config(config: ConsumerConfig) -> None:
    """Raise what is wrong about the groups of a configuration."""
    if config.priority_policy in {"", "none"}:
        if config.priority_groups:
            raise js_error(10196)
        if config.priority_timeout:
            raise js_error(10197)
        config.priority_policy = ""
        return
    if config.deliver_subject:
        raise js_error(10178)
    if not config.priority_groups:
        raise js_error(10159)
    for group in config.priority_groups:
        check_name(group)


def check_name(group: str) -> None:
    """Raise 10161 or 10162 for what is no name of a group."""
    if not group:
        raise js_error(10161)
    if not _NAME.fullmatch(group):
        raise js_error(10162)


class Ranks:
    """Where a request goes among those that wait under `prioritized`: before the first one of a
    higher number (server/consumer.go insertAtPosition). Those that came under another policy stand
    in no order; else none but a few are looked at.
    """

    __slots__ = ("are_kept",)

    def __init__(self) -> None:
        self.are_kept = True  # those that wait stand in their order; whoever moves one clears it

    def place(self, waiting: Sequence[PullRequest], priority: int) -> int:
        """Return the index where it is to be put in."""
        if not self.are_kept:
            self.are_kept = all(_rank(a) <= _rank(b) for a, b in pairwise(waiting))
        if self.are_kept:
            return bisect_right(waiting, priority, key=_rank)
        higher = (index for index, one in enumerate(waiting) if _rank(one) > priority)
        return next(higher, len(waiting))


def _rank(request: PullRequest) -> int:
    return request.wish.priority


class Groups:
    """The groups of one consumer. Only one client at a time is pinned."""

    __slots__ = ("_consumer", "_group", "_pin", "_pinned_ns", "_timer")

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._pin = ""
        self._group = ""
        self._pinned_ns = 0
        self._timer: Timer | None = None

    @property
    def policy(self) -> str:
        return self._consumer.config.priority_policy

    @property
    def chooses(self) -> bool:
        """Whether it matters who is served; a pin binds until it ends, whatever the policy is."""
        return bool(self.policy or self._pin)

    def refusal(self, wish: NextRequest) -> bytes | None:
        """Return the status that a request written as JSON ends with at once, or None."""
        policy = self.policy
        if (wish.min_pending or wish.min_ack_pending) and policy != "overflow":
            return _NOT_OVERFLOW
        if wish.id and policy != "pinned_client":
            return _NOT_PINNED
        if not 0 <= wish.priority <= _PRIORITY_MAX:
            return _RANGE
        if not policy:
            return None
        if not wish.group:
            return _NO_GROUP
        if wish.group not in self._consumer.config.priority_groups:
            return _OTHER_GROUP
        if self._pin and wish.id == self._pin:
            self._arm()
        elif self._pin and wish.id:
            return _MISMATCH
        return None

    def turns(self, waiting: Sequence[PullRequest]) -> Iterator[tuple[PullRequest, Turn]]:
        """Go through those that may have the next message, and those that end. Many may wait, and
        they are gone through for each message: what is asked of the consumer is asked once.
        """
        consumer, overflows = self._consumer, self.policy == "overflow"
        pin, is_pinned = self._pin, bool(self._pin or self.policy == "pinned_client")
        left, out = -1, len(consumer.pending)
        for request in waiting:
            wish = request.wish
            if is_pinned and wish.id != pin:
                if wish.id and consumer.available():
                    yield request, Turn.END
                continue
            if overflows and (wish.min_pending or wish.min_ack_pending):
                if wish.min_pending > 0 and left < 0:
                    # What is delivered once more is no longer counted, and counts here.
                    again = consumer.pending.next_redelivery() is not None
                    left = consumer.left() + again
                enough = 0 < wish.min_pending <= left
                if not enough and not 0 < wish.min_ack_pending <= out:
                    continue
            yield request, Turn.SERVE

    def header_for(self, request: PullRequest) -> bytes:
        """Return what a message for this request says besides; pins a client where none is."""
        if self.policy != "pinned_client":
            return b""
        if not self._pin and request.wish.group:
            self._assign(request.wish.group)
            request.wish.id = self._pin
        return header.build([(b"Nats-Pin-Id", self._pin.encode())])

    def unpin(self, group: str) -> None:
        """Let another client be pinned. Raises 10160 for a group that is none."""
        if group not in self._consumer.config.priority_groups:
            raise js_error(10160)
        self._group = group
        self._release("admin")

    def shown(self) -> list[dict[str, Any]]:
        """Return `priority_groups` of the consumer's info."""
        groups = self._consumer.config.priority_groups
        if not (self.policy and groups):
            return []
        row: dict[str, Any] = {"group": groups[0]}  # the only one that nats-server shows
        if self._pin:
            row["pinned_client_id"] = self._pin
        row["pinned_ts"] = format_time(self._pinned_ns)
        return [row]

    def close(self) -> None:
        """Wake up no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _assign(self, group: str) -> None:
        consumer = self._consumer
        self._pin, self._group = consumer.context.nuid(), group
        self._pinned_ns = consumer.context.clock.wall_ns()
        self._arm()
        names = consumer.stream.name, consumer.name
        advisory.group_pinned(consumer.context, *names, group, self._pin)

    def _release(self, reason: str) -> None:
        consumer = self._consumer
        self.close()
        self._pin, self._pinned_ns = "", 0
        names = consumer.stream.name, consumer.name
        advisory.group_unpinned(consumer.context, *names, self._group, reason)
        consumer.context.clock.call_later(0, consumer.pump)

    def _arm(self) -> None:
        self.close()
        timeout_ns = self._consumer.config.priority_timeout
        self._timer = self._consumer.context.clock.call_later(
            timeout_ns, lambda: self._release("timeout")
        )
