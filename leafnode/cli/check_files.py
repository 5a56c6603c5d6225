"""The files that a configuration names and nats-server's `-t` reads: certificates, keys and seeds.

Knows which; what is in them judge those who use them. Blocks on files. Truth: nats-server 2.15.1
`-t`, measured: it reads these, and not credentials, log or pid files, or a store's directory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.errors import AuthError, LeafnodeError, TlsError

if TYPE_CHECKING:
    from leafnode.config.options import Options


class FileProblemError(LeafnodeError):
    """A file that cannot be used, and where the configuration names it."""


def check_files(options: Options) -> None:
    """Read what a start reads first. Raises FileProblemError for the first that is of no use."""
    _check_operator(options)
    leafs = options.leafnodes.listener if options.leafnodes is not None else None
    blocks = (options.websocket, leafs)
    for tls in (options.tls, *(block.tls for block in blocks if block is not None)):
        if tls is None:
            continue
        from leafnode.net.tls_context import server_context

        try:
            server_context(tls)
        except TlsError as err:
            raise _problem(tls.where, err) from err
    _check_remotes(options)


def _check_operator(options: Options) -> None:
    operator = options.operator
    if operator is None:
        return
    from leafnode.auth.operator import check_operator

    try:
        check_operator(options)
    except AuthError as err:
        where = operator.where or options.config_file
        raise _problem(where, err, todo="with: nsc describe operator --raw") from err
    if operator.resolver_tls is not None:
        from leafnode.auth.url_resolver import tls_context

        try:
            tls_context(operator)
        except AuthError as err:
            raise _problem(operator.resolver_tls.where, err) from err


def _check_remotes(options: Options) -> None:
    for remote in options.leafnodes.remotes if options.leafnodes is not None else ():
        from leafnode.leaf.login import read_signer
        from leafnode.tls.dialer import dialer_context

        try:
            if remote.nkey:
                read_signer(remote.nkey)
            if remote.tls is not None:
                dialer_context(remote.tls)
        except (AuthError, TlsError) as err:
            where = remote.tls.where if remote.tls is not None else options.config_file
            raise _problem(where, err) from err


def _problem(
    where: str, err: LeafnodeError, *, todo: str = "or name another file"
) -> FileProblemError:
    """Return where and what; of a file that is missing what to do, too."""
    cause: BaseException | None = err
    while cause is not None and not isinstance(cause, FileNotFoundError):
        cause = cause.__cause__
    problem = f"{err}; put it there, {todo}" if cause is not None else str(err)
    return FileProblemError(f"{where}: {problem}" if where else problem)
