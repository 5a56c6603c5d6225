"""Stream imports as `server.accounts` makes them, of what a test has in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol.transform import stream_transforms
from leafnode.routing.imports import StreamImport
from leafnode.slices import finish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from leafnode.routing.account import Account
    from leafnode.routing.imports import StreamImports
    from leafnode.routing.peer import Outbox


class Slices:
    """Turns of the loop that come when they are told to."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.waiting: list[Callable[[], None]] = []
        outbox.end_later = self.waiting.append  # type: ignore[misc]
        outbox.renew_work()

    def next(self) -> bool:
        """Have one turn; say whether there is to be another."""
        self._outbox.renew_work()
        if self.waiting:
            self.waiting.pop(0)()
        return bool(self.waiting)

    def all(self) -> None:
        """Have all turns that there are to be."""
        while self.next():
            pass


def stream_import(
    exporter: Account, source: bytes, local: bytes, *, allow_trace: bool = False
) -> StreamImport:
    """Return an import of these subjects. Raises TransformError."""
    transforms = stream_transforms(source, local)
    return StreamImport(exporter, source, local, transforms, allow_trace=allow_trace)


def replace_imports(imports: StreamImports, others: Iterable[StreamImport]) -> None:
    """Import others from now on."""
    imports.adopt(finish(imports.planned(others)))
