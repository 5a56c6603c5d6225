"""Code that is imported when it is first asked for, imported while the server may still open files.

Without a free descriptor an import fails: the first `/metrics` would be a 500, the first login by a
key refused. What no option asks for stays out, where whoever asks first opens a file or a socket
anyway, or can ask again. Knows names of modules and options. Measured: docs/measurements.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from leafnode.auth.secrets import is_bcrypt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.config.options import Options

_ENDPOINTS: Final = ("accountz", "connz", "healthz", "jsz", "leafz", "subsz", "varz")


def load(options: Options) -> None:
    """Import what a server with these options may be asked for. Raises OSError, ImportError."""
    for is_wanted, names in MODULES:
        if is_wanted(options):
            for name in names:
                import_module(name)


def _is_watched(options: Options) -> bool:
    """Monitoring over HTTP, or accounts: one of them is told of the server in `$SYS` requests."""
    monitors = options.http is not None or options.https is not None
    return monitors or bool(options.accounts) or options.operator is not None


def _is_operated(options: Options) -> bool:
    return options.operator is not None


def _accepts_tls(options: Options) -> bool:
    leafs = options.leafnodes.listener if options.leafnodes is not None else None
    blocks = [block.tls for block in (options.websocket, leafs) if block is not None]
    return any(tls is not None for tls in (options.tls, *blocks))


def _dials(options: Options) -> bool:
    return bool(options.leafnodes and options.leafnodes.remotes) or options.operator is not None


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
