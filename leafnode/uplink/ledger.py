"""What went upstream and came back, by day and by the first tokens of the subject.

Pure: days are words like 2026-11-27, what was written down before is given. Where it is kept is in
ledger_store.py. Truth: docs/uplink.md, "The ledger".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from leafnode import limits

# No subject token has brackets by chance.
OTHERS = "(others)"  # subjects beyond the bound
QUESTIONS = "(questions)"  # where to go on, and what the hub answers

_MONTH_CHARS: Final = len("2026-11")


@dataclass(slots=True)
class Line:
    """What one subject prefix cost on one day. Bytes with subjects and headers."""

    messages: int = 0
    sent: int = 0
    received: int = 0  # acknowledgements, or answers

    def add(self, other: Line) -> None:
        self.messages += other.messages
        self.sent += other.sent
        self.received += other.received


Page = dict[str, Line]  # one day


class Ledger:
    """A bounded number of days, and of subjects in each; the rest of them is one line."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self._pages: dict[str, Page] = {}
        self._months: dict[str, int] = {}  # bytes of their days: asked for before each message
        self._messages: dict[str, int] = {}  # the same of messages
        self.changed: set[str] = set()  # days that are not written down as they are
        self._unkept: dict[str, int] = {}  # bytes of those

    def sent(self, day: str, subject: bytes, size: int) -> None:
        line = self._line(day, subject)
        line.messages += 1
        line.sent += size
        self._spend(day, size, 1)

    def received(self, day: str, subject: bytes, size: int) -> None:
        self._line(day, subject).received += size
        self._spend(day, size)

    def asked(self, day: str, sent: int, received: int) -> None:
        """Count what questions to the hub cost."""
        line = self._line(day, QUESTIONS.encode())
        line.sent += sent
        line.received += received
        self._spend(day, sent + received)

    def found(self, day: str, page: Page) -> None:
        """Add what a former run wrote down of a day."""
        own = self._page(day)
        for name, line in page.items():
            own.setdefault(name if name in own or self._has_room(own) else OTHERS, Line()).add(line)
        self._count(day, _bytes_of(page), _messages_of(page))

    def unkept(self, day: str = "") -> int:
        """Return how many bytes of a day, or of all, are not written down."""
        return self._unkept.get(day, 0) if day else sum(self._unkept.values())

    def kept(self, day: str, size: int) -> None:
        """So many bytes of a day are written down, or cannot be."""
        left = self._unkept.pop(day, 0) - size
        if left > 0:
            self._unkept[day] = left

    def page(self, day: str) -> Page:
        """Return one day, to be read."""
        return self._pages.get(day, {})

    def bytes_of(self, period: str) -> int:
        """Return both directions of a day, or of a month like 2026-11."""
        if period in self._pages:
            return _bytes_of(self._pages[period])
        return self._months.get(period, 0)

    def has_sent(self, month: str) -> bool:
        """Say whether any message went in a month like 2026-11, beside questions."""
        return self._messages.get(month, 0) > 0

    def _spend(self, day: str, size: int, messages: int = 0) -> None:
        self._unkept[day] = self._unkept.get(day, 0) + size
        self._count(day, size, messages)

    def _count(self, day: str, size: int, messages: int = 0) -> None:
        month = day[:_MONTH_CHARS]
        self._months[month] = self._months.get(month, 0) + size
        self._messages[month] = self._messages.get(month, 0) + messages

    def _line(self, day: str, subject: bytes) -> Line:
        page = self._page(day)
        name = b".".join(subject.split(b".")[: self._tokens]).decode("utf-8", "replace")
        if name not in page and not self._has_room(page):
            name = OTHERS
        self.changed.add(day)
        return page.setdefault(name, Line())

    def _has_room(self, page: Page) -> bool:
        return len(page) < limits.UPLINK_LEDGER_SUBJECTS_MAX

    def _page(self, day: str) -> Page:
        page = self._pages.setdefault(day, {})
        while len(self._pages) > limits.UPLINK_LEDGER_DAYS_MAX:
            oldest = min(one for one in self._pages if one != day)
            self._forget(oldest)
        return page

    def _forget(self, day: str) -> None:
        month = day[:_MONTH_CHARS]
        page = self._pages.pop(day)
        self._count(day, -_bytes_of(page), -_messages_of(page))
        if not any(one.startswith(month) for one in self._pages):
            del self._months[month], self._messages[month]
        self.changed.discard(day)
        self._unkept.pop(day, None)


def _bytes_of(page: Page) -> int:
    return sum(line.sent + line.received for line in page.values())


def _messages_of(page: Page) -> int:
    return sum(line.messages for line in page.values())
