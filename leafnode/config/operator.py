"""Operator mode: `operator`, `resolver`, `resolver_preload`, `trusted_keys` and the like.

Knows the keys and their forms; JWTs stay text, which `auth.trust` judges. Truth: nats-server 2.15.1
server/opts.go (operator to trusted_keys), server/jwt.go validateTrustedOperators (texts).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.config import convert
from leafnode.config.options import OperatorOptions, ResolverOptions
from leafnode.config.place import Block, Given, Place, Row

if TYPE_CHECKING:
    from leafnode.config.options import LeafOptions, Options

_INT32_MAX: Final = 2**31 - 1
_MEMORY: Final = re.compile(r"MEM(?:ORY)?\s*", re.IGNORECASE)
_URL: Final = re.compile(r"""URL\(\s*["']?([^\s"']+)["']?\s*\)\s*""", re.IGNORECASE)
_WANTED: Final = (
    'error parsing account resolver, should be MEM or URL("url") or a map containing dir and type '
    "state=[FULL|CACHE]"
)
# Fields of Options that are one of OperatorOptions.
_FIELDS: Final = {
    "operators": "operators",
    "trusted_keys": "trusted_keys",
    "resolver": "resolver",
    "resolver_tls": "resolver_tls",
    "resolver_preload": "preload",
    "resolver_pinned_accounts": "pinned_accounts",
    "default_sentinel": "default_sentinel",
}


def fold_operator(values: dict[str, Any], given: Given) -> None:
    """Put what belongs to operator mode together, if there is somebody to trust."""
    found = {name: values.pop(field) for field, name in _FIELDS.items() if field in values}
    where = given.places["operators"].where if "operators" in found else ""
    options = OperatorOptions(**found, where=where)
    # As on nats-server a resolver alone, and what is preloaded into it, is of no effect.
    if options.operators or options.trusted_keys or options.default_sentinel or _keeps(options):
        values["operator"] = options


def _keeps(options: OperatorOptions) -> bool:
    return options.resolver is not None and options.resolver.kind in {"full", "cache"}


def check_operator(options: Options, given: Given) -> None:
    """Raise ConfigError for what cannot stand beside an operator, with nats-server's texts."""
    operator = options.operator
    if operator is None:
        return
    if not operator.operators:
        if operator.default_sentinel:
            where = given.places["default_sentinel"]
            raise where.error("default sentinel requires operators and accounts")
        if _keeps(operator):
            raise given.places["resolver"].error("no operator key found")
        return
    where = given.places["operators"]
    if "accounts" in given.values or "mappings" in given.values:
        raise where.error("operators do not allow Accounts to be configured directly")
    if options.authorization.users or options.authorization.user or options.authorization.token:
        raise where.error("operators do not allow users to be configured directly")
    if operator.trusted_keys:
        raise where.error("conflicting options for 'TrustedKeys' and 'TrustedOperators'")
    if options.no_auth_user:
        raise given.places["no_auth_user"].error(
            "no_auth_user not compatible with Trusted Operator"
        )
    if options.authorization.auth_callout is not None:
        problem = "operators do not allow authorization callouts to be configured directly"
        raise given.places["authorization"].error(problem)
    if options.leafnodes is not None and (problem := _leafnodes_problem(options.leafnodes)):
        raise given.places["leafnodes"].error(problem)


def _leafnodes_problem(leafnodes: LeafOptions) -> str:
    """Say what of the leaf nodes cannot be where accounts have JWTs, or return "".

    Truth: nats-server 2.15.1 server/leafnode.go validateLeafNode.
    """
    listener = leafnodes.listener
    if listener is not None and listener.authorization.users:
        return "operator mode does not allow specifying users in leafnode config"
    if not all(convert.is_public_nkey(remote.account, "A") for remote in leafnodes.remotes):
        return (
            "operator mode requires account nkeys in remotes. Please add an `account` key to each "
            "remote in your `leafnodes` section, to assign it to an account. Each account value "
            "should be a 56 character public key, starting with the letter 'A'"
        )
    account = listener.authorization.account if listener is not None else ""
    if account and not convert.is_public_nkey(account, "A"):
        return "operator mode and non account nkeys are incompatible"
    return ""


