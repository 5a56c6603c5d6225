"""A reading as the stream gets it, and what a port that ended had of those.

Knows bytes; not the queue. Truth: docs/serial/mapping.md, "Subjects".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.protocol import header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.bridge.reading import Life, Receipt
    from leafnode.config.serial_options import SerialPort

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
    """What a port that ended had not stored, in order. `stream`: its option, "" where any stream's
    answer counts. `lost`: readings that became none. `kept`: what its boards keep, or gave up.
    """

    publications: list[Publication]
    stream: str
    lost: int = 0
    kept: tuple[Publication, ...] = ()

    def behind(self, older: Left) -> Left:
        """Return both."""
        stream = self.stream if older.stream == self.stream else ""
        both = older.publications + self.publications
        return self._replace(publications=both, stream=stream, kept=older.kept + self.kept)


def left(waiting: list[Publication], stream: str) -> Left:
    """Part what waited: nothing is known to be stored with those that go without what is kept."""
    publications = [one._replace(through=b"") for one in waiting if not one.is_kept]
    return Left(publications, stream, kept=tuple(one for one in waiting if one.is_kept))


def kept_as(publications: Sequence[Publication]) -> list[Receipt | None]:
    """Return of which reading each of them is that a board keeps, None for none."""
    found, receipt = [], None
    for one in reversed(publications):
        # It is of it, and so are those before it that have none.
        receipt = one.receipt or receipt
        found.append(receipt if one.is_kept else None)
    return found[::-1]


def lasting(
    kept: tuple[Publication, ...], before: SerialPort, now: SerialPort
) -> tuple[Publication, ...]:
    """Return those whose ids their boards give them under both entries: what is said again is a
    duplicate. Of several readings in one, and of boards without a boot id, they are others.
    """
    if now.mapping.every_ns or place(before) != place(now):
        return ()
    of = zip(kept, kept_as(kept), strict=True)
    return tuple(one for one, what in of if what and what.life[1] > 0 and one.life is None)


def place(options: SerialPort) -> tuple[object, ...]:
    """Return by what a stream, and a board's hello, find a reading of a port again. With {field}
    its ids have the names of its fields, which the codec and the whole mapping decide.
    """
    names = (options.codec, options.mapping) if "{field}" in options.subject else ()
    return (
        options.name,
        options.subject,
        options.stream,
        options.framing.type,
        options.mapping.headers,
        *names,
    )
