"""Which prefixes and transforms the uplink keeps to have used, as they stand in its bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.uplink import ways
from leafnode.uplink.bucket import BUCKET_STREAM
from leafnode.uplink.ways import Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from leafnode.config.options import UplinkStream
    from tests.sim.local_jetstream import SideStream


def knows_all(
    copied: Mapping[str, SideStream],
    there: Mapping[str, SideStream],
    streams: Iterable[UplinkStream],
) -> bool:
    """Say whether a copy knows all that is known now, or the streams go so: else what went under
    one between may go up again, see docs/uplink.md.
    """
    before = _kept(copied)
    now = {Way(one.subject_prefix or "edge.", one.subject_transforms) for one in streams}
    return all(
        set(used) <= {*before.get(key, []), *now} and _has_all(used, before.get(key, []))
        for key, used in _kept(there).items()
    )


def _has_all(used: list[Way], before: list[Way]) -> bool:
    """Say whether none fell off the end since."""
    return before[-1] in used if before else len(used) < limits.UPLINK_WAYS_MAX


def _kept(side: Mapping[str, SideStream]) -> dict[bytes, list[Way]]:
    """Return the newest record of each stream, by its key."""
    messages = side[BUCKET_STREAM].messages if BUCKET_STREAM in side else []
    return {key: ways.decode(body).ways for key, _, body in messages if b".ways." in key}
