"""leafnode.crowd before the login: who holds a place in silence loses it to who comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.config.options import Authorization, Options
from leafnode.crowd import Crowd
from leafnode.limits import AUTH_TIMEOUT_NS, CROWD_PATIENCE_NS, UNREAD_WATCH_NS
from tests.sim.clients import HOST, PORT, ClientWorld, RawClient, SimClient

if TYPE_CHECKING:
    from leafnode.clients.handler import ClientHandler
    from leafnode.net.transport import Transport

THROTTLED = b"-ERR 'Connection throttling is active. Please try again later.'\r\n"
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


class _Shaken:
    """What net.entry makes of a handler's connection whose TLS was over before anything is said."""

    def __init__(self, handler: ClientHandler) -> None:
        self._handler = handler
        self.received = handler.received
        self.lost = handler.lost

    def connected(self, transport: Transport) -> None:
        transport.tls = object()  # type: ignore[misc, assignment]
        self._handler.connected(transport)


PLACES = 20


def world() -> ClientWorld:
    world = ClientWorld(Options(authorization=Authorization(user="u", password="p")))
    world.server.registry.waiting = Crowd(PLACES, CROWD_PATIENCE_NS)
    return world


def test_clients_behind_a_proxy_wait_under_their_own_addresses() -> None:
    flooded = world()
    server, room = flooded.server, flooded.server.registry.waiting

    def proxied(address: str) -> SimClient:
        """One whose address is known once its PROXY header came."""
        flooded.network.listen(
            server.turn, lambda: _Proxied(server.new_session(), address), host=HOST, port=PORT
        )
        return flooded.client(b"")

    silent = [proxied("192.0.2.1:5000") for _ in range(PLACES)]
    last = proxied("192.0.2.1:5000")
    assert (room.evicted, last.raw.ended, silent[0].raw.ended) == (1, True, False)

    other = proxied("192.0.2.2:5000")

    assert (room.evicted, silent[0].raw.ended, silent[1].raw.ended) == (2, True, False)
    assert other.says(LOGIN) == b"+OK\r\n"


def test_a_flood_of_silent_connections_lets_a_login_through() -> None:
    flooded = world()
    silent = [flooded.client(b"") for _ in range(PLACES)]
    early = SimClient(flooded)
    flooded.clock.advance(CROWD_PATIENCE_NS)

    client = flooded.client(b"")

    assert early.raw.ended
    assert early.hears().endswith(THROTTLED)
    assert client.says(LOGIN) == b"+OK\r\n"
    assert silent[0].raw.ended
    assert silent[0].hears() == b"-ERR 'Authentication Timeout'\r\n"
    assert not silent[1].raw.ended
    assert flooded.server.registry.waiting.evicted == 2


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


def test_whose_login_waits_to_be_read_is_not_late_and_who_says_nothing_is() -> None:
    busy = world()
    waits, silent = busy.client(b""), busy.client(b"")
    waits.end.other.unread = True

    busy.clock.advance(2 * AUTH_TIMEOUT_NS)

    assert silent.hears() == b"-ERR 'Authentication Timeout'\r\n"
    assert waits.hears() == b""
    waits.end.other.unread = False
    assert waits.says(LOGIN) == b"+OK\r\n"


def test_who_sends_too_little_of_its_login_is_late_once_that_is_read() -> None:
    busy = world()
    waits = busy.client(b"")
    waits.end.other.unread = True
    busy.clock.advance(2 * AUTH_TIMEOUT_NS)

    waits.end.other.unread = False
    busy.clock.advance(UNREAD_WATCH_NS)

    assert waits.hears() == b"-ERR 'Authentication Timeout'\r\n"


def test_behind_a_handshake_that_came_first_a_login_has_its_own_time_and_no_more() -> None:
    """What the handshake might have taken does not count, nor what it took."""
    secure = world()
    server = secure.server
    server.seams.entry_ns = 60 * AUTH_TIMEOUT_NS
    server.seams.refresh()
    slow = _Shaken(server.new_session())
    secure.network.listen(server.turn, lambda: _Shaken(server.new_session()), host=HOST, port=PORT)
    secure.network.listen(server.turn, lambda: slow, host=HOST, port=PORT + 1)
    silent = secure.client(b"")

    secure.clock.advance(AUTH_TIMEOUT_NS - 1)
    assert silent.hears() == b""
    secure.clock.advance(1)
    assert silent.hears() == b"-ERR 'Authentication Timeout'\r\n"

    raw = RawClient()
    secure.network.connect(raw, HOST, PORT + 1)  # its handshake took as long as a login may
    secure.settle()
    secure.clock.advance(AUTH_TIMEOUT_NS - 1)
    assert not raw.ended
    secure.clock.advance(1)
    assert raw.ended
