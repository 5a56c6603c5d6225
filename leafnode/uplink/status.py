"""How an uplink is: what people and monitoring read.

Plain values; knows nobody. Truth: docs/uplink.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.config.options import UplinkOptions


class State(StrEnum):
    """What a stream's uplink does now."""

    WAITING = "waiting"  # for its account, which cannot be had yet (in operator mode)
    OPENING = "opening"  # looks for the local stream and its own consumer
    OFFLINE = "offline"  # the leaf link is down
    RECOVERING = "recovering"  # collects what was pulled and not acknowledged
    ASKING = "asking"  # asks the hub where to go on
    RUNNING = "running"
    REFUSED = "refused"  # the hub says no to a message; it is tried again and again
    BLOCKED = "blocked"  # the configuration cannot work; `last_error` says why
    STOPPED = "stopped"


class Protection(StrEnum):
    """What keeps messages from being stored twice at the hub."""

    ASKED = "asked"
    PARTLY = "asked, but there was too much to look up: some messages are sent again"
    RESTORED = "asked, but what was in flight when a copy was made is sent again"
    WINDOW = "only the hub's duplicate window protects"
    NONE = "nothing: the hub takes no headers, so what is sent again is stored again"
    UNKNOWN = ""  # not asked yet


@dataclass(slots=True)
class Counters:
    """Counted since the start."""

    uplinked: int = 0  # acknowledged by the hub, duplicates included
    duplicates: int = 0  # of these, the hub had them already
    resent: int = 0  # sent more than once
    skipped: int = 0  # not sent, because the hub said that it has them
    refused: int = 0  # error answers of the hub
    dead_letters: int = 0  # of these, kept here as dead letters
    removed: int = 0  # never sent: the local stream let go of them before
    cuts: int = 0  # flights that ended before everything was acknowledged


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """One stream's uplink at one moment. Times are wall time, 0: never.

    `held` says why a running stream sends nothing now, `backlog` why there is no room for more that
    waits, or what of it is lost. `acked_seq`: the hub has everything up to this local sequence that
    was not removed before. `last_error` says what is wrong now and is empty when nothing is;
    `former_error` what was wrong before that.
    """

    uplink: str  # its name; empty: the only one
    account: str
    stream: str
    hub_stream: str
    domain: str
    prefix: str
    priority: int
    order: str  # as the configuration has it
    state: State
    held: str
    backlog: str
    protection: Protection
    lag_messages: int
    lag_bytes: int
    lag_seconds: float
    window_messages: int
    window_bytes: int
    in_flight: int
    problem: str  # what keeps it from a hub whose link is there; empty: nothing
    acked_seq: int
    counters: Counters
    last_ack_ns: int
    last_error: str
    former_error: str = ""
    former_error_ns: int = 0  # when it was over


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """What one subject prefix cost today, in bytes."""

    subject: str
    messages: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """What one uplink spent, today and this month, in bytes of both directions."""

    name: str
    account: str
    remote: str
    connected: bool
    day: str
    bytes_today: int
    bytes_month: int
    monthly_cap: int
    window_bytes: int  # may be on the way now
    ledger_problem: str
    today: list[LedgerLine]


def waiting(options: UplinkOptions, server_name: str, problem: str) -> list[UplinkStatus]:
    """Return how the streams of an uplink are whose account cannot be had yet; `problem`: why."""
    words = f"account {options.account}: {problem}"
    return [
        UplinkStatus(
            uplink=options.name,
            account=options.account,
            stream=stream.stream,
            hub_stream=stream.hub_stream,
            domain=stream.domain,
            prefix=stream.subject_prefix or f"{server_name}.",
            priority=stream.priority,
            order="newest_first" if stream.newest_first else "oldest_first",
            state=State.WAITING,
            held="",
            backlog="",
            protection=Protection.UNKNOWN,
            lag_messages=0,
            lag_bytes=0,
            lag_seconds=0.0,
            window_messages=0,
            window_bytes=0,
            in_flight=0,
            problem=f"is {State.WAITING.value}: {words}",
            acked_seq=0,
            counters=Counters(),
            last_ack_ns=0,
            last_error=words,
        )
        for stream in options.streams
    ]


def waiting_budget(options: UplinkOptions) -> BudgetStatus:
    """Return what such an uplink spent, as far as anybody knows."""
    return BudgetStatus(
        name=options.name,
        account=options.account,
        remote=options.remote,
        connected=False,
        day="",
        bytes_today=0,
        bytes_month=0,
        monthly_cap=options.budget.monthly_cap_bytes,
        window_bytes=0,
        ledger_problem="it is read when the account is there",
        today=[],
    )
