"""Stream imports: what an account subscribes to is subscribed to in the accounts it imports from.

Each subscription that overlaps an import gets a shadow in the exporting account's sublist, so a
message finds its receivers in one look-up and keeps the fast lane. Imports do not chain: a shadow
makes no shadows. Knows accounts and transforms; not who may import what. Truth: nats-server 2.15.1
server/client.go addShadowSubscriptions.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from leafnode.limits import OVERLAP_WORK, SHADOW_WORK, TOKEN_WORK, WALK_WORK
from leafnode.protocol.subject import intersection, is_literal
from leafnode.protocol.transform import untokenize
from leafnode.routing.crossings import Crossings, numbers
from leafnode.routing.parked import begin, in_turns
from leafnode.routing.peer import Kind
from leafnode.routing.plan import Plan
from leafnode.routing.subscription import Shadow, Subscription
from leafnode.slices import finish

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from leafnode.protocol.transform import Transform
    from leafnode.routing.account import Account


_IMPORTS_A_STEP: Final = 64  # that a subscription is held against: of 1 ms, not of 15 for 4,000
_FEW: Final = 64  # imports that are looked at one by one, in 0.1 ms


class _Shown:
    """What subjects are called here. The last one is remembered: each receiver of a message asks,
    and a subject may have 2,000 tokens.
    """

    __slots__ = ("_last", "_shown", "_transform")

    def __init__(self, transform: Transform) -> None:
        self._transform = transform
        self._last = self._shown = b""

    def __call__(self, subject: bytes) -> bytes:
        if subject != self._last:
            self._shown = self._transform.apply(subject)
            self._last = subject
        return self._shown


class StreamImport:
    """One import: the exporter's subjects, how they are called here, and whose shadows it has."""

    __slots__ = (
        "_back",
        "_local_tokens",
        "allow_trace",
        "exporter",
        "is_mute",
        "is_over",
        "key",
        "local",
        "shadows",
        "show",
        "source",
    )

    def __init__(
        self,
        exporter: Account,
        source: bytes,
        local: bytes,
        transforms: tuple[Transform, Transform] | None,
        *,
        allow_trace: bool = False,
    ) -> None:
        """`local` may name the source's wildcards, in any order; `transforms` are theirs, see
        protocol.transform.stream_transforms.
        """
        self.exporter = exporter
        self.key = (exporter, source, local, allow_trace)  # what is the same import has the same
        self.shadows: dict[Subscription, Subscription] = {}  # by what they stand for
        self.is_mute = False  # it brings nothing: it sleeps, or it is over
        self.is_over = False
        self.allow_trace = allow_trace
        self.source = source
        self.local, _ = untokenize(local)
        self.show: Callable[[bytes], bytes]
        self._back: Transform | None = None
        if transforms is not None:
            transform, self._back = transforms
            self.show = _Shown(transform)
        elif is_literal(source):
            self.show = lambda _: local
            self.local = local
        else:
            self.show = _same
        self._local_tokens = self.local.split(b".")

    @property
    def what(self) -> tuple[Account, bytes]:
        """What it brings, under whatever name."""
        return self.exporter, self.source

    def end(self) -> None:
        """Bring nothing more."""
        self.is_mute = self.is_over = True

    def shadow_of(self, tokens: list[bytes]) -> bytes | None:
        """Return the exporter's subjects that the local pattern with these tokens gets through this
        import.
        """
        common = intersection(tokens, self._local_tokens)
        if common is None:
            return None
        if common == self.local:
            return self.source
        return common if self._back is None else self._back.apply(common)


StreamsPlan = Plan[StreamImport, StreamImport]


