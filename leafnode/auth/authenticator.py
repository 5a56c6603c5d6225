"""Whether a login holds, and who it is: the one question that connections ask.

Puts the ways together: the users of a configuration (`auth.static`), operator mode
(`auth.operator`), an answer from outside (`auth.callout`). Knows no connections.
Truth: nats-server 2.15.1 server/auth.go. `clients.authenticator` has the seam that this fits.
"""

from __future__ import annotations

import base64
from asyncio import Future
from typing import TYPE_CHECKING

from msgspec import structs

from leafnode.auth import nkey
from leafnode.auth.base64url import raw_url
from leafnode.auth.identity import PROXY_NOT_TRUSTED, LoginRefused, LoginsOverflowed, UserRemoved
from leafnode.auth.later import answer_of
from leafnode.auth.secrets import Secrets, spare_cores
from leafnode.auth.static import StaticLogins
from leafnode.auth.users import Users
from leafnode.errors import ProtocolError
from leafnode.limits import NONCE_BYTES
from leafnode.protocol.info import DEFAULT_CONNECT, raw_user
from leafnode.routing.account import GLOBAL_ACCOUNT

if TYPE_CHECKING:
    from asyncio import TaskGroup
    from collections.abc import Callable, Collection

    from leafnode.auth.callout import Callout
    from leafnode.auth.identity import ConnectionType, Identity, PeerFacts
    from leafnode.auth.operator import OperatorMode
    from leafnode.config.options import AuthCalloutOptions, Options
    from leafnode.protocol.info import Connect


