"""A client's login: CONNECT is checked, at once or later, and binds it to what it may do.

Knows the nonce, the authenticator and the identity; not sockets, no way of authenticating and not
what a client may do while it waits. Truth: nats-server 2.15.1 server/client.go processConnect.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError, Future
from typing import TYPE_CHECKING, Protocol

from leafnode.errors import AuthError, ProtocolError
from leafnode.protocol import errors
from leafnode.routing.responses import OpenReplies

if TYPE_CHECKING:
    from leafnode.auth.authenticator import Identity
    from leafnode.clients.handler import ClientSeams
    from leafnode.protocol.info import Connect
    from leafnode.routing.peer import Peer

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

    def accept(self, connect: Connect, identity: Identity) -> None:
        """Serve it as this identity; raises ProtocolError for options that cannot be."""
        ...

    def refuse(self, error: ProtocolError) -> None:
        """Say why, and end the connection where that is what follows."""
        ...


class Login:
    """Who one client is, and how it proves that."""

    __slots__ = ("_client", "_seams", "identity", "nonce")

    def __init__(self, seams: ClientSeams, client: Client) -> None:
        self._seams = seams
        self._client = client
        self.identity: Identity | None = None  # None: nobody yet
        self.nonce = b""  # what INFO asked to be signed; empty: nothing

    def connect(self, connect: Connect) -> None:
        """Check what a CONNECT brought. Raises ProtocolError when it does not hold."""
        if connect.account or connect.new_account:
            raise errors.AuthorizationViolation  # no client names its own account
        try:
            answer = self._seams.authenticator.check(connect, self.nonce)
        except AuthError as err:
            raise errors.AuthorizationViolation from err
        if isinstance(answer, Future):
            self._client.wait()
            answer.add_done_callback(lambda future: self._checked(connect, future))
        else:
            self._client.accept(connect, answer)

    def bind_anybody(self, connect: Connect) -> None:
        """Bind a client that need not identify itself, before it says a word."""
        identity = self._seams.authenticator.check(connect, self.nonce)
        assert not isinstance(identity, Future), "where nothing is required nothing is checked"
        self.bind(identity)

    def bind(self, identity: Identity) -> None:
        """Let the client act as this identity."""
        self.identity = identity
        peer = self._client.peer
        peer.account = self._seams.account(identity.account)
        peer.permissions = permissions = identity.permissions
        peer.open_replies = None
        if permissions is not None and permissions.responses is not None:
            clock = self._seams.clock
            peer.open_replies = OpenReplies(permissions.responses, clock.monotonic_ns)

    def _checked(self, connect: Connect, future: Future[Identity]) -> None:
        """Go on after credentials were checked elsewhere, if the connection still waits."""
        client = self._client
        try:
            identity = future.result()
        except AuthError:
            client.refuse(errors.AuthorizationViolation())
            return
        except (Exception, CancelledError):  # boundary: connection
            log.exception("Client refused, its credentials could not be checked")
            client.refuse(errors.AuthorizationViolation())
            return
        if client.is_gone:
            return
        try:
            client.accept(connect, identity)
        except ProtocolError as error:
            client.refuse(error)
            return
        client.go_on()
