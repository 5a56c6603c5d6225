"""Keeps under which subjects a stream was sent, so that a start with another prefix knows it.

Knows the local JetStream as any client does. Nothing is sent before what is new is stored. Truth:
docs/uplink.md, "After every connect, and after every start".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from leafnode import limits
from leafnode.uplink import answers, ways
from leafnode.uplink.answers import Failure
from leafnode.uplink.bucket import BUCKET, BUCKET_CONFIG, BUCKET_STREAM
from leafnode.uplink.ways import Reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.uplink.answers import HubMessage, StreamInfo
    from leafnode.uplink.mailbox import Mailbox
    from leafnode.uplink.onward import Origin
    from leafnode.uplink.ways import Ways

_SILENCE = Failure(0, "no answer")


class WaysStore:
    """One key for each stream of an uplink."""

    def __init__(self, kept: Ways, mailbox: Mailbox, clock: Clock, *, stream: str) -> None:
        self._ways = kept
        self._clock = clock
        self._mailbox = mailbox
        self._stream = stream
        self._key = ""
        self._is_read = False
        self._is_kept = False
        self._is_keeping = False
        self._is_stale = False  # what is being stored has changed since
        self._gave_up = False
        self._reached_ns = clock.monotonic_ns()  # when it was last kept how far this run is
        self.kept: Callable[[], None] = lambda: None  # or it cannot be
        self.goes: Callable[[bytes], bool] = lambda _subject: True  # anybody upstream takes it
        self.problem = ""  # why it is not read, or not kept

    def open(self, place: str, then: Callable[[], None]) -> None:
        """Read what was kept, once; `place` is what the durable's place is kept under."""
        self._gave_up, self.problem = False, ""
        if self._is_read:
            then()
            return

        self._key = f"$KV.{BUCKET}.{place}.ways.{self._stream}"

        def read(body: bytes | None) -> None:
            stored = _SILENCE if body is None else answers.stored_payload(body)
            if isinstance(stored, Failure):
                self.problem = f"bucket {BUCKET} cannot be read: {stored}"
            else:
                self._is_read = True
                is_new = self._ways.take(ways.decode(stored or b"{}"))
                self._is_kept = not is_new and not self._is_old(body)
            then()

        self._ask("STREAM.MSG.GET", {"last_by_subj": self._key}, read)

    def identify(self, stream: StreamInfo) -> str:
        """Return the name of the stream in ids; what is new of it is kept before anything goes."""
        name, is_new = self._ways.identify(stream)
        self._is_kept = self._is_kept and not is_new
        self._is_stale |= is_new
        return name

    def is_ready(self, subject: bytes) -> bool:
        """Say whether a message may go; if not it is kept under which subject, and `kept` called.

        So nothing that was never sent under takes the place of what was. `subject` is the local
        one.
        """
        if self._is_read and not self._ways.is_used:
            if not self.goes(subject):
                return True  # nobody takes it
            self._ways.use()
            self._is_kept, self._is_stale = False, self._is_keeping
        if self._is_kept or self._gave_up or not self._is_read:
            return True
        if not self._is_keeping:
            self.keep()
        return False

    def _is_old(self, body: bytes | None) -> bool:
        """Say whether the bucket might let go of it before the next start."""
        stored_ns = None if body is None else answers.stored_ns(body)
        return self._clock.wall_ns() - (stored_ns or 0) > limits.UPLINK_LEDGER_AGE_NS // 4

    def keep(self) -> None:
        """Store it as it is now, unless it is not known what is there: that would be lost."""
        if not self._is_read:
            return
        self._is_stale = self._is_keeping
        if self._is_keeping:
            return
        self._is_keeping = True

        def made(body: bytes | None) -> None:
            info = _SILENCE if body is None else answers.stream_info(body)
            if isinstance(info, Failure) and info.err_code != answers.NAME_IN_USE:
                end(f"bucket {BUCKET} cannot be made: {info}")
                return
            self._put(stored)

        def stored(body: bytes | None) -> None:
            end(_unwritten(body))

        def end(problem: str) -> None:
            self._is_keeping = False
            self.problem = problem
            is_stale = self._is_stale and not problem
            self._is_kept, self._gave_up = not (problem or is_stale), bool(problem)
            if is_stale:
                self.keep()
            else:
                self.kept()

        self._ask("STREAM.CREATE", BUCKET_CONFIG, made)

    def is_due(self, origin: Origin, *, is_needed: bool) -> bool:
        """Say whether it is time to keep how far this run is; what is older is true, too, but
        leaves more to look up (`is_needed`). What could not be kept is tried again.
        """
        if self._ways.reached_of(origin) is None:
            return True
        age_ns = self._clock.monotonic_ns() - self._reached_ns
        return (is_needed or self._gave_up) and age_ns >= limits.UPLINK_LEDGER_WRITE_NS

    def reached(self, reached: Reached) -> None:
        """Keep how far this run is; or, of no stream, that it is not known."""
        self._reached_ns = self._clock.monotonic_ns()
        if reached == self._ways.reached and not self._gave_up:
            return
        self._ways.reached = reached
        if self._is_kept or self._gave_up:
            put = partial(self._reached, is_known=self._gave_up)
            self._put(put)  # at once: it may be the end of the run
        if self._gave_up or (self._ways.is_fresh and not self._is_kept):
            self.keep()  # fresh: the next run has to know where it began
        # Else it is kept with the rest, before the first message goes.

    def _reached(self, body: bytes | None, *, is_known: bool) -> None:
        """`is_known`: that it cannot be written."""
        problem = _unwritten(body)
        if problem and not is_known:
            self._is_kept, self._gave_up, self.problem = False, True, problem
            self.kept()

    def lost(self) -> None:
        """The hub's stream is another one: what was done stays so, and is nowhere in it. Kept
        before anything goes there: the next run may have to look for that.
        """
        reached = self._ways.reached
        if reached is not None and reached.hub_seq:
            self._ways.reached = reached.elsewhere
            self._is_kept = False
            self.keep()

    def refuted(self, origin: Origin, message: HubMessage) -> None:
        """Keep which message of the hub's is not of the stream's history."""
        found = Reached(origin.identity, seq=message.seq or 0, mark=message.mark)
        if found != self._ways.refuted:
            self._ways.refuted = found
            self.keep()  # no message goes before which it would be kept

    def _put(self, then: Callable[[bytes | None], None]) -> None:
        value = ways.encode(self._ways.record())
        self._mailbox.ask(self._key.encode(), value, then, limits.UPLINK_API_TIMEOUT_NS)

    def _ask(self, verb: str, request: object, then: Callable[[bytes | None], None]) -> None:
        subject = f"$JS.API.{verb}.{BUCKET_STREAM}".encode()
        body = msgspec.json.encode(request)
        self._mailbox.ask(subject, body, then, limits.UPLINK_API_TIMEOUT_NS)


def _unwritten(body: bytes | None) -> str:
    """Say why it was not stored, or nothing."""
    ack = _SILENCE if body is None else answers.pub_ack(body)
    return f"bucket {BUCKET} cannot be written: {ack}" if isinstance(ack, Failure) else ""
