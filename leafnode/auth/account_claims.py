"""An account's JWT as the options of an account: exports, imports, mappings, limits, JetStream.

Also what an activation token is worth. Pure: other accounts' claims and the time are parameters.
Truth: nats-server 2.15.1 server/accounts.go updateAccountClaimsWithRefresh, checkActivation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Final

from leafnode.auth import jwt
from leafnode.auth.claims import (
    UNLIMITED,
    ActivationClaims,
    is_revoked,
    permissions_options,
)
from leafnode.config.account_options import (
    ONE_SERVER,
    AccountJetStream,
    AccountLimits,
    AccountOptions,
    Destination,
    LatencyOptions,
    Mapping,
    ResponseType,
    ServiceExport,
    ServiceImport,
    StreamExport,
    StreamImport,
)
from leafnode.config.mappings import misfit_of
from leafnode.errors import AuthError, WalkError, quoted
from leafnode.limits import IMPORTS_ORDERED_PER_TURN
from leafnode.protocol import subject as subjects
from leafnode.protocol.patterns import PatternSet, Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from leafnode.auth.claims import (
        AccountClaims,
        AccountLimitClaims,
        ExportClaim,
        ImportClaim,
        JetStreamTier,
        WeightedMapping,
    )

_STREAM: Final = "stream"
_SERVICE: Final = "service"
_RESPONSES: Final = {
    "": ResponseType.SINGLETON,
    "Singleton": ResponseType.SINGLETON,
    "Stream": ResponseType.STREAM,
    "Chunked": ResponseType.CHUNKED,
}
_PERCENT: Final = 100
_ACTIVATION_STEPS: Final = 7  # to verify one takes as long as eight imports without, 0.14 ms
_HEADERS: Final = 0  # sample only what asks for it


class Exporter:
    """An account as its importers see it. Made once: it may have thousands of exports."""

    __slots__ = ("_kinds", "claims")

    def __init__(self, claims: AccountClaims) -> None:
        self.claims = claims
        self._kinds: dict[str, tuple[list[ExportClaim], dict[str, ExportClaim], PatternSet]] = {}
        for kind in (_STREAM, _SERVICE):
            offered = [one for one in _exports(claims) if one.type == kind]
            by_subject = {one.subject: one for one in reversed(offered)}
            patterns = PatternSet(one.subject.encode() for one in offered)
            self._kinds[kind] = (offered, by_subject, patterns)

    def export_for(self, wanted: ImportClaim, walk: Walk) -> ExportClaim | None:
        """Return the export that an import is of: the one with its subject, else one around it.

        Raises WalkError.
        """
        if wanted.type not in self._kinds:
            return None
        offered, by_subject, patterns = self._kinds[wanted.type]
        subject = _remote_subject(wanted)
        if subject in by_subject:
            return by_subject[subject]
        if not subjects.is_valid(subject.encode()):
            return None
        around = [offered[number] for number in patterns.including(subject.encode(), walk)]
        # Of several the strictest: an open one beside it must not open it.
        return next((one for one in around if one.token_req), around[0] if around else None)


@dataclass(frozen=True, slots=True)
class Approved:
    """Imports that hold, and until when (seconds, 0: without end) all of them do."""

    imports: tuple[ImportClaim, ...]
    until_s: int
    uncompared: str = ""  # the first one for which it would have taken too long to find its export


def account_options(claims: AccountClaims) -> AccountOptions:
    """Return the options of the account that these claims describe, without its imports."""
    body = claims.nats
    trace = body.trace
    traced = trace is not None and subjects.is_valid_literal(trace.dest.encode())
    return AccountOptions(
        claims.sub,
        stream_exports=tuple(_stream_export(e) for e in _exports(claims) if e.type == _STREAM),
        service_exports=tuple(_service_export(e) for e in _exports(claims) if e.type == _SERVICE),
        mappings=tuple(_mapping(source, to) for source, to in body.mappings.items()),
        default_permissions=permissions_options(body.default_permissions),
        limits=AccountLimits(
            max_connections=_limit(body.limits.conn),
            max_subscriptions=_limit(body.limits.subs),
            max_payload_bytes=_limit(body.limits.payload),
            max_leafnodes=_limit(body.limits.leaf),
        ),
        jetstream=_jetstream(body.limits),
        name_tag=claims.name,
        tags=body.tags,
        trace_dest=trace.dest if trace is not None and traced else "",
        trace_sampling_percent=_percent(trace.sampling) if trace is not None else _PERCENT,
    )


def with_imports(options: AccountOptions, imports: Sequence[ImportClaim]) -> AccountOptions:
    """Return the options of an account with these imports, and no others."""
    return replace(
        options,
        stream_imports=tuple(_stream_import(i) for i in imports if i.type == _STREAM),
        service_imports=tuple(_service_import(i) for i in imports if i.type == _SERVICE),
    )


def exporters_first(several: dict[str, AccountClaims], order: list[str]) -> Iterator[None]:
    """Put the names of accounts in order, each behind those of them that it imports from, in the
    order of its imports; of accounts in a circle the last one that is come to is the first.

    In steps of so many imports. nats-server builds accounts so: it looks for an exporter where an
    import names it.
    """
    looked_at = 0
    passed: set[str] = set()
    for start, claims in several.items():
        open_ways = [(start, _exporters(claims))] if start not in passed else []
        passed.add(start)
        while open_ways:  # not by recursion: a chain may have as many as there are
            looked_at += 1
            if looked_at % IMPORTS_ORDERED_PER_TURN == 0:
                yield
            here, exporters = open_ways[-1]
            name = next(exporters, None)
            if name is None:
                order.append(here)
                open_ways.pop()
            elif name in several and name not in passed:
                passed.add(name)
                open_ways.append((name, _exporters(several[name])))


def _exporters(claims: AccountClaims) -> Iterator[str]:
    return (wanted.account for wanted in claims.nats.imports)


def approved_imports(
    claims: AccountClaims,
    exporter: Callable[[str], Exporter | None],
    *,
    signs_for: Callable[[AccountClaims, str], bool],
    now_s: int,
) -> Generator[None, None, Approved]:
    """Find the imports whose exporter lets this account have them, in steps.

    `exporter` gives another account, `signs_for` says whether a key may sign for it.
    """
    found: list[ImportClaim] = []
    ends: list[int] = []
    walk, uncompared = Walk(), ""
    for wanted in claims.nats.imports:
        yield
        other = exporter(wanted.account)
        if other is None:
            continue
        try:
            export = other.export_for(wanted, walk)
        except WalkError:
            uncompared = uncompared or wanted.subject
            continue
        if export is not None and export.token_req:
            yield from repeat(None, _ACTIVATION_STEPS)
            try:
                activation = _activation(claims, wanted, other.claims, signs_for)
            except AuthError:
                continue
            if not activation.holds_at(now_s) or is_revoked(
                export.revocations, claims.sub, activation.iat
            ):
                continue
            if activation.exp:
                ends.append(activation.exp)
        found.append(wanted)
    return Approved(tuple(found), min(ends, default=0), uncompared)


def _activation(
    importer: AccountClaims,
    wanted: ImportClaim,
    exporter: AccountClaims,
    signs_for: Callable[[AccountClaims, str], bool],
) -> ActivationClaims:
    """Return the activation that an import carries. Raises AuthError where it is not for this."""
    activation = jwt.decode(wanted.token, ActivationClaims)
    body = activation.nats
    if body.issuer_account:
        # Only with an account named may a signing key have signed it.
        if body.issuer_account != exporter.sub or not signs_for(exporter, activation.iss):
            raise AuthError("an activation signed by a key that is not the exporter's")
    elif activation.iss != exporter.sub:
        raise AuthError("an activation signed by a key that is not the exporter's")
    if activation.sub not in {importer.sub, "public"}:
        raise AuthError("an activation for another account")
    if body.kind != wanted.type or not _is_within(_remote_subject(wanted), body.subject):
        raise AuthError("an activation for something else")
    return activation


def _remote_subject(wanted: ImportClaim) -> str:
    """Return what the exporter calls it; in an older JWT a service's `to` does."""
    if wanted.type == _SERVICE and wanted.to and not wanted.local_subject:
        return wanted.to
    return wanted.subject


