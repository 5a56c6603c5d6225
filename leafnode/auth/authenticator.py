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
from leafnode.auth.identity import PROXY_NOT_TRUSTED, LoginRefused
from leafnode.auth.later import answer_of
from leafnode.auth.secrets import Secrets
from leafnode.auth.static import StaticLogins
from leafnode.auth.users import Users
from leafnode.errors import ProtocolError
from leafnode.limits import NONCE_BYTES
from leafnode.protocol.errors import AuthorizationViolation
from leafnode.protocol.info import DEFAULT_CONNECT, raw_user
from leafnode.routing.account import GLOBAL_ACCOUNT

if TYPE_CHECKING:
    from asyncio import TaskGroup
    from collections.abc import Callable

    from leafnode.auth.callout import Callout
    from leafnode.auth.identity import Identity, PeerFacts
    from leafnode.auth.operator import OperatorMode
    from leafnode.config.options import AuthCalloutOptions, Options
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
        self._asked: AuthCalloutOptions | None = None  # who decides instead of the users here
        self._callout: Callout | None = None
        self._tasks: TaskGroup | None = None
        self.apply(options)

    def delegate(self, callout: Callout, tasks: TaskGroup) -> None:
        """Ask this service where a configuration or an account says so, in tasks of this group."""
        self._callout, self._tasks = callout, tasks
        if self.operator is not None:
            self.operator.callout = callout

    def apply(self, options: Options) -> None:
        """Judge by these users from now on."""
        self._users = Users(options.authorization, options.accounts)
        self._no_auth_user = options.no_auth_user
        self._proxies = options.trusted_proxies
        self._asked = options.authorization.auth_callout
        self._static = StaticLogins(self._users, options.no_auth_user, self._secrets)

    @property
    def required(self) -> bool:
        """Whether a client must identify itself before anything else."""
        return bool(self.operator or self._asked or self._users.required)

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
        if self._asked is not None:
            if self._callout is None or self._tasks is None:
                raise LoginRefused("nobody can be asked yet")
            asked = self._ask(self._asked, self._callout, connect, facts, is_proxied=is_proxied)
            return answer_of(self._tasks, asked)
        return self._static.check(connect, facts, is_proxied=is_proxied)

    async def _ask(
        self,
        asked: AuthCalloutOptions,
        callout: Callout,
        connect: Connect,
        facts: PeerFacts,
        *,
        is_proxied: bool,
    ) -> Identity:
        """Let the callout service decide, except about who is the service, or not its business."""
        from leafnode.auth.callout import Delegation, guarded

        identity, refusal = await self._by_configuration(connect, facts, is_proxied=is_proxied)
        name = raw_user(connect) or (identity.user if identity is not None else "")
        if name in asked.auth_users:
            if identity is None:
                refusal.asked = asked.account
                raise refusal
            return guarded(identity, asked.account)
        account = identity.account if identity is not None else GLOBAL_ACCOUNT
        if identity is not None and not asked.concerns(account):
            return identity
        to = Delegation(account=asked.account, issuer=asked.issuer, xkey=asked.xkey)
        return await callout.decide(to, connect, facts, is_proxied=is_proxied)

    async def _by_configuration(
        self, connect: Connect, facts: PeerFacts, *, is_proxied: bool
    ) -> tuple[Identity | None, LoginRefused]:
        """Return who it is by the users here, or None and why not."""
        try:
            answer = self._static.check(connect, facts, is_proxied=is_proxied)
            return (await answer if isinstance(answer, Future) else answer), LoginRefused()
        except LoginRefused as err:
            return None, err

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
        if self._asked is not None:
            return self._again_delegated(self._asked, identity)
        return self._again(identity)

    def _again_delegated(self, asked: AuthCalloutOptions, identity: Identity) -> Identity | None:
        """Who was let in by the service stays as long as it is the same; it is not asked again."""
        from leafnode.auth.callout import Delegation, guarded, proof_of

        to = Delegation(account=asked.account, issuer=asked.issuer, xkey=asked.xkey)
        if identity.proof == proof_of(to):
            return identity
        now = self._again(identity)
        return guarded(now, asked.account) if now is not None else None

    def _again(self, identity: Identity) -> Identity | None:
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
            raise LoginRefused("proxy is not trusted", state=PROXY_NOT_TRUSTED)
        return True

    def _count(self, answer: Future[Identity]) -> None:
        if not answer.cancelled() and answer.exception() is not None:
            self.refused += 1


def new_nonce(token_bytes: Callable[[int], bytes]) -> bytes:
    """Return a fresh nonce for one INFO: 15 characters, as nats-server sends them."""
    return base64.urlsafe_b64encode(token_bytes(NONCE_BYTES)).rstrip(b"=")
