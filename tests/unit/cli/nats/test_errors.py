"""A client's errors are LeafnodeErrors: one line for a command."""

from __future__ import annotations

from leafnode.cli.nats.errors import NatsError
from leafnode.errors import LeafnodeError


def test_its_text_is_what_is_said() -> None:
    assert issubclass(NatsError, LeafnodeError)
    assert str(NatsError("the server does not answer")) == "the server does not answer"
