"""A simulated sensor's errors are LeafnodeErrors: one line for a command."""

from __future__ import annotations

from leafnode.cli.sim.errors import SimError
from leafnode.errors import LeafnodeError


def test_its_text_is_what_is_said() -> None:
    assert issubclass(SimError, LeafnodeError)
    assert str(SimError("/tmp/x is there already")) == "/tmp/x is there already"
