"""What went upstream and came back, by day and by the first tokens of the subject.

Pure: days are words like 2026-11-27, what was written down before is given. Where it is kept is in
ledger_store.py. Truth: docs/uplink.md, "The ledger".
"""

from __future__ import annotations

from dataclasses import dataclass

from leafnode import limits

OTHERS = "(others)"  # subjects beyond the bound; no subject token has brackets by chance


@dataclass(slots=True)
class Line:
    """What one subject prefix cost on one day. Bytes with subjects and headers."""

    messages: int = 0
    sent: int = 0
    received: int = 0  # acknowledgements

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
        self.changed: set[str] = set()  # days that are not written down as they are

    def sent(self, day: str, subject: bytes, size: int) -> None:
        line = self._line(day, subject)
        line.messages += 1
        line.sent += size

    def received(self, day: str, subject: bytes, size: int) -> None:
        self._line(day, subject).received += size

    def found(self, day: str, page: Page) -> None:
        """Add what a former run wrote down of a day."""
        own = self._page(day)
        for name, line in page.items():
            own.setdefault(name if name in own or self._has_room(own) else OTHERS, Line()).add(line)

    def page(self, day: str) -> Page:
        """Return one day; what is changed in it counts."""
        return self._pages.get(day, {})

    def bytes_of(self, period: str) -> int:
        """Return both directions of a day, or of a month like 2026-11."""
        pages = [page for day, page in self._pages.items() if day.startswith(period)]
        return sum(line.sent + line.received for page in pages for line in page.values())

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
            del self._pages[oldest]
            self.changed.discard(oldest)
        return page
