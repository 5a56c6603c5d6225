"""The accounts of a server, built from their options and wired to each other, again at any time.

Knows options and routing objects; not where options come from: a configuration, its reload, and
account JWTs all end in `apply` or `update`. What cannot be imported is left out and logged; in a
configuration it was refused before. Truth: nats-server 2.15.1 server/accounts.go, server/reload.go.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode.config.account_options import AccountOptions, ResponseType
from leafnode.config.import_check import (
    CYCLE,
    ImportCheck,
    Importers,
    exporters_of,
    local_subject,
)
from leafnode.config.mappings import misfit_of
from leafnode.errors import WalkError, quoted
from leafnode.limits import (
    CLAIMS_PROBLEMS_SHOWN_MAX,
    FREED_WORK,
    PREPARATIONS_MAX,
    RESPONSE_THRESHOLD_NS,
)
from leafnode.routing.account import GLOBAL_ACCOUNT, Account, Limits
from leafnode.routing.imports import StreamImport, StreamImports
from leafnode.routing.latency import Latency
from leafnode.routing.mapping import MappedSubject, Mappings, Weighted
from leafnode.routing.parked import in_turns
from leafnode.routing.service_export import Answers, ServiceExport
from leafnode.routing.services import ServiceImport, Services
from leafnode.server.account_draft import Draft, Plan, Wiring
from leafnode.server.account_world import World
from leafnode.server.in_turns import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence

    from leafnode.config import account_options
    from leafnode.config.options import Options
    from leafnode.routing.peer import Outbox
    from leafnode.server.account_draft import Exported
    from leafnode.server.account_world import AccountSeams

log = logging.getLogger(__name__)


class Accounts:
    """All accounts of one server, by name."""

    def __init__(self, seams: AccountSeams, options: Options) -> None:
        self._seams = seams
        self.world = World(seams)
        self.by_name: dict[str, Account] = {}
        self.options: dict[str, AccountOptions] = {}
        self._loaded: dict[str, AccountOptions] = {}  # of JWTs: a configuration changes none
        self._exports: dict[str, Exported] = {}
        self._plans: dict[str, Plan] = {}
        self._circling: set[str] = set()  # whose imports wait for a circle to open
        self._importers = Importers()
        self._check = ImportCheck()
        self._version = 0  # of all this; a draft of another one is void
        self._prepared: tuple[int, Draft] | None = None
        self._connecting: Iterator[None] = iter(())  # what the last change has yet to wire
        self.system_name = ""
        self.on_update: list[Callable[[Collection[str]], None]] = []  # after `update` and `remove`
        self.apply(options)

    def account(self, name: str) -> Account:
        """Return an account that exists: names come from identities, never from clients."""
        return self.by_name[name]

    def service_export(self, exporter: str, subject: str) -> account_options.ServiceExport | None:
        """Return the service that an import is of; None where there is none, or none was found."""
        try:
            return self._check.service_export(exporter, subject)
        except WalkError:  # the import was left out for it
            return None

    def in_force(self, name: str) -> AccountOptions:
        """Return what an account is made of: its options without the imports that bring nothing."""
        options, plan = self.options.get(name), self._plans.get(name)
        if options is None or plan is None:
            return options or AccountOptions(name)
        streams, services = tuple(plan.streams), tuple(plan.services)
        return replace(options, stream_imports=streams, service_imports=services)

    def imports(self) -> set[tuple[str, str, str, str, str]]:
        """Return what is imported: kind, importer, exporter, its subject there and here."""
        found = set()
        for name, plan in self._plans.items():
            for one in plan.streams:
                local = local_subject(one).decode()
                found.add(("stream", name, one.account, one.subject, local))
            for service in plan.services:
                local = service.to or service.subject
                found.add(("service", name, service.account, service.subject, local))
        return found

    def apply(self, options: Options) -> list[Account]:
        """Make everything as a configuration says, for connected clients too.

        Returns the accounts that are gone; their clients are the caller's to end. What did not
        change is not touched, and what JWTs said of an account goes on to hold. Answers on their
        way still arrive.
        """
        gone = self.begin(options)
        self._end_change()
        return gone

    def begin(self, options: Options) -> list[Account]:
        """Do what `apply` does, but connect those that stay or come in turns of their own: see
        `end`. Until it is its turn each goes by what it was.
        """
        self.system_name = _system_name(options)
        return self._change(self._asked(options))

    async def end(self) -> None:
        """Do the rest of what was begun, in turns: of 1,000 accounts it takes 20 ms."""
        await walk(self._seams.outbox, self._connecting)

    def _end_change(self) -> None:
        """Do it at once: whatever is planned next goes by what is there."""
        for _ in self._connecting:
            pass

    def _asked(self, options: Options) -> dict[str, AccountOptions | None]:
        """Return what each account is to be by a configuration, and by JWTs; None: gone."""
        wanted = {GLOBAL_ACCOUNT: AccountOptions(GLOBAL_ACCOUNT, mappings=options.mappings)}
        if system_name := _system_name(options):
            wanted[system_name] = AccountOptions(system_name)
        wanted.update((one.name, one) for one in options.accounts)
        wanted.update(self._loaded)
        gone: dict[str, AccountOptions | None] = {
            name: None for name in self.options if name not in wanted
        }
        return gone | wanted

    async def prepare(self, *several: AccountOptions) -> None:
        """Build what `update` with these will need, in turns: it can take 0.2 s.

        Where something else changes meanwhile it is begun with again, a few times; then `update`
        does it itself.
        """
        await self._prepare({one.name: one for one in several})

    async def prepare_all(self, options: Options) -> None:
        """Do the same for `apply`."""
        await self._prepare(self._asked(options))

    async def _prepare(self, wanted: Mapping[str, AccountOptions | None]) -> None:
        for _ in range(PREPARATIONS_MAX):
            if await self._is_prepared(wanted):
                return

    async def _is_prepared(self, wanted: Mapping[str, AccountOptions | None]) -> bool:
        version = self._version
        draft = self._draft_of(wanted)

        filling = self._fill(draft)

        def steps() -> Iterator[None]:
            for _ in filling:
                yield
                if version != self._version:
                    return

        is_done = False
        try:
            await walk(self._seams.outbox, steps())
            is_done = version == self._version
        finally:
            if not is_done:
                filling.close()
                draft.give_up()
        if is_done:
            self.forget_prepared()
            self._prepared = version, draft
        return is_done

    def forget_prepared(self) -> None:
        """What was prepared is not to be, or is another one's by now."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared[1].give_up()

    def update(self, *several: AccountOptions) -> None:
        """Add accounts or change them, and wire anew whoever imports from them: all or none."""
        these = {one.name: one for one in several}
        self._change(these)
        self._end_change()
        self._loaded |= these
        self._tell(these)

    def remove(self, name: str) -> None:
        """Take one account out, if it is there."""
        self._loaded.pop(name, None)
        self._change({name: None})
        self._end_change()
        self._tell([name])

    def _tell(self, names: Collection[str]) -> None:
        for tell in self.on_update:
            tell(names)

    def _change(self, wanted: Mapping[str, AccountOptions | None]) -> list[Account]:
        """Make these accounts what they are to be now (None: gone); return those that are gone.

        Whatever may fail does so before anything has changed.
        """
        draft = self._drafted(wanted)
        self._version += 1
        before = {name: self.options.get(name) for name in draft.changed}
        gone = [self.by_name.pop(name) for name, one in draft.changed.items() if one is None]
        self.by_name.update(draft.accounts)
        for name, options in draft.changed.items():
            if options is not None:
                self.options[name] = options
                continue
            for known in (self.options, self._plans, self._exports):
                known.pop(name, None)
            self._circling.discard(name)
        self._exports |= draft.exports
        self._check = draft.check
        old = [part for one in before.values() for part in _parts(one)]
        in_turns(self._seams.outbox, _freeing(self._check.settle(), old, self._seams.outbox))
        self.world.system = self.by_name.get(self.system_name)
        for name, plan in draft.plans.items():
            self._adopt(name, plan)
        self._connecting = self._wiring(draft, gone, before)
        return gone

    def _wiring(
        self, draft: Draft, gone: list[Account], before: Mapping[str, AccountOptions | None]
    ) -> Iterator[None]:
        for account in gone:
            self._unwire(account)
            yield
        for name, options in draft.changed.items():
            self._importers.follow(name, exporters_of(before[name]), exporters_of(options))
            yield
        for name, wiring in draft.wiring.items():
            self._wire(self.by_name[name], self.options[name], wiring)
            yield

    def _drafted(self, wanted: Mapping[str, AccountOptions | None]) -> Draft:
        """Build what a change needs, unless that was done already."""
        prepared = self._prepared
        if (
            prepared is not None
            and prepared[0] == self._version
            and prepared[1].wanted == wanted  # the same objects mostly, so that is soon said
        ):
            self._prepared = None
            return prepared[1]
        self.forget_prepared()
        draft = self._draft_of(wanted)
        try:
            for _ in self._fill(draft):
                pass
        except BaseException:
            draft.give_up()
            raise
        return draft

    def _draft_of(self, wanted: Mapping[str, AccountOptions | None]) -> Draft:
        self._end_change()
        changed = {name: one for name, one in wanted.items() if self.options.get(name) != one}
        return Draft(wanted, changed)

    def _fill(self, draft: Draft) -> Generator[None, None, None]:
        """Build the accounts that changed, and those that share with them; in steps."""
        changed = draft.changed
        sharing: list[str] = []
        for name, one in changed.items():
            if _shared(self.options.get(name)) != _shared(one):
                sharing.append(name)
            yield
        importers = {other for name in sharing for other in self._importers.of(name)}
        waiting = self._circling if sharing else set()
        others = [name for name in sorted(importers | waiting) if name not in changed]
        anew = [name for name in sharing if changed[name] is not None] + others
        draft.check = yield from self._check.revised(changed, [*sharing, *others])
        for name, one in changed.items():
            if one is None:
                continue
            if name not in self.by_name:
                draft.accounts[name] = Account(name, self._seams.outbox, self._seams.on_fault)
            draft.exports[name] = yield from self._exported(draft, name, one)
            yield
        yield from self._plan(draft, anew)
        for name in [*(name for name, one in changed.items() if one is not None), *others]:
            is_touched = name in changed or name in importers
            if is_touched or draft.plans[name][:2] != self._plans[name][:2]:
                yield from self._build_wiring(draft, name)
            yield

    def _exported(
        self, draft: Draft, name: str, options: AccountOptions
    ) -> Generator[None, None, Exported]:
        """Make the services that an account offers, with those that did not change; in steps."""
        account = draft.accounts.get(name) or self.by_name[name]
        known = self._exports.get(name, {})
        found: Exported = {}
        for one in options.service_exports:
            yield
            before = known.get(one.subject)
            if before is not None and before[0] == one:
                found[one.subject] = before
                continue
            measured = one.latency
            is_one = one.response_type is ResponseType.SINGLETON
            export = ServiceExport(
                account,
                one.subject.encode(),
                answers=Answers.ONE if is_one else Answers.MANY,
                threshold_ns=one.threshold_ns or RESPONSE_THRESHOLD_NS,
                latency=Latency(measured.subject.encode(), measured.sampling_percent)
                if measured
                else None,
                allow_trace=one.allow_trace,
            )
            found[one.subject] = (one, export)
        return found

    def _plan(self, draft: Draft, anew: Sequence[str]) -> Iterator[None]:
        """Find the imports that may be. Streams come first, as they do in nats-server."""
        for name in anew:
            plan = draft.plans[name] = Plan([], [], [])
            for stream in self._drafted_options(draft, name).stream_imports:
                problem = draft.check.add_stream(name, stream)
                if problem:
                    plan.problems.append(problem)
                else:
                    plan.streams.append(stream)
                yield
        for name in anew:
            plan = draft.plans[name]
            for service in self._drafted_options(draft, name).service_imports:
                problem = draft.check.add_service(name, service)
                if problem:
                    plan.problems.append(problem)
                else:
                    plan.services.append(service)
                yield

    def _drafted_options(self, draft: Draft, name: str) -> AccountOptions:
        return draft.changed.get(name) or self.options[name]

    def _build_wiring(self, draft: Draft, name: str) -> Iterator[None]:
        account = draft.accounts.get(name) or self.by_name[name]
        options = self._drafted_options(draft, name)
        plan = draft.plans.get(name) or self._plans.get(name) or Plan([], [], [])
        mappings: list[MappedSubject] = []
        for mapping in options.mappings:
            if mapped := _mapped(name, mapping):
                mappings.append(mapped)
            yield
        streams: list[StreamImport] = []
        for one in plan.streams:
            streams.append(
                StreamImport(
                    draft.accounts.get(one.account) or self.by_name[one.account],
                    one.subject.encode(),
                    local_subject(one),
                    draft.check.stream_transforms(name, one),
                    allow_trace=one.allow_trace,
                )
            )
            yield
        own = account.services or Services(account, self.world)
        services: list[ServiceImport] = []
        for service in plan.services:
            services.append(self._service_import(draft, own, service))
            yield
        seams = self._seams
        chosen = None
        if mappings:
            chosen = yield from Mappings.made(mappings, seams.random, seams.outbox)
        imports = account.stream_imports or StreamImports(account)
        to_import = yield from imports.planned(streams)
        to_serve = yield from own.planned(services)
        draft.wiring[name] = Wiring(chosen, imports, to_import, own, to_serve)

    def _service_import(
        self, draft: Draft, services: Services, one: account_options.ServiceImport
    ) -> ServiceImport:
        exports = draft.exports.get(one.account) or self._exports[one.account]
        offered = draft.check.service_export(one.account, one.subject)
        assert offered is not None, "an import that was planned is of an export"
        to, local = one.subject.encode(), (one.to or one.subject).encode()
        export = exports[offered.subject][1]
        return ServiceImport(services, export, to, local, share=one.share)

    def _adopt(self, name: str, plan: Plan) -> None:
        """Keep a plan, and say what is wrong with it unless that was said before."""
        before = self._plans.get(name)
        known = set(before.problems) if before is not None else set()
        fresh = [problem for problem in plan.problems if problem not in known]
        for problem in fresh[:CLAIMS_PROBLEMS_SHOWN_MAX]:
            log.warning("Import left out: account=%s problem=%s", name, problem)
        if len(fresh) > CLAIMS_PROBLEMS_SHOWN_MAX:
            log.warning("Imports left out: account=%s in all=%d", name, len(fresh))
        self._plans[name] = plan
        if any(problem.endswith(CYCLE) for problem in plan.problems):
            self._circling.add(name)
        else:
            self._circling.discard(name)

    def _wire(self, account: Account, options: AccountOptions, wiring: Wiring) -> None:
        account.limits = Limits(
            options.limits.max_connections,
            options.limits.max_subscriptions,
            options.limits.max_payload_bytes,
            options.limits.max_leafnodes,
        )
        tag = f"/{options.name_tag}" if options.name_tag else ""
        account.title = account.name + tag
        account.trace_dest = options.trace_dest.encode()
        account.trace_sampling = options.trace_sampling_percent
        if wiring.mappings is not None or account.mappings is not None:
            account.map_subjects(wiring.mappings)
        if not wiring.to_import.changes_nothing:
            account.stream_imports = wiring.imports
            wiring.imports.adopt(wiring.to_import)
        account.services = wiring.own
        if not wiring.to_serve.changes_nothing:
            wiring.own.adopt(wiring.to_serve)

    def _unwire(self, account: Account) -> None:
        if account.mappings is not None:
            account.map_subjects(None)
        if account.stream_imports is not None:
            account.stream_imports.stop()
        if account.services is not None:
            account.services.stop()
        account.sublist.end()


