"""Code that is imported when it is first asked for, imported before anybody waits for the server.

Without a free descriptor an import fails: the first `/metrics` would be a 500, the first login by a
key refused. And an import in the loop is one turn of it, 200 ms of processor for `serial`: it comes
before the listeners, at a reload in a thread. What no option asks for stays out, where whoever asks
first opens a file or a socket anyway, or can ask again. Knows names of modules and options.
Measured: docs/measurements.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from leafnode.auth.secrets import is_bcrypt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.config.options import Options
    from leafnode.config.serial_options import SerialPort

_ENDPOINTS: Final = ("accountz", "connz", "healthz", "jsz", "leafz", "subsz", "varz")


def load(options: Options) -> None:
    """Import what a server with these options may be asked for. Raises OSError, ImportError."""
    for is_wanted, names in MODULES:
        if is_wanted(options):
            for name in names:
                import_module(name)


def _is_watched(options: Options) -> bool:
    """Monitoring over HTTP, or accounts: one of them is told of the server in `$SYS` requests."""
    return _has_monitoring(options) or bool(options.accounts) or options.operator is not None


def _has_monitoring(options: Options) -> bool:
    return options.http is not None or options.https is not None


def _has_system_account(options: Options) -> bool:
    return not options.no_system_account


def _has_remotes(options: Options) -> bool:
    return options.leafnodes is not None and bool(options.leafnodes.remotes)


def _pushes(options: Options) -> bool:
    return bool(options.uplinks)


def _has_jetstream(options: Options) -> bool:
    return options.jetstream is not None


def _ports(options: Options) -> tuple[SerialPort, ...]:
    return options.serial.ports if options.serial is not None else ()


def _has_ports(options: Options) -> bool:
    return bool(_ports(options))


def _polls(options: Options) -> bool:
    return any(port.modbus is not None for port in _ports(options))


def _has_functions(options: Options) -> bool:
    return any(port.codec.type == "exec" for port in _ports(options))


def _is_operated(options: Options) -> bool:
    return options.operator is not None


def _accepts_tls(options: Options) -> bool:
    leafs = options.leafnodes.listener if options.leafnodes is not None else None
    blocks = [block.tls for block in (options.websocket, leafs) if block is not None]
    return any(tls is not None for tls in (options.tls, *blocks))


def _dials(options: Options) -> bool:
    return _has_remotes(options) or options.operator is not None


def _dials_websockets(options: Options) -> bool:
    leafnodes = options.leafnodes
    return leafnodes is not None and any(remote.is_websocket for remote in leafnodes.remotes)


def _dials_by_proxy(options: Options) -> bool:
    leafnodes = options.leafnodes
    return leafnodes is not None and any(remote.proxy for remote in leafnodes.remotes)


def _packs(options: Options) -> bool:
    leafnodes = options.leafnodes
    if leafnodes is None:
        return False
    ours = [remote.compression for remote in leafnodes.remotes]
    if leafnodes.listener is not None:
        ours.append(leafnodes.listener.compression)
    return any(compression.is_wanted for compression in ours)


def _knows_keys(options: Options) -> bool:
    is_asking = options.operator is not None or options.authorization.auth_callout is not None
    return is_asking or any(key for _, key in _proofs(options))


def _knows_bcrypt(options: Options) -> bool:
    return any(is_bcrypt(secret) for secret, _ in _proofs(options))


def _proofs(options: Options) -> Iterator[tuple[str, str]]:
    """Yield password and key of everybody whom the configuration knows."""
    authorization = options.authorization
    yield authorization.password, ""
    yield authorization.token, ""
    for users in (authorization.users, *(account.users for account in options.accounts)):
        yield from ((user.password, user.nkey) for user in users)
    leafs = options.leafnodes.listener if options.leafnodes is not None else None
    if leafs is not None:
        yield leafs.authorization.password, leafs.authorization.nkey
        yield from ((user.password, "") for user in leafs.authorization.users)


MODULES: Final[tuple[tuple[Callable[[Options], bool], tuple[str, ...]], ...]] = (
    (
        _is_watched,
        (
            *(f"leafnode.monitor.{name}" for name in _ENDPOINTS),
            "leafnode.server.account_views",
            "leafnode.system.debug",
            "leafnode.system.reading",
            "zlib",
        ),
    ),
    (_has_monitoring, ("leafnode.monitor.endpoints", "leafnode.monitor.http_server")),
    (_has_system_account, ("leafnode.server.system",)),
    (_has_jetstream, ("leafnode.server.left_durables",)),
    (_has_remotes, ("leafnode.leaf.loop", "leafnode.leaf.remote", "leafnode.net.dial")),
    (_pushes, ("leafnode.server.uplinks",)),
    (_has_ports, ("leafnode.bridge.bridge",)),
    (_polls, ("pymodbus.framer", "pymodbus.pdu")),
    (_has_functions, ("leafnode.bridge.exec.function",)),
    (_is_operated, ("leafnode.auth.shown", "_strptime", "zoneinfo")),
    (
        _accepts_tls,
        ("leafnode.net.tls", "leafnode.tls.x509", "leafnode.auth.certificate", "_strptime"),
    ),
    (_dials, ("leafnode.net.tls", "concurrent.futures.thread", "encodings.idna")),
    (_dials_websockets, ("leafnode.net.websocket_dial",)),
    (_dials_by_proxy, ("leafnode.net.tunnel",)),
    (_packs, ("leafnode.net.s2_layer",)),
    (_knows_keys, ("nacl.exceptions", "nacl.public", "nacl.signing")),
    (_knows_bcrypt, ("bcrypt", "concurrent.futures.thread")),
)
