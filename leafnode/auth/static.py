"""Logins against the users of a configuration: token, password, NKEY, certificate, no_auth_user.

Knows what the configuration allows and what CONNECT brought; not connections, and not what to do on
a refusal. Fields by which a client would choose its own account are not looked at.
Truth: nats-server 2.15.1 server/auth.go processClientOrLeafAuthentication.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from leafnode.auth import nkey
from leafnode.auth.base64url import raw_url_or_standard
from leafnode.auth.identity import (
    PROXY_REQUIRED,
    Identity,
    LoginRefused,
    LoginsOverflowed,
    UserRemoved,
)
from leafnode.auth.secrets import Secrets, is_bcrypt
from leafnode.errors import quoted
from leafnode.protocol.info import DEFAULT_CONNECT

if TYPE_CHECKING:
    from leafnode.auth.identity import PeerFacts
    from leafnode.auth.users import KnownUser, Users
    from leafnode.protocol.info import Connect

log = logging.getLogger(__name__)


class StaticLogins:
    """Judges one CONNECT against the users. Raises LoginRefused, or sets it on the future."""

    def __init__(self, users: Users, no_auth_user: str, secrets: Secrets) -> None:
        self._users = users
        self._no_auth_user = no_auth_user
        self._secrets = secrets
        # Unknown users are compared with this, so that they take as long as known ones.
        self._decoy = next((u.password for u in users.all() if is_bcrypt(u.password)), "")

    def check(self, connect: Connect, facts: PeerFacts) -> Identity | asyncio.Future[Identity]:
        """Return who it is, at once or, where a bcrypt hash decides, by a future of the loop."""
        users = self._users
        if not users.required:
            return users.anybody
        if (user := self.anonymous(connect, facts)) is not None:
            return _unless_proxied(user, facts).identity
        if connect.nkey and users.by_key:
            return self._by_key(connect, facts)
        if users.by_name:
            if facts.map_certificate:
                return self._by_certificate(connect, facts)
            return self._by_password(connect, facts, users.by_name)
        if users.token:
            return self._compare(connect.auth_token, users.token, self._by_token(facts), facts)
        if users.single is not None:
            single = {users.single.identity.user: users.single}
            return self._by_password(connect, facts, single)
        raise LoginRefused("no credentials that are known here")

    def again(self, identity: Identity, facts: PeerFacts) -> Identity:
        """Return who somebody that these credentials once held for is by the users of now.

        The secret itself is not kept: it must be the one that proved him. Raises LoginRefused.
        """
        users = self._users
        if not users.required:
            if identity.user:
                raise UserRemoved("nobody has a name any more")
            return users.anybody
        if not identity.user:
            return self._nobody_again(identity, facts)
        user = users.named(identity.user) or users.single
        if user is None or user.identity.user != identity.user:
            raise UserRemoved("the user is gone")
        if user.identity.account != identity.account:
            raise UserRemoved("the user belongs to another account")
        if not user.allows(facts.kind):
            raise LoginRefused("the user may not connect this way any more")
        if identity.proof != user.identity.proof:
            raise LoginRefused("the user's secret is another one")
        if not user.identity.key:
            self._check_mapping(user, facts)
        return _unless_proxied(user, facts).identity

    def _nobody_again(self, identity: Identity, facts: PeerFacts) -> Identity:
        """Who came in with a token, or without anything: then as `no_auth_user` from now on."""
        if self._users.token and identity.proof == self._users.anybody.proof:
            return self._by_token(facts)
        if not identity.proof and (user := self.anonymous(DEFAULT_CONNECT, facts)) is not None:
            return _unless_proxied(user, facts).identity
        raise LoginRefused("the token is another one")

    def _check_mapping(self, user: KnownUser, facts: PeerFacts) -> None:
        """Raise LoginRefused where a certificate has to say who the user is, and does not."""
        if not self._users.by_name:
            return
        if facts.map_certificate:
            if self._mapped(facts) is not user:
                raise LoginRefused("the certificate names somebody else")
        elif not user.password and user.identity.user != self._anonymous_name(facts):
            raise LoginRefused("only a certificate proves the user")

    def _anonymous_name(self, facts: PeerFacts) -> str:
        return facts.no_auth_user or self._no_auth_user

    def anonymous(self, connect: Connect, facts: PeerFacts) -> KnownUser | None:
        """Return the user that somebody without any credentials is, where there is one.

        Raises LoginRefused when that user may not come in this way.
        """
        name = self._anonymous_name(facts)
        if not name or connect.user or connect.password or connect.auth_token:
            return None
        if connect.nkey and self._users.by_key:
            return None  # it says something; a JWT does not, without an operator
        user = self._users.named(name)
        if facts.map_certificate and (user is None or not user.identity.key):
            return None
        if user is None or not user.allows(facts.kind):
            raise LoginRefused("no_auth_user may not connect this way")
        return user

    def _by_token(self, facts: PeerFacts) -> Identity:
        if self._users.proxy_required and not facts.proxy:
            raise LoginRefused("proxy connection required", state=PROXY_REQUIRED)
        return self._users.anybody

    def _by_key(self, connect: Connect, facts: PeerFacts) -> Identity:
        user = self._users.by_key.get(connect.nkey)
        if user is None or not user.allows(facts.kind):
            raise LoginRefused("unknown nkey")
        # Without a nonce of ours any recorded signature would do.
        if connect.nkey != self._anonymous_name(facts) and not (
            facts.nonce and nkey.verify(connect.nkey, facts.nonce, raw_url_or_standard(connect.sig))
        ):
            raise LoginRefused("the signature does not hold")
        return _unless_proxied(user, facts).identity

    def _by_certificate(
        self, connect: Connect, facts: PeerFacts
    ) -> Identity | asyncio.Future[Identity]:
        """Return whom the certificate names; a password beside it must be the user's, too."""
        user = _unless_proxied(self._mapped(facts), facts)
        if connect.user:
            text = "User %s found in connect proto, but user required from cert"
            log.warning(text, quoted(connect.user))
        if not user.password and not connect.password:
            return user.identity
        return self._compare(connect.password, user.password, user.identity, facts)

    def _mapped(self, facts: PeerFacts) -> KnownUser:
        if facts.certificate is None:
            raise LoginRefused("user required in certificate, none came")
        known, kind = self._users.by_name, facts.kind
        name = self._users.names.user_of(facts.certificate, lambda name: known[name].allows(kind))
        if name is None:
            raise LoginRefused("the certificate names no user")
        return known[name]

    def _by_password(
        self, connect: Connect, facts: PeerFacts, known: dict[str, KnownUser]
    ) -> Identity | asyncio.Future[Identity]:
        user = known.get(connect.user)
        if user is not None and not user.allows(facts.kind):
            user = None
        if user is None:
            return self._compare(connect.password, self._decoy, None, facts)
        _unless_proxied(user, facts)
        return self._compare(connect.password, user.password, user.identity, facts)

    def _compare(
        self, given: str, wanted: str, identity: Identity | None, facts: PeerFacts
    ) -> Identity | asyncio.Future[Identity]:
        """Return `identity` if the secret is the wanted one and there is an identity at all."""
        holds = self._secrets.holds(given, wanted, address=facts.ip)
        if isinstance(holds, bool):
            if not holds or identity is None:
                raise LoginRefused("wrong user or password")
            return identity
        answer: asyncio.Future[Identity] = asyncio.get_running_loop().create_future()

        def checked(check: asyncio.Future[bool]) -> None:
            if answer.cancelled():
                return
            failure = None if check.cancelled() else check.exception()
            if isinstance(failure, LoginsOverflowed):
                answer.set_exception(failure)
            elif identity is not None and not check.cancelled() and check.result():
                answer.set_result(identity)
            else:
                answer.set_exception(LoginRefused("wrong user or password"))

        holds.add_done_callback(checked)
        # Whose client is gone makes room for the others.
        answer.add_done_callback(lambda done: holds.cancel() if done.cancelled() else None)
        return answer


def _unless_proxied(user: KnownUser, facts: PeerFacts) -> KnownUser:
    """Return the user, unless it may only come through a trusted proxy and did not."""
    if user.proxy_required and not facts.proxy:
        raise LoginRefused("proxy connection required", state=PROXY_REQUIRED)
    return user
