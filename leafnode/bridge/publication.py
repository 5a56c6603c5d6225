"""A reading as the stream gets it, and what a port that ended had of those.

Knows bytes; not the queue. Truth: docs/serial/mapping.md, "Subjects".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.bridge.reading import Life, Receipt

THROUGH: Final = b"Leafnode-Through"


class Publication(NamedTuple):
    """A message. `body` is header block and payload.

    `is_kept`: its device keeps it, and says it again to whoever opens the port next. Of a reading's
    messages all are kept, the last one has the receipt. `through`: the id of a reading; with this
    message all that its board said up to that one is stored. True in the order of the queue alone.
    `life`: of several readings in one, and of none, who keeps them: what is said again has other
    ids then, so no duplicate is known by them.
    """

    subject: bytes
    header_size: int
    body: bytes
    receipt: Receipt | None
    is_kept: bool = False
    through: bytes = b""
    life: Life | None = None

    @property
    def speaks(self) -> bool:
        """Whether its being stored says that those before it are."""
        return self.is_kept or self.receipt is not None or bool(self.through)

    def told(self) -> tuple[int, bytes]:
        """Return header size and body with all that is told with it."""
        if not self.through:
            return self.header_size, self.body
        block = header.replaced(self.body[: self.header_size], THROUGH, self.through)
        return len(block), block + self.body[self.header_size :]


def nothing(receipt: Receipt, life: Life | None = None) -> Publication:
    """Return what stands for a reading of which nothing is published."""
    return Publication(b"", 0, b"", receipt, is_kept=True, life=life)


class Left(NamedTuple):
    """What a port that ended had not stored, and no device keeps; in order. `stream`: its option,
    "" where any stream's answer counts. `lost`: readings that became none.
    """

    publications: list[Publication]
    stream: str
    lost: int = 0
