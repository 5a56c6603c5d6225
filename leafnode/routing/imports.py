"""Stream imports: what an account subscribes to is subscribed to in the accounts it imports from.

Each subscription that overlaps an import gets a shadow in the exporting account's sublist, so a
message finds its receivers in one look-up and keeps the fast lane. Imports do not chain: a shadow
makes no shadows. Knows accounts and transforms; not who may import what. Truth: nats-server 2.15.1
server/client.go addShadowSubscriptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol.subject import intersection, is_literal
from leafnode.protocol.transform import stream_transforms, untokenize
from leafnode.routing.subscription import Shadow, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from leafnode.protocol.transform import Transform
    from leafnode.routing.account import Account


class StreamImport:
    """One import: the exporter's subjects, and how they are called here."""

    __slots__ = ("_back", "allow_trace", "exporter", "local", "show", "source")

    def __init__(
        self, exporter: Account, source: bytes, local: bytes, *, allow_trace: bool = False
    ) -> None:
        """`local` may name the source's wildcards, in any order. Raises TransformError."""
        self.exporter = exporter
        self.allow_trace = allow_trace
        self.source = source
        self.local, _ = untokenize(local)
        self.show: Callable[[bytes], bytes]
        self._back: Transform | None = None
        transforms = stream_transforms(source, local)
        if transforms is not None:
            transform, self._back = transforms
            self.show = transform.apply
        elif is_literal(source):
            self.show = lambda _: local
            self.local = local
        else:
            self.show = _same

    def shadow_of(self, subject: bytes) -> bytes | None:
        """Return the exporter's subjects that a local pattern gets through this import."""
        common = intersection(subject, self.local)
        if common is None:
            return None
        if common == self.local:
            return self.source
        return common if self._back is None else self._back.apply(common)


class StreamImports:
    """All stream imports of one account, and the shadows they made."""

    __slots__ = ("_account", "_exporters", "_imports", "_shadows")

    def __init__(self, account: Account, imports: Iterable[StreamImport]) -> None:
        self._account = account
        self._imports = list(imports)
        self._exporters = list(dict.fromkeys(one.exporter for one in self._imports))
        self._shadows: dict[Subscription, list[tuple[Account, Subscription]]] = {}

    def start(self) -> None:
        """Make the shadows of what the account is subscribed to already, and of what comes."""
        self._account.stream_imports = self
        for sub in list(self._account.sublist):
            self.follow(sub)

    def stop(self) -> None:
        """Take every shadow out."""
        self._account.stream_imports = None
        for sub in list(self._shadows):
            self.forget(sub)

    def spoil(self) -> None:
        """Have everything decided anew that may lead to a shadow."""
        for exporter in self._exporters:
            exporter.sublist.spoil(b">")

    def follow(self, sub: Subscription) -> None:
        """Make the shadows of one new subscription."""
        if sub.shadow is not None or sub.relay is not None:
            return
        shadows = []
        for one in self._imports:
            subject = one.shadow_of(sub.subject)
            if subject is None:
                continue
            shadow = Subscription(
                sub.peer, subject, sid=sub.sid, queue=sub.queue, handler=sub.handler
            )
            shadow.shadow = Shadow(sub, one.show, one.allow_trace)
            one.exporter.insert(shadow)
            shadows.append((one.exporter, shadow))
        if shadows:
            self._shadows[sub] = shadows

    def forget(self, sub: Subscription) -> None:
        """Take the shadows of one subscription out."""
        for exporter, shadow in self._shadows.pop(sub, ()):
            exporter.remove(shadow)


def _same(subject: bytes) -> bytes:
    return subject
