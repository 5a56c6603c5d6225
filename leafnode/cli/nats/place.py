"""Where the running server is, and how a command logs in to it: options, environment, file.

Knows click and the configuration; opens no connection. No password is an option: other users see
the arguments of a process. Truth: docs/serial/tools.md, "How a command reaches the server".
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import click

from leafnode.cli.nats.errors import NatsError
from leafnode.config.convert import CLIENT_PORT, EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.options import Options

Command = TypeVar("Command", bound="Callable[..., Any]")
_SCHEMES: Final = ("nats", "tls")


@dataclass(frozen=True, slots=True)
class Place:
    """A server and who somebody is there. `token` is what a URL with a user alone means."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    credentials: str = ""  # path of a .creds file
    is_tls: bool = False
    ca_file: str = ""


def options(command: Command) -> Command:
    """Add what finds the server."""
    for words, attributes in (
        (("--tlsca",), {"envvar": "NATS_CA", "help": "Its certificate authority, a PEM file."}),
        (
            ("--creds",),
            {"envvar": "NATS_CREDS", "help": "A .creds file to log in with."},
        ),
        (
            ("-s", "--server"),
            {
                "envvar": "NATS_URL",
                "help": "nats://host:port; user and password are better in NATS_USER and "
                "NATS_PASSWORD.",
            },
        ),
        (("-c", "--config"), {"help": "The server's configuration, which says where it listens."}),
    ):
        command = click.option(*words, metavar="…", **attributes)(command)  # type: ignore[arg-type]
    return command


def find(config: str | None, server: str | None, creds: str | None, tlsca: str | None) -> Place:
    """Return the place that the options mean. Raises LeafnodeError."""
    if server is not None:
        place = _of_url(server)
    elif config is not None:
        place = _of_options(_loaded(config))
    else:
        place = Place("127.0.0.1", CLIENT_PORT)
    user, password = os.environ.get("NATS_USER", ""), os.environ.get("NATS_PASSWORD", "")
    return Place(
        place.host,
        place.port,
        user or place.user,
        password or place.password,
        place.token,
        creds or "",
        is_tls=place.is_tls,
        ca_file=tlsca or "",
    )


def _loaded(config: str) -> Options:
    from leafnode.config.bind import load

    return load(config, os.environ)


def _of_url(url: str) -> Place:
    wanted = NatsError("expected a server like nats://127.0.0.1:4222")
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        port = parts.port or CLIENT_PORT
    except ValueError:
        raise wanted from None
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise wanted
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    is_token = bool(user) and parts.password is None
    return Place(
        parts.hostname,
        port,
        "" if is_token else user,
        password,
        user if is_token else "",
        is_tls=parts.scheme == "tls",
    )


def _of_options(options: Options) -> Place:
    """Return where it listens, and a login that the file has in plain text, if there is one."""
    host = "127.0.0.1" if options.host in {EVERYWHERE, "::", ""} else options.host
    login = options.authorization
    name, password = login.user, login.password
    wanted = options.serial.account if options.serial is not None else "$G"
    users = list(login.users)
    for account in options.accounts:
        if account.name == wanted:
            users += account.users
    for user in users if not name else ():
        if user.user and user.password and not user.password.startswith("$2"):
            name, password = user.user, user.password
            break
    if password.startswith("$2"):  # a bcrypt hash is no password
        name = password = ""
    return Place(host, options.port, name, password, login.token)
