"""Years of gateways in the field: outages, restarts, refusals, lost answers, budgets.

    python -m tests.sim.uplink_year [--seeds 2000] [--seed 1] [--jobs 1] [--days 365] [--calm 24]

Each seed is one gateway with options of its own; its streams share the hub's with many others, and
their subjects and prefixes change while messages are in flight. Messages go out of a stream by its
limits or because somebody deletes them, streams are made anew, the hub's too, come back out of an
archive, and the whole store is put back as it was. At its end nothing may be lost that was to be
kept, and nothing doubled but what was in flight when a copy was made; at every step the windows and
the timers, at each fourth the memory that the uplink holds, stay within their bounds.

One step of a gateway is one thing that happens to it, with some messages; then it is 50 ms to six
hours to the next one. `--calm` is how many times as long the pauses of an hour and more are. With 1
a year has some 1,100 steps, 15,000 messages and 40 s of CPU. With 24, what 2,000 gateways are run
with, it has some 250, 3,500 and 2.5 s: each kind of fault is met 4 to 35 times a year (the whole
store is put back about once), as soon after another one as with 1. What is taken away is three
quarters of the steps, of the messages and of what others store at the hub: what needs a longer
history of one gateway to go wrong is found by `--calm 1`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from tests.sim.pauses import DAY_NS
from tests.sim.uplink_gateway import Year, live

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def measured(seed: int, *, days: int, calm: int) -> tuple[Year, float]:
    """Return a year, and how many seconds of CPU it took."""
    logging.disable()  # each of those outages is a warning
    before = time.process_time()
    year = live(seed, days * DAY_NS, calm)
    return year, time.process_time() - before


def told(
    years: Iterable[tuple[Year, float]], again: str, seeds: int
) -> Iterator[tuple[Year, float]]:
    """Pass on; say what is wrong as it comes, and on a terminal how far it is."""
    for number, (year, cpu_s) in enumerate(years, 1):
        if year.faults:
            print(f"seed {year.seed}: {'; '.join(year.faults[:5])}", flush=True)
            print(f"  again: {again.format(seed=year.seed)}", flush=True)
        if sys.stderr.isatty():
            end = "\n" if number == seeds else ""
            print(f"\r{number:,} of {seeds:,} gateways", end=end, file=sys.stderr, flush=True)
        yield year, cpu_s


def summary(years: Iterable[tuple[Year, float]]) -> tuple[str, int]:
    """Return what happened to all of them, and how many have a fault."""
    count, failed, cpu_s = 0, 0, 0.0
    total, met = Counter[str](), Counter[str]()
    held_most = timers_most = 0
    for year, took_s in years:
        count, cpu_s = count + 1, cpu_s + took_s
        failed += bool(year.faults)
        met += year.met
        for name in ("messages", "removed", "dead_letters", "lost", "doubled"):
            total[name.replace("_", " ")] += getattr(year, name)
        held_most = max(held_most, year.held_most)
        timers_most = max(timers_most, year.timers_most)
    lines = (
        f"{count:,} gateways: " + ", ".join(f"{number:,} {name}" for name, number in total.items()),
        "met: " + ", ".join(f"{number:,} {name}" for name, number in met.most_common()),
        f"most memory of an uplink {held_most / 1024:,.0f} KiB, most timers {timers_most}",
        f"{cpu_s:,.0f} s of CPU, {cpu_s / max(1, count):.1f} s each; {failed} with faults",
    )
    return "\n".join(lines), failed


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=2000)
    options.add_argument("--seed", type=int, default=1, help="the first")
    options.add_argument("--jobs", type=int, default=1, help="gateways at a time")
    options.add_argument("--days", type=int, default=365)
    options.add_argument("--calm", type=int, default=24)
    given = options.parse_args()
    again = "python -m tests.sim.uplink_year --seeds 1 --seed {seed}"
    again += f" --days {given.days} --calm {given.calm}"
    one = partial(measured, days=given.days, calm=given.calm)
    seeds = range(given.seed, given.seed + given.seeds)
    if given.jobs == 1:
        text, failed = summary(told(map(one, seeds), again, given.seeds))
    else:
        with ProcessPoolExecutor(given.jobs) as pool:
            text, failed = summary(told(pool.map(one, seeds), again, given.seeds))
    print(f"from seed {given.seed}, {given.days} days each, calm {given.calm}:\n{text}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
