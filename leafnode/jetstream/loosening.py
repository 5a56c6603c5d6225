"""What ended goes when nobody reads it any more, and does not wait for a full collection.

A consumer has its parts, and each part its consumer: a cycle that only the collector finds, and
full collections are rare. Knows references; not what ended. Truth: limits.FULL_COLLECTION_EVERY.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def loosen(whole: object, name: str, parts: Iterable[object]) -> None:
    """Let the parts of what ended hold it weakly in the attribute of this name.

    Who still holds `whole` finds all of it in place. What a part leaves to be called later has to
    hold `whole` itself.
    """
    weak = weakref.proxy(whole)
    for part in parts:
        setattr(part, name, weak)