class StreamImports:
    """All stream imports of one account, and the shadows they made."""

    __slots__ = ("_account", "_asleep", "_exporters", "_imports", "_index", "_leaving")

    def __init__(self, account: Account, imports: Iterable[StreamImport] = ()) -> None:
        self._account = account
        self._imports = list(imports)
        self._index: Crossings | None = None  # of their local subjects, where they are many
        self._exporters: set[Account] | None = None  # theirs, once somebody asks
        # What is replaced goes on until its successors have all their shadows, and sleep till then.
        self._leaving: list[StreamImport] = []
        self._asleep: set[StreamImport] = set()

    def start(self) -> None:
        """Make the shadows of what the account is subscribed to already, and of what comes."""
        self._account.stream_imports = self
        steps = chain(self._indexed(), self._overlaps(self._imports))
        in_turns(self._account.system.outbox, steps)

    def stop(self) -> None:
        """Import nothing any more."""
        self._account.stream_imports = None
        self.adopt(finish(self.planned(())))

    def planned(self, imports: Iterable[StreamImport]) -> Generator[None, None, StreamsPlan]:
        """Find out in steps what is new, and what is not there any more, where these are
        imported. One that was there keeps its shadows.
        """
        known: dict[object, list[StreamImport]] = {}
        for number, one in enumerate(self._imports, 1):
            known.setdefault(one.key, []).append(one)
            if number % _IMPORTS_A_STEP == 0:
                yield
        plan: StreamsPlan = Plan([], [], [])
        for number, one in enumerate(imports, 1):
            same = known.get(one.key)
            if same:
                plan.all.append(same.pop())
            else:
                plan.all.append(one)
                plan.fresh.append(one)
            if number % _IMPORTS_A_STEP == 0:
                yield
        for several in known.values():
            plan.gone.extend(several)
        return plan

    def adopt(self, plan: StreamsPlan) -> None:
        """Import what was planned from now on, and nothing else.

        Through what is gone nothing comes from now on; its shadows are taken out in turns of
        their own where they are many, as those of new ones are made. Where the same comes under
        another name there is no moment without either: then one step wakes these and ends those.
        """
        self._imports, self._index, self._exporters = plan.all, None, None
        leaving = [one for one in (*self._leaving, *plan.gone) if not one.is_mute]
        ended = [one for one in plan.gone if one.is_mute]  # before it was awake
        for one in ended:
            one.end()
        self._asleep.difference_update(ended)
        replaced = {one.what for one in leaving}
        for one in plan.fresh:
            if one.what in replaced:
                one.is_mute = True
                self._asleep.add(one)
        ended += self._let_go(leaving)
        in_turns(self._account.system.outbox, self._changing(plan.fresh, ended))

    def _changing(self, fresh: list[StreamImport], ended: list[StreamImport]) -> Iterator[None]:
        """Take the shadows of those out and make the ones of these, in steps."""
        yield from _leftovers(ended)
        yield from self._indexed()
        yield from self._overlaps(fresh)
        woken = self._asleep.intersection(fresh)
        for one in woken:
            one.is_mute = False
        self._asleep -= woken
        for exporter in {one.exporter for one in woken}:
            exporter.sublist.spoil(b">")
        yield from _leftovers(self._let_go(self._leaving))

    def _let_go(self, leaving: list[StreamImport]) -> list[StreamImport]:
        """Keep of these what a sleeping one is to replace; end the others, and return them."""
        awaited = {one.what for one in self._asleep}
        self._leaving = [one for one in leaving if one.what in awaited]
        ended = [one for one in leaving if one.what not in awaited]
        for one in ended:
            one.end()
        for exporter in {one.exporter for one in ended}:
            exporter.sublist.spoil(b">")
        return ended

    def spoil(self) -> None:
        """Have everything decided anew that may lead to a shadow."""
        if self._exporters is None:
            self._exporters = {one.exporter for one in self._imports}
        for exporter in self._exporters:
            exporter.sublist.spoil(b">")

    def follow(self, sub: Subscription) -> None:
        """Make the shadows of a new subscription: where they take long its peer waits for them."""
        if not _casts(sub):
            return
        steps = self._overlaps_of(sub, self._near(sub.subject))
        if sub.peer.kind is Kind.SYSTEM:
            in_turns(self._account.system.outbox, steps)
        else:
            begin(sub.peer, steps)

    def following(self, sub: Subscription) -> Iterator[None]:
        """Make the shadows of a new subscription, in steps."""
        if _casts(sub):
            yield from self._overlaps_of(sub, self._near(sub.subject))

    def _near(self, subject: bytes) -> Iterator[list[StreamImport]]:
        """Return the imports that a subscription may overlap, some at a time."""
        imports, index, leaving = self._imports, self._index, self._leaving
        if index is None:
            return _some(chain(imports, leaving))
        bits, steps = index.which(subject)
        self._account.system.outbox.work_left -= WALK_WORK * steps
        near = (imports[number] for number in numbers(bits))
        return _some(chain(near, leaving))

    def forget(self, sub: Subscription) -> None:
        """Take the shadows of one subscription out that is over: nothing comes through them from
        now on.
        """
        if not _casts(sub):
            return
        steps = _taken_out(sub, self._near(sub.subject))
        if not in_turns(self._account.system.outbox, steps):
            self.spoil()

    def _overlap(self, sub: Subscription, imports: list[StreamImport]) -> Iterator[None]:
        """Hold a subscription against some imports, as long as it is there: a step for each that
        it overlaps, since 60 shadows of 1,900 tokens take 40 ms.
        """
        outbox = self._account.system.outbox
        tokens = sub.subject.split(b".")  # once: a subject may have thousands
        for one in imports:
            if sub.closed:
                return
            outbox.work_left -= OVERLAP_WORK
            subject = one.shadow_of(tokens)
            if subject is None or sub in one.shadows or one.is_over:
                continue
            outbox.work_left -= _work(subject)
            shadow = Subscription(
                sub.peer, subject, sid=sub.sid, queue=sub.queue, handler=sub.handler
            )
            shadow.shadow = Shadow(sub, one)
            one.shadows[sub] = shadow
            one.exporter.insert(shadow)
            yield

    def _overlaps(self, imports: list[StreamImport]) -> Iterator[None]:
        """Make the shadows of all that the account is subscribed to, in steps."""
        if not imports:
            return
        fresh, outbox = set(imports), self._account.system.outbox
        for sub in self._account.sublist:
            if _casts(sub):
                near = self._near(sub.subject)
                some = ([one for one in several if one in fresh] for several in near)
                yield from self._overlaps_of(sub, some)
            outbox.work_left -= OVERLAP_WORK
            yield

    def _overlaps_of(
        self, sub: Subscription, imports: Iterator[list[StreamImport]]
    ) -> Iterator[None]:
        """Make the shadows of one subscription, in steps, as long as it is there."""
        for some in imports:
            if sub.closed:
                return
            yield from self._overlap(sub, some)
            self._account.system.outbox.work_left -= OVERLAP_WORK
            yield

    def _indexed(self) -> Iterator[None]:
        """Arrange many imports so that a subscription is held against few of them, in steps."""
        imports, outbox = self._imports, self._account.system.outbox
        if len(imports) <= _FEW:
            return
        index = Crossings()
        for _ in index.fill(tuple([one.local for one in imports])):
            outbox.work_left -= OVERLAP_WORK
            yield
        if imports is self._imports:  # they may be others by now
            self._index = index