def _system_name(options: Options) -> str:
    return "" if options.no_system_account else options.system_account


def _parts(options: AccountOptions | None) -> list[object]:
    """Return those parts of an account's options that may be thousands."""
    if options is None:
        return []
    return [*options.stream_imports, *options.service_imports, *options.mappings]


def _freeing(steps: Iterator[None], parts: list[object], outbox: Outbox) -> Iterator[None]:
    """Let go of them, behind others, in steps: 4,000 imports at once, and what they were checked
    by, took 8 ms.
    """
    for _ in steps:
        outbox.work_left -= FREED_WORK
        yield
    while parts:
        outbox.work_left -= FREED_WORK
        del parts[-1]
        yield


def _shared(options: AccountOptions | None) -> object:
    """Return all that others see of an account, and what it sees of them."""
    if options is None:
        return None
    return (
        options.stream_exports,
        options.service_exports,
        options.stream_imports,
        options.service_imports,
    )


def _mapped(account: str, one: account_options.Mapping) -> MappedSubject | None:
    """Return a mapping; None for one of a JWT that makes no sense.

    Destinations of a cluster are left out: this server is in none.
    """
    if misfit := misfit_of(one.source, one.destinations):
        text = "Mapping left out: account=%s source=%s problem=%s"
        log.warning(text, account, quoted(one.source), misfit.problem)
        return None
    destinations = [
        Weighted(to.subject.encode(), to.weight_percent)
        for to in one.destinations
        if not to.cluster
    ]
    return MappedSubject(one.source.encode(), destinations)
