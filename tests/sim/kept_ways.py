"""Which prefixes and transforms the uplink keeps to have used, as they stand in its bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    before, now = (
        _kept(copied),
        {Way(one.subject_prefix, one.subject_transforms) for one in streams},
    )
    return all(set(used) <= {*before.get(key, []), *now} for key, used in _kept(there).items())


def _kept(side: Mapping[str, SideStream]) -> dict[bytes, list[Way]]:
    """Return the newest record of each stream, by its key."""
    messages = side[BUCKET_STREAM].messages if BUCKET_STREAM in side else []
    return {key: ways.decode(body).ways for key, _, body in messages if b".ways." in key}
