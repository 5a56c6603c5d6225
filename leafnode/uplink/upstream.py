"""Which subject a stored message has at the hub: transformed on the way, then under the prefix.

Pure. Truth: docs/uplink.md; transforms are nats-server's (leafnode/protocol/transform.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol import subject as subjects
from leafnode.protocol.transform import Transform, untokenize

if TYPE_CHECKING:
    from collections.abc import Iterable


class Upstream:
    """The prefix and the transforms of one stream; the first that matches a subject holds."""

    def __init__(self, prefix: str, transforms: Iterable[tuple[str, str]] = ()) -> None:
        """Raises TransformError."""
        self.prefix = prefix
        self._prefix = prefix.encode()
        self._transforms = [
            Transform(source.encode(), destination.encode()) for source, destination in transforms
        ]

    def subject(self, local: bytes) -> bytes:
        for transform in self._transforms:
            if subjects.matches(transform.source, local):
                return self._prefix + transform.apply(local)
        return self._prefix + local

    def patterns(self, local: list[str]) -> list[str]:
        """Return what the subjects of a stream with these patterns match upstream."""
        found: dict[bytes, None] = {}
        for pattern in (one.encode() for one in local):
            for transform in self._transforms:
                if subjects.collides(transform.source, pattern):
                    found[_made_by(transform.destination)] = None
            if not any(subjects.is_subset(pattern, one.source) for one in self._transforms):
                found[pattern] = None
        return [self.prefix + pattern.decode() for pattern in found]


def _made_by(destination: bytes) -> bytes:
    """Return a pattern that matches all that a destination makes.

    A function may make several tokens of one, so from the first on anything may come.
    """
    tokens: list[bytes] = []
    for token in untokenize(destination)[0].split(b"."):
        if token.startswith(b"{{"):
            return b".".join([*tokens, b">"])
        tokens.append(token)
    return b".".join(tokens)
