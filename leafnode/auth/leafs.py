"""Whether a leaf's login holds, and whose account it gets.

Who is named in `leafnodes { authorization }` is all that is let in there; else leafs log in like
clients of the server, and where nobody has to, all get the account of that block. Knows no
connections. Truth: nats-server 2.15.1 server/auth.go isLeafNodeAuthorized (measured).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode.auth.authenticator import Authenticator
from leafnode.auth.identity import Identity
from leafnode.config.account_options import AccountOptions
from leafnode.config.options import Authorization, PermissionsOptions, SubjectRules, User
from leafnode.routing.account import GLOBAL_ACCOUNT
from leafnode.routing.permissions import LOGIN_REQUESTS

if TYPE_CHECKING:
    from asyncio import Future

    from leafnode.auth.identity import PeerFacts
    from leafnode.config.listener_options import LeafAuthorization
    from leafnode.config.options import Options
    from leafnode.protocol.info import Connect


class LeafAuthenticator:
    """Judges logins on the port for leafs. Meets clients.authenticator by shape."""

    def __init__(self, server: Authenticator, options: Options, own: LeafAuthorization) -> None:
        """`server` judges clients; it goes by the options of now, whatever a reload changes."""
        self._server = server
        self._anybody = Identity(account=own.account or GLOBAL_ACCOUNT)
        self._own: Authenticator | None = None
        if own.names:
            self._alone = _alone(options, own)
            self._own = Authenticator(self._alone, secrets=server.secrets)
        # A certificate names one of several users; a single one needs his password.
        self.maps_certificates = bool(own.users) or not own.names

    def apply(self, options: Options) -> None:
        """Go by the trusted proxies of these options; the users stay those of the start."""
        if self._own is not None:
            # Its users cannot change: made anew at each reload, 9,000 took 50 ms.
            self._alone = replace(self._alone, trusted_proxies=options.trusted_proxies)
            self._own.apply(self._alone, self._own.users)

    @property
    def refused(self) -> int:
        """Logins that did not hold, of users of the block itself."""
        return self._own.refused if self._own is not None else 0

    @property
    def required(self) -> bool:
        return self._judge.required

    @property
    def nonce_required(self) -> bool:
        return True  # leafs always get one

    def check(self, connect: Connect, facts: PeerFacts) -> Identity | Future[Identity]:
        """Return who it is, at once or by a future. Raises LoginRefused, or sets it."""
        if not self._judge.required:
            return self._anybody
        answer = self._judge.check(connect, self._known(facts))
        operator = self._server.operator
        return answer if self._own is None or operator is None else operator.placed(answer)

    def voucher(self, connect: Connect, facts: PeerFacts) -> str:
        return self._judge.voucher(connect, facts)

    def again(self, identity: Identity, facts: PeerFacts) -> Identity:
        """Return the identity as it is now. Raises LoginRefused where it would not be let in."""
        if not self._judge.required:
            return self._anybody
        return self._judge.again(identity, self._known(facts))

    def admits_anonymous(self, facts: PeerFacts) -> bool:
        """Nobody comes in here without CONNECT."""
        del facts
        return False

    def _known(self, facts: PeerFacts) -> PeerFacts:
        """Where the block has users, nobody comes in as a `no_auth_user` of WebSocket."""
        return replace(facts, no_auth_user="") if self._own is not None else facts

    @property
    def _judge(self) -> Authenticator:
        return self._own or self._server


def _alone(options: Options, own: LeafAuthorization) -> Options:
    """Return options in which only these users are, each in its account."""
    users: dict[str, list[User]] = {}
    if own.nkey and not own.user:
        one = User(nkey=own.nkey, proxy_required=own.proxy_required)
        users[own.account or GLOBAL_ACCOUNT] = [one]
    elif own.user:
        one = User(user=own.user, password=own.password, proxy_required=own.proxy_required)
        users[own.account or GLOBAL_ACCOUNT] = [one]
    for user in own.users:
        proxied = user.proxy_required or own.proxy_required
        one = User(user=user.user, password=user.password, proxy_required=proxied)
        users.setdefault(user.account or GLOBAL_ACCOUNT, []).append(one)
    if (asked := options.authorization.auth_callout) is not None and asked.account in users:
        denied = SubjectRules(deny=(LOGIN_REQUESTS.decode(),))
        mine = PermissionsOptions(publish=denied)
        users[asked.account] = [replace(user, permissions=mine) for user in users[asked.account]]
    return replace(
        options,
        authorization=Authorization(),
        accounts=tuple(AccountOptions(name, users=tuple(some)) for name, some in users.items()),
        no_auth_user="",
        operator=None,
    )
