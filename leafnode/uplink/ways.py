"""Under which subjects a stream's messages may be at the hub: as configured now, as before, and as
the hub itself renames them.

Pure, with the form in which it is kept. What was sent under a former prefix, and not acknowledged,
is found under that. Truth: docs/uplink.md, "After every connect, and after every start".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from leafnode import limits
from leafnode.errors import TransformError
from leafnode.nuid import hash8
from leafnode.protocol import subject as subjects
from leafnode.routing.subject_set import SubjectSet
from leafnode.uplink.onward import InFlight, Place
from leafnode.uplink.position import NOT_ACKED, Acked
from leafnode.uplink.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.config.options import UplinkStream
    from leafnode.uplink.answers import HubMessage, StreamInfo
    from leafnode.uplink.onward import Origin
    from leafnode.uplink.position import Latest


_NAME_MAX: Final = 8
_SEQ_MAX: Final = (1 << 64) - 1


class Way(msgspec.Struct, frozen=True):
    """What is put before a local subject, and the transforms before that."""

    prefix: str
    transforms: tuple[tuple[str, str], ...] = ()


class Moved(NamedTuple):
    """The hub stores what is sent under one subject under another."""

    sent: str
    seen: str


class Renaming(msgspec.Struct, frozen=True):
    """What the hub takes away at the front of a subject, and what it puts there."""

    cut: str = ""
    put: str = ""

    def of(self, subject: str) -> str:
        """Return what becomes of it; itself, where the hub leaves it as it is."""
        if not subject.startswith(self.cut):
            return subject
        return self.put + subject[len(self.cut) :]

    def is_sound(self) -> bool:
        """Say whether both may stand before a subject."""
        return all(subjects.is_valid_literal(f"{one}x".encode()) for one in (self.cut, self.put))


class Reached(msgspec.Struct, frozen=True):
    """How far a run was: as a message says it that goes behind others, of the stream `identity`.
    With none it was refuted, and says only that the hub has answered.
    """

    identity: str = ""
    floor: int = 0
    hub_seq: int = 0
    ranges: str = ""
    seq: int = 0  # one that the hub had acknowledged, and its mark: the stream must still have it
    mark: str = ""
    acked: Acked = NOT_ACKED
    server: str = ""  # under which name it sent that: the id at the hub has it

    @classmethod
    def of(cls, origin: Origin, said: InFlight, latest: Latest) -> Reached:
        far = (said.floor, said.hub_seq, said.ranges.decode())
        place = said.top or latest.place
        return cls(origin.identity, *far, *place, latest.acked, origin.server)

    def acked_as(self, server: str) -> Acked:
        """Return what the hub acknowledged last of a server of this name."""
        return self.acked if self.server == server else NOT_ACKED

    def is_sound(self) -> bool:
        """Say whether the hub may be asked for it: it may have been written by anybody."""
        numbers = (self.floor, self.hub_seq, self.seq, self.acked.hub_seq, self.acked.place.seq)
        return all(0 <= one <= _SEQ_MAX for one in numbers)

    @property
    def elsewhere(self) -> Reached:
        """The same where the hub's stream is another one: nothing of it is there."""
        return msgspec.structs.replace(self, hub_seq=0, acked=NOT_ACKED)

    @property
    def place(self) -> Place:
        return Place(self.seq, self.mark)

    @property
    def said(self) -> InFlight:
        said = InFlight(self.floor, self.hub_seq, self.ranges.encode(), self.mark)
        return said if said.top == self.place else said._replace(mark="")  # of an older version


class Identity(msgspec.Struct, frozen=True):
    """By which name the ids know the local stream that was made at that time."""

    created: str = ""
    name: str = ""

    def is_sound(self) -> bool:
        """Say whether it can be part of an id: it may have been written by anybody."""
        return self.name.isascii() and self.name.isalnum() and len(self.name) <= _NAME_MAX


class Record(msgspec.Struct):
    """What is kept. It speaks of one stream of one hub."""

    hub_stream: str = ""
    domain: str = ""
    ways: list[Way] = []
    renamings: list[Renaming] = []
    reached: Reached | None = None
    refuted: Reached | None = None  # one at the hub that was seen to be another history's
    identity: Identity = Identity()
    since: int | None = None  # what is behind this sequence went by the last of the ways alone


