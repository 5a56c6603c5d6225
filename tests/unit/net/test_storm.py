"""leafnode.net.entry on simulated time: many who come at once and again all get in, and nobody who
holds places locks them out."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.net.entry import Entrance, Entry
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRIES: Final = 64
HANDSHAKES: Final = 16
TURN_NS: Final = 2 * NS_PER_MS  # what a handshake takes of the loop
TIMEOUT_NS: Final = 2 * NS_PER_S


class LoopClock(FakeClock):
    """A turn of the loop takes time."""

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> object:  # type: ignore[override]
        return super().call_later(max(delay_ns, TURN_NS), callback)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("leafnode.net.entry.ENTRIES_MAX", ENTRIES)
    monkeypatch.setattr("leafnode.net.entry.HANDSHAKES_MAX", HANDSHAKES)
    return World()


class World:
    def __init__(self) -> None:
        self.clock = LoopClock()
        self.entrance = Entrance(self.clock)
        self.random = Random(1)
        self.through: list[Client] = []
        self.attempts = 0
        self.cut = 0  # of those whose handshake had begun


class Client:
    """Somebody who tries until it is through; `thinks_ns`: before each of its two steps."""

    def __init__(self, world: World, address: str, thinks_ns: int = 20 * NS_PER_MS) -> None:
        self.world = world
        self.address = address
        self.thinks_ns = thinks_ns
        self.attempts = 0

    def comes(self) -> None:
        self.attempts += 1
        self.world.attempts += 1
        attempt = Attempt(self)
        if self.world.entrance.admit(attempt, self.address):
            attempt.runs()
        else:
            self.comes_again()

    def comes_again(self) -> None:
        """As nats.go does: two seconds later, and up to one more."""
        wait_ns = 2 * NS_PER_S + self.world.random.randrange(NS_PER_S)
        self.world.clock.call_later(wait_ns, self.comes)


class Attempt(Entry):
    """One connection, without a socket."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._world = client.world
        self._over = False
        self._begun = False

    def runs(self) -> None:
        self._world.clock.call_later(TIMEOUT_NS, self._times_out)
        self._client.world.clock.call_later(self._client.thinks_ns, self._says_hello)

    def is_ready(self) -> bool:
        return not self._over

    def shake(self) -> None:
        self._begun = True
        self._client.world.clock.call_later(self._client.thinks_ns, self._is_through)

    def end(self, reason: str) -> None:
        del reason
        self._over = True
        self._world.cut += self._begun
        self._world.entrance.leave(self)
        self._client.comes_again()

    def _says_hello(self) -> None:
        if not self._over:
            self._world.entrance.open.hold(self)
            self._world.entrance.in_turn(self, self._client.address)

    def _is_through(self) -> None:
        if not self._over:
            self._over = True
            self._world.entrance.leave(self)
            self._world.through.append(self._client)

    def _times_out(self) -> None:
        if not self._over:
            self.end("")


NEVER_NS: Final = 3600 * NS_PER_S


@pytest.mark.parametrize("addresses", [1, 7, 1000])
def test_a_storm_comes_in_however_many_there_are(world: World, addresses: int) -> None:
    clients = [Client(world, f"10.0.{n % addresses}") for n in range(1000)]
    for client in clients:
        client.comes()

    world.clock.advance(60 * NS_PER_S)

    assert len(world.through) == 1000
    assert world.cut <= (50 if addresses == 7 else 0)  # who has twice as many makes room
    assert max(client.attempts for client in clients) <= 20
    assert (len(world.entrance.open), world.clock.pending()) == (0, 0)


def test_a_storm_of_slow_clients_comes_in(world: World) -> None:
    for n in range(500):
        Client(world, f"10.0.{n % 3}", thinks_ns=400 * NS_PER_MS).comes()

    world.clock.advance(300 * NS_PER_S)

    assert len(world.through) == 500


def floods(world: World, address: Callable[[int], str], *, per_second: int, is_mute: bool) -> None:
    """Let an attacker open connections for an hour that say nothing, or nothing after hello."""

    def comes(number: int) -> None:
        attempt = Attempt(Mute(world, address(number)))
        if world.entrance.admit(attempt, address(number)):
            world.clock.call_later(TIMEOUT_NS, attempt._times_out)
            if not is_mute:
                attempt._says_hello()
        pause_ns = world.random.randrange(2 * NS_PER_S // per_second)
        world.clock.call_later(pause_ns, lambda: comes(number + 1))

    comes(0)


class Mute(Client):
    """Says nothing more, and is replaced by others."""

    def __init__(self, world: World, address: str) -> None:
        super().__init__(world, address, thinks_ns=NEVER_NS)

    def comes_again(self) -> None:
        """Its place is taken by the next one."""


@pytest.mark.parametrize("is_mute", [True, False])
@pytest.mark.parametrize("per_second", [20, 200])
def test_one_address_that_holds_places_keeps_no_other_waiting(
    world: World, per_second: int, *, is_mute: bool
) -> None:
    floods(world, lambda _: "10.6.6.6", per_second=per_second, is_mute=is_mute)
    world.clock.advance(10 * NS_PER_S)
    clients = [Client(world, "10.0.0.1") for _ in range(10)]
    for client in clients:
        client.comes()

    world.clock.advance(NS_PER_S)

    assert len(world.through) == 10
    assert [client.attempts for client in clients] == [1] * 10


@pytest.mark.parametrize(
    ("is_mute", "per_second"),
    # What a handshake takes is nobody's fault: with more of them than can be they all wait.
    [(True, 20), (True, 60), (False, 5), (False, 12)],
)
def test_many_addresses_that_hold_places_lock_out_nobody_for_long(
    world: World, per_second: int, *, is_mute: bool
) -> None:
    floods(world, lambda n: f"10.6.{n}", per_second=per_second, is_mute=is_mute)
    world.clock.advance(10 * NS_PER_S)
    for _ in range(10):
        Client(world, "10.0.0.1").comes()

    world.clock.advance(4 * TIMEOUT_NS)

    assert len(world.through) == 10


def test_who_shares_an_address_with_an_attacker_comes_in(world: World) -> None:
    floods(world, lambda _: "10.0.0.1", per_second=100, is_mute=True)
    world.clock.advance(10 * NS_PER_S)
    for _ in range(10):
        Client(world, "10.0.0.1").comes()

    world.clock.advance(30 * NS_PER_S)

    assert len(world.through) == 10


@pytest.mark.parametrize("gone", [0, 1, 5])
def test_who_has_gone_while_it_waited_keeps_nobody_behind_it(world: World, gone: int) -> None:
    for _ in range(HANDSHAKES + 2):  # as many begin and never end, two more wait
        holds = Attempt(Mute(world, "10.6.6.6"))
        world.entrance.admit(holds, "10.6.6.6")
        holds._says_hello()
    world.clock.advance(100 * NS_PER_MS)
    for _ in range(gone):
        dead = Attempt(Mute(world, "10.0.0.1"))
        world.entrance.admit(dead, "10.0.0.1")
        dead._says_hello()
        dead._over = True
        world.entrance.leave(dead)

    Client(world, "10.0.0.1", thinks_ns=NS_PER_MS).comes()
    world.clock.advance(100 * NS_PER_MS)

    assert len(world.through) == 1
