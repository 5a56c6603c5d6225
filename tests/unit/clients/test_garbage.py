"""What a client leaves when it goes: nothing that waits for the garbage collector."""

from __future__ import annotations

from dataclasses import replace

from leafnode.auth.authenticator import Authenticator
from leafnode.clients.handler import ClientHandler
from leafnode.clients.renewal import renew_all
from leafnode.config.options import Authorization, Options, User
from tests.sim.clients import ClientWorld
from tests.sim.garbage import left_by


def test_a_client_that_subscribed_and_published_leaves_no_cycles() -> None:
    world = ClientWorld(Options(max_closed_clients=0))

    def one() -> None:
        client = world.client(b'{"verbose":false,"headers":true}')
        client.says(
            b"SUB a 1\r\nSUB b.* 2 q\r\nPUB a 1\r\nx\r\n" * 2 + b"PUB b.c 1\r\nx\r\nPING\r\n"
        )
        client.end.close()
        world.settle()

    assert left_by(one) == []
    assert world.server.registry.open == {}


def test_a_client_that_was_refused_leaves_no_cycles() -> None:
    options = Options(authorization=Authorization(token="t"), max_closed_clients=0)
    world = ClientWorld(options)

    def one() -> None:
        world.client(b'{"auth_token":"no"}')
        world.settle()

    assert left_by(one) == []


def test_a_client_that_a_reload_removed_leaves_no_cycles_and_holds_nobody_else() -> None:
    options = Options(
        authorization=Authorization(users=(User("a", "x"), User("b", "y"))), max_closed_clients=0
    )
    world = ClientWorld(options)
    authenticator = world.server.seams.authenticator
    assert isinstance(authenticator, Authenticator)

    def one() -> None:
        authenticator.apply(options)
        stays = world.client(b'{"user":"a","pass":"x"}')
        world.client(b'{"user":"b","pass":"y"}')
        only_a = Authorization(users=(User("a", "x"),))
        authenticator.apply(replace(options, authorization=only_a))
        for _ in renew_all(list(world.server.registry.open.values()), ClientHandler.again):
            pass
        stays.end.close()
        world.settle()

    assert left_by(one) == []
    assert world.server.registry.open == {}