def operators(place: Place) -> tuple[str, ...]:
    """JWTs, or paths of files with one."""
    return convert.list_of(convert.text, "operators")(place)


def resolver(place: Place) -> ResolverOptions:
    value = place.node.value
    if isinstance(value, str):
        if _MEMORY.fullmatch(value):
            return ResolverOptions()
        if (match := _URL.fullmatch(value)) and match[1].lower().startswith(
            ("http://", "https://")
        ):
            return ResolverOptions("url", url=match[1])
        raise place.error(_WANTED)  # what came may hold a password
    given = _RESOLVER.read(place)
    given.need("kind", "type: full, cache or memory")
    kind = given.values["kind"] = (
        "memory" if given.values["kind"] == "mem" else given.values["kind"]
    )
    if kind != "memory":
        given.need("directory", "dir has no value and needs to point to a directory")
    _exclude(given, kind)
    return ResolverOptions(**given.values)


def _exclude(given: Given, kind: str) -> None:
    """Raise ConfigError for what a kind of resolver has no use for."""
    refused = {
        "cache": {
            "interval_ns": "CACHE does not accept sync",
            "allow_delete": "CACHE does not accept allow_delete",
            "hard_delete": "CACHE does not accept hard_delete",
        },
        "full": {"ttl_ns": "FULL does not accept ttl"},
    }
    for name, problem in refused.get(kind, {}).items():
        if given.values.get(name):
            raise given.places[name].error(problem)
    if given.values.get("hard_delete") and not given.values.get("allow_delete"):
        raise given.places["hard_delete"].error("hard_delete has no effect without delete")


def preload(place: Place) -> tuple[tuple[str, str], ...]:
    """Account JWTs by the account's public key."""
    found = []
    for name, node in place.entries().items():
        where = place.child(name, node)
        if not convert.is_public_nkey(name, "A"):
            raise where.error("expected the public nkey of an account (A…) as key")
        token = node.value
        if not isinstance(token, str) or not token.startswith("eyJ"):
            raise where.error("preload map value should be a string JWT")
        found.append((name, token))
    return tuple(found)


def trusted_keys(place: Place) -> tuple[str, ...]:
    return convert.list_of(convert.public_nkey("O", "operator"), "keys", may_be_empty=True)(place)


def pinned_accounts(place: Place) -> tuple[str, ...]:
    if place.node.value == []:
        return ()
    return convert.list_of(convert.public_nkey("A", "account"), "accounts")(place)


_RESOLVER: Final = Block(
    (
        Row(("type",), "kind", convert.one_of("full", "cache", "mem", "memory")),
        Row(("dir",), "directory", convert.text),
        Row(("allow_delete",), "allow_delete", convert.boolean),
        Row(("hard_delete",), "hard_delete", convert.boolean),
        Row(("limit",), "limit", convert.number(0, _INT32_MAX, "a count")),
        Row(("ttl",), "ttl_ns", convert.seconds(0)),
        Row(("interval",), "interval_ns", convert.seconds(limits.RESOLVER_INTERVAL_NS)),
        Row(("timeout",), "timeout_ns", convert.seconds(limits.ACCOUNT_FETCH_TIMEOUT_NS)),
    )
)
ROWS: Final = (
    Row(
        ("operator", "operators", "roots", "root", "root_operators", "root_operator"),
        "operators",
        operators,
    ),
    Row(("resolver", "account_resolver", "accounts_resolver"), "resolver", resolver),
    Row(("resolver_preload",), "resolver_preload", preload),
    Row(("resolver_pinned_accounts",), "resolver_pinned_accounts", pinned_accounts),
    Row(("trusted", "trusted_keys"), "trusted_keys", trusted_keys),
    Row(("default_sentinel",), "default_sentinel", convert.or_default("", convert.secret)),
)
