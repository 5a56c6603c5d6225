"""Keeps under which subjects a stream was sent, so that a start with another prefix knows it.

Knows the local JetStream as any client does. Nothing is sent before what is new is stored. Truth:
docs/uplink.md, "After every connect, and after every start".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from leafnode import limits
from leafnode.uplink import answers, ways
from leafnode.uplink.answers import Failure
from leafnode.uplink.bucket import BUCKET, BUCKET_CONFIG, BUCKET_STREAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.uplink.mailbox import Mailbox
    from leafnode.uplink.ways import Ways

_SILENCE = Failure(0, "no answer")


class WaysStore:
    """One key for each stream of an uplink."""

    def __init__(
        self, kept: Ways, mailbox: Mailbox, clock: Clock, *, uplink: str, stream: str
    ) -> None:
        self._ways = kept
        self._clock = clock
        self._mailbox = mailbox
        self._key = f"$KV.{BUCKET}.{uplink}.ways.{stream}"
        self._is_read = False
        self._is_kept = False

    def open(self, then: Callable[[str], None]) -> None:
        """Read what was kept, and keep what is new; `then` gets what is wrong, or nothing."""
        if self._is_read:
            if self._is_kept:
                then("")
            else:
                self.keep(then)
            return

        def read(body: bytes | None) -> None:
            stored = _SILENCE if body is None else answers.stored_payload(body)
            if isinstance(stored, Failure):
                then(f"bucket {BUCKET} cannot be read: {stored}")
                return
            self._is_read = True
            is_new = self._ways.take(ways.decode(stored or b"{}"))
            self._is_kept = not is_new and not self._is_old(body)
            self.open(then)

        self._ask("STREAM.MSG.GET", {"last_by_subj": self._key}, read)

    def _is_old(self, body: bytes | None) -> bool:
        """Say whether the bucket might let go of it before the next start."""
        stored_ns = None if body is None else answers.stored_ns(body)
        return self._clock.wall_ns() - (stored_ns or 0) > limits.UPLINK_LEDGER_AGE_NS // 4

    def keep(self, then: Callable[[str], None]) -> None:
        """Store it as it is now."""

        def made(body: bytes | None) -> None:
            info = _SILENCE if body is None else answers.stream_info(body)
            if isinstance(info, Failure) and info.err_code != answers.NAME_IN_USE:
                then(f"bucket {BUCKET} cannot be made: {info}")
                return
            value = ways.encode(self._ways.record())
            subject = self._key.encode()
            self._mailbox.ask(subject, value, stored, limits.UPLINK_API_TIMEOUT_NS)

        def stored(body: bytes | None) -> None:
            ack = _SILENCE if body is None else answers.pub_ack(body)
            self._is_kept = not isinstance(ack, Failure)
            then("" if self._is_kept else f"bucket {BUCKET} cannot be written: {ack}")

        self._ask("STREAM.CREATE", BUCKET_CONFIG, made)

    def _ask(self, verb: str, request: object, then: Callable[[bytes | None], None]) -> None:
        subject = f"$JS.API.{verb}.{BUCKET_STREAM}".encode()
        body = msgspec.json.encode(request)
        self._mailbox.ask(subject, body, then, limits.UPLINK_API_TIMEOUT_NS)
