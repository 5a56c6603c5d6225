"""`accounts { … }`: who belongs to each, what it shares, and which bounds hold.

Knows the keys of an account and the rules between accounts; sharing.py has exports and imports,
mappings.py mappings. It does not know how anything is routed. Truth: nats-server 2.15.1
server/opts.go parseAccounts (measured); an error about several values has its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.config import convert, taken
from leafnode.config.account_options import (
    UNLIMITED,
    AccountJetStream,
    AccountLimits,
    AccountOptions,
    ServiceExport,
    ServiceImport,
    StreamExport,
    StreamImport,
)
from leafnode.config.authorization import users
from leafnode.config.import_check import ImportCheck, latency_problem
from leafnode.config.mappings import mappings
from leafnode.config.options import GLOBAL_ACCOUNT, SYSTEM_ACCOUNT
from leafnode.config.permissions import permissions
from leafnode.config.place import Block, Given, Place, Row
from leafnode.config.sharing import exports, imports, percent
from leafnode.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leafnode.config.options import Authorization, Options, User

_INT64_MAX: Final = 2**63 - 1
_COUNT: Final = convert.number(0, 2**31 - 1, "a count", {UNLIMITED: UNLIMITED})
_STORED: Final = convert.number(0, _INT64_MAX, "a size", {UNLIMITED: UNLIMITED})


def accounts(place: Place) -> tuple[AccountOptions, ...]:
    """Return every account. Raises ConfigError, also for imports that cannot be.

    Where it is neither a list nor a block there are none: so it is on nats-server.
    """
    if isinstance(place.node.value, list):
        found = [AccountOptions(convert.text(item)) for item in place.items("accounts")]
        names = [account.name for account in found]
        for item, name in zip(place.items("accounts"), names, strict=True):
            _check_name(item, name)
            if names.count(name) > 1:
                raise item.error(f"Duplicate Account Entry: {name}")
        return tuple(found)
    if not isinstance(place.node.value, dict):
        place.warn("taken as no accounts at all: it is neither a block nor an array of names")
        return ()
    found = []
    for name, node in place.entries().items():
        if not node.used:  # a variable's definition
            where = place.child(name, node)
            _check_name(where, name)
            found.append(_account(where, name))
    _check_imports(place, found)
    return tuple(found)


def check_users(
    authorization: Authorization, given: Given, configured: tuple[AccountOptions, ...]
) -> None:
    """Raise ConfigError where a user stands in two accounts, or beside a lone user or token."""
    place = given.places["accounts"]
    seen = {_who(user) for user in authorization.users}
    for account in configured:
        if not account.users:
            continue
        where = _within(place, account.name, "users")
        if authorization.user:
            raise where.error("Can not have a single user/pass and accounts")
        if authorization.token:
            raise where.error("Can not have a token and accounts")
        for user in account.users:
            if _who(user) in seen:
                kind = "nkey" if user.nkey else "user"
                raise where.error(f"Duplicate {kind} {quoted(_who(user))} detected")
            seen.add(_who(user))


def check_names(options: Options, given: Given) -> None:
    """Raise ConfigError where an option names an account that is not there."""
    known = {GLOBAL_ACCOUNT, *(account.name for account in options.accounts)}
    if options.operator is not None:
        known.add(options.system_account)  # a JWT says whether it is one
    if options.system_account not in {*known, SYSTEM_ACCOUNT}:
        problem = "error resolving system account: account missing"
        raise given.places["system_account"].error(problem)
    if not options.no_system_account:
        known.add(options.system_account)
    elif measured := _measured(options):
        problem = f"Error adding service latency sampling for {quoted(measured)}"
        raise given.places["accounts"].error(f"{problem}: system account not setup")
    for path, name in _named(options):
        by_jwt = options.operator is not None and convert.is_public_nkey(name, "A")
        if name not in known and not by_jwt:
            where = _inner(given.places[path[0]], path[1:])
            raise where.expected("the name of an account")


def check_system(options: Options, given: Given) -> None:
    """Raise ConfigError where the system account is to have JetStream."""
    for account in options.accounts if options.jetstream is not None else ():
        if account.name == options.system_account and account.jetstream is not None:
            where = _within(given.places["accounts"], account.name, "jetstream")
            raise where.error("Not allowed to enable JetStream on the system account")


def _measured(options: Options) -> str:
    """Return a service whose answers are measured, or an empty string."""
    exports = (one for account in options.accounts for one in account.service_exports)
    return next((one.subject for one in exports if one.latency is not None), "")


def _named(options: Options) -> Iterator[tuple[tuple[str, ...], str]]:
    """Return the accounts that other blocks name, and where."""
    for index, remote in enumerate(options.leafnodes.remotes if options.leafnodes else ()):
        yield ("leafnodes", "remotes", str(index), "account local"), remote.account
    leafs = options.leafnodes.listener if options.leafnodes is not None else None
    if leafs is not None:
        own = leafs.authorization
        if own.account:
            yield ("leafnodes", "authorization", "account"), own.account
        for index, user in enumerate(own.users):
            if user.account:
                path = ("leafnodes", "authorization", "users", str(index), "account")
                yield path, user.account
    for index, uplink in enumerate(options.uplinks):
        yield ("uplinks", str(index), "account"), uplink.account
    if options.serial is not None:
        yield ("serial", "account"), options.serial.account


def _inner(place: Place, path: Iterable[str]) -> Place:
    """Follow keys, each with its aliases, and positions in arrays."""
    for step in path:
        if step.isdecimal():
            if isinstance(place.node.value, list):  # else it is the only one
                place = list(place.items("entries"))[int(step)]
        else:
            found = [key for key in place.entries() if key.lower() in step.split()]
            place = place.child(found[-1].lower(), place.entries()[found[-1]])
    return place


def _who(user: User) -> str:
    return user.nkey or user.user


def _within(place: Place, account: str, key: str) -> Place:
    return _inner(place.child(account, place.entries()[account]), (key,))


def _check_name(place: Place, name: str) -> None:
    if name == GLOBAL_ACCOUNT:
        raise place.error(f"{quoted(name)} is a Reserved Account")


def _account(place: Place, name: str) -> AccountOptions:
    values = _ACCOUNT.read(place).values
    values.pop("nkey", None)
    exported: tuple[StreamExport | ServiceExport, ...] = values.pop("exports", ())
    imported: tuple[StreamImport | ServiceImport, ...] = values.pop("imports", ())
    return AccountOptions(
        name=name,
        stream_exports=tuple(one for one in exported if isinstance(one, StreamExport)),
        service_exports=tuple(one for one in exported if isinstance(one, ServiceExport)),
        stream_imports=tuple(one for one in imported if isinstance(one, StreamImport)),
        service_imports=tuple(one for one in imported if isinstance(one, ServiceImport)),
        **values.pop("trace", {}),
        **values,
    )


def _check_imports(place: Place, configured: list[AccountOptions]) -> None:
    """Raise ConfigError at the first import that another account does not offer, or that loops."""
    check = ImportCheck(configured)
    for account in configured:
        where = f"accounts.{account.name}"
        for kind, exported in (
            ("stream", account.stream_exports),
            ("service", account.service_exports),
        ):
            for export in exported:
                if problem := check.export_problem(kind, export):
                    raise place.node.error(f"{where}.exports", problem)
        if problem := latency_problem(account.service_exports):
            raise place.node.error(f"{where}.exports", problem)
    for account in configured:
        for stream in account.stream_imports:
            if problem := check.add_stream(account.name, stream):
                raise (stream.node or place.node).error(f"accounts.{account.name}.imports", problem)
    for account in configured:
        for service in account.service_imports:
            if problem := check.add_service(account.name, service):
                raise (service.node or place.node).error(
                    f"accounts.{account.name}.imports", problem
                )


def _users(place: Place) -> tuple[User, ...]:
    if place.node.value == []:
        return ()
    return users(place)


def _jetstream(place: Place) -> AccountJetStream | None:
    """Return what it may store, or None where it has no JetStream."""
    value = place.node.value
    if isinstance(value, bool):
        return AccountJetStream() if value else None
    if isinstance(value, str):
        word = convert.one_of("enabled", "enable", "disabled", "disable")(place)
        return AccountJetStream() if word.startswith("enable") else None
    return AccountJetStream(**_JETSTREAM.read(place).values)


def _limits(place: Place) -> AccountLimits:
    return AccountLimits(**_LIMITS.read(place).values)


def _trace(place: Place) -> dict[str, Any]:
    """Return where traces go: a subject, or a block with a sampling."""
    if isinstance(place.node.value, dict):
        given = _TRACE.read(place)
        given.need("trace_dest", "dest, the subject that gets the traces")
        return given.values
    return {"trace_dest": convert.literal_subject(place)}


_JETSTREAM: Final = Block(
    (
        Row(("max_memory", "max_mem", "mem", "memory"), "max_memory_bytes", _STORED),
        Row(("max_store", "max_file", "max_disk", "store", "disk"), "max_file_bytes", _STORED),
        Row(("max_streams", "streams"), "max_streams", _STORED),
        Row(("max_consumers", "consumers"), "max_consumers", _STORED),
        Row(
            ("max_bytes_required", "max_stream_bytes", "max_bytes"),
            "max_bytes_required",
            convert.boolean,
        ),
        Row(
            ("mem_max_stream_bytes", "memory_max_stream_bytes"),
            "max_memory_stream_bytes",
            _STORED,
        ),
        Row(
            ("disk_max_stream_bytes", "store_max_stream_bytes"),
            "max_file_stream_bytes",
            _STORED,
        ),
        Row(("max_ack_pending",), "max_ack_pending", _STORED),
    ),
    taken=taken.ACCOUNT_JETSTREAM,
)
_LIMITS: Final = Block(
    (
        Row(("max_connections", "max_conn"), "max_connections", _COUNT),
        Row(("max_subscriptions", "max_subs"), "max_subscriptions", _COUNT),
        Row(("max_payload", "max_pay"), "max_payload_bytes", _COUNT),
        Row(("max_leafnodes", "max_leafs"), "max_leafnodes", _COUNT),
    )
)
_TRACE: Final = Block(
    (
        Row(("dest",), "trace_dest", convert.literal_subject),
        Row(("sampling",), "trace_sampling_percent", percent(1)),
    )
)
_ACCOUNT: Final = Block(
    (
        Row(("users",), "users", _users),
        Row(("nkey",), "nkey", convert.public_nkey("A", "account")),
        Row(("exports",), "exports", exports),
        Row(("imports",), "imports", imports),
        Row(("mappings", "maps"), "mappings", mappings),
        Row(("default_permissions",), "default_permissions", permissions),
        Row(("limits",), "limits", _limits),
        Row(("jetstream",), "jetstream", _jetstream),
        Row(("msg_trace", "trace_dest"), "trace", _trace),
    )
)