def _is_within(subject: str, pattern: str) -> bool:
    one, other = subject.encode(), pattern.encode()
    if not subjects.is_valid(one) or not subjects.is_valid(other):
        return False
    return subjects.is_subset(one, other)


def _exports(claims: AccountClaims) -> list[ExportClaim]:
    return [export for export in claims.nats.exports if subjects.is_valid(export.subject.encode())]


def _stream_export(export: ExportClaim) -> StreamExport:
    return StreamExport(
        export.subject,
        account_token_position=max(0, export.account_token_position),
        token_required=export.token_req,
    )


def _service_export(export: ExportClaim) -> ServiceExport:
    latency = None
    if export.service_latency is not None and subjects.is_valid_literal(
        export.service_latency.results.encode()
    ):
        sampling = export.service_latency.sampling
        percent = _percent(sampling) if isinstance(sampling, int) and sampling else _HEADERS
        latency = LatencyOptions(export.service_latency.results, percent)
    return ServiceExport(
        export.subject,
        account_token_position=max(0, export.account_token_position),
        token_required=export.token_req,
        response_type=_RESPONSES.get(export.response_type, ResponseType.SINGLETON),
        threshold_ns=max(0, export.response_threshold),
        latency=latency,
        allow_trace=export.allow_trace,
    )