class Ways:
    """The way of now and some former ones, the newest last; and what the hub was seen to rename."""

    def __init__(self, options: UplinkStream, prefix: str) -> None:
        """Raises TransformError."""
        self._options = options
        self.now = Upstream(prefix, options.subject_transforms)
        self._way = Way(prefix, tuple(options.subject_transforms))
        self._former: list[tuple[Way, Upstream]] = []
        self._used: list[Way] = []  # under which something went, the newest last
        self.is_used = False  # that of now is among them
        self._since: int | None = 0  # see `Record`; 0: nothing went another way, None: not known
        self._last_seq = 0  # of the local stream
        self._renamings: list[Renaming] = []
        self.reached: Reached | None = None
        self.refuted: Reached | None = None
        self._identity = Identity()
        self._opened = ""  # the name of the stream that this run had last
        self.is_fresh = False  # nothing was ever sent of the stream: it was made in this run

    def take(self, record: Record) -> bool:
        """Take what was kept; say whether it has to be kept anew."""
        options = self._options
        if record.identity.is_sound():
            self._identity = record.identity
        if (record.hub_stream, record.domain) != (options.hub_stream, options.domain):
            return True
        self._used = record.ways[-limits.UPLINK_WAYS_MAX :]
        for way in self._used:
            upstream = _upstream(way)
            if way != self._way and upstream is not None:
                self._former.append((way, upstream))
        kept = (record.reached, record.refuted)
        self.reached, self.refuted = (one if one and one.is_sound() else None for one in kept)
        renamings = [one for one in record.renamings if one.is_sound()]
        self._renamings = renamings[-limits.UPLINK_RENAMINGS_MAX :]
        self._since = record.since
        self.is_used = self._used[-1:] == [self._way] and self._since is not None
        return not self.is_used

    def use(self) -> None:
        """Something goes the way of now."""
        self._used = [*(way for way, _ in self._former), self._way][-limits.UPLINK_WAYS_MAX :]
        self.is_used = True
        self._since = self._last_seq if self._former else 0

    def of_now(self, messages: list[HubMessage]) -> list[HubMessage]:
        """Return which of these, at the hub, went the way of now and have the very name there under
        which they went.
        """
        since = self._since
        if self._renamings or not self.is_used or since is None:
            return []
        found = [one for one in messages if one.subject.startswith(self._way.prefix)]
        return [one for one in found if one.seq is not None and one.seq > since]

    def identify(self, stream: StreamInfo) -> tuple[str, bool]:
        """Return the stream's name in ids, and whether it has to be kept.

        One that was deleted and made anew is another. One that came back out of an archive is what
        it was, though nats-server and this one give it another time of creation.
        """
        known = self._identity
        name = known.name if known.created == stream.created else hash8(stream.made)
        # What was kept does not tell: it may be as old as an image of before the first message.
        is_new = self._opened not in {"", name}
        is_back = known.name == name and known.created != stream.created
        if is_back and self.reached is not None:
            self.reached = Reached()  # what was kept may be of later than the archive
        self.is_fresh = (is_new or self.is_fresh) and not stream.is_restored
        self._last_seq = stream.state.last_seq
        if known.name != name:
            self._since = self._last_seq if self._former and not self.is_fresh else 0
        self._opened, self._identity = name, Identity(stream.created, name)
        return name, self._identity != known

    def reached_of(self, origin: Origin) -> Reached | None:
        """Return how far it is kept that a run of this very stream was."""
        is_ours = self.reached is not None and self.reached.identity == origin.identity
        return self.reached if is_ours else None

    def refuted_of(self, origin: Origin | None) -> set[Place]:
        """Return what was seen not to be of this history, though its message may be gone by now."""
        found = self.refuted
        is_ours = found is not None and origin is not None and found.identity == origin.identity
        return {found.place} if is_ours and found is not None else set()

    def learn(self, sent: str, seen: str) -> bool:
        """Take how the hub renamed a subject; False: what it does is not to be told from that."""
        renaming = renaming_of(sent, seen)
        if renaming is None:
            return False
        if renaming not in self._renamings:
            self._renamings.append(renaming)
            self._renamings = self._renamings[-limits.UPLINK_RENAMINGS_MAX :]
        return True

    def record(self) -> Record:
        options = self._options
        return Record(
            hub_stream=options.hub_stream,
            domain=options.domain,
            ways=self._used,
            renamings=self._renamings,
            reached=self.reached,
            refuted=self.refuted,
            identity=self._identity,
            since=self._since,
        )

    def names(self, upstream: str) -> list[str]:
        """Return which subjects, at the hub, a message may have that is sent under this one."""
        return list(dict.fromkeys([upstream, *(one.of(upstream) for one in self._renamings)]))

    def questions(self, patterns: list[str], also: Iterable[bytes]) -> list[str] | None:
        """Return what to ask the hub for where a stream holds these patterns, and messages with
        those subjects; None when it is too much to be asked one by one.
        """
        found: dict[str, None] = {}
        extra = list(also)
        for upstream in (self.now, *(one for _, one in self._former)):
            asked = dict.fromkeys(upstream.patterns(patterns))
            # Under a pattern of everything others may be newer; any other asks for what fits it.
            wide = SubjectSet(one.encode() for one in asked if one != f"{upstream.prefix}>")
            for subject in (upstream.subject(one) for one in extra):
                if not wide.matches(subject):
                    asked[subject.decode()] = None
            found |= dict.fromkeys(name for one in asked for name in self.names(one))
        return None if len(found) > limits.UPLINK_QUESTIONS_MAX else list(found)


def _upstream(way: Way) -> Upstream | None:
    if not subjects.is_valid_literal(f"{way.prefix}x".encode()):
        return None
    try:
        return Upstream(way.prefix, way.transforms)
    except TransformError:
        return None


def renaming_of(sent: str, seen: str) -> Renaming | None:
    """Return what makes the one of the other at its front; None: they do not end alike."""
    before, after = sent.split("."), seen.split(".")
    while before and after and before[-1] == after[-1]:
        before.pop()
        after.pop()
    if len(before) == len(sent.split(".")):
        return None
    return Renaming(*("".join(f"{token}." for token in tokens) for tokens in (before, after)))


def encode(record: Record) -> bytes:
    return msgspec.json.encode(record)


def decode(body: bytes) -> Record:
    """Read what was kept; what is something else was written by somebody else and says nothing."""
    try:
        return msgspec.json.decode(body, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Record()
