"""Whose a durable consumer is, by its metadata and its name.

Pure. Its uplink may have had another name when it was made, so the metadata says which one has it
now and for which hub; one of an older version has only its name. Truth: docs/uplink.md, "Names and
durables".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.jetstream.names import UPLINK_DURABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

_UPLINK: Final = "leafnode-uplink"  # keys of the metadata
_HUB: Final = "leafnode-hub"
_BY: Final = " by "


class Owner(NamedTuple):
    """Whose a durable is. `hub`: see `hub_of`; None: of an older version."""

    uplink: str  # its name; empty: the only one
    hub: str | None

    @property
    def hub_before(self) -> str:
        """What a version called this hub that knew of no two with the same names."""
        return (self.hub or "").partition(_BY)[0]

    def metadata(self) -> dict[str, str]:
        return {_UPLINK: self.uplink, _HUB: self.hub or ""}


def hub_of(stream: str, domain: str, remote: str) -> str:
    """Return what tells one hub's stream from all others; twins differ in the remote alone."""
    return f"{stream}@{domain}{_BY}{remote}" if remote else f"{stream}@{domain}"


def name_of(uplink: str, stream: str) -> str:
    return f"{UPLINK_DURABLES}{uplink}-{stream}" if uplink else UPLINK_DURABLES + stream


def uplink_in(name: str, stream: str) -> str | None:
    """Return which uplink has such a name for its durable of this stream, or None."""
    rest = name.removeprefix(UPLINK_DURABLES)
    if rest == name or not rest.endswith(stream):
        return None
    uplink = rest[: -len(stream)]
    return uplink[:-1] if uplink[-1:] in {"", "-"} else None


def place_of(name: str, stream: str) -> str:
    """Return the first token of the keys under which its place in the stream is kept."""
    uplink = uplink_in(name, stream)
    return name.removeprefix(UPLINK_DURABLES) if uplink is None else uplink or "main"


def owner_of(name: str, stream: str, metadata: Mapping[str, str]) -> Owner | None:
    """Return whose this durable is; None: it is no uplink's."""
    if not name.startswith(UPLINK_DURABLES):
        return None
    if _UPLINK in metadata:
        return Owner(metadata[_UPLINK], metadata.get(_HUB))
    uplink = uplink_in(name, stream)
    return None if uplink is None else Owner(uplink, None)