def _stream_import(wanted: ImportClaim) -> StreamImport:
    return StreamImport(
        wanted.account,
        wanted.subject,
        to=wanted.local_subject,
        # `to` of an older JWT is what is put in front.
        prefix="" if wanted.local_subject else wanted.to,
        allow_trace=wanted.allow_trace,
        activated=True,
    )


def _service_import(wanted: ImportClaim) -> ServiceImport:
    remote = _remote_subject(wanted)
    local = wanted.subject if remote != wanted.subject else wanted.local_subject
    return ServiceImport(wanted.account, remote, to=local, share=wanted.share, activated=True)


def mapping_problem(claims: AccountClaims) -> str:
    """Return why an account's JWT is not taken for an update, or "": a mapping that cannot be.

    Where it is looked up or preloaded such a mapping is left out instead, here as there.
    """
    for source, destinations in claims.nats.mappings.items():
        misfit = misfit_of(source, _mapping(source, destinations).destinations)
        if misfit is not None:
            to = f" -> {quoted(misfit.destination)}" if misfit.destination else ""
            return f"mapping {quoted(source)}{to}: {misfit.problem}"
    return ""


def _mapping(source: str, destinations: tuple[WeightedMapping, ...]) -> Mapping:
    return Mapping(
        source,
        tuple(
            Destination(each.subject, each.weight or _PERCENT, each.cluster)
            for each in destinations
        ),
    )


def _jetstream(limits: AccountLimitClaims) -> AccountJetStream | None:
    """Return what the account may store; of a cluster's tiers the one without replicas holds.

    Beside tiers other limits do not count: the JWT library drops them.
    """
    given = limits.tiered_limits
    if not given:
        return _stored(limits) if limits.disk_storage or limits.mem_storage else None
    if not any(tier.disk_storage or tier.mem_storage for tier in given.values()):
        return None
    tiers = {name: _stored(tier) for name, tier in sorted(given.items())}
    return replace(tiers.get(ONE_SERVER, AccountJetStream()), tiers=tuple(tiers.items()))


def _stored(tier: JetStreamTier) -> AccountJetStream:
    return AccountJetStream(
        max_memory_bytes=_limit(tier.mem_storage),
        max_file_bytes=_limit(tier.disk_storage),
        max_streams=_limit(tier.streams),
        max_consumers=_limit(tier.consumer),
        max_ack_pending=tier.max_ack_pending if tier.max_ack_pending > 0 else UNLIMITED,
        max_memory_stream_bytes=_positive(tier.mem_max_stream_bytes),
        max_file_stream_bytes=_positive(tier.disk_max_stream_bytes),
        max_bytes_required=tier.max_bytes_required,
    )


def _limit(value: int) -> int:
    return max(UNLIMITED, value)


def _positive(value: int) -> int:
    return value if value > 0 else UNLIMITED


def _percent(sampling: int) -> int:
    return sampling if 0 < sampling <= _PERCENT else _PERCENT
