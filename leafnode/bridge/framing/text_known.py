"""What a framing remembers of boards by their names: several may speak in turn, as by a radio.

Knows names; not what is remembered. Truth: docs/device-link.md, "The text dialect", "Numbers".
"""

from __future__ import annotations

from typing import TypeVar

from leafnode.bridge import port_bounds

T = TypeVar("T")


def remember(known: dict[str, T], name: str, what: T) -> None:
    """Note it of a board; beyond TEXT_BOARDS_MAX who was noted longest ago is forgotten."""
    known.pop(name, None)
    known[name] = what
    if len(known) > port_bounds.TEXT_BOARDS_MAX:
        del known[next(iter(known))]
