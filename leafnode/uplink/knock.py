"""Knowing that the hub's stream has worked off what is queued for it, before it is asked.

A stream answers a question beside its queue (measured on nats-server 2.15.1), so a hub that stood
still would say that it has nothing of what it is about to store. So a message in flight is sent
once more, with an expectation that cannot hold: it is refused, never stored, and the refusal comes
when all that was queued before it is done: stored, or proposed to the leader's followers.
Truth: docs/uplink.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.uplink import answers
from leafnode.uplink.onward import onward
from leafnode.uplink.stray import EXPECTED_STREAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.uplink.flight import Flight, Parts
    from leafnode.uplink.mailbox import Letter
    from leafnode.uplink.window import Entry


class Knock:
    """One at a time; `heard` is called when the hub has answered."""

    def __init__(self, parts: Parts, flight: Flight) -> None:
        self._parts = parts
        self._flight = flight
        self._number = 0
        # One had no answer. Where the link broke, it may be the cause; else its subject may not be
        # taken, as far as is known: until one is acknowledged under it.
        self._is_in_vain = False
        self._unheard: set[bytes] = set()
        self._subject = b""
        self.is_out = False
        self.heard: Callable[[], None] = lambda: None
        parts.mailbox.on(b"k", self._heard)

    @property
    def problem(self) -> str:
        """Say what it is where the hub answers questions, and not this."""
        stream, subject = self._parts.options.hub_stream, self._subject.decode("utf-8", "replace")
        slow = "the hub answers, and has not worked off what was sent to its stream"
        return f"{slow}, or {stream} does not take {subject}"

    def send(self) -> bool:
        """Send it, if there is anything in flight that may be sent again; say whether it is out."""
        parts, origin = self._parts, self._flight.origin
        entry = self._message()
        if entry is None or origin is None:
            return False
        # No stream has this name: a name has no dot.
        more = ((EXPECTED_STREAM, b"%b." % parts.options.hub_stream.encode()),)
        header_size, body = onward(origin.msg_id(entry.place), entry.header_size, entry.body, more)
        max_bytes = parts.link.max_payload_bytes()
        if max_bytes and len(body) > max_bytes:
            return False
        self._number += 1
        reply = parts.mailbox.address(b"k", b"%d" % self._number)
        if not parts.link.send(entry.sent_as, body, header_size=header_size, reply=reply):
            return False
        parts.gate.asked(len(entry.sent_as) + len(reply) + len(body))
        self.is_out, self._subject = True, entry.sent_as
        return True

    def _message(self) -> Entry | None:
        """Return the shortest that is in flight, and where the hub answers none of those, or did
        not answer the last one, one that it has acknowledged: who is silent for what is sent would
        be so for this, too. Those go by turns where none is answered.
        """
        flight = self._flight
        doubtful, suspects = flight.window.doubtful(), flight.unanswered.suspects()
        suspects |= self._unheard
        asked = (entry for entry in doubtful if entry.sent_as not in suspects)
        samples = [*reversed(flight.samples.values())] if doubtful else []
        heard = [one for one in samples if one.sent_as not in suspects]
        if self._is_in_vain:
            return next(iter(heard or samples), None)
        shortest = min((*asked, *heard), key=lambda one: one.sent_size, default=None)
        return shortest or next(iter(samples), None)

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        if not self.is_out:
            return
        self.is_out, self._is_in_vain = False, True
        if len(self._unheard) < limits.UPLINK_SILENT_MAX:
            self._unheard.add(self._subject)
        if self._subject in self._flight.samples:
            self._flight.samples.move_to_end(self._subject, last=False)

    def acked(self, subject: bytes) -> None:
        """The hub acknowledged a message under this one: whatever was in the way is over."""
        self._is_in_vain = False
        self._unheard.discard(subject)

    def _heard(self, letter: Letter) -> None:
        if letter.from_hub:
            self._parts.gate.told(len(letter.body) + limits.UPLINK_LINE_BYTES)
        if self.is_out and letter.from_hub and letter.topic == b"%d" % self._number:
            stream = answers.answering_stream(letter.body[letter.header_size :])
            if stream not in {"", self._parts.options.hub_stream}:
                return  # it takes the subject, too, and says nothing of the other one's queue
            self.is_out = False
            self.heard()
