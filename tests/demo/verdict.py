"""What the demo proves: each reading at the hub exactly once and in order, for each device.

Pure: numbers in, a table and a verdict out. tests/demo/test_verdict.py shows that it can fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS: Final = ("device", "sent", "stored", "uplinked", "lost", "doubled", "in order")


@dataclass(frozen=True, slots=True)
class Account:
    """One device's readings, by the number that the device gave each of them, 1 to `sent`.

    `stored` is what the gateway's stream holds, `uplinked` what the hub's stream holds, as stored.
    """

    device: str
    sent: int
    stored: Sequence[int]
    uplinked: Sequence[int]

    @property
    def lost(self) -> int:
        return len(set(range(1, self.sent + 1)) - set(self.uplinked))

    @property
    def doubled(self) -> int:
        return len(self.uplinked) - len(set(self.uplinked))

    @property
    def foreign(self) -> int:
        """Readings that the device never sent."""
        return len(set(self.uplinked) - set(range(1, self.sent + 1)))

    @property
    def in_order(self) -> bool:
        return list(self.uplinked) == sorted(self.uplinked)

    @property
    def holds(self) -> bool:
        """Whether every reading is at the hub once and in order."""
        return self.sent > 0 and list(self.uplinked) == list(range(1, self.sent + 1))


def table(accounts: Sequence[Account]) -> str:
    """Return the table that the demo ends with."""
    rows = [_COLUMNS] + [
        (
            account.device,
            str(account.sent),
            str(len(account.stored)),
            str(len(account.uplinked)),
            str(account.lost),
            str(account.doubled + account.foreign),
            "yes" if account.in_order else "NO",
        )
        for account in accounts
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells))
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)
