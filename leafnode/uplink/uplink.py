"""All streams that go to the hub.

Knows which streams are configured; how one goes is in stream.py. Truth: docs/uplink.md.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from leafnode.uplink.stream import StreamUplink

if TYPE_CHECKING:
    from random import Random

    from leafnode.clock import Clock
    from leafnode.config.options import UplinkOptions
    from leafnode.routing.account import Account
    from leafnode.uplink.status import UplinkStatus
    from leafnode.uplink.stream import Link


class Uplink:
    """Start it after JetStream, stop it before; call `link_changed` whenever the leaf link did."""

    def __init__(
        self,
        options: UplinkOptions,
        *,
        account: Account,
        server_name: str,
        clock: Clock,
        random: Random,
        link: Link,
    ) -> None:
        seen: Counter[str] = Counter()
        self._streams: list[StreamUplink] = []
        for stream in options.streams:
            seen[stream.stream] += 1
            nth = seen[stream.stream]
            consumer = f"leafnode-uplink-{stream.stream}" + (f"-{nth}" if nth > 1 else "")
            self._streams.append(
                StreamUplink(
                    stream,
                    account=account,
                    server_name=server_name,
                    consumer=consumer,
                    clock=clock,
                    random=random,
                    link=link,
                )
            )

    def start(self) -> None:
        for stream in self._streams:
            stream.start()

    def stop(self) -> None:
        for stream in reversed(self._streams):
            stream.stop()

    def link_changed(self) -> None:
        """Tell every stream that the link to the hub came or went."""
        for stream in self._streams:
            stream.link_changed()

    def status(self) -> list[UplinkStatus]:
        """How each stream is, in the order of the configuration."""
        return [stream.status() for stream in self._streams]
