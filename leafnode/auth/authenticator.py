"""Whether a login holds, and who it is: the one question that connections ask.

Puts the ways together: the users of a configuration (`auth.static`), operator mode
(`auth.operator`), an answer from outside (`auth.callout`). Knows no connections.
Truth: nats-server 2.15.1 server/auth.go. `clients.authenticator` has the seam that this fits.
"""

from __future__ import annotations

import base64
from asyncio import Future
from typing import TYPE_CHECKING

from leafnode.auth import nkey
from leafnode.auth.identity import LoginRefused
from leafnode.auth.secrets import Secrets
from leafnode.auth.static import StaticLogins
from leafnode.auth.users import Users
from leafnode.errors import ProtocolError
from leafnode.limits import NONCE_BYTES
from leafnode.protocol.errors import AuthorizationViolation
from leafnode.protocol.info import DEFAULT_CONNECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.auth.identity import Identity, PeerFacts
    from leafnode.auth.operator import OperatorMode
    from leafnode.config.options import Options
    from leafnode.protocol.info import Connect


class Authenticator:
    """Judges logins. One for the server; `apply` takes the users of a new configuration."""

    def __init__(self, options: Options, operator: OperatorMode | None = None) -> None:
        """`operator` judges users by their JWTs; without it the configuration's users count."""
        self.refused = 0  # logins that did not hold
        self.operator = operator
        self._secrets = Secrets()
        self._users: Users
        self._static: StaticLogins
        self._no_auth_user = ""
        self._proxies: tuple[str, ...] = ()
        self.apply(options)

    def apply(self, options: Options) -> None:
        """Judge by these users from now on."""
        self._users = Users(options.authorization, options.accounts)
        self._no_auth_user = options.no_auth_user
        self._proxies = options.trusted_proxies
        self._static = StaticLogins(self._users, options.no_auth_user, self._secrets)

    @property
    def required(self) -> bool:
        """Whether a client must identify itself before anything else."""
        return self.operator is not None or self._users.required

    @property
    def announced(self) -> bool:
        """What INFO says of `required`: with a no_auth_user nobody needs to."""
        return self.required and not self._no_auth_user

    @property
    def nonce_required(self) -> bool:
        return bool(self.operator or self._users.by_key or self._proxies)

    @property
    def checks_waiting(self) -> int:
        """Logins that wait for their bcrypt hash."""
        return self._secrets.waiting

    @property
    def overflowed(self) -> int:
        """Logins that were refused because BCRYPT_PENDING_MAX others waited."""
        return self._secrets.overflowed

    def check(self, connect: Connect, facts: PeerFacts) -> Identity | Future[Identity]:
        """Return who it is, at once or, where that takes time, by a future of the loop.

        Raises LoginRefused, or sets it on the future.
        """
        try:
            answer = self._judge(connect, facts)
        except LoginRefused:
            self.refused += 1
            raise
        if isinstance(answer, Future):
            answer.add_done_callback(self._count)
        return answer

    def _judge(self, connect: Connect, facts: PeerFacts) -> Identity | Future[Identity]:
        is_proxied = self._is_proxied(connect, facts)
        if self.operator is not None:
            return self.operator.check(connect, facts, is_proxied=is_proxied)
        return self._static.check(connect, facts, is_proxied=is_proxied)

    def admits_anonymous(self, facts: PeerFacts) -> bool:
        """Say whether somebody who says nothing is somebody: operations may come before CONNECT."""
        if self.operator is not None:
            return False
        try:
            return self._static.anonymous(DEFAULT_CONNECT, facts) is not None
        except LoginRefused:
            return False

    def again(self, identity: Identity) -> Identity | None:
        """Return the identity as the users are now; None where it does not hold any more."""
        if self.operator is not None:
            try:
                return self.operator.again(identity)
            except ProtocolError:
                return None
        if not self.required:
            return self._users.anybody
        if not identity.user:
            token = self._users.token.encode("utf-8", "surrogatepass")
            return self._users.anybody if token and token == identity.proof else None
        user = self._users.named(identity.user) or self._users.single
        if user is None or user.identity.user != identity.user:
            return None
        return user.identity if user.identity.proof == identity.proof else None

    def hold(self, identity: Identity) -> Identity:
        """Return the identity as its account is now.

        Raises the ProtocolError that ends the connection where it does not hold any more.
        """
        if self.operator is not None:
            return self.operator.again(identity)
        now = self.again(identity)
        if now is None:
            raise AuthorizationViolation
        return now

    def close(self) -> None:
        """Drop the logins that wait; one that is being checked ends unheard."""
        self._secrets.close()
        if self.operator is not None:
            self.operator.close()

    def _is_proxied(self, connect: Connect, facts: PeerFacts) -> bool:
        """Say whether a trusted proxy vouches for the connection.

        Raises LoginRefused where one claims to and is not known.
        """
        if not connect.proxy_sig or not self._proxies:
            return False
        if not facts.nonce or not any(
            nkey.verify(key, facts.nonce, connect.proxy_sig, kinds=nkey.ALL_KINDS)
            for key in self._proxies
        ):
            raise LoginRefused("proxy is not trusted")
        return True

    def _count(self, answer: Future[Identity]) -> None:
        if not answer.cancelled() and answer.exception() is not None:
            self.refused += 1


def new_nonce(token_bytes: Callable[[int], bytes]) -> bytes:
    """Return a fresh nonce for one INFO: 15 characters, as nats-server sends them."""
    return base64.urlsafe_b64encode(token_bytes(NONCE_BYTES)).rstrip(b"=")
