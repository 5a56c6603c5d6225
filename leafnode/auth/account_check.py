"""Whether an account can be what its JWT says: every field that somebody else wrote is judged here.

What passes does not make the wiring of accounts fail, and brings nothing onto the wire that breaks
it. Pure. Truth: nats-io/jwt v2.8.2 account_claims.go, imports.go, exports.go, types.go (Validate),
whose words an administrator is told; what they let through and cannot be routed is refused, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from leafnode.auth import jwt, nkey
from leafnode.auth.claims import UNLIMITED, AccountLimitClaims, ActivationClaims, Scope
from leafnode.config.convert import is_public_nkey
from leafnode.errors import AuthError, WalkError, quoted
from leafnode.limits import CLAIMS_PROBLEMS_SHOWN_MAX, MAX_SUBJECT_TOKENS
from leafnode.protocol.patterns import PatternSet, Walk
from leafnode.protocol.subject import is_literal
from leafnode.protocol.transform import untokenize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leafnode.auth.claims import (
        AccountBody,
        AccountClaims,
        Described,
        ExportClaim,
        ExternalAuthorization,
        ImportClaim,
        Permissions,
        TraceClaim,
        UserLimits,
        WeightedMapping,
    )

_STREAM: Final = "stream"
_SERVICE: Final = "service"
_RESPONSES: Final = frozenset({"", "Singleton", "Stream", "Chunked"})
_PERCENT: Final = 100
_WEIGHT_MAX: Final = 255
_INFO_CHARS_MAX: Final = 8 * 1024
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")  # would end a line of the protocol, or a token


def check_account(claims: AccountClaims, now_s: int) -> None:
    """Raise AuthError where an account cannot be what its JWT says, or not now."""
    if not claims.holds_at(now_s):
        raise AuthError("claim is expired or not yet valid")
    if problem := problem_of(claims):
        raise AuthError(f"account validation failed: {problem}")


def problem_of(claims: AccountClaims) -> str:
    """Return what is wrong with an account at any time, or an empty string."""
    found: list[str] = []
    for problem in _problems(claims):
        if len(found) == CLAIMS_PROBLEMS_SHOWN_MAX:
            found.append("…")
            break
        found.append(problem)
    return f"validation errors: [{' '.join(found)}]" if found else ""


def _problems(claims: AccountClaims) -> Iterator[str]:
    body = claims.nats
    if not nkey.is_public_key(claims.sub, "A"):
        yield "the subject of an account JWT is not an account's key"
    try:
        yield from _import_problems(claims)
        yield from _export_problems(body)
    except WalkError as err:
        yield str(err)
    if "" in body.limits.tiered_limits:
        yield 'Tiered JetStream Limits can not contain a blank "" tier name'
    yield from permission_problems(body.default_permissions)
    for source, destinations in body.mappings.items():
        yield from _mapping_problems(source, destinations)
    yield from _authorization_problems(body.authorization)
    if body.trace is not None:
        yield from _trace_problems(body.trace)
    yield from _count_problems(body)
    yield from _signer_problems(body)
    yield from _info_problems(body)
    if body.cluster_traffic not in {"", "system", "owner"}:
        yield f"unknown cluster traffic option: {quoted(body.cluster_traffic)}"


def _subject_problems(subject: str) -> Iterator[str]:
    yield from _form_problems(subject)
    if _CONTROL.search(subject):
        yield f"subject {quoted(subject)} cannot have control characters"
    if subject.count(".") >= MAX_SUBJECT_TOKENS:
        yield f"subject {quoted(subject)} cannot have as many tokens"


def _form_problems(subject: str) -> Iterator[str]:
    """Yield what the jwt library has against it."""
    if not subject:
        yield "subject cannot be empty"
        return
    if " " in subject:
        yield f"subject {quoted(subject)} cannot have spaces"
    if subject.startswith(".") or subject.endswith("."):
        yield f"subject {quoted(subject)} cannot start or end with a `.`"
    if ".." in subject:
        yield f"subject {quoted(subject)} cannot contain consecutive `.`"


def _is_pattern(subject: str) -> bool:
    return not is_literal(subject.encode())


def _import_problems(claims: AccountClaims) -> Iterator[str]:
    """Yield what is wrong with imports. Raises WalkError."""
    services = [one for one in claims.nats.imports if one.type == _SERVICE]
    by_exporter: dict[str, dict[bytes, None]] = {}
    for one in services:
        by_exporter.setdefault(one.account, {})[_requested(one)] = None
    walk = Walk()
    overlaps = {account: _overlaps(list(there), walk) for account, there in by_exporter.items()}
    before: set[tuple[str, bytes]] = set()
    for one in claims.nats.imports:
        if one.type == _SERVICE:
            account, requested = one.account, _requested(one)
            shown = quoted(requested.decode())
            for other in overlaps[account][requested]:
                if (account, other) in before:
                    yield (
                        f"overlapping subject namespace for {shown} and {quoted(other.decode())} "
                        f"in same account {quoted(account)}"
                    )
            if (account, requested) in before:
                yield f"overlapping subject namespace for {shown} in account {quoted(account)}"
            before.add((account, requested))
        yield from _one_import_problems(claims, one)


def _overlaps(subjects: list[bytes], walk: Walk) -> dict[bytes, dict[bytes, None]]:
    """Return of each of these subjects which include it or are included, itself among them.

    Raises WalkError.
    """
    patterns = PatternSet(subjects)
    found: dict[bytes, dict[bytes, None]] = {subject: {} for subject in subjects}
    for subject in subjects:
        for number in patterns.including(subject, walk, stars_take_all=True):
            other = subjects[number]
            found[subject][other] = found[other][subject] = None
    return found


def _export_problems(body: AccountBody) -> Iterator[str]:
    """Yield what is wrong with exports. Raises WalkError."""
    for offered in body.exports:
        yield from _one_export_problems(offered)
    walk = Walk()
    for kind in (_SERVICE, _STREAM):
        subjects = [
            one.subject for one in body.exports if (one.type == _SERVICE) is (kind == _SERVICE)
        ]
        patterns = PatternSet(subject.encode() for subject in subjects)
        told: set[str] = set()
        for number, subject in enumerate(subjects):
            for other in patterns.including(subject.encode(), walk, stars_take_all=True):
                if other != number and subjects[other] not in told:
                    told.add(subjects[other])
                    yield (
                        f"{kind} export subject {quoted(subjects[other])} already exports "
                        f"{quoted(subject)}"
                    )


def _requested(one: ImportClaim) -> bytes:
    """Return the subject of a service import that no other one of the same account may have."""
    local = untokenize(one.local_subject.encode())[0]
    return one.to.encode() or local or one.subject.encode()


def _one_import_problems(claims: AccountClaims, one: ImportClaim) -> Iterator[str]:
    if one.type not in {_STREAM, _SERVICE}:
        yield f"invalid import type: {quoted(one.type)}"
    if one.type == _SERVICE and one.allow_trace:
        yield "AllowTrace only valid for stream import"
    if not one.account:
        yield "account to import from is not specified"
    yield from _subject_problems(one.subject)
    if one.local_subject:
        yield from _renaming_problems(one.local_subject, one.subject)
        if one.to:
            yield "Local Subject replaces To"
    if one.share and one.type != _SERVICE:
        yield (
            "sharing information (for latency tracking) is only valid for services: "
            f"{quoted(one.subject)}"
        )
    if one.token:
        yield from _activation_problems(claims, one)


def _renaming_problems(renamed: str, subject: str) -> Iterator[str]:
    """Yield why a subject cannot be called this in the importing account."""
    yield from _subject_problems(renamed)
    if _has_rest(renamed) != _has_rest(subject):
        yield "both, renaming subject and subject, need to end or not end in >"
    stars = subject.split(".").count("*")
    references = 0
    for token in renamed.split("."):
        number = token[1:] if token.startswith("$") and len(token) > 1 else ""
        if token == "*":  # noqa: S105 -- of a subject
            references += 1
        elif number.isdecimal() and number.isascii():
            if len(number) > len(str(stars)) or int(number) > stars:
                yield (
                    f"Reference ${number} in {quoted(renamed)} reference * in {quoted(subject)} "
                    "that do not exist"
                )
            else:
                references += 1
    if references != stars:
        yield "subject does not contain enough * or reference wildcards $[0-9]"


def _has_rest(subject: str) -> bool:
    return subject == ">" or subject.endswith(".>")


def _activation_problems(claims: AccountClaims, one: ImportClaim) -> Iterator[str]:
    try:
        activation = jwt.decode(one.token, ActivationClaims)
    except AuthError:
        yield f"import {quoted(one.subject)} contains an invalid activation token"
        return
    body = activation.nats
    if one.account not in {activation.iss, body.issuer_account}:
        yield f"activation token doesn't match account for import {quoted(one.subject)}"
    if activation.sub != claims.sub:
        yield (
            f"activation token doesn't match account it is being included in, {quoted(one.subject)}"
        )
    if body.kind != one.type:
        yield f"mismatch between token import type {body.kind} and type of import {one.type}"
    yield from _subject_problems(body.subject)
    if body.issuer_account and not nkey.is_public_key(body.issuer_account, "A"):
        yield "account_id is not an account public key"
    subject = one.to if one.type == _SERVICE and one.to else one.subject
    offered = PatternSet([body.subject.encode()])
    if not offered.including(subject.encode(), Walk(), stars_take_all=True):
        yield (
            f"activation token import subject {quoted(body.subject)} doesn't match import "
            f"{quoted(one.subject)}"
        )


def _one_export_problems(one: ExportClaim) -> Iterator[str]:
    is_service = one.type == _SERVICE
    if one.type not in {_STREAM, _SERVICE}:
        yield f"invalid export type: {quoted(one.type)}"
    if is_service and one.response_type not in _RESPONSES:
        yield f"invalid response type for service: {quoted(one.response_type)}"
    if one.type == _STREAM:
        if one.response_type:
            yield f"invalid response type for stream: {quoted(one.response_type)}"
        if one.allow_trace:
            yield "AllowTrace only valid for service export"
    latency = one.service_latency
    if latency is not None:
        if not is_service:
            yield "latency tracking only permitted for services"
        sampling = latency.sampling
        if isinstance(sampling, int) and sampling and not 1 <= sampling <= _PERCENT:
            yield "sampling percentage needs to be between 1-100"
        yield from _subject_problems(latency.results)
        if _is_pattern(latency.results):
            yield "results subject can not contain wildcards"
    if one.response_threshold < 0:
        yield "negative response threshold is invalid"
    if one.response_threshold > 0 and not is_service:
        yield "response threshold only valid for services"
    yield from _subject_problems(one.subject)
    yield from _token_position_problems(one)
    yield from _info_problems(one)


def _token_position_problems(one: ExportClaim) -> Iterator[str]:
    position = one.account_token_position
    if not position:
        return
    tokens = one.subject.split(".")
    if not _is_pattern(one.subject):
        yield f"Account Token Position can only be used with wildcard subjects: {one.subject}"
    elif not 0 < position <= len(tokens):
        yield f"Account Token Position {position} exceeds length of subject '{one.subject}'"
    elif tokens[position - 1] != "*":
        yield (
            f"Account Token Position {position} matches '{tokens[position - 1]}' but must match a "
            f"* in: {one.subject}"
        )


def permission_problems(permissions: Permissions | UserLimits) -> Iterator[str]:
    """Yield what refuses a JWT. Other entries that are no subject stand for nothing, as there."""
    for entry in (*(permissions.sub.allow or ()), *permissions.sub.deny):
        words = entry.split(" ")
        if len(words) > 2:
            yield f'Permission Subject "{entry}" contains too many spaces'
            continue
        for word in words:
            yield from _form_problems(word)
    for entry in (*(permissions.pub.allow or ()), *permissions.pub.deny):
        if " " in entry:
            yield f'Permission Subject "{entry}" is not allowed to contain queue'
            continue
        yield from _form_problems(entry)


def _mapping_problems(source: str, destinations: Iterable[WeightedMapping]) -> Iterator[str]:
    yield from _subject_problems(source)
    totals: dict[str, int] = {}
    for one in destinations:
        yield from _subject_problems(one.subject)
        weight = one.weight or _PERCENT
        if not 0 < weight <= _WEIGHT_MAX:
            yield f"Mapping {quoted(source)} has a weight that is none"
        elif weight > _PERCENT:
            yield f"Mapping {quoted(source)} has a weight {weight} that exceeds 100"
        totals[one.cluster] = totals.get(one.cluster, 0) + weight
    among = "exceeds 100% among all of it's weighted to mappings"
    for cluster, total in totals.items():
        if total > _PERCENT:
            where = f" in cluster {quoted(cluster)}" if cluster else ""
            yield f"Mapping {quoted(source)}{where} {among}"


def _authorization_problems(outside: ExternalAuthorization) -> Iterator[str]:
    if outside.allowed_accounts and not outside.auth_users:
        yield "External authorization cannot have accounts without users specified"
    for user in outside.auth_users:
        if not nkey.is_public_key(user, "U"):
            yield f"AuthUser {quoted(user)} is not a valid user public key"
    for account in outside.allowed_accounts:
        if account == "*":
            if len(outside.allowed_accounts) > 1:
                yield 'AllowedAccounts can only be a list of accounts or "*"'
        elif not nkey.is_public_key(account, "A"):
            yield f"Account {quoted(account)} is not a valid account public key"
    if outside.xkey and not is_public_nkey(outside.xkey, "X"):
        yield f"XKey {quoted(outside.xkey)} is not a valid public xkey"


def _trace_problems(trace: TraceClaim) -> Iterator[str]:
    for problem in _subject_problems(trace.dest):
        yield f"the account Trace.Destination {problem}"
        break
    if _is_pattern(trace.dest):
        yield (
            f"the account Trace.Destination subject {quoted(trace.dest)} is not a valid publish "
            "subject"
        )
    if not 0 <= trace.sampling <= _PERCENT:
        yield (
            f"the account Trace.Sampling value '{trace.sampling}' is not valid, should be in the "
            "range [1..100]"
        )


def _count_problems(body: AccountBody) -> Iterator[str]:
    limits = body.limits
    if limits.imports != UNLIMITED and len(body.imports) > limits.imports:
        # The JWT library looks twice, the first time only where there are limits.
        looks = 2 if limits.imports >= 0 and limits != AccountLimitClaims() else 1
        yield from ["the account contains more imports than allowed by the operator"] * looks
    if limits.exports == UNLIMITED:
        return
    if len(body.exports) > limits.exports:
        yield "the account contains more exports than allowed by the operator"
    if not limits.wildcards:
        for _ in filter(_is_pattern, (one.subject for one in body.exports)):
            yield "the account contains wildcard exports that are not allowed by the operator"


def _signer_problems(body: AccountBody) -> Iterator[str]:
    for one in body.signing_keys:
        if isinstance(one, Scope):
            if not nkey.is_public_key(one.key, "A"):
                yield f"{one.key} is not an account public key"
        elif not nkey.is_public_key(one, "A"):
            yield f"{quoted(one)} is not a valid account signing key"


def _info_problems(described: Described) -> Iterator[str]:
    if len(described.description.encode()) > _INFO_CHARS_MAX:
        yield "Description is too long"
    url = described.info_url
    if not url:
        return
    if len(url.encode()) > _INFO_CHARS_MAX:
        yield "Info URL is too long"
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname and parts.scheme)
    except ValueError as err:
        yield f"error parsing info url: {err}"
        return
    if not is_whole:
        yield "error parsing info url: no hostname or scheme"
