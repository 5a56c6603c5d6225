"""The INFO lines of one client connection: the first, that behind its first PONG, and later ones.

Knows what the server says of itself and when a client can hear it; not what its other operations
do. Truth: nats-server 2.15.1 server/client.go processPing, sendRouteInfoToClients (async INFO).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from leafnode.protocol.client_session import State
from leafnode.protocol.info import encode_info

if TYPE_CHECKING:
    from leafnode.clients.bounds import Bounds
    from leafnode.clients.login import Client, Login
    from leafnode.clients.seams import ClientSeams
    from leafnode.protocol.client_session import ClientSession
    from leafnode.protocol.info import Connect, ServerInfo


class Infos:
    """What one client was told of the server, and is still due.

    Each call is given the client. To keep it here would close a circle, for it owns its `Infos`.
    """

    __slots__ = ("_due", "_pong_sent", "_seams")

    def __init__(self, seams: ClientSeams) -> None:
        self._seams = seams
        # A client of protocol 1 gets a second INFO behind its first PONG after CONNECT, once.
        self._due = False
        self._pong_sent = False

    def first(self, client: Client, login: Login, *, is_tls: bool) -> bytes:
        """Return the INFO that begins the connection. `is_tls`: it is encrypted already."""
        return encode_info(login.greeting(self._now(client), is_tls=is_tls))

    def tell(self, client: Client, session: ClientSession, *, ldm: bool = False) -> bool:
        """Send INFO as it is now; False if the client cannot take another one, or not yet.

        `ldm` asks it to go elsewhere.
        """
        if session.state is not State.OPEN or session.connect.protocol < 1 or self._due:
            return False
        info = self._now(client)
        client.peer.send(encode_info(msgspec.structs.replace(info, ldm=info.ldm or ldm)))
        return True

    def accepted(self, connect: Connect) -> None:
        """Note what a CONNECT that holds says."""
        self._due = connect.protocol >= 1 and not self._pong_sent

    def ponged(self, client: Client, session: ClientSession, bounds: Bounds) -> None:
        """Send what comes behind a PONG: where and under which bounds the client is."""
        self._pong_sent = self._pong_sent or session.said_connect
        if not self._due:
            return
        self._due = False
        peer = client.peer
        assert peer.account is not None, "only an open session gets here"
        account = peer.account.name
        info = msgspec.structs.replace(
            self._now(client),
            connect_info=True,
            remote_account=account,
            acc_is_sys=account == self._seams.options.system_account,
            max_payload=bounds.max_payload_bytes,
        )
        peer.send(encode_info(info))

    def _now(self, client: Client) -> ServerInfo:
        ip = client.address().rpartition(":")[0]
        return msgspec.structs.replace(self._seams.info, client_id=client.peer.cid, client_ip=ip)
