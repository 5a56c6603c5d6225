"""Knowing that the hub's stream has worked off what is queued for it, before it is asked.

A stream answers a question beside its queue (measured on nats-server 2.15.1), so a hub that stood
still would say that it has nothing of what it is about to store. So a message in flight is sent
once more, with an expectation that cannot hold: it is refused, never stored, and the refusal comes
when all that was queued before it is done: stored, or proposed to the leader's followers.
Truth: docs/uplink.md.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.uplink import answers
from leafnode.uplink.onward import onward
from leafnode.uplink.stray import EXPECTED_STREAM
from leafnode.uplink.window import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leafnode.uplink.answers import HubMessage
    from leafnode.uplink.flight import Flight, Parts
    from leafnode.uplink.mailbox import Letter


_TRIES: Final = limits.UPLINK_KNOCK_SUBJECTS_MAX  # in a row, with what the hub showed
_SHORT_BYTES: Final = limits.UPLINK_KNOCK_BYTES // 8  # shorter is no better


def _weight(entry: Entry) -> int:
    return max(entry.sent_size, _SHORT_BYTES)


def _shortest(entries: Iterable[Entry]) -> list[Entry]:
    """Return the shortest one of each subject, the shortest first."""
    found: dict[bytes, Entry] = {}
    for entry in entries:
        found[entry.sent_as] = min(found.get(entry.sent_as, entry), entry, key=_weight)
    return sorted(found.values(), key=_weight)


def _likeness(subject: bytes, others: Iterable[bytes]) -> int:
    """Return how much of it is the same in others: of `orders.1` and `orders.2` the hub takes both,
    or none.
    """
    tokens = subject.split(b".")
    split = (one.split(b".") for one in others if one != subject)
    alike = [other for other in split if len(other) == len(tokens)]
    return sum(sum(map(bytes.__eq__, tokens, other)) for other in alike)


def _short(entry: Entry) -> Entry:
    """Return it, or nothing of it but the id."""
    is_long = entry.sent_size > limits.UPLINK_KNOCK_BYTES
    return replace(entry, header_size=0, body=b"", sent_size=0) if is_long else entry


class Knock:
    """One at a time; `heard` is called when the hub has answered the last message of it.

    Where the hub's stream may not take a subject, one under that goes before: the stream answers
    in order, so it takes none of what it has not answered by then.
    """

    def __init__(self, parts: Parts, flight: Flight) -> None:
        self._parts = parts
        self._flight = flight
        self._number = 0
        self._is_in_vain = False  # one had no answer: the link broke, or its subject is not taken
        self._out: dict[bytes, bytes] = {}  # by topic, the subjects that are waited for
        # What the hub acknowledged last, one of a subject, of several kinds; the newest at the end.
        self._samples: OrderedDict[bytes, Entry] = OrderedDict()
        self._unsure = 0  # else they are what it showed when it was asked, for so many tries more
        self._has_seen = False  # that was taken once
        self.heard: Callable[[], None] = lambda: None
        parts.mailbox.on(b"k", self._heard)

    @property
    def is_out(self) -> bool:
        """Say whether something of it is not answered."""
        return bool(self._out)

    @property
    def problem(self) -> str:
        """Say what it is where the hub answers questions, and not this."""
        stream = self._parts.options.hub_stream
        subject = next(iter(self._out.values()), b"").decode("utf-8", "replace")
        slow = "the hub answers, and has not worked off what was sent to its stream"
        return f"{slow}, or {stream} does not take {subject}"

    def send(self) -> bool:
        """Send it, if there is anything in flight that may be sent again; say whether it is out."""
        answers_none = self._flight.latest is None and bool(self._flight.unanswered.no_ack)
        last = None if answers_none or not self._samples else self._message()
        if last is None:
            return False
        room_bytes = limits.UPLINK_KNOCK_BYTES
        for entry in self._wanted():
            room_bytes -= self._send(entry)
            if room_bytes <= 0:
                break
        self._send(last)
        return self.is_out

    def _send(self, entry: Entry) -> int:
        """Return how many bytes that is, 0 where it cannot be sent. Of a long one it is the id."""
        parts, origin, entry = self._parts, self._flight.origin, _short(entry)
        if origin is None:
            return 0
        # No stream has this name: a name has no dot.
        more = ((EXPECTED_STREAM, b"%b." % parts.options.hub_stream.encode()),)
        header_size, body = onward(origin.msg_id(entry.place), entry.header_size, entry.body, more)
        max_bytes = parts.link.max_payload_bytes()
        if max_bytes and len(body) > max_bytes:
            return 0
        self._number += 1
        topic = b"%d" % self._number
        reply = parts.mailbox.address(b"k", topic)
        if not parts.link.send(entry.sent_as, body, header_size=header_size, reply=reply):
            return 0
        size = len(entry.sent_as) + len(reply) + len(body)
        parts.gate.asked(size)
        self._out[topic] = entry.sent_as
        return size

    def _wanted(self) -> Sequence[Entry]:
        """Return the shortest one under each subject of which it has to be known whether the hub
        takes it, the shortest first.
        """
        subjects = self._flight.unanswered.wanted
        flying = self._flying() if subjects else ()
        return _shortest(entry for entry in flying if entry.sent_as in subjects)

    def _flying(self) -> list[Entry]:
        return [entry for entry in self._flight.window.doubtful() if not entry.refused]

    def _message(self) -> Entry | None:
        """Return a short one that is in flight, else the shortest of those and of what the hub has
        acknowledged: who subscribes there hears it once more. Where the hub answers none of those
        in flight, or did not answer the last one, it is one that was acknowledged: who is silent
        for what is sent would be so for this, too. Those go by turns where none is answered.
        """
        flight = self._flight
        suspects = flight.unanswered.suspects()
        asked = (entry for entry in self._flying() if entry.sent_as not in suspects)
        samples = [*reversed(self._samples.values())] if flight.window.doubtful() else []
        heard = [one for one in samples if one.sent_as not in suspects]
        most = limits.UPLINK_KNOCK_LOOK_MAX
        if self._is_in_vain or self._unsure or flight.unanswered.wanted:
            found = [*heard, *samples, *_shortest(asked if self._unsure else ())[:most]]
        else:
            found = [*_shortest([*asked, *heard])[:most], *samples]
        return next((one for one in found if self._parts.link.asks_for(one.sent_as)), None)

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        if not self.is_out:
            return
        self._is_in_vain = True
        for subject in self._out.values():
            if subject in self._samples:
                self._samples.move_to_end(subject, last=False)
        self._out.clear()
        if self._unsure:
            self._unsure -= 1
            if not self._unsure:
                self._samples.clear()

    def seen(self, messages: Sequence[HubMessage]) -> None:
        """The hub has these, the newest last. They are samples until it acknowledges anything, or
        so often had no answer in a row: its stream may take those subjects no more.
        """
        if self._samples or self._has_seen or not messages:
            return
        self._unsure, self._has_seen = _TRIES, True
        for one in messages[-limits.UPLINK_KNOCK_SUBJECTS_MAX :]:
            subject = one.subject.encode()
            self._samples[subject] = Entry(one.seq or 0, subject, 0, b"", b"", sent_as=subject)

    def acked(self, entry: Entry) -> None:
        """The hub acknowledged it: whatever was in the way of its subject is over. Of a long one
        nothing but the id is kept: the hub has it, so nothing of it is to be stored.
        """
        self._is_in_vain = False
        if self._unsure:
            self._samples.clear()
            self._unsure = 0
        self._samples[entry.sent_as] = _short(entry)
        self._samples.move_to_end(entry.sent_as)
        if len(self._samples) > limits.UPLINK_KNOCK_SUBJECTS_MAX:
            # The oldest of those that are most alike: it may take no more of a kind.
            *others, _ = self._samples
            del self._samples[max(others, key=lambda one: _likeness(one, self._samples))]

    def forget(self) -> None:
        """It is another stream now."""
        self._samples.clear()
        self._unsure, self._has_seen = 0, False

    def _heard(self, letter: Letter) -> None:
        if letter.from_hub:
            self._parts.gate.told(len(letter.body) + limits.UPLINK_LINE_BYTES)
        if letter.from_hub and letter.topic in self._out:
            stream = answers.answering_stream(letter.body[letter.header_size :])
            if stream != self._parts.options.hub_stream:
                return  # whoever that is, it says nothing of the stream and its queue
            is_last = letter.topic == next(reversed(self._out))
            self._flight.unanswered.heard(self._out.pop(letter.topic))
            if is_last:
                self._unsure = _TRIES if self._unsure else 0
                for subject in self._out.values():
                    self._flight.unanswered.unheard(subject)
                self._out.clear()
                self.heard()
