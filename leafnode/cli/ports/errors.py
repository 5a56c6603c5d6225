"""What a command of ports says when it cannot do what was asked."""

from __future__ import annotations

from leafnode.errors import LeafnodeError


class PortError(LeafnodeError):
    """One line for people."""
