"""Who comes in without credentials where only the system account has users: everybody, into `$G`.

Knows options; not logins. It does what nats-server does: one more user, whose name nobody else
has, and who is the `no_auth_user`. Truth: nats-server 2.15.1 server/server.go configureAccounts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from leafnode.config.options import User
from leafnode.nuid import nuid

if TYPE_CHECKING:
    from random import Random

    from leafnode.config.options import Options

_NAME_LENGTH: Final = 8


def guest_of(random: Random) -> User:
    """Return the user that guests are; a server keeps it over reloads, or they would be cut."""
    name = nuid(random, _NAME_LENGTH)
    return User(user=f"nats-{name}", password=name)


def with_guests(options: Options, guest: User) -> Options:
    """Return options with the guests' user where they admit guests."""
    own = options.authorization
    if not options.admits_guests or own.required:
        return options
    return replace(options, authorization=replace(own, users=(guest,)), no_auth_user=guest.user)
