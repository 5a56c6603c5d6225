"""One byte instead of a subject, on the line and in the ring: told to the gateway once.

A source of the channel. Knows which number stands for which subject: for a whole boot the same, so
no gateway can ever mistake one for another. Truth: docs/device-link.md, "Aliases".
"""

from . import verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .channel import Channel
    from .ring import Ring

_ALIAS_MARK = 0  # in place of a subject's size, which is never 0


class Aliases:
    """Give it to a DeviceSession as `aliases`. The first `count_max` subjects get a number."""

    def __init__(self, channel: "Channel", count_max: int = 16) -> None:
        assert 1 <= count_max <= verbs.ALIASES_MAX
        self.refused = 0
        self._count_max = count_max
        self._heads: "list[bytes]" = []  # size and subject; alias n is at n - 1
        self._known = 0  # aliases up to this one are registered at this gateway
        self._stopped = False  # this gateway refused one
        channel.add(self)

    def head(self, subject_head: bytes) -> bytes:
        """Return what the ring keeps instead of size and subject; the same when none is free."""
        if subject_head in self._heads:
            return bytes([_ALIAS_MARK, self._heads.index(subject_head) + 1])
        if len(subject_head) <= 2 or len(self._heads) == self._count_max:
            return subject_head
        self._heads.append(subject_head)
        return bytes([_ALIAS_MARK, len(self._heads)])

    def is_known(self, alias: int) -> bool:
        """Return whether the gateway took the alias."""
        return alias <= self._known

    def copy_into(self, ring: "Ring", index: int, body: memoryview) -> int:
        """Copy a reading of the ring to `body`, with its subject where no alias may stand."""
        size = ring.copy_into(index, body)
        if body[0] != _ALIAS_MARK or self.is_known(body[1]):
            return size
        head = self._heads[body[1] - 1]
        more = len(head) - 2  # what the subject takes beyond the alias
        ring.copy_into(index, body[more:])
        body[: len(head)] = head
        return size + more

    # What Channel calls

    def opened(self) -> None:
        self._known = 0
        self._stopped = False

    def closed(self) -> None:
        self._known = 0

    def begin(self) -> int:
        return verbs.REG if self._known < len(self._heads) and not self._stopped else 0

    def write_into(self, body: memoryview, at: int) -> int:
        head = self._heads[self._known]
        end = at + len(head)
        body[at] = self._known + 1
        body[at + 1 : end] = head[1:]
        return end

    def taken(self, status: int) -> None:
        if status == verbs.STATUS_OK:
            self._known += 1
        else:
            self.refused += 1
            self._stopped = True