class Authenticator:
    """Judges logins. One for the server, and one for a listener with a login of its own, which
    shares the `secrets` of the other; `apply` takes the users of a new configuration.
    """

    def __init__(
        self,
        options: Options,
        operator: OperatorMode | None = None,
        *,
        secrets: Secrets | None = None,
    ) -> None:
        """`operator` judges users by their JWTs; without it the configuration's users count."""
        self.refused = 0  # logins that did not hold
        self.operator = operator
        self.secrets = secrets or Secrets(at_once=spare_cores())
        self.users: Users
        self._static: StaticLogins
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

    def apply(self, options: Options, users: Users | None = None) -> None:
        """Judge by the users of these options from now on. `users` are they, where made before:
        5,000 with permissions take 200 ms.
        """
        self.users = users or Users(options.authorization, options.accounts)
        self._proxies = options.trusted_proxies
        self._asked = options.authorization.auth_callout
        self._static = StaticLogins(self.users, options.no_auth_user, self.secrets)

    @property
    def required(self) -> bool:
        """Whether a client must identify itself before anything else."""
        return bool(self.operator or self._asked or self.users.required)

    @property
    def nonce_required(self) -> bool:
        return bool(self.operator or self.users.by_key or self._proxies)

    def has_plain_passwords(self, mapping: Collection[ConnectionType]) -> bool:
        """See `Users.has_plain_passwords`."""
        return self.users.has_plain_passwords(mapping)

    @property
    def checks_waiting(self) -> int:
        """Logins that wait for their bcrypt hash."""
        return self.secrets.waiting

    @property
    def overflowed(self) -> int:
        """Logins that were refused because too many others waited for their bcrypt hash."""
        return self.secrets.overflowed

    def voucher(self, connect: Connect, facts: PeerFacts) -> str:
        """Return the key of the trusted proxy that vouches for the connection, empty for none.

        Raises LoginRefused where one claims to and is not known.
        """
        if not connect.proxy_sig or not self._proxies:
            return ""
        signature = raw_url(connect.proxy_sig)
        for key in self._proxies if facts.nonce else ():
            if nkey.verify(key, facts.nonce, signature, kinds=nkey.ALL_KINDS):
                return key
        self.refused += 1
        raise LoginRefused("proxy is not trusted", state=PROXY_NOT_TRUSTED)

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
        if self.operator is not None:
            return self.operator.check(connect, facts)
        if self._asked is not None:
            if self._callout is None or self._tasks is None:
                raise LoginRefused("nobody can be asked yet")
            told = structs.replace(connect, jwt="")  # as nats-server: nobody signs one
            return answer_of(self._tasks, self._ask(self._asked, self._callout, told, facts))
        return self._static.check(connect, facts)

    async def _ask(
        self,
        asked: AuthCalloutOptions,
        callout: Callout,
        connect: Connect,
        facts: PeerFacts,
    ) -> Identity:
        """Let the callout service decide, except about who is the service, or not its business."""
        from leafnode.auth.callout import Delegation, guarded

        identity, refusal = await self._by_configuration(connect, facts)
        # Who it is counts, not what else its CONNECT says.
        name = identity.user if identity is not None else raw_user(connect)
        if name in asked.auth_users:
            if identity is None:
                refusal.asked = asked.account
                raise refusal
            return guarded(identity, asked.account)
        account = identity.account if identity is not None else GLOBAL_ACCOUNT
        if identity is not None and not asked.concerns(account):
            return guarded(identity, asked.account)
        to = Delegation(account=asked.account, issuer=asked.issuer, xkey=asked.xkey)
        return await callout.decide(to, connect, facts)

    async def _by_configuration(
        self, connect: Connect, facts: PeerFacts
    ) -> tuple[Identity | None, LoginRefused]:
        """Return who it is by the users here, or None and why not."""
        try:
            answer = self._static.check(connect, facts)
            return (await answer if isinstance(answer, Future) else answer), LoginRefused()
        except LoginsOverflowed:
            raise  # nobody knows yet whose business it is
        except LoginRefused as err:
            return None, err

    def admits_anonymous(self, facts: PeerFacts) -> bool:
        """Say whether somebody who says nothing is somebody: operations may come before CONNECT."""
        if self.operator is not None or facts.map_certificate:
            return False
        try:
            return self._static.anonymous(DEFAULT_CONNECT, facts) is not None
        except LoginRefused:
            return False

    def again(self, identity: Identity, facts: PeerFacts) -> Identity:
        """Return the identity as configuration and accounts are now.

        Raises LoginRefused where it would not be let in any more.
        """
        if facts.proxy and facts.proxy not in self._proxies:
            raise LoginRefused("proxy is not trusted", state=PROXY_NOT_TRUSTED)
        if self.operator is not None:
            try:
                return self.operator.again(identity)
            except ProtocolError as err:
                raise LoginRefused(str(err)) from err
        if self._asked is not None:
            return self._again_delegated(self._asked, identity, facts)
        return self._static.again(identity, facts)

    def _again_delegated(
        self, asked: AuthCalloutOptions, identity: Identity, facts: PeerFacts
    ) -> Identity:
        """Who was let in by the service stays as long as it is the same; it is not asked again.

        Who was let in without it stays where that is none of its business now, either.
        """
        from leafnode.auth.callout import Delegation, guarded, proof_of

        to = Delegation(account=asked.account, issuer=asked.issuer, xkey=asked.xkey)
        if identity.proof == proof_of(to):
            if self._callout is None or not self._callout.has_account(identity.account):
                raise UserRemoved("the account is gone")
            return identity
        now = self._static.again(identity, facts)
        if now.user not in asked.auth_users and asked.concerns(now.account):
            raise LoginRefused("the auth callout service has to decide")
        return guarded(now, asked.account)

    def hold(self, identity: Identity) -> Identity:
        """Return the identity as its account is now, in operator mode.

        Raises the ProtocolError that ends the connection where it does not hold any more.
        """
        assert self.operator is not None, "accounts change by their JWTs"
        return self.operator.again(identity)

    def close(self) -> None:
        """Drop the logins that wait; one that is being checked ends unheard."""
        self.secrets.close()
        if self.operator is not None:
            self.operator.close()

    def _count(self, answer: Future[Identity]) -> None:
        if not answer.cancelled() and answer.exception() is not None:
            self.refused += 1


def new_nonce(token_bytes: Callable[[int], bytes]) -> bytes:
    """Return a fresh nonce for one INFO: 15 characters, as nats-server sends them."""
    return base64.urlsafe_b64encode(token_bytes(NONCE_BYTES)).rstrip(b"=")
