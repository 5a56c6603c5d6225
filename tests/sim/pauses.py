"""How long things take in the simulated years of a gateway."""

from __future__ import annotations

from typing import Final

from leafnode.clock import NS_PER_MS, NS_PER_S

MINUTE_NS: Final = 60 * NS_PER_S
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
YEAR_NS: Final = 365 * DAY_NS
SOON_NS: Final = (50 * NS_PER_MS, NS_PER_S, 10 * NS_PER_S, MINUTE_NS)  # before all is settled
PAUSES_NS: Final = (*SOON_NS, HOUR_NS, 6 * HOUR_NS)
OUTAGES_NS: Final = (
    *(NS_PER_MS, NS_PER_S, MINUTE_NS, 10 * MINUTE_NS, HOUR_NS, 8 * HOUR_NS),
    *(DAY_NS, 3 * DAY_NS, 20 * DAY_NS),
)
