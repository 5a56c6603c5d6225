"""Keeps the ledger in a key-value bucket of this server, so that it survives restarts.

Knows the local JetStream as any client does: `nats kv get` reads what is here. Truth:
docs/uplink.md, "The ledger"; what a bucket is: ADR-8 of nats-architecture-and-design.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits
from leafnode.uplink import answers
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.answers import Failure
from leafnode.uplink.bucket import BUCKET, BUCKET_CONFIG, BUCKET_STREAM
from leafnode.uplink.ledger import Line, Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.uplink.gate import Gate
    from leafnode.uplink.mailbox import Mailbox

_DAYS_OF_MONTH: Final = 31
_MOST: Final = 2**53  # bytes of one day: more was written by somebody else


class LedgerStore:
    """Reads a month before the first of its days is written. One key for each day."""

    def __init__(self, gate: Gate, name: str, mailbox: Mailbox, clock: Clock) -> None:
        """`name` is the uplink's and becomes one token of the key."""
        self._gate = gate
        self._name = name
        self._mailbox = mailbox
        self._alarm = Alarm(clock, self._turn)
        self._months: set[str] = set()  # that were read
        self._reading = ""  # the month that is read now
        self._asked = 0  # answers of it still to come
        self._writing: set[str] = set()
        self.problem = ""  # why the ledger is in memory only

    def start(self) -> None:
        self._gate.month_began = self._month_began
        self._gate.write_ledger = self._write
        self._read_month()

    def stop(self) -> None:
        """Write what is new; it is stored before JetStream is closed."""
        self._alarm.cancel()
        # Whose put is under way was counted on since: the next one is stored behind it.
        self._writing.clear()
        self._write()

    def _turn(self) -> None:
        """Once in a while: read a month that has begun, write what is new."""
        if self._gate.today[:7] not in self._months:
            self._read_month()
            return
        self._write()
        self._alarm.set(limits.UPLINK_LEDGER_WRITE_NS)

    def _month_began(self) -> None:
        """By the calendar, or because the clock was set: messages wait for what was sent in it."""
        if not self._reading:
            self._alarm.set(0)

    def _read_month(self) -> None:
        self._reading = self._gate.today[:7]
        self._ask("STREAM.CREATE", BUCKET_CONFIG, self._made)

    def _made(self, body: bytes | None) -> None:
        info = Failure(0, "no answer") if body is None else answers.stream_info(body)
        if isinstance(info, Failure) and info.err_code != answers.NAME_IN_USE:
            self._failed(f"bucket {BUCKET} cannot be made: {info}")
            return
        self.problem = ""
        self._asked = _DAYS_OF_MONTH
        found: dict[str, Page] = {}
        for number in range(1, _DAYS_OF_MONTH + 1):
            self._read(f"{self._reading}-{number:02}", found)

    def _read(self, day: str, found: dict[str, Page]) -> None:
        def answered(body: bytes | None) -> None:
            self._asked -= 1
            stored = Failure(0, "no answer") if body is None else answers.stored_payload(body)
            if isinstance(stored, Failure):
                self.problem = f"bucket {BUCKET} cannot be read: {stored}"
            elif stored is not None:
                found[day] = decode(stored)
            if self._asked:
                return
            if self.problem:
                self._failed(self.problem)
                return
            for known, page in found.items():
                self._gate.ledger.found(known, page)
            self._months.add(self._reading)
            self._ended()

        self._ask("STREAM.MSG.GET", {"last_by_subj": self._key(day)}, answered)

    def _failed(self, problem: str) -> None:
        """Go on in memory, and try again later."""
        self.problem = problem
        self._ended()

    def _ended(self) -> None:
        month, self._reading = self._reading, ""
        is_over = month != self._gate.today[:7]  # the clock was set meanwhile
        self._alarm.set(0 if is_over else limits.UPLINK_LEDGER_WRITE_NS)
        self._gate.ledger_read(month)

    def _write(self) -> None:
        ledger = self._gate.ledger
        for day in sorted(ledger.changed - self._writing):
            if day[:7] in self._months:
                ledger.changed.discard(day)
                self._writing.add(day)
                self._put(day)
            else:  # it is in memory only
                self._gate.ledger_kept(day, ledger.unkept(day))

    def _put(self, day: str) -> None:
        ledger = self._gate.ledger
        size = ledger.unkept(day)

        def stored(body: bytes | None) -> None:
            self._writing.discard(day)
            ack = Failure(0, "no answer") if body is None else answers.pub_ack(body)
            if isinstance(ack, Failure):
                ledger.changed.add(day)
                self.problem = f"bucket {BUCKET} cannot be written: {ack}"
            else:
                self.problem = ""
            self._gate.ledger_kept(day, size)

        body = encode(ledger.page(day))
        self._mailbox.ask(self._key(day).encode(), body, stored, limits.UPLINK_API_TIMEOUT_NS)

    def _key(self, day: str) -> str:
        return f"$KV.{BUCKET}.{self._name}.{day}"

    def _ask(self, verb: str, request: object, then: Callable[[bytes | None], None]) -> None:
        subject = f"$JS.API.{verb}.{BUCKET_STREAM}".encode()
        body = msgspec.json.encode(request)
        self._mailbox.ask(subject, body, then, limits.UPLINK_API_TIMEOUT_NS)


def encode(page: Page) -> bytes:
    return msgspec.json.encode(page)


def decode(body: bytes) -> Page:
    """Read one day; what is not one was written by somebody else and counts nothing."""
    try:
        page = msgspec.json.decode(body, type=dict[str, Line])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    numbers = (one for line in page.values() for one in (line.messages, line.sent, line.received))
    return page if all(0 <= one <= _MOST for one in numbers) else {}
