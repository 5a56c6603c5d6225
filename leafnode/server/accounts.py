"""The accounts of a server, built from their options and wired to each other, again at any time.

Knows options and routing objects; not where options come from: a configuration, its reload, and
account JWTs all end in `apply` or `update`. What cannot be imported is left out and logged; in a
configuration it was refused before. Truth: nats-server 2.15.1 server/accounts.go, server/reload.go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from leafnode.config.account_options import AccountOptions, ResponseType
from leafnode.config.import_check import ImportCheck, local_subject
from leafnode.errors import TransformError
from leafnode.limits import RESPONSE_THRESHOLD_NS
from leafnode.nuid import hash8, nuid
from leafnode.protocol.subject import is_subset
from leafnode.routing.account import GLOBAL_ACCOUNT, Account, Limits
from leafnode.routing.imports import StreamImport, StreamImports
from leafnode.routing.latency import Latency
from leafnode.routing.mapping import MappedSubject, Mappings, Weighted
from leafnode.routing.services import Answers, ServiceExport, ServiceImport, Services
from leafnode.server import latency

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from leafnode.clock import Clock, Timer
    from leafnode.config import account_options
    from leafnode.config.options import Options
    from leafnode.protocol.client_info import ClientInfo
    from leafnode.routing.latency import Measurement
    from leafnode.routing.peer import Outbox, Peer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AccountSeams:
    """What accounts need of the server."""

    clock: Clock
    random: Random
    outbox: Outbox
    server_name: str
    server_id: str
    client_info: Callable[[Peer, bool], ClientInfo | None]  # the bool: with all details
    on_fault: Callable[[bytes, Exception], None] | None = None


class _Plan(NamedTuple):
    """The imports of one account that may be."""

    streams: list[account_options.StreamImport]
    services: list[account_options.ServiceImport]


class World:
    """What services see of the server. Implements routing.services.World."""

    def __init__(self, seams: AccountSeams) -> None:
        self._seams = seams
        self.random = seams.random
        self.server_name = seams.server_name
        self.server_hash = hash8(seams.server_id).encode()
        self.system: Account | None = None

    def monotonic_ns(self) -> int:
        return self._seams.clock.monotonic_ns()

    def wall_ns(self) -> int:
        return self._seams.clock.wall_ns()

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        return self._seams.clock.call_later(delay_ns, callback)

    def client_info(self, peer: Peer, *, detailed: bool) -> ClientInfo | None:
        return self._seams.client_info(peer, detailed)

    def measured(self, exporter: Account, subject: bytes, measurement: Measurement) -> None:
        event_id = nuid(self.random)
        body = latency.encode(measurement, event_id=event_id, now_wall_ns=self.wall_ns())
        exporter.publish(subject, body)


class Accounts:
    """All accounts of one server, by name."""

    def __init__(self, seams: AccountSeams, options: Options) -> None:
        self._seams = seams
        self.world = World(seams)
        self.by_name: dict[str, Account] = {}
        self.options: dict[str, AccountOptions] = {}
        self._exports: dict[str, dict[str, tuple[object, ServiceExport]]] = {}
        self._plans: dict[str, _Plan] = {}
        self.system_name = ""
        self.on_update: list[Callable[[], None]] = []  # called after `update` and `remove`
        self.apply(options)

    def account(self, name: str) -> Account:
        """Return an account that exists: names come from identities, never from clients."""
        return self.by_name[name]

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
        change is not touched. Answers on their way still arrive.
        """
        self.system_name = "" if options.no_system_account else options.system_account
        wanted = {GLOBAL_ACCOUNT: AccountOptions(GLOBAL_ACCOUNT, mappings=options.mappings)}
        if self.system_name:
            wanted[self.system_name] = AccountOptions(self.system_name)
        wanted.update((one.name, one) for one in options.accounts)
        return self.replace(wanted)

    def update(self, options: AccountOptions) -> Account:
        """Add one account or change it, and wire anew whoever imports from it."""
        self.replace({**self.options, options.name: options})
        self._updated()
        return self.by_name[options.name]

    def remove(self, name: str) -> None:
        """Take one account out, if it is there."""
        self.replace({key: one for key, one in self.options.items() if key != name})
        self._updated()

    def _updated(self) -> None:
        for tell in self.on_update:
            tell()

    def replace(self, wanted: Mapping[str, AccountOptions]) -> list[Account]:
        """Make these all accounts that there are; returns those that are gone."""
        before, self.options = self.options, dict(wanted)
        gone = [self.by_name.pop(name) for name in before if name not in wanted]
        for name in wanted:
            if name not in self.by_name:
                seams = self._seams
                self.by_name[name] = Account(name, seams.outbox, seams.on_fault)
        self.world.system = self.by_name.get(self.system_name)
        for account in gone:
            self._exports.pop(account.name, None)
            self._unwire(account)
            if account.services is not None:
                account.services.stop()
        for name, options in wanted.items():
            self._export(name, options)
        check = ImportCheck(wanted.values())
        planned, self._plans = self._plans, self._plan(wanted, check)
        for name, plan in self._plans.items():
            concerned = {name, *(one.account for one in plan.streams)}
            concerned.update(one.account for one in plan.services)
            if plan != planned.get(name) or any(before.get(n) != wanted[n] for n in concerned):
                self._wire(self.by_name[name], wanted[name], plan)
        return gone

    def _export(self, name: str, options: AccountOptions) -> None:
        """Build the services that an account offers, keeping those that did not change."""
        known = self._exports.get(name, {})
        self._exports[name] = {}
        for one in options.service_exports:
            before = known.get(one.subject)
            if before is not None and before[0] == one:
                self._exports[name][one.subject] = before
                continue
            measured = one.latency
            is_one = one.response_type is ResponseType.SINGLETON
            export = ServiceExport(
                self.by_name[name],
                one.subject.encode(),
                answers=Answers.ONE if is_one else Answers.MANY,
                threshold_ns=one.threshold_ns or RESPONSE_THRESHOLD_NS,
                latency=Latency(measured.subject.encode(), measured.sampling_percent)
                if measured
                else None,
                allow_trace=one.allow_trace,
            )
            self._exports[name][one.subject] = (one, export)

    def _plan(self, wanted: Mapping[str, AccountOptions], check: ImportCheck) -> dict[str, _Plan]:
        """Return the imports that may be. Streams come first, as they do in nats-server."""
        plans = {}
        for name, options in wanted.items():
            streams = [
                one
                for one in options.stream_imports
                if not self._left_out(name, check.add_stream(name, one))
            ]
            plans[name] = _Plan(streams, [])
        for name, options in wanted.items():
            for one in options.service_imports:
                if not self._left_out(name, check.add_service(name, one)):
                    plans[name].services.append(one)
        return plans

    def _left_out(self, name: str, problem: str) -> bool:
        if problem:
            log.warning("Import left out: account=%s problem=%s", name, problem)
        return bool(problem)

    def _wire(self, account: Account, options: AccountOptions, plan: _Plan) -> None:
        self._unwire(account)
        account.limits = Limits(
            options.limits.max_connections,
            options.limits.max_subscriptions,
            options.limits.max_payload_bytes,
            options.limits.max_leafnodes,
        )
        account.trace_dest = options.trace_dest.encode()
        account.trace_sampling = options.trace_sampling_percent
        mappings = [mapped for one in options.mappings if (mapped := _mapped(options.name, one))]
        if mappings:
            account.map_subjects(Mappings(mappings, self._seams.random))
        imports = [
            StreamImport(
                self.by_name[one.account],
                one.subject.encode(),
                local_subject(one),
                allow_trace=one.allow_trace,
            )
            for one in plan.streams
        ]
        if imports:
            StreamImports(account, imports).start()
        mine = account.services or Services(account, self.world)
        mine.replace_imports(self._service_import(mine, one) for one in plan.services)

    def _service_import(
        self, services: Services, one: account_options.ServiceImport
    ) -> ServiceImport:
        exports = self._exports[one.account]
        export = exports.get(one.subject) or next(
            export
            for export in exports.values()
            if is_subset(one.subject.encode(), export[1].subject)
        )
        to, local = one.subject.encode(), (one.to or one.subject).encode()
        return ServiceImport(services, export[1], to, local, share=one.share)

    def _unwire(self, account: Account) -> None:
        if account.mappings is not None:
            account.map_subjects(None)
        if account.stream_imports is not None:
            account.stream_imports.stop()
        if account.services is not None:
            account.services.replace_imports(())


def _mapped(account: str, one: account_options.Mapping) -> MappedSubject | None:
    """Return a mapping; None for one of a JWT that makes no sense.

    Destinations of a cluster are left out: this server is in none.
    """
    destinations = [
        Weighted(to.subject.encode(), to.weight_percent)
        for to in one.destinations
        if not to.cluster
    ]
    try:
        return MappedSubject(one.source.encode(), destinations)
    except TransformError as err:
        log.warning("Mapping left out: account=%s source=%s problem=%s", account, one.source, err)
        return None
