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
        self._is_in_vain = False  # the link broke before an answer: what was sent may be the cause
        self._unheard = b""  # its subject: none was acknowledged under it since
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
        """Return the shortest that is in flight, and where the hub answers none of those, or the
        link broke, one that it has acknowledged: who is silent for what is sent would be so for
        this, too.
        """
        flight = self._flight
        doubtful, suspects = flight.window.doubtful(), flight.unanswered.suspects()
        suspects.add(self._unheard)
        asked = (entry for entry in doubtful if entry.sent_as not in suspects)
        entry = min(asked, key=lambda one: one.sent_size, default=None)
        return flight.sample if doubtful and (entry is None or self._is_in_vain) else entry

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        if self.is_out and not self._is_in_vain:
            self._is_in_vain, self._unheard = True, self._subject
        self.is_out = False

    def give_up(self) -> None:
        """Go on without an answer."""
        self.is_out = False

    def acked(self, subject: bytes) -> None:
        """The hub acknowledged a message under this one: whatever was in the way is over."""
        self._is_in_vain = False
        if subject == self._unheard:
            self._unheard = b""

    def _heard(self, letter: Letter) -> None:
        if letter.from_hub:
            self._parts.gate.told(len(letter.body) + limits.UPLINK_LINE_BYTES)
        if self.is_out and letter.from_hub and letter.topic == b"%d" % self._number:
            stream = answers.answering_stream(letter.body[letter.header_size :])
            if stream not in {"", self._parts.options.hub_stream}:
                return  # it takes the subject, too, and says nothing of the other one's queue
            self.is_out = False
            self.heard()
