"""leafnode.clients.login: credentials that are checked elsewhere take time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from leafnode.auth.identity import Identity, LoginRefused, LoginsOverflowed, PeerFacts
from leafnode.clock import NS_PER_S
from leafnode.config.options import Authorization, Options
from leafnode.crowd import Crowd
from leafnode.errors import AuthError
from tests.sim.clients import HOST, PORT, ClientServer, ClientWorld, RawClient
from tests.sim.clock import WALL_START_NS
from tests.sim.loop import SimClock
from tests.sim.network import MemoryNetwork

if TYPE_CHECKING:
    import pytest

    from leafnode.protocol.info import Connect
    from leafnode.routing.subscription import Delivery

LOGIN = b'CONNECT {"user":"u","pass":"p","verbose":false}\r\n'
REQUIRED = Options(authorization=Authorization(user="u", password="p"))


class Lenient:
    """Knows no proxies; whom it let in stays."""

    required = True
    nonce_required = False

    def voucher(self, connect: Connect, facts: PeerFacts) -> str:
        return ""

    def again(self, identity: Identity, facts: PeerFacts) -> Identity:
        return identity

    def admits_anonymous(self, facts: PeerFacts) -> bool:
        return False


class SlowAuthenticator(Lenient):
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[Identity]] = []
        self.removed: set[str] = set()
        self.now: dict[str, Identity] = {}  # by user, who is not the same any more

    def check(self, connect: Connect, facts: PeerFacts) -> asyncio.Future[Identity]:
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]

    def again(self, identity: Identity, facts: PeerFacts) -> Identity:
        if identity.user in self.removed:
            raise LoginRefused("gone")
        return self.now.get(identity.user, identity)


class World:
    """A server with a slow authenticator and one client that has sent its login and more."""

    def __init__(self, behind: bytes = b"") -> None:
        self.authenticator = SlowAuthenticator()
        self.server = ClientServer(SimClock(), REQUIRED, self.authenticator)
        self.network = MemoryNetwork(self.server.clock)
        self.network.listen(self.server.turn, self.server.new_session, host=HOST, port=PORT)
        self.raw = RawClient()
        self.end, _ = self.network.connect(self.raw, HOST, PORT)
        self.end.write([LOGIN + behind])

    async def settle(self) -> bytes:
        """Let everything happen that needs no time; return what the client got."""
        await asyncio.sleep(0.000_001)
        return self.raw.take()


async def test_nothing_behind_a_login_is_handled_until_it_is_answered() -> None:
    world = World(behind=b"SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n")
    assert (await world.settle()).startswith(b"INFO {")
    world.end.write([b"PING\r\n"])
    assert await world.settle() == b""
    assert world.end.other.paused

    world.authenticator.asked[0].set_result(Identity(user="u"))

    assert await world.settle() == b"MSG a 1 2\r\nhi\r\nPONG\r\nPONG\r\n"
    assert not world.end.other.paused


async def test_a_refusal_that_comes_later_closes() -> None:
    world = World()
    await world.settle()

    world.authenticator.asked[0].set_exception(AuthError("no"))

    assert await world.settle() == b"-ERR 'Authorization Violation'\r\n"
    assert world.raw.ended


async def test_why_a_login_was_refused_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.settle()
    refusal = LoginRefused("no way")
    refusal.warning, refusal.error = "No way", "Bad src Ip 127.0.0.1"

    world.authenticator.asked[0].set_exception(refusal)

    assert await world.settle() == b"-ERR 'Authorization Violation'\r\n"
    assert "No way" in caplog.messages
    assert any(line.endswith(" - cid:1 - Bad src Ip 127.0.0.1") for line in caplog.messages)


async def test_who_is_refused_since_too_many_wait_is_not_told_that_its_password_is_wrong() -> None:
    world = World()
    await world.settle()

    world.authenticator.asked[0].set_exception(LoginsOverflowed("too many"))

    assert await world.settle() == b"-ERR 'Authentication Timeout'\r\n"
    assert world.raw.ended


async def test_a_login_that_came_in_time_waits_for_its_check_as_long_as_that_takes() -> None:
    world = World(behind=b"PING\r\n")
    await world.settle()

    await asyncio.sleep(300)
    assert await world.settle() == b""
    world.authenticator.asked[0].set_result(Identity(user="u"))

    assert await world.settle() == b"PONG\r\n"


async def test_a_flood_pushes_nobody_out_whose_credentials_are_being_checked() -> None:
    world = World(behind=b"PING\r\n")
    await world.settle()

    world.server.registry.waiting = Crowd(2, 0)
    for _ in range(3):
        world.network.connect(RawClient(), HOST, PORT)
    await world.settle()

    assert world.server.registry.waiting.evicted > 0
    world.authenticator.asked[0].set_result(Identity(user="u"))
    assert await world.settle() == b"PONG\r\n"


async def test_the_check_of_a_client_that_went_away_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    await world.settle()
    world.end.close()
    assert not world.authenticator.asked[0].done()  # nobody reads from it meanwhile
    await asyncio.sleep(1.1)
    await world.settle()

    assert world.raw.ended
    assert world.authenticator.asked[0].cancelled()
    assert world.server.registry.open == {}
    assert caplog.text == ""


async def test_credentials_that_expired_while_they_were_checked_let_nothing_in() -> None:
    world = World(behind=b"PUB a 2\r\nhi\r\nPING\r\n")
    await world.settle()
    heard: list[Delivery] = []
    world.server.account().subscribe(b">", heard.append)

    expired_ns = world.server.clock.wall_ns()
    world.authenticator.asked[0].set_result(Identity(user="u", expires_ns=expired_ns))

    assert await world.settle() == b"-ERR 'User Authentication Expired'\r\n"
    assert heard == []


async def test_a_change_of_the_user_does_not_end_a_second_login_that_waits() -> None:
    world = World()
    await world.settle()
    world.authenticator.asked[0].set_result(Identity(user="u"))
    await world.settle()
    world.end.write([LOGIN + b"PING\r\n"])
    await world.settle()

    (client,) = world.server.registry.open.values()
    client.become(Identity(user="u"))
    world.authenticator.asked[1].set_result(Identity(user="u"))

    assert await world.settle() == b"PONG\r\n"


async def test_a_check_that_breaks_refuses_the_client_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    await world.settle()

    world.authenticator.asked[0].set_exception(RuntimeError("as the test wants it"))

    assert await world.settle() == b"-ERR 'Authorization Violation'\r\n"
    assert "its credentials could not be checked" in caplog.text


async def test_a_check_that_is_cancelled_refuses_the_client() -> None:
    world = World()
    await world.settle()

    world.authenticator.asked[0].cancel()

    assert await world.settle() == b"-ERR 'Authorization Violation'\r\n"


async def test_a_bad_protocol_number_is_refused_after_a_slow_check_too() -> None:
    world = World()
    world.raw.take()
    world.end.write([b""])
    await world.settle()
    world.authenticator.asked[0].set_result(Identity())
    await world.settle()
    world.end.write([b'CONNECT {"user":"u","pass":"p","protocol":9}\r\n'])
    await world.settle()

    world.authenticator.asked[1].set_result(Identity())

    assert await world.settle() == b"-ERR 'invalid client protocol'\r\n"


async def test_the_account_and_user_of_the_identity_are_the_client_s() -> None:
    world = World()
    await world.settle()

    world.authenticator.asked[0].set_result(Identity(account="FACTORY", user="joe"))
    await world.settle()

    (facts,) = world.server.registry.facts()
    assert (facts.account, facts.user) == ("FACTORY", "joe")


async def test_a_user_that_a_reload_removed_while_its_password_was_checked_is_refused() -> None:
    world = World(behind=b"PUB a 2\r\nhi\r\n")
    await world.settle()

    world.authenticator.asked[0].set_result(Identity(user="joe"))
    world.authenticator.removed.add("joe")

    assert await world.settle() == b"-ERR 'Authorization Violation'\r\n"
    assert world.raw.ended
    assert len(world.server.registry.closed_ring) == 1


async def test_a_login_that_waited_is_bound_to_what_it_is_by_now() -> None:
    world = World()
    await world.settle()

    world.authenticator.now["joe"] = Identity(account="LINE", user="joe")
    world.authenticator.asked[0].set_result(Identity(account="FACTORY", user="joe"))
    await world.settle()

    (facts,) = world.server.registry.facts()
    assert (facts.account, facts.user) == ("LINE", "joe")


async def test_an_identity_that_nothing_can_be_bound_to_is_refused_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(behind=b"PUB a 2\r\nhi\r\n")
    await world.settle()
    world.server.seams.account = {}.__getitem__

    world.authenticator.asked[0].set_result(Identity(account="GONE", user="joe"))

    assert await world.settle() == b"-ERR 'Authorization Violation'\r\n"
    assert world.raw.ended
    assert "its credentials could not be checked" in caplog.text
    assert world.server.registry.open == {}


async def test_a_second_login_that_nothing_can_be_bound_to_ends_the_connection() -> None:
    world = World()
    await world.settle()
    world.authenticator.asked[0].set_result(Identity(user="joe"))
    world.end.write([LOGIN])
    await world.settle()
    world.server.seams.account = {}.__getitem__

    world.authenticator.asked[1].set_result(Identity(account="GONE", user="joe"))

    assert await world.settle() == b"-ERR 'Authorization Violation'\r\n"
    assert world.server.registry.open == {}
    assert not world.server.account().clients


def test_the_login_deadline_of_the_simulation_is_the_default() -> None:
    assert REQUIRED.login_timeout_ns == 2 * NS_PER_S


async def test_credentials_that_expire_end_the_connection_with_nats_server_s_text() -> None:
    world = World()
    await world.settle()
    expires_ns = world.server.clock.wall_ns() + 90 * NS_PER_S
    world.authenticator.asked[0].set_result(Identity(expires_ns=expires_ns))
    assert await world.settle() == b""

    await asyncio.sleep(89)
    assert b"-ERR" not in await world.settle()
    world.end.write([b"PONG\r\n"])
    await asyncio.sleep(2)

    assert await world.settle() == b"-ERR 'User Authentication Expired'\r\n"
    assert world.server.registry.open == {}


def test_a_clock_that_jumps_ahead_ends_expired_credentials_within_a_minute() -> None:
    world = ClientWorld(REQUIRED, Expiring(in_s=3600))
    client = world.client(b'{"user":"u","pass":"p","verbose":false}')

    world.clock.jump_wall(2 * 3600 * NS_PER_S)
    world.clock.advance(60 * NS_PER_S)

    assert b"-ERR 'User Authentication Expired'\r\n" in client.hears()


class Expiring(Lenient):
    """Lets everybody in for so long."""

    def __init__(self, *, in_s: int) -> None:
        self._expires_ns = WALL_START_NS + in_s * NS_PER_S

    def check(self, connect: Connect, facts: PeerFacts) -> Identity:
        return Identity(expires_ns=self._expires_ns)
