"""leafnode.crowd before the login: places go to who comes last and logs in at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.config.options import Authorization, Options
from leafnode.limits import LOGINS_WAITING_ADDRESS_MAX
from tests.sim.clients import HOST, PORT, ClientWorld

if TYPE_CHECKING:
    from leafnode.clients.handler import ClientHandler
    from leafnode.net.transport import Transport
    from tests.sim.clients import SimClient

LOGIN = b'CONNECT {"user":"u","pass":"p"}\r\n'


class _Proxied:
    """What net.entry makes of a handler's connection where a PROXY header comes first."""

    def __init__(self, handler: ClientHandler, address: str) -> None:
        self._address = address
        self._handler = handler
        self.received = handler.received
        self.lost = handler.lost

    def connected(self, transport: Transport) -> None:
        transport.peer = ""
        self._handler.connected(transport)
        transport.peer = self._address
        self._handler.entered()


def world() -> ClientWorld:
    return ClientWorld(Options(authorization=Authorization(user="u", password="p")))


def test_clients_behind_a_proxy_wait_under_their_own_addresses() -> None:
    flooded = world()
    server, room = flooded.server, flooded.server.registry.waiting

    def proxied(address: str) -> SimClient:
        """One whose address is known once its PROXY header came."""
        flooded.network.listen(
            server.turn, lambda: _Proxied(server.new_session(), address), host=HOST, port=PORT
        )
        return flooded.client(b"")

    silent = [proxied("192.0.2.1:5000") for _ in range(LOGINS_WAITING_ADDRESS_MAX)]
    other = proxied("192.0.2.2:5000")

    assert room.evicted == 0
    assert other.says(LOGIN) == b"+OK\r\n"
    last = proxied("192.0.2.1:5000")
    assert (room.evicted, silent[0].raw.ended, silent[1].raw.ended) == (1, True, False)
    assert last.says(LOGIN) == b"+OK\r\n"


def test_a_flood_of_silent_connections_lets_a_login_through() -> None:
    flooded = world()
    silent = [flooded.client(b"") for _ in range(LOGINS_WAITING_ADDRESS_MAX)]

    client = flooded.client(b"")

    assert client.says(LOGIN) == b"+OK\r\n"
    assert silent[0].raw.ended
    assert silent[0].hears() == b"-ERR 'Authentication Timeout'\r\n"
    assert not silent[1].raw.ended
    assert flooded.server.registry.waiting.evicted == 1


def test_who_logged_in_or_went_away_waits_no_longer() -> None:
    quiet = world()
    quiet.client(b"").says(LOGIN)
    quiet.client(b"").end.close()
    quiet.settle()

    assert len(quiet.server.registry.waiting) == 0


def test_nobody_waits_where_no_login_is_required() -> None:
    open_world = ClientWorld()
    open_world.client(b"")

    assert len(open_world.server.registry.waiting) == 0
