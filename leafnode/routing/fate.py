"""Whether anybody gets a request, also where that is found out in several turns.

Knows neither messages nor accounts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Fate:
    """Told of whoever gets it, and of each that is still looking: then asks what is to be done.

    `within`: the request that brought it about, which has it as one of its ways.
    """

    __slots__ = ("_holders", "_if_nobody", "_is_received", "_within")

    def __init__(self, if_nobody: Callable[[], object], within: Fate | None = None) -> None:
        """Whoever makes it holds it, and releases it once."""
        self._if_nobody = if_nobody
        self._within = within
        self._holders = 1
        self._is_received = False
        if within is not None:
            within.hold()

    def hold(self) -> None:
        """Wait for one more that may find somebody."""
        self._holders += 1

    def release(self) -> None:
        """One of them is through."""
        assert self._holders > 0, "as often as it was held"
        self._holders -= 1
        if self._holders:
            return
        if not self._is_received:
            self._if_nobody()
        if self._within is not None:
            self._within.release()

    def is_received(self) -> None:
        """Somebody gets it, so that all that it is within is received, too."""
        one: Fate | None = self
        while one is not None and not one._is_received:
            one._is_received = True
            one = one._within
