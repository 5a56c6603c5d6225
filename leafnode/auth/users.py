"""The users that a configuration names: who they are and what proves each of them.

Knows `authorization` and the users of `accounts`; not what a CONNECT brings nor how secrets are
compared. Truth: nats-server 2.15.1 server/auth.go buildNkeysAndUsersFromOptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from leafnode.auth.certificate import Names
from leafnode.auth.identity import ANYBODY, Identity, connection_types
from leafnode.auth.permissions import permissions_of
from leafnode.auth.secrets import is_bcrypt
from leafnode.config.options import User

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from leafnode.auth.identity import ConnectionType
    from leafnode.config.account_options import AccountOptions
    from leafnode.config.options import Authorization, PermissionsOptions
    from leafnode.routing.permissions import Permissions


@dataclass(frozen=True, slots=True)
class KnownUser:
    """One user. `password` is empty for one that only a key or a certificate proves."""

    identity: Identity
    password: str = field(default="", repr=False)
    proxy_required: bool = False

    def allows(self, kind: ConnectionType) -> bool:
        """Say whether the user may come in this way."""
        kinds = self.identity.connection_types
        return not kinds or kind in kinds


class Users:
    """Everybody that one configuration knows by name."""

    __slots__ = (
        "_rules",
        "anybody",
        "by_key",
        "by_name",
        "defaults",
        "names",
        "proxy_required",
        "single",
        "token",
    )

    def __init__(
        self, authorization: Authorization, accounts: Iterable[AccountOptions] = ()
    ) -> None:
        self.token = authorization.token
        self.proxy_required = authorization.proxy_required  # for the token
        self.by_name: dict[str, KnownUser] = {}
        self.by_key: dict[str, KnownUser] = {}
        self.defaults: dict[str, Permissions | None] = {}  # of who has none of his own, by account
        self.single: KnownUser | None = None  # `user` and `password` of the block itself
        self.anybody = ANYBODY
        self._rules: dict[PermissionsOptions, Permissions | None] = {}  # shared by who has the same
        if self.token:
            self.anybody = replace(ANYBODY, proof=self.token.encode("utf-8", "surrogatepass"))
        if authorization.user:
            one = User(
                user=authorization.user,
                password=authorization.password,
                proxy_required=authorization.proxy_required,
            )
            self.single = self._known(one, ANYBODY.account, None)
        for user in authorization.users:
            self._add(user, ANYBODY.account, None)
        for account in accounts:
            self.defaults[account.name] = self._permissions_of(account.default_permissions)
            for user in account.users:
                self._add(user, account.name, account.default_permissions)
        self.names = Names(self.by_name)  # for certificates

    def _add(self, user: User, account: str, default: PermissionsOptions | None) -> None:
        known = self._known(user, account, default)
        if user.nkey:
            self.by_key[user.nkey] = known
        else:
            self.by_name[user.user] = known

    def _known(self, user: User, account: str, default: PermissionsOptions | None) -> KnownUser:
        own = user.permissions
        identity = Identity(
            account=account,
            user=user.nkey or user.user,
            permissions=self._permissions_of(own or default),
            connection_types=connection_types(user.allowed_connection_types),
            key=user.nkey,
            default_permissions=own is None,
            proof=(user.nkey or user.password).encode("utf-8", "surrogatepass"),
        )
        return KnownUser(identity, user.password, user.proxy_required)

    def _permissions_of(self, options: PermissionsOptions | None) -> Permissions | None:
        """Return what these options allow, made once however many users have them."""
        if options is None:
            return None
        if options not in self._rules:
            self._rules[options] = permissions_of(options)
        return self._rules[options]

    def shed(self) -> Iterator[None]:
        """Let go of them one by one, once others hold: 9,000 at once took 17 ms to be freed."""
        self.names = Names(())
        self._rules.clear()
        for known in (self.by_name, self.by_key):
            while known:
                known.popitem()
                yield

    @property
    def required(self) -> bool:
        """Whether somebody has to say who he is."""
        return bool(self.token or self.single or self.by_name or self.by_key)

    def named(self, name: str) -> KnownUser | None:
        """Return the user with this name or public key."""
        return self.by_key.get(name) or self.by_name.get(name)

    def all(self) -> Iterable[KnownUser]:
        yield from self.by_name.values()
        if self.single is not None:
            yield self.single

    def has_plain_passwords(self, mapping: Collection[ConnectionType]) -> bool:
        """Say whether a password stands in the configuration as it is, a token aside.

        Who has none is one that anybody may use, unless a certificate can name it: `mapping` are
        the ways in where certificates do.
        """
        single = self.single.password if self.single is not None else ""
        return bool(single and not is_bcrypt(single)) or any(
            not is_bcrypt(user.password)
            and (bool(user.password) or not any(user.allows(kind) for kind in mapping))
            for user in self.by_name.values()
        )
