"""A client's login: CONNECT is checked, at once or later, and binds it to what it may do.

Knows the nonce, the authenticator and the identity; not sockets, no way of authenticating and not
what a client may do while it waits. Truth: nats-server 2.15.1 server/client.go processConnect.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError, Future
from copy import copy
from typing import TYPE_CHECKING, Final, Protocol

from leafnode.auth.identity import LoginRefused, LoginsOverflowed, PeerFacts
from leafnode.clients.facts import gos_names
from leafnode.clients.greeting import first_info
from leafnode.clients.log_lines import login_label
from leafnode.errors import AuthError, ProtocolError
from leafnode.limits import EXPIRY_RECHECK_NS
from leafnode.protocol import errors
from leafnode.protocol.info import DEFAULT_CONNECT, says_who, with_credentials, without_secrets
from leafnode.routing.peer import Kind, Outbox, Peer
from leafnode.routing.responses import OpenReplies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.auth.certificate import Certificate
    from leafnode.auth.identity import ConnectionType, Identity
    from leafnode.clients.seams import ClientSeams
    from leafnode.clock import Timer
    from leafnode.net.transport import TlsFacts
    from leafnode.protocol.info import Connect, ServerInfo

log = logging.getLogger(__name__)


class Client(Protocol):
    """The connection that logs in."""

    peer: Peer

    @property
    def is_gone(self) -> bool:
        """Whether there is nobody left to log in."""
        ...

    def wait(self) -> None:
        """Read nothing more until `go_on`."""
        ...

    def go_on(self) -> None:
        """Handle the rest of what was read, and what comes."""
        ...

    def address(self) -> str:
        """Where it comes from, `ip:port`."""
        ...

    def credentials(self) -> Mapping[str, str]:
        """Fields of CONNECT that came in cookies."""
        ...

    def tls(self) -> TlsFacts | None:
        """What its TLS tells; None where it has none."""
        ...

    def begin_check(self) -> None:
        """Handle nothing until a login that nobody asked for is decided."""
        ...

    def accept(self, connect: Connect, identity: Identity) -> None:
        """Serve it as this identity; raises ProtocolError for options that cannot be."""
        ...

    def refuse(self, error: ProtocolError) -> None:
        """Say why, and end the connection where that is what follows."""
        ...


class Login:
    """Who one client is, and how it proves that."""

    __slots__ = (
        "_answer",
        "_client",
        "_expiry",
        "_proxy",
        "_seams",
        "claimed",
        "identity",
        "nonce",
        "outside",
        "refusal",
    )

    def __init__(self, seams: ClientSeams, client: Client) -> None:
        self._seams = seams
        self._client = client
        self._answer: Future[Identity] | None = None  # what it waits for
        self._expiry: Timer | None = None
        self._proxy = ""  # key of the proxy that vouched for the CONNECT that was judged last
        self.claimed = DEFAULT_CONNECT  # what CONNECT says, until it is in force
        self.identity: Identity | None = None  # None: nobody yet
        self.outside: Identity | None = None  # who it would be, had its account room for it
        self.refusal: LoginRefused | None = None  # why it was not let in
        self.nonce = b""  # what INFO asked to be signed; empty: nothing

    @property
    def kind(self) -> ConnectionType:
        """How the client came in."""
        return self._seams.kind

    def greeting(self, info: ServerInfo, *, is_tls: bool) -> ServerInfo:
        """Return the INFO that begins the connection. `is_tls`: it is encrypted already."""
        options = self._seams.options
        return first_info(info, options, kind=self.kind, nonce=self.nonce, is_tls=is_tls)

    def facts(self) -> PeerFacts:
        """What the authenticator may know of this connection."""
        seams = self._seams
        tls = self._client.tls()
        version, cipher = gos_names(tls) if tls is not None else ("", "")
        return PeerFacts(
            nonce=self.nonce,
            kind=seams.kind,
            ip=self._client.address().rpartition(":")[0].strip("[]"),
            cid=self._client.peer.cid,
            certificate=_certificate(tls) if tls is not None and tls.names() else None,
            map_certificate=seams.map_certificate,
            tls_version=version,
            tls_cipher=cipher,
            no_auth_user=seams.no_auth_user,
            proxy=self._proxy,
        )

    @property
    def proxy(self) -> str:
        """The key of the trusted proxy that vouched for the connection, empty for none."""
        return self._proxy

    def connect(self, connect: Connect) -> None:
        """Check what a CONNECT brought. Raises ProtocolError when it does not hold."""
        connect = with_credentials(connect, self._client.credentials())
        self.claimed = without_secrets(connect)
        self._check(connect)

    def enter_anonymously(self) -> bool:
        """Let somebody in who says nothing, where there is a no_auth_user.

        Returns False where there is none. Raises ProtocolError like `connect`.
        """
        if not self._seams.authenticator.admits_anonymous(self.facts()):
            return False
        self._client.begin_check()
        self._check(DEFAULT_CONNECT)
        return True

    def bind_anybody(self, connect: Connect) -> None:
        """Bind a client that need not identify itself, before it says a word."""
        identity = self._seams.authenticator.check(connect, self.facts())
        assert not isinstance(identity, Future), "where nothing is required nothing is checked"
        self.bind(identity)

    def again(self) -> Identity | None:
        """Return who the client is by the users and accounts of now; None: nobody yet.

        Raises LoginRefused where it would not be let in any more, which `refusal` keeps.
        """
        if self.identity is None:
            return None
        try:
            return self._seams.authenticator.again(self.identity, self.facts())
        except LoginRefused as err:
            err.asked = err.asked or self.identity.account
            self._note(err)
            raise

    def bind(self, identity: Identity) -> None:
        """Let the client act as this identity, for as long as it holds.

        Raises ProtocolError where its account has clients enough.
        """
        self._client.peer.open_replies = self._client.peer.elsewhere = None
        self.renew(identity)

    def renew(self, identity: Identity) -> None:
        """Let the client go on as this identity; it may still answer what it was asked before.

        Whoever decided by its permissions of before where messages go decides anew: other clients,
        leaf links, those of accounts that it imports from.
        """
        peer = self._client.peer
        before = peer.permissions, peer.open_replies
        account = self._seams.account(identity.account)
        if peer.account is not account:
            if peer.account is not None:
                peer.account.leave(peer)
            if not account.join(peer):
                self.outside = identity
                raise errors.MaxAccountConnectionsExceeded
        self.identity = identity
        peer.account = account
        peer.permissions = permissions = identity.permissions
        rule = permissions.responses if permissions is not None else None
        if rule is None:
            peer.open_replies = None
        elif peer.open_replies is None or peer.open_replies.rule != rule:
            peer.open_replies = OpenReplies(rule, self._seams.clock.monotonic_ns)
        if peer.subs and (peer.permissions, peer.open_replies) != before:
            account.spoil()
        self._arm()

    def lose_client(self) -> None:
        """The connection is gone: keep nothing of it, or it waits for the collector."""
        self._client = _GONE

    def end(self) -> None:
        """Nothing expires any more, and nobody waits for an answer: others may have its place."""
        self._disarm()
        if self._answer is not None:
            self._answer.cancel()

    def _disarm(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _check(self, connect: Connect) -> None:
        try:
            answer = self._judge(connect)
        except LoginRefused as err:
            self._tell(err)
            raise _error(err) from err
        except AuthError as err:
            raise errors.AuthorizationViolation from err
        if isinstance(answer, Future):
            self._client.wait()
            self._answer = answer
            answer.add_done_callback(lambda future: self._checked(connect, future))
        else:
            self._accept(connect, answer)

    def _judge(self, connect: Connect) -> Identity | Future[Identity]:
        """Return who it is. Who said so before and says nothing now is who it was, as there: no
        secret is kept for that.
        """
        authenticator = self._seams.authenticator
        if self.identity is not None and not says_who(connect):
            return authenticator.again(self.identity, self.facts())
        self._proxy = authenticator.voucher(connect, self.facts())
        return authenticator.check(connect, self.facts())

    def _accept(self, connect: Connect, identity: Identity) -> None:
        self._client.accept(connect, identity)
        self.claimed = DEFAULT_CONNECT

    def _checked(self, connect: Connect, future: Future[Identity]) -> None:
        """Go on after credentials were checked elsewhere, if the connection still waits.

        Users and accounts may be others by now: those of this moment decide, and the time.
        """
        client = self._client
        self._answer = None
        if client.is_gone:
            _ = future.cancelled() or future.exception()  # nobody is left to be told
            return
        try:
            identity = self._seams.authenticator.again(future.result(), self.facts())
            if 0 < identity.expires_ns <= self._seams.clock.wall_ns():
                raise errors.UserAuthenticationExpired  # noqa: TRY301 -- told like all others
            self._accept(connect, identity)
        except ProtocolError as error:
            client.refuse(error)
        except AuthError as err:
            self._tell(err if isinstance(err, LoginRefused) else LoginRefused())
            client.refuse(_error(err))
        except (Exception, CancelledError):  # boundary: connection
            log.exception("Client refused, its credentials could not be checked")
            client.refuse(errors.AuthorizationViolation())
        else:
            client.go_on()

    def _note(self, refusal: LoginRefused) -> None:
        self.refusal = copy(refusal)  # without its frames, which lead back to the client
        log.debug("Login refused: cid=%d reason=%s", self._client.peer.cid, refusal.reason)

    def _tell(self, refusal: LoginRefused) -> None:
        """Note why CONNECT did not hold, and say what an operator has to know of that."""
        self._note(refusal)
        client, seams = self._client, self._seams
        who = login_label(client.address(), self.kind, client.peer.cid)
        seams.registry.errors.refused(who, refusal, seams.clock.monotonic_ns())

    def _arm(self) -> None:
        """Look again when the identity expires, and before in case the clock jumps."""
        self._disarm()
        identity = self.identity
        if identity is None or not identity.expires_ns:
            return
        clock = self._seams.clock
        left_ns = identity.expires_ns - clock.wall_ns()
        self._expiry = clock.call_later(min(max(0, left_ns), EXPIRY_RECHECK_NS), self._on_expiry)

    def _on_expiry(self) -> None:
        self._expiry = None
        identity = self.identity
        assert identity is not None, "only an identity expires"
        if self._seams.clock.wall_ns() < identity.expires_ns:
            self._arm()
            return
        self._client.refuse(errors.UserAuthenticationExpired())


def _error(refusal: AuthError) -> ProtocolError:
    """Return what a client is told that is not let in."""
    if isinstance(refusal, LoginsOverflowed):
        return errors.AuthenticationTimeout()  # its credentials may well be right
    return errors.AuthorizationViolation()


class _Gone:
    """Whom a login belongs to that nobody waits for."""

    peer = Peer(0, Kind.CLIENT, Outbox(lambda: None))
    is_gone = True

    def nothing(self, *_: object) -> None:
        """There is nobody to do it for."""

    wait = go_on = begin_check = accept = refuse = nothing

    def address(self) -> str:
        return ""

    def credentials(self) -> Mapping[str, str]:
        return {}

    def tls(self) -> None:
        return None


_GONE: Final = _Gone()


def _certificate(tls: TlsFacts) -> Certificate:
    from leafnode.auth.certificate import certificate_of

    return certificate_of(tls.names(), tuple(tls.chain()))
