"""A gateway in the field, in simulated time: outages, restarts, refusals, lost answers, budgets.

How many of them live for how long is in uplink_year.py. `stay_asleep` lengthens what only repeats
while nothing happens.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkBudget, UplinkStream
from leafnode.go_time import format_time
from leafnode.protocol.transform import Transform
from leafnode.uplink.status import State
from tests.sim.held import held_bytes
from tests.sim.hub_faults import lose_followers, lose_quorum
from tests.sim.kept_ways import knows_all
from tests.sim.pauses import DAY_NS, HOUR_NS, MINUTE_NS, OUTAGES_NS, PAUSES_NS, SOON_NS, YEAR_NS
from tests.sim.uplink_world import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.uplink.status import UplinkStatus
    from tests.sim.local_jetstream import Archive, SideStream

TIMERS_MAX: Final = 2000  # those of the simulated JetStream's deliveries are among them
HELD_EVERY: Final = 4  # steps: what is held is walked over, which takes as long as a step
HELD_MAX: Final = 4 << 20  # bytes: three windows, a ledger of 40 days, a search at the hub
ASLEEP: Final = {
    "UPLINK_LAG_REFRESH_NS": 6 * HOUR_NS,
    "UPLINK_PULL_EXPIRES_NS": 6 * HOUR_NS,
    "UPLINK_GATE_CHECK_NS": HOUR_NS,
    "UPLINK_LEDGER_WRITE_NS": HOUR_NS,
    "UPLINK_POLL_NS": HOUR_NS,
}
ASLEEP_TIMES: Final = 4  # as long again, at most, where the whole year is calm
# What others store in the hub's stream between two messages of ours.
CROWDS: Final = (0, 1, 1, 30, 30, 30, 100, 2 * limits.UPLINK_PROBES_MAX)
PREFIXES: Final = ("edge.", "edge.b.", "edge.c.")
TRANSFORMS: Final = (("ev.a", "t.a"), ("ev.*", "x.{{wildcard(1)}}"))
RENAMINGS: Final = (None, None, (b"edge.>", b"plant.edge.>"), (b"edge.>", b"plant.>"))
SUBJECTS_MAX: Final = 40  # of a stream that gets one more from time to time


@contextmanager
def stay_asleep(calm: int = 1) -> Iterator[None]:
    before = {name: getattr(limits, name) for name in ASLEEP}
    for name, value in ASLEEP.items():
        setattr(limits, name, min(calm, ASLEEP_TIMES) * value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(limits, name, value)


@dataclass
class Year:
    """What one gateway went through, and what is wrong at the end."""

    seed: int
    messages: int = 0
    met: Counter[str] = field(default_factory=Counter)  # how often what happened
    removed: int = 0  # messages, by limits and by hand
    dead_letters: int = 0
    doubled: int = 0  # more than was in flight when a copy was made
    lost: int = 0
    window_most: int = 0
    timers_most: int = 0
    held_most: int = 0  # bytes of memory, of the uplink and all that it refers to
    faults: list[str] = field(default_factory=list)


class Gateway:
    """Three streams, of which one is more urgent, and all that was ever stored in them.

    The third is a mirror, so that its subjects are those of the first: nothing but the ids tells
    what is whose at the hub.
    """

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        window_msgs, window_bytes = rng.choice([4, 16, 256]), rng.choice([500, 4096, 262_144])
        budget = UplinkBudget(
            max_rate_bytes=rng.choice([0, 0, 2000]),
            send_windows=rng.choice([(), (), ((60, 1300),)]),
            coalesce_ns=rng.choice([0, 0, 5 * MINUTE_NS]),
            monthly_cap_bytes=rng.choice([0, 500_000]),
        )
        self.site = Site(
            UplinkStream(
                "EV",
                "AGG",
                "hub",
                window_msgs=window_msgs,
                window_bytes=window_bytes,
                priority=rng.choice([0, 5]),
                newest_first=rng.random() < 0.3,
            ),
            UplinkStream("AL", "AGG", "hub", urgent=True, window_msgs=window_msgs),
            UplinkStream("MI", "AGG", "hub", window_msgs=window_msgs),
            budget=budget,
            dead_letter="DEAD",
        )
        self.site.local["MI"].is_mirror = True
        for local in self.site.local.values():
            newest_first = any(
                one.newest_first for one in self.site.options.streams if one.stream == local.name
            )
            local.is_work_queue = not newest_first and rng.random() < 0.5
        if rng.random() < 0.3:
            self.site.local["EV"].max_per_subject = 1
        self.archives: dict[str, Archive] = {}
        self.ways = 0  # prefixes and transforms, one after the other
        self.archived: dict[str, int] = {}  # under the how manieth
        self.copy: dict[str, Archive] = {}
        self.copied_side: dict[str, SideStream] = {}
        self.letters_lost: set[bytes] = set()  # which a copy brought back to before
        self.may_double: Counter[str] = Counter()  # messages of a stream that a copy had in flight
        self.returned: dict[str, int] = {}  # how many were acknowledged when a copy came back
        self.site.hub.bytes_per_s = rng.choice([0, 0, 2000, 50_000])
        self.looked: set[str] = set()  # streams of whose consumers somebody else pulled
        self.subjects: dict[str, list[bytes]] = {"EV": [b"ev.a"], "AL": [b"al.a"]}
        self.subjects["MI"] = self.subjects["EV"]
        renaming = rng.choice(RENAMINGS)
        self.site.hub.transform = None if renaming is None else Transform(*renaming)
        self.sent: dict[str, list[bytes]] = {"EV": [], "AL": [], "MI": []}
        self.fatal: set[bytes] = set()  # payloads that the hub refuses for good
        self.year = Year(seed)
        self.steps = 0

    def live(self, length_ns: int, calm: int) -> Year:
        """`calm`: how many times as long nothing happens, once all is settled."""
        clock, site = self.site.clock, self.site
        site.uplink.start()
        self.begin()
        end_ns = clock.monotonic_ns() + length_ns
        while clock.monotonic_ns() < end_ns:
            self.step()
            pause_ns = self.rng.choice(PAUSES_NS)
            clock.advance(pause_ns if pause_ns in SOON_NS else calm * pause_ns)
            self.check_bounds()
        self.heal()
        self.audit()
        site.uplink.stop()
        return self.year

    def begin(self) -> None:
        """The first messages go well: no hub can be known before it has acknowledged anything."""
        for name in self.sent:
            self.store_one(name)
        self.site.clock.advance(2 * DAY_NS)

    def step(self) -> None:
        site, rng = self.site, self.rng
        self.crowd()
        match rng.randrange(18):
            case 0:
                self.outage()
            case 1:
                self.restart()
            case 2:
                self.year.met["full hubs"] += 1
                # Full for a while: what comes next is refused and may be tried again.
                site.hub.refusal = (10077, "maximum bytes exceeded")
                some = {rng.choice(self.sent["EV"] or [b""])} | self.next_payloads()
                site.hub.refuses = some | self.fatal
                site.clock.advance(rng.choice(PAUSES_NS))
                site.hub.refuses = set()
            case 3:
                self.year.met["lost answers"] += 1
                # Never for so long that the uplink goes on without an answer.
                site.hub.loses_acks = True
                site.hub.loses_answers = rng.random() < 0.5
                self.store()
                site.clock.advance(rng.randrange(1, 10_000) * NS_PER_MS)
                self.crowd()
                self.store()
                site.clock.advance(rng.randrange(1, 5_000) * NS_PER_MS)
                self.lose_the_link()
                site.hub.loses_acks = site.hub.loses_answers = False
            case 4:
                self.outage()
            case 5:
                self.change_subjects()
            case 7:
                self.change_prefix()
            case 6:
                self.year.met["refusals for good"] += 1
                self.fatal |= self.next_payloads()
                self.store()
            case 8:
                self.year.met["lost leaders"] += 1
                # Its leader dies: some of what is on the way is lost, and later ones are not.
                first = len(self.sent["EV"]) + rng.randrange(1, 9)
                site.hub.loses += [b"EV %d" % (first + more) for more in range(rng.randrange(1, 5))]
                self.store()
                self.store()
            case 9 | 10 | 11:
                self.change_streams()
            case 12:
                lose_followers(self)
            case 13:
                lose_quorum(self)
            case _:
                self.store()
        if self.fatal and not site.hub.refuses:
            site.hub.refusal = (10054, "message size exceeds maximum allowed")
            site.hub.refuses = set(self.fatal)

    def restart(self) -> None:
        dies = self.rng.random() < 0.5
        self.year.met["deaths" if dies else "restarts"] += 1
        self.site.restart(dies=dies)

    def change_streams(self) -> None:
        """What they hold is not what was stored."""
        match self.rng.randrange(10):
            case 0:
                self.make_anew()
            case 1:
                self.copy_or_return()
            case 2 | 3 | 4:
                self.archive_or_restore()
            case 5:
                self.look()
            case _:
                self.remove()

    def look(self) -> None:
        """Somebody pulls what the uplink's consumer would give it, and acknowledges nothing."""
        self.year.met["others pull"] += 1
        name = self.rng.choice(list(self.site.local))
        self.looked.add(name)
        self.site.local[name].others_take += self.rng.choice([1, 3, 20])
        self.store()

    def remove(self) -> None:
        """Somebody deletes some messages, wherever they are, or all: in flight, too."""
        self.year.met["deletions"] += 1
        local, rng = self.site.local[self.rng.choice(["EV", "AL"])], self.rng
        for _ in range(rng.randrange(1, 4)):
            self.store()
            pause_ns = rng.choice([0, 10 * NS_PER_MS, 100 * NS_PER_MS, 3 * NS_PER_S])
            self.site.clock.advance(pause_ns)
            there = list(local.messages)
            first = rng.randrange(len(there) + 1)
            local.delete(*there[first : first + rng.choice([1, 3, 20, 1000])])

    def make_anew(self) -> None:
        """A script deletes a stream, here or at the hub, and makes it as it was made before."""
        name = self.rng.choice(["EV", "AL", ""])
        self.year.met["streams made anew" if name else "hub streams made anew"] += 1
        if name:
            self.site.local[name].make_anew(format_time(self.site.clock.wall_ns()))
        else:
            self.site.hub.make_anew()
        self.store()

    def archive_or_restore(self) -> None:
        """Newest first only what is as it was comes back: else nothing is sent, and it is said."""
        name = self.rng.choice(["EV", "AL"])
        local, archive = self.site.local[name], self.archives.pop(name, None)
        if archive is None:
            if len(local.acks) == self.returned.get(name):
                return  # the uplink has not gone on behind the older copy, see docs/uplink.md
            self.archived[name] = self.ways
            # Without them, behind a copy that came back before, all of it may go up again.
            has_consumers = self.rng.random() < 0.5 or self.may_double[name] > 0
            self.archives[name] = local.archive(has_consumers=has_consumers)
        elif local.is_as(archive) or not self.is_newest_first(name):
            self.year.met["archives restored"] += 1
            self.copy.clear()
            self.came_back(name)
            local.restore(archive, format_time(self.site.clock.wall_ns()))
            self.store()

    def copy_or_return(self) -> None:
        """The card's image is written, or put back: the process stops for that."""
        site = self.site
        if not self.copy:
            if any(one.state is not State.RUNNING for one in site.uplink.status()):
                return  # what an older copy has up there may go up again, see docs/uplink.md
            self.copy = {name: local.archive() for name, local in site.local.items()}
            self.copied_side = copy.deepcopy(site.side)
            return
        if any(
            self.is_newest_first(name) and not site.local[name].is_as(archive)
            for name, archive in self.copy.items()
        ):
            return
        if not knows_all(self.copied_side, site.side, site.options.streams):
            self.copy.clear()
            return
        self.year.met["copies put back"] += 1
        self.archives.clear()
        site.uplink.stop()
        for name, archive in self.copy.items():
            self.came_back(name)
            site.local[name].restore(archive)
        for name, side in site.side.items():
            before = self.copied_side.get(name)
            if name == "DEAD":
                self.letters_lost |= set(side.payloads())
            side.messages = list(before.messages) if before is not None else []
            side.ids = dict(before.ids) if before is not None else {}
        self.copy.clear()
        site.restart()
        self.store()

    def came_back(self, name: str) -> None:
        """What was in flight when the copy of that stream was made may go up again."""
        self.may_double[name] += self.window_msgs(name)
        self.returned[name] = len(self.site.local[name].acks)

    def is_newest_first(self, name: str) -> bool:
        return any(one.newest_first for one in self.site.options.streams if one.stream == name)

    def window_msgs(self, name: str) -> int:
        return next(one.window_msgs for one in self.site.options.streams if one.stream == name)

    def next_payloads(self) -> set[bytes]:
        return {b"EV %d" % (len(self.sent["EV"]) + 1)}

    def store(self) -> None:
        for name in self.sent:
            for _ in range(self.rng.choice([0, 1, 1, 3, 20])):
                self.store_one(name)

    def store_one(self, name: str) -> None:
        payload = b"%s %d" % (name.encode(), len(self.sent[name]) + 1)
        self.sent[name].append(payload)
        self.site.store(name, payload, subject=self.rng.choice(self.subjects[name]))
        self.year.messages += 1

    def crowd(self) -> None:
        """Others publish into the stream that all share."""
        for _ in range(self.rng.choice(CROWDS)):
            self.site.hub.publish(b"edge.other", b"stranger")

    def lose_the_link(self) -> None:
        """After what is in flight then, half of the time everything is another."""
        match self.rng.randrange(4):
            case 0:
                self.outage()
            case 1:
                self.change_prefix()
            case 2:
                self.change_subjects()
                self.outage()
            case _:
                pass

    def change_prefix(self) -> None:
        """The configuration is another one, and the uplink begins anew, sometimes long after."""
        site, rng = self.site, self.rng
        if not site.hub.loses_answers:
            site.clock.advance(MINUTE_NS)  # it has asked: only so many prefixes are remembered
        self.year.met["prefixes changed"] += 1
        prefix, transforms = rng.choice(PREFIXES), rng.choice([(), (rng.choice(TRANSFORMS),)])
        streams = tuple(
            replace(one, subject_prefix=prefix, subject_transforms=transforms)
            for one in site.options.streams
        )
        site.options = replace(site.options, streams=streams)
        self.outdate()
        if rng.random() < 0.5:
            site.link_down()
            site.clock.advance(rng.choice(OUTAGES_NS))
            site.link_up()
        site.restart()

    def outdate(self) -> None:
        """Let go of archives whose prefix is not remembered at the hub's any more."""
        self.ways += 1
        for name, made in list(self.archived.items()):
            if self.ways - made >= limits.UPLINK_WAYS_MAX:
                self.archives.pop(name, None)

    def change_subjects(self) -> None:
        """A stream gets one subject more, or stores what comes under another."""
        self.year.met["subjects changed"] += 1
        name = self.rng.choice(["EV", "AL"])
        local, subjects = self.site.local[name], self.subjects[name]
        more = f"more.{name.lower()}.{len(subjects) % SUBJECTS_MAX}"
        if self.rng.random() < 0.5:
            local.subjects = tuple(dict.fromkeys((*local.subjects, more)))
        else:
            local.transform = ("in.>", "more.>")
            local.subjects = tuple(dict.fromkeys((*local.subjects, "in.>")))
        if more.encode() not in subjects:
            subjects.append(more.encode())

    def outage(self) -> None:
        self.year.met["outages"] += 1
        self.site.link_down()
        length_ns = self.rng.choice(OUTAGES_NS)
        for _ in range(self.rng.randrange(3)):
            self.store()
            self.site.clock.advance(length_ns // 4)
        self.site.clock.advance(length_ns // 4)
        if self.rng.random() < 0.2:
            self.restart()
        self.site.link_up()

    def check_bounds(self) -> None:
        site, year = self.site, self.year
        for status in site.uplink.status():
            self.check_window(status)
        timers = site.clock.pending()
        year.timers_most = max(year.timers_most, timers)
        if timers > TIMERS_MAX:
            year.faults.append(f"{timers} timers wait")
        self.steps += 1
        if self.steps % HELD_EVERY:
            return
        others = (site, site.clock, site.account, site.account.system, site.hub, site.hub.peer)
        held = held_bytes(site.uplink, (*others, *site.local.values()))
        year.held_most = max(year.held_most, held)
        if held > HELD_MAX:
            year.faults.append(f"the uplink holds {held} bytes of memory")

    def check_window(self, status: UplinkStatus) -> None:
        (options,) = (one for one in self.site.options.streams if one.stream == status.stream)
        self.year.window_most = max(self.year.window_most, status.window_messages)
        # What others were given comes back beside what is here, deleted ones among it.
        most = options.window_msgs * (3 if status.stream in self.looked else 1)
        if status.window_messages > most:
            self.year.faults.append(f"{status.window_messages} messages in the window")
        # One message may be larger than the window; those here are not. What the last run had in
        # flight has other sizes under the subjects of this one, and is in the window first.
        if status.window_bytes > 2 * options.window_bytes + 64:
            self.year.faults.append(f"{status.window_bytes} bytes in the window")

    def heal(self) -> None:
        """The link is well, the hub takes everything that it will ever take, a new month comes."""
        hub = self.site.hub
        hub.loses_acks = hub.loses_answers = False
        hub.loses = []
        hub.bytes_per_s = 0
        hub.refuses = set(self.fatal)
        hub.refusal = (10054, "message size exceeds maximum allowed")
        if not hub.is_connected():
            self.site.link_up()
        for _ in range(70):
            self.site.clock.advance(DAY_NS)
            if all(one.lag_messages == 0 for one in self.site.uplink.status()):
                break

    def audit(self) -> None:
        say = self.year.faults.append
        dead = self.site.side["DEAD"].payloads() if "DEAD" in self.site.side else []
        self.year.dead_letters = len(dead)
        arrived = [one for one in self.site.hub.payloads() if one != b"stranger"]
        there = Counter(arrived) + Counter(dead)
        for name, payloads in self.sent.items():
            doubled = [one for one in payloads if there[one] > 1]
            more = sum(there[one] - 1 for one in doubled) - self.may_double[name]
            if more > 0:
                self.year.doubled += more
                say(f"{len(doubled)} of {name} are doubled, first {doubled[0].decode()}")
        removed = {one for local in self.site.local.values() for one in local.removed}
        self.year.removed = len(removed)
        everywhere = {*arrived, *self.site.hub.former, *dead} | removed | self.letters_lost
        for name, payloads in self.sent.items():
            lost = [payload for payload in payloads if payload not in everywhere]
            if lost:
                self.year.lost += len(lost)
                say(f"{len(lost)} of {name} are lost, first {lost[0].decode()}")
        for payload in dead:
            if payload not in self.fatal:
                say(f"{payload.decode()} is a dead letter without a reason")
        for status in self.site.uplink.status():
            if status.state is not State.RUNNING or status.lag_messages:
                say(f"{status.stream} is {status.state.value} with {status.lag_messages} waiting")


def live(seed: int, length_ns: int = YEAR_NS, calm: int = 1) -> Year:
    """Run one seed. The same seed gives the same year."""
    with stay_asleep(calm):
        return Gateway(seed).live(length_ns, calm)
