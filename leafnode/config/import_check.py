"""Which imports may be: the exporter offers them to this account, and they lead in no circle.

Knows what accounts say about themselves, from a configuration or from JWTs; not how anything is
routed. Truth: nats-server 2.15.1 server/accounts.go checkStreamImportAuthorized,
checkServiceImportsForCycles, checkStreamImportsForCycles; its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from leafnode.errors import TransformError, WalkError, quoted
from leafnode.protocol.patterns import PatternSet, Walk
from leafnode.protocol.subject import is_subset, is_valid
from leafnode.protocol.transform import import_transform, stream_transforms, untokenize

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Collection,
        Generator,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from leafnode.config.account_options import (
        AccountOptions,
        ServiceExport,
        ServiceImport,
        StreamExport,
        StreamImport,
    )
    from leafnode.protocol.transform import Transform

    Export = StreamExport | ServiceExport
    _WaysOf = Callable[[str, bytes], Iterator[tuple[str, bytes]]]

CYCLE: Final = "import forms a cycle"
_INVALID: Final = "invalid subject"


ExportT = TypeVar("ExportT", bound="Export")


class Importers:
    """Who imports from whom, whether it may or not."""

    def __init__(self) -> None:
        self._by_exporter: dict[str, set[str]] = {}

    def of(self, exporter: str) -> Collection[str]:
        return self._by_exporter.get(exporter, ())

    def follow(self, importer: str, before: Iterable[str], now: Iterable[str]) -> None:
        """Note from whom an account imports now, and did before."""
        for exporter in before:
            importers = self._by_exporter[exporter]
            importers.discard(importer)
            if not importers:
                del self._by_exporter[exporter]
        for exporter in now:
            self._by_exporter.setdefault(exporter, set()).add(importer)


def exporters_of(options: AccountOptions | None) -> set[str]:
    """Return from whom an account imports, or wants to."""
    if options is None:
        return set()
    streams = {one.account for one in options.stream_imports}
    return streams | {one.account for one in options.service_imports}


class Taken(NamedTuple):
    """One import that is good."""

    exporter: str
    subject: bytes  # the exporter's
    local: bytes  # the importer's pattern
    named: bytes = b""  # that, as the import has it
    transforms: tuple[Transform, Transform] | None = None  # of a stream


class _Imports:
    """The good imports of one account and one kind."""

    __slots__ = ("_duplicates", "entries", "local", "subjects")

    def __init__(self) -> None:
        self.entries: list[Taken] = []
        self.subjects = PatternSet()
        self.local = PatternSet()
        self._duplicates: dict[tuple[str, bytes], Taken] = {}

    def add(self, one: Taken, *unique: bytes) -> None:
        """Take one; only one import of an exporter may have any of these `unique` subjects."""
        self.entries.append(one)
        self.subjects.add(one.subject)
        self.local.add(one.local)
        for subject in unique:
            self._duplicates[one.exporter, subject] = one

    def like(self, exporter: str, unique: bytes) -> Taken | None:
        return self._duplicates.get((exporter, unique))

    def let_go(self) -> Iterator[None]:
        """Free them in steps: nobody asks any more."""
        self._duplicates.clear()
        while self.entries:
            del self.entries[-1]
            yield
        yield from self.subjects.let_go()
        yield from self.local.let_go()


class Exports(Generic[ExportT]):
    """The exports of one account and one kind."""

    __slots__ = ("_by_subject", "_exports", "_patterns")

    def __init__(self, exports: Iterable[ExportT]) -> None:
        self._exports: list[ExportT] = list(exports)
        # Who asked for another subject is answered once: it may have been a long walk.
        self._by_subject: dict[str, ExportT | None] = {
            one.subject: one for one in reversed(self._exports)
        }
        self._patterns = PatternSet(one.subject.encode() for one in self._exports)

    def includes(self, subject: bytes, walk: Walk) -> bool:
        """Say whether one of them includes it, whoever may have it. Raises WalkError."""
        return bool(self._patterns.including(subject, walk))

    def offered(self, subject: str, walk: Walk) -> ExportT | None:
        """Return the export of exactly that subject, else the first that includes it.

        Raises WalkError, but not for a subject that it has answered for.
        """
        if subject not in self._by_subject:
            including = self._patterns.including(subject.encode(), walk)
            self._by_subject[subject] = self._exports[including[0]] if including else None
        return self._by_subject[subject]

    def offers(self, subject: str, importer: str, walk: Walk, *, activated: bool) -> bool:
        """Say whether they offer a subject to an importer. Raises WalkError."""
        export = self.offered(subject, walk)
        if export is None:
            return False
        if export.account_token_position:
            tokens = subject.split(".")
            position = export.account_token_position
            return position <= len(tokens) and tokens[position - 1] == importer
        if export.token_required:
            return activated
        return export.accounts is None or importer in export.accounts


class _Account:
    """What one account offers."""

    __slots__ = ("_of", "services", "streams")

    def __init__(self, options: AccountOptions) -> None:
        self._of = options.stream_exports, options.service_exports
        self.streams = Exports(options.stream_exports)
        self.services = Exports(options.service_exports)

    def of(self, options: AccountOptions) -> _Account:
        """Return this one where it offers the same still: it knows many answers by now."""
        is_same = self._of == (options.stream_exports, options.service_exports)
        return self if is_same else _Account(options)


class ImportCheck:
    """Judges imports one after the other, each together with those that were good before it."""

    def __init__(self, accounts: Iterable[AccountOptions] = ()) -> None:
        self._accounts = {account.name: _Account(account) for account in accounts}
        self._streams: dict[str, _Imports] = {}  # by importer
        self._services: dict[str, _Imports] = {}
        self._before: dict[str, _Imports] = {}  # what those had that are added again
        self._gone: list[_Imports] = []  # that, and the same of services
        self._walk = Walk()

    def revised(
        self, changed: Mapping[str, AccountOptions | None], anew: Iterable[str]
    ) -> Generator[None, None, ImportCheck]:
        """Make in steps a check in which these accounts are others (None: gone), and the imports of
        `anew` are to be added again. This one stays as it is.
        """
        revised = ImportCheck()
        revised._accounts = dict(self._accounts)
        revised._streams, revised._services = dict(self._streams), dict(self._services)
        for name, options in changed.items():
            known = revised._accounts.pop(name, None)
            if options is not None:
                revised._accounts[name] = known.of(options) if known else _Account(options)
            yield
        for name in anew:
            if (before := revised._streams.pop(name, None)) is not None:
                revised._before[name] = before
                revised._gone.append(before)
            if (before := revised._services.pop(name, None)) is not None:
                revised._gone.append(before)
        return revised

    def settle(self) -> Iterator[None]:
        """Forget what was before, all imports were added again and this check is in use: it is
        freed in the steps that are returned.
        """
        self._before.clear()
        gone, self._gone = self._gone, []
        return _let_go(gone)

    def service_export(self, exporter: str, subject: str) -> ServiceExport | None:
        """Return the service that an import of this subject, which was taken, is of; None: the
        exporter is gone.
        """
        account = self._accounts.get(exporter)
        return account.services.offered(subject, self._walk) if account is not None else None

    def export_problem(self, kind: str, export: Export) -> str:
        """Say who is named by an export and unknown, or return ""."""
        for name in export.accounts or ():
            if name not in self._accounts:
                return f"{quoted(name)} account not defined for {kind} export"
        return ""

    def add_stream(self, importer: str, one: StreamImport) -> str:
        """Take a stream import, or say what is wrong with it."""
        exporter = self._accounts.get(one.account)
        if exporter is None:
            return f"{quoted(one.account)} account not defined for stream import"
        subject, named = one.subject.encode(), local_subject(one)
        transforms: tuple[Transform, Transform] | None = None
        try:
            problem = self._stream_problem(importer, exporter, one)
            if not problem:
                transforms = self._transforms(importer, one.account, subject, named)
        except WalkError as err:
            problem = str(err)
        except TransformError as err:
            names = f"from {quoted(one.subject)} to {quoted(named.decode())}"
            problem = f"failed to create mapping transform for stream import subject {names}: {err}"
        mine = self._streams.get(importer)
        if not problem and mine is not None and mine.like(one.account, subject) is not None:
            problem = "stream import already exists"
        if problem:
            return f"Error adding stream import {quoted(one.subject)}: {problem}"
        if mine is None:
            mine = self._streams[importer] = _Imports()
        local = untokenize(named)[0]
        mine.add(Taken(one.account, subject, local, named, transforms), subject)
        return ""

    def stream_transforms(
        self, importer: str, one: StreamImport
    ) -> tuple[Transform, Transform] | None:
        """Return what a stream import that was taken does with subjects."""
        taken = self._streams[importer].like(one.account, one.subject.encode())
        assert taken is not None, "it was taken"
        return taken.transforms

    def _transforms(
        self, importer: str, exporter: str, subject: bytes, named: bytes
    ) -> tuple[Transform, Transform] | None:
        """Build them, unless the account had the same import before. Raises TransformError."""
        before = self._before.get(importer)
        same = before.like(exporter, subject) if before is not None else None
        if same is not None and same.named == named:
            return same.transforms
        return stream_transforms(subject, named)

    def add_service(self, importer: str, one: ServiceImport) -> str:
        """Take a service import, or say what is wrong with it."""
        exporter = self._accounts.get(one.account)
        if exporter is None:
            return f"{quoted(one.account)} account not defined for service import"
        subject, local = one.subject.encode(), (one.to or one.subject).encode()
        taken = Taken(one.account, subject, untokenize(local)[0])
        mine = self._services.setdefault(importer, _Imports())
        # As there: one that names wildcards (`x.$1`) may come behind one that has them (`x.*`).
        before = mine.like(one.account, local)
        if before is not None:
            where = f"account {quoted(one.account)}, subject {quoted(before.subject.decode())}"
            taken_by = f"previously used in import for {where}"
            return f"Duplicate service import subject {quoted(local.decode())}, {taken_by}"
        try:
            problem = self._service_problem(importer, exporter, one, local)
        except WalkError as err:
            problem = str(err)
        if problem:
            return f"Error adding service import {quoted(one.subject)}: {problem}"
        mine.add(taken, taken.local, local)
        return ""

    def _stream_problem(self, importer: str, exporter: _Account, one: StreamImport) -> str:
        subject, local = one.subject.encode(), local_subject(one)
        if not is_valid(subject):
            return _INVALID
        if not exporter.streams.offers(one.subject, importer, self._walk, activated=one.activated):
            return "stream import not authorized"
        for pattern in (local, subject):
            if _leads_back(importer, one.account, pattern, self._stream_ways):
                return CYCLE
        return ""

    def _service_problem(
        self, importer: str, exporter: _Account, one: ServiceImport, local: bytes
    ) -> str:
        subject = one.subject.encode()
        if not is_valid(subject):
            return _INVALID
        if not exporter.services.offers(one.subject, importer, self._walk, activated=one.activated):
            return "service import not authorized"
        if _leads_back(importer, one.account, untokenize(local)[0], self._service_ways):
            return CYCLE
        try:
            if local != subject:
                import_transform(subject, local)
        except TransformError as err:
            names = f"from {quoted(local.decode())} to {quoted(one.subject)}"
            return f"failed to create mapping transform for service import subject {names}: {err}"
        return ""

    def _stream_ways(self, name: str, subject: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield where a subject that an account exports comes from, and what it is called there."""
        account, imports = self._accounts.get(name), self._streams.get(name)
        if account is None or imports is None or not account.streams.includes(subject, self._walk):
            return
        for number in imports.local.colliding(subject, self._walk):
            one = imports.entries[number]
            yield one.exporter, one.local if is_subset(one.local, subject) else subject

    def _service_ways(self, name: str, subject: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield where requests to an account go on to, and under which subject."""
        imports = self._services.get(name)
        if imports is None:
            return
        for number in imports.subjects.colliding(subject, self._walk):
            one = imports.entries[number]
            yield one.exporter, one.local if is_subset(one.local, subject) else subject


def _let_go(gone: list[_Imports]) -> Iterator[None]:
    while gone:
        yield from gone.pop().let_go()


def _leads_back(importer: str, name: str, subject: bytes, ways_of: _WaysOf) -> bool:
    """Say whether the ways from an account lead to one that was passed already.

    Not by recursion: a chain may have as many accounts as there are.
    """
    visited = {importer}
    open_ways = [(name, ways_of(name, subject))]
    while open_ways:
        here, ways = open_ways[-1]
        way = next(ways, None)
        if way is None:
            open_ways.pop()
            continue
        if way[0] in visited:
            return True
        visited.add(here)
        open_ways.append((way[0], ways_of(*way)))
    return False


def latency_problem(exports: Sequence[ServiceExport]) -> str:
    """Say which service's measurements would be requests to a service, or return ""."""
    for export in exports:
        if export.latency is None:
            continue
        subject = export.latency.subject
        if any(is_subset(subject.encode(), one.subject.encode()) for one in exports):
            return (
                f"Error adding service latency sampling for {quoted(export.subject)} on subject "
                f"{quoted(subject)}: invalid publish subject"
            )
    return ""


def local_subject(one: StreamImport) -> bytes:
    """Return what the subjects of a stream import are called in the importing account."""
    if one.prefix:
        return f"{one.prefix.removesuffix('.')}.{one.subject}".encode()
    return (one.to or one.subject).encode()
