"""What is remembered of boards, a bounded number of them: several may speak in turn, as by a radio.

Knows keys; not what is remembered. Truth: docs/memory.md.
"""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")


def remember(known: dict[K, T], key: K, what: T, *, most: int) -> None:
    """Note it; beyond `most` what was noted longest ago is forgotten."""
    known.pop(key, None)
    known[key] = what
    if len(known) > most:
        del known[next(iter(known))]
