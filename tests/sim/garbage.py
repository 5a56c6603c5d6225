"""What only Python's cycle collector finds: a server that runs for months makes none of it.

Full collections are rare (`FULL_COLLECTION_EVERY`), so whatever waits for one is memory in use.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMES = 20


@contextmanager
def uncollected() -> Iterator[list[str]]:
    """Yield the types of what only the collector found, filled at the end."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found += sorted({type(one).__name__ for one in gc.garbage})
    finally:
        gc.set_debug(0)
        gc.enable()
        gc.garbage.clear()


def left_by(one: Callable[[], object]) -> list[str]:
    """Return the types of what was left by doing this many times."""
    one()  # what is made once, is made now
    with uncollected() as found:
        for _ in range(TIMES):
            one()
    return found
