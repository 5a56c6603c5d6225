"""What a server, or the way to it, does not do for a command: one line for who typed it."""

from __future__ import annotations

from leafnode.errors import LeafnodeError


class NatsError(LeafnodeError):
    """The text is all there is to say."""
