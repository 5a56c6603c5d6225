"""Stream imports as `server.accounts` makes them, of what a test has in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol.transform import stream_transforms
from leafnode.routing.imports import StreamImport

if TYPE_CHECKING:
    from leafnode.routing.account import Account


def stream_import(
    exporter: Account, source: bytes, local: bytes, *, allow_trace: bool = False
) -> StreamImport:
    """Return an import of these subjects. Raises TransformError."""
    transforms = stream_transforms(source, local)
    return StreamImport(exporter, source, local, transforms, allow_trace=allow_trace)
