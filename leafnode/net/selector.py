"""What the event loop hears of in one turn: at most so many sockets, the others come next.

Knows epoll; not loops, and not whose sockets they are. A thousand connections that have something
to say are a long turn even where each is only told to wait. The kernel takes them round: who was
not heard of comes first (epoll(7), level-triggered).
"""

from __future__ import annotations

import contextlib
import select
import selectors
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from leafnode.limits import READY_PER_TURN

if TYPE_CHECKING:
    from collections.abc import Mapping

_MS_PER_S: Final = 1000
# Of nearly all that is heard of, without a call for each.
_USUAL: Final = {
    getattr(select, "EPOLLIN", 0): selectors.EVENT_READ,
    getattr(select, "EPOLLOUT", 0): selectors.EVENT_WRITE,
}


class FewAtOnce(selectors.BaseSelector):
    """A selector by epoll that reports at most `READY_PER_TURN` files at once; Linux alone."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, selectors.SelectorKey] = {}

    def fileno(self) -> int:
        return self._epoll.fileno()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = _fd_of(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        self._epoll.register(fd, _mask_of(events))
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._keys.pop(_fd_of(fileobj))
        with contextlib.suppress(OSError):  # it was closed, and the kernel has forgotten it
            self._epoll.unregister(key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        before = self._keys[_fd_of(fileobj)]
        if events != before.events:
            self._epoll.modify(before.fd, _mask_of(events))
        key = self._keys[before.fd] = before._replace(events=events, data=data)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for at most so many seconds, to the millisecond above; None: for ever."""
        if timeout is not None:
            timeout = max(0, ceil(timeout * _MS_PER_S) / _MS_PER_S)
        try:
            ready = self._epoll.poll(timeout, READY_PER_TURN)
        except InterruptedError:
            return []
        keys = self._keys
        return [
            (key, (_USUAL.get(mask) or _events_of(mask)) & key.events)
            for fd, mask in ready
            if (key := keys.get(fd)) is not None
        ]

    def close(self) -> None:
        self._epoll.close()
        self._keys.clear()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[_fd_of(fileobj)]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


def few_at_once() -> selectors.BaseSelector:
    """Return a new selector; where there is no epoll, the one of the platform, without a bound."""
    return FewAtOnce() if hasattr(select, "epoll") else selectors.DefaultSelector()


def _fd_of(fileobj: Any) -> int:
    fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    if fd < 0:
        raise ValueError(f"invalid file descriptor: {fd}")
    return fd


def _mask_of(events: int) -> int:
    reads = select.EPOLLIN if events & selectors.EVENT_READ else 0
    return reads | (select.EPOLLOUT if events & selectors.EVENT_WRITE else 0)


def _events_of(mask: int) -> int:
    """An error or an end of the other side is told to whoever reads and to whoever writes."""
    reads = selectors.EVENT_READ if mask & ~select.EPOLLOUT else 0
    return reads | (selectors.EVENT_WRITE if mask & ~select.EPOLLIN else 0)
