"""The seam to authentication: what a client connection asks of it.

Knows no way of authenticating; `auth.authenticator` has them and meets this protocol by shape.
Truth: nats-server 2.15.1 server/auth.go isClientAuthorized.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import Future

    from leafnode.auth.identity import Identity, PeerFacts
    from leafnode.protocol.info import Connect


class Authenticator(Protocol):
    """Decides who may connect. One for the server."""

    @property
    def required(self) -> bool:
        """Whether a client must identify itself before anything else."""
        ...

    @property
    def nonce_required(self) -> bool:
        """Whether INFO carries a nonce to sign: there are nkey users."""
        ...

    def check(self, connect: Connect, facts: PeerFacts) -> Identity | Future[Identity]:
        """Return the identity that CONNECT proves, at once or by a future of the loop.

        Where nothing is required every CONNECT is accepted, whatever it carries. Raises AuthError,
        or sets it on the future; the client gets one text for every reason.
        """
        ...

    def voucher(self, connect: Connect, facts: PeerFacts) -> str:
        """Return the key of the trusted proxy that vouches for the connection, empty for none.

        Raises LoginRefused where one claims to and is not known.
        """
        ...

    def again(self, identity: Identity, facts: PeerFacts) -> Identity:
        """Return the identity as configuration and accounts are now.

        Raises LoginRefused where it would not be let in any more.
        """
        ...

    def admits_anonymous(self, facts: PeerFacts) -> bool:
        """Say whether operations may come before CONNECT: there is a no_auth_user for them."""
        ...
