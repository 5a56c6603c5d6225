"""What a simulated sensor cannot do: one line for who started it."""

from __future__ import annotations

from leafnode.errors import LeafnodeError


class SimError(LeafnodeError):
    """The text is all there is to say."""