def _work(subject: bytes) -> int:
    """Return what a shadow that comes or goes is worth: each token of a long one is a node."""
    return max(SHADOW_WORK, TOKEN_WORK * subject.count(b"."))


def _casts(sub: Subscription) -> bool:
    """Say whether a subscription has shadows: imports do not chain, and bring no requests, nor
    anything to what is of this account alone.
    """
    is_wide = not (sub.is_service or sub.is_private)
    return is_wide and sub.shadow is None and sub.relay is None


def _leftovers(imports: list[StreamImport]) -> Iterator[None]:
    """Take the shadows of imports that are over out, in steps, and let go of these."""
    while imports:
        one = imports.pop()
        outbox = one.exporter.system.outbox
        while one.shadows:
            _, shadow = one.shadows.popitem()
            outbox.work_left -= _work(shadow.subject)
            shadow.closed = True
            one.exporter.take_out(shadow)
            yield
        outbox.work_left -= OVERLAP_WORK
        yield


def _taken_out(sub: Subscription, imports: Iterator[list[StreamImport]]) -> Iterator[None]:
    """Take the shadows of one subscription out, in steps."""
    for some in imports:
        sub.peer.outbox.work_left -= len(some)
        for one in some:
            shadow = one.shadows.pop(sub, None)
            if shadow is not None:
                one.exporter.system.outbox.work_left -= _work(shadow.subject)
                shadow.closed = True
                one.exporter.take_out(shadow)
                yield
        yield


def _some(imports: Iterator[StreamImport]) -> Iterator[list[StreamImport]]:
    """Yield imports as many at a time as make a step."""
    while some := list(islice(imports, _IMPORTS_A_STEP)):
        yield some


def _same(subject: bytes) -> bytes:
    return subject
