"""Which durable consumer a stream goes on with: its own, or the one of a name that it had before.

Knows JetStream as any client does. An uplink that gets another name keeps its place so, and on a
work queue the only consumer that there can be. None is deleted: with it an interest stream would
let go of what it waits for. Truth: docs/uplink.md, "Names and durables".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits
from leafnode.jetstream.names import UPLINK_DURABLES
from leafnode.uplink import answers
from leafnode.uplink.answers import Failure
from leafnode.uplink.owner import Owner, name_of, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from leafnode.uplink.mailbox import Mailbox

_SILENCE: Final = Failure(0, "the local JetStream does not answer")


def choose(
    found: Mapping[str, Owner],
    owner: Owner,
    stream: str,
    wanted: AbstractSet[str],
    *,
    is_work_queue: bool = False,
) -> str:
    """Return the name of the durable to go on with, one of those that were found or a new one.

    `wanted`: the uplinks that have this stream by the configuration of now. What belongs to another
    is left to an uplink that goes to the same hub; where it cannot be another, also to any.
    """
    own = name_of(owner.uplink, stream)
    mine = sorted(name for name, one in found.items() if one.uplink == owner.uplink)
    if mine:
        return own if own in mine else mine[0]
    left = sorted(name for name, one in found.items() if one.uplink not in wanted)
    same_hub = [name for name in left if found[name].hub == owner.hub]
    if same_hub:
        return same_hub[0]
    if len(left) == len(wanted) == 1:
        told = found[left[0]].hub
        if is_work_queue or told in {None, owner.hub_before}:
            return left[0]
    names = (own, *(f"{own}-{number}" for number in range(2, len(found) + 3)))
    return next(name for name in names if name not in found)


class Search:
    """Looks through the consumers of one stream that are called like an uplink's."""

    def __init__(
        self, mailbox: Mailbox, stream: str, owner: Owner, wanted: Callable[[], AbstractSet[str]]
    ) -> None:
        """`wanted` says which uplinks have this stream by the configuration of now."""
        self._mailbox = mailbox
        self._stream = stream
        self.owner = owner
        self._wanted = wanted

    def begin(self, then: Callable[[str | Failure], None], *, is_work_queue: bool) -> None:
        """`then` gets the name of the durable to go on with."""
        found: dict[str, Owner] = {}
        names: list[str] = []

        def list_from(offset: int) -> None:
            body = msgspec.json.encode({"offset": offset})
            self._ask(f"NAMES.{self._stream}", body, lambda body: listed(offset, body))

        def listed(offset: int, body: bytes | None) -> None:
            page = _SILENCE if body is None else answers.consumer_names(body)
            if isinstance(page, Failure):
                then(page)
                return
            names.extend(name for name in page.consumers if name.startswith(UPLINK_DURABLES))
            behind = offset + len(page.consumers)
            if page.consumers and behind < page.total:
                list_from(behind)
                return
            own = name_of(self.owner.uplink, self._stream)
            names.sort(key=lambda name: name != own)
            del names[limits.UPLINK_DURABLES_MAX :]
            look()

        def look() -> None:
            if names:
                name = names.pop()
                self._ask(f"INFO.{self._stream}.{name}", b"", lambda body: looked(name, body))
                return
            wanted = self._wanted()
            then(choose(found, self.owner, self._stream, wanted, is_work_queue=is_work_queue))

        def looked(name: str, body: bytes | None) -> None:
            info = _SILENCE if body is None else answers.consumer_info(body)
            if not isinstance(info, Failure):
                owner = owner_of(name, self._stream, info.config.metadata)
                if owner is not None:
                    found[name] = owner
            elif info.err_code != answers.NO_CONSUMER_FOUND:
                then(info)
                return
            look()

        list_from(0)

    def _ask(self, subject: str, body: bytes, then: Callable[[bytes | None], None]) -> None:
        subject = f"$JS.API.CONSUMER.{subject}"
        self._mailbox.ask(subject.encode(), body, then, limits.UPLINK_API_TIMEOUT_NS)
