"""The tree of a file bound to `Options`: the outermost table, and what must hold together.

Knows the options outside of blocks; those inside are in blocks.py and in files of their own; not
what an option does. `load` and `read_file` alone open files. Truth: nats-server 2.15.1 for its keys
(measured), docs/configuration.md for ours.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.config import blocks, convert, leafnodes, monitoring, process, taken
from leafnode.config import operator as operator_mode
from leafnode.config.accounts import accounts, check_names, check_system, check_users
from leafnode.config.authorization import authorization, check_callout, trusted_proxies, users_of
from leafnode.config.digest import config_digest
from leafnode.config.mappings import mappings
from leafnode.config.options import (
    GLOBAL_ACCOUNT,
    SYSTEM_ACCOUNT,
    JetStreamOptions,
    Options,
)
from leafnode.config.parser import parse
from leafnode.config.place import Block, Given, Place, Row
from leafnode.config.tls import listener_tls
from leafnode.config.uplink import check_uplinks, uplinks
from leafnode.config.websocket import check_login, websocket
from leafnode.errors import ConfigError, UnreadableError, file_problem, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.config.parser import ReadFile, Tree
    from leafnode.config.serial_options import SerialOptions

_UINT8_MAX: Final = 255
_INT32_MAX: Final = 2**31 - 1
_INT64_MAX: Final = 2**63 - 1
# 0 is nats-server's way to ask for the default.
_MAX_SIZE: Final = 10**limits.MAX_SIZE_DIGITS - 1
_NO_LIMIT: Final = -1
_MAX_PAYLOAD: Final = convert.number(
    1, _MAX_SIZE, "a size", {0: limits.MAX_PAYLOAD_BYTES, _NO_LIMIT: _NO_LIMIT}
)
_CONTROL_LINE: Final = convert.number(1, _INT32_MAX, "a size", {0: limits.MAX_CONTROL_LINE_BYTES})
_MAX_PENDING: Final = convert.number(1, 2**40, "a size", {0: limits.MAX_PENDING_BYTES})
_MAX_CONNECTIONS: Final = convert.number(1, _INT64_MAX, "a count", {0: _NO_LIMIT}, below=_NO_LIMIT)
_MAX_SUBSCRIPTIONS: Final = convert.number(_NO_LIMIT, _INT64_MAX, "a count")
_PING_MAX: Final = convert.number(1, _INT64_MAX, "a count", {0: limits.PING_MAX})


def _max_control_line(place: Place) -> int:
    """What is larger than one read is taken as that: a file for nats-server may ask for more."""
    most = limits.READ_CHUNK_BYTES - 1
    size = _CONTROL_LINE(place)
    if size > most:
        place.warn(f"taken as {most}, the most there is here")
    return min(size, most)


def _serial(place: Place) -> SerialOptions:
    from leafnode.config import serial  # only who has serial ports pays for it

    return serial.serial(place)


def load(
    path: str,
    env: Mapping[str, str],
    *,
    read: ReadFile | None = None,
    default_host: str = convert.LOOPBACK,
) -> Options:
    """Return what the file says. Raises ConfigError, also when the file cannot be read."""
    reader = read or read_file
    try:
        text = reader(path)
    except OSError as err:
        verb = "read" if isinstance(err, IsADirectoryError) else "open"
        raise UnreadableError(path, file_problem(err, path, verb)) from err
    except UnicodeDecodeError as err:
        before = err.object[: err.start]
        line, column = before.count(b"\n") + 1, err.start - before.rfind(b"\n")
        raise ConfigError(path, line, column, "", "this byte is not UTF-8") from err
    return replace(
        bind(parse(text, path, env=env, read=reader), default_host=default_host), config_file=path
    )


def read_file(path: str) -> str:
    """Return the text of a file.

    Raises OSError, also for one that is too large to be meant, and for a pipe or a device, which
    could have no end.
    """
    if not Path(path).is_dir() and Path(path).exists() and not Path(path).is_file():
        raise OSError(errno.EINVAL, "is not a regular file")
    with Path(path).open("rb") as file:
        data = file.read(limits.CONFIG_BYTES_MAX + 1)
    if len(data) > limits.CONFIG_BYTES_MAX:
        most = limits.CONFIG_BYTES_MAX
        raise OSError(errno.EFBIG, f"{os.strerror(errno.EFBIG)}, at most {most} bytes are read")
    return data.decode()


def bind(tree: Tree, *, default_host: str = convert.LOOPBACK) -> Options:
    """Return the options a tree stands for. Raises ConfigError at the first mistake."""
    top = Place(tree.root, "")
    given = _TOP.read(top)
    values = dict(given.values)
    convert.fold_listen(values)
    if values.get("port") == 0:
        del values["port"]  # 0 is the default on nats-server, not a free port
    values.setdefault("host", default_host)
    monitoring.fold_http(values)
    _fold_trace(values)
    _fold_jetstream(given, values)
    operator_mode.fold_operator(values, given)
    _fold_payload(values)
    warnings = tree.warnings + tuple(top.notes.warnings)
    deprecated = list(top.notes.deprecated)
    if not tree.root.value:
        deprecated.append(f"{tree.root.file}: config has no values or is empty")
    named = "operator" in values or any(a.users for a in values.get("accounts", ()))
    if "authorization" in values and not (named or values["authorization"].required):
        where = given.places["authorization"].node
        text = "the authorization block is empty: everybody may connect"
        warnings += (f"{where.file}:{where.line}:{where.column}: {text}",)
    digest = config_digest(tree.root)
    options = Options(
        **values,
        idle=tuple(top.notes.idle),
        warnings=warnings,
        deprecated=tuple(deprecated),
        config_digest=digest,
    )
    _check_together(options, given)
    return _with_system(options, given)


def _with_system(options: Options, given: Given) -> Options:
    """A system account that the file names or has is there, whatever `no_system_account` says."""
    names = {account.name for account in options.accounts}
    if "system_account" not in given.values and SYSTEM_ACCOUNT not in names:
        return options
    alone = options.system_account in names and names <= {GLOBAL_ACCOUNT, options.system_account}
    asked = options.operator is not None or bool(options.no_auth_user)
    return replace(
        options,
        no_system_account=False,
        admits_guests=alone and not asked and "authorization" not in given.values,
    )


def _fold_trace(values: dict[str, Any]) -> None:
    """The verbose trace is a trace, as on nats-server, and that of headers, too."""
    if values.get("trace_verbose") or values.get("trace_headers"):
        values["trace"] = True


def _fold_payload(values: dict[str, Any]) -> None:
    """No limit of a message is that of what may wait for one client: more would end who gets it."""
    if values.get("max_payload_bytes") == _NO_LIMIT:
        pending = values.get("max_pending_bytes", limits.MAX_PENDING_BYTES)
        values["max_payload_bytes"] = min(pending, _MAX_SIZE)


def _fold_jetstream(given: Given, values: dict[str, Any]) -> None:
    """Put the outermost store_dir into the jetstream block, and what is off aside: a flag may turn
    it on.
    """
    if not {"jetstream", "store_dir"} & values.keys():
        return
    jetstream: JetStreamOptions = values.pop("jetstream", JetStreamOptions(enabled=False))
    store_dir: str = values.pop("store_dir", "")
    if store_dir and jetstream.store_dir != JetStreamOptions().store_dir:
        where = given.places["store_dir"]
        raise where.error("expected store_dir only once: it also stands in the jetstream block")
    if store_dir:
        jetstream = replace(jetstream, store_dir=store_dir)
    values["jetstream" if jetstream.enabled else "idle_jetstream"] = jetstream


def _check_together(options: Options, given: Given) -> None:
    """Check what no block can check alone."""
    monitoring.check(options, given)
    _check_users(options, given)
    if options.accounts:
        check_users(options.authorization, given, options.accounts)
    operator_mode.check_operator(options, given)
    check_callout(options, given)
    check_names(options, given)
    check_system(options, given)
    if problem := process.js_domain_problem(options):
        raise given.places["default_js_domains"].error(problem)
    if problem := process.grace_problem(options):
        where = given.places.get("lame_duck_grace_period_ns") or given.place
        raise where.error(problem)
    if options.max_payload_bytes > options.max_pending_bytes:
        where = given.places.get("max_payload_bytes") or given.places["max_pending_bytes"]
        sizes = options.max_payload_bytes, options.max_pending_bytes
        problem = "max_payload ({}) cannot be higher than max_pending ({})".format(*sizes)
        raise where.error(problem)
    check_uplinks(options, given)
    for index, port in enumerate(options.serial.ports if options.serial else ()):
        if port.stream and options.jetstream is None:
            where = given.places["serial"]
            path = f"serial.ports[{index}].stream"
            raise where.node.error(path, "expected jetstream to be enabled: it holds the stream")


def _check_users(options: Options, given: Given) -> None:
    """Check that every user has something to prove itself with, and that no_auth_user is one."""
    users = users_of(options)
    if options.no_auth_user:
        where = given.places["no_auth_user"]
        name = options.no_auth_user
        if not users:
            problem = f'no_auth_user: "{name}" present, but users/nkeys are not defined'
            raise where.error(problem)
        if not any(name in {user.user, user.nkey} for user in users):
            problem = (
                f'no_auth_user: "{name}" not present as user or nkey in authorization block or '
                "account configuration"
            )
            raise where.error(problem)
    anonymous = {options.no_auth_user}
    if options.websocket is not None:
        has_jwts = options.operator is not None
        check_login(options.websocket, given.places["websocket"], users, has_jwts=has_jwts)
        anonymous.add(options.websocket.no_auth_user)
    blocks = (options.tls, options.websocket.tls if options.websocket is not None else None)
    if any(tls is not None and tls.verify_and_map for tls in blocks):
        return  # a certificate tells who it is
    for user in users:
        if not user.nkey and not user.password and user.user not in anonymous:
            where = given.places.get("accounts") or given.places["authorization"]
            raise where.error(f"expected a password for the user {quoted(user.user)}")


_TOP: Final = Block(
    (
        Row(("listen",), "listen", convert.host_port),
        Row(("host", "net"), "host", convert.host),
        Row(("port",), "port", convert.port),
        Row(("server_name",), "server_name", convert.server_name),
        *monitoring.ROWS,
        Row(("authorization",), "authorization", authorization),
        Row(("no_auth_user",), "no_auth_user", convert.text_or("")),
        Row(("proxies",), "trusted_proxies", trusted_proxies),
        Row(("accounts",), "accounts", accounts),
        Row(("mappings", "maps"), "mappings", mappings),
        Row(("system_account", "system"), "system_account", convert.text_or(SYSTEM_ACCOUNT)),
        Row(("no_system_account", "no_system", "no_sys_acc"), "no_system_account", convert.boolean),
        Row(("tls",), "tls", listener_tls),
        Row(("websocket", "ws"), "websocket", websocket),
        Row(("allow_non_tls",), "allow_non_tls", convert.boolean),
        Row(("proxy_protocol",), "proxy_protocol", convert.boolean),
        *operator_mode.ROWS,
        Row(("resolver_tls",), "resolver_tls", leafnodes.dialer_tls),
        Row(("max_payload",), "max_payload_bytes", _MAX_PAYLOAD),
        Row(("max_control_line",), "max_control_line_bytes", _max_control_line),
        Row(("max_pending",), "max_pending_bytes", _MAX_PENDING),
        Row(("max_connections", "max_conn"), "max_connections", _MAX_CONNECTIONS),
        Row(("max_subscriptions", "max_subs"), "max_subscriptions", _MAX_SUBSCRIPTIONS),
        Row(
            ("max_subscription_tokens", "max_sub_tokens"),
            "max_subscription_tokens",
            convert.number(1, _UINT8_MAX, "a count"),
        ),
        Row(("no_header_support",), "no_header_support", convert.boolean),
        Row(("no_fast_producer_stall",), "no_fast_producer_stall", convert.boolean),
        Row(("client_advertise",), "client_advertise", convert.advertised),
        Row(("ping_interval",), "ping_interval_ns", convert.interval(limits.PING_INTERVAL_NS)),
        Row(("ping_max",), "ping_max", _PING_MAX),
        Row(("write_timeout",), "write_timeout", convert.one_of("default", "close", "retry")),
        Row(("write_deadline",), "write_deadline_ns", convert.interval(limits.WRITE_DEADLINE_NS)),
        Row(("jetstream",), "jetstream", blocks.jetstream),
        Row(("store_dir", "storedir"), "store_dir", convert.text_or("")),
        Row(("store",), "store", blocks.store),
        Row(("leafnodes", "leaf"), "leafnodes", leafnodes.leafnodes),
        Row(("uplink",), "uplinks", uplinks),
        Row(("serial",), "serial", _serial),
        *process.ROWS,
    ),
    taken=taken.TOP,
)
