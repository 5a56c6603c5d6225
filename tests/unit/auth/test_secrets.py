"""leafnode.auth.secrets: plain secrets at once, hashes on a worker, neither when empty."""

from __future__ import annotations

import asyncio

import bcrypt

from leafnode.auth.secrets import Secrets, is_bcrypt
from tests.sim.executor import SteppedExecutor

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def test_a_plain_secret_is_compared_at_once() -> None:
    secrets = Secrets()

    assert secrets.holds("secret", "secret") is True
    assert secrets.holds("Secret", "secret") is False


def test_an_empty_secret_never_holds() -> None:
    assert Secrets().holds("", "") is False


async def test_a_hash_is_compared_on_the_worker() -> None:
    worker = SteppedExecutor()
    secrets = Secrets(lambda: worker)
    right, wrong = secrets.holds("secret", HASH), secrets.holds("wrong", HASH)
    assert not isinstance(right, bool)
    assert not isinstance(wrong, bool)
    assert secrets.waiting == len(worker.jobs) == 2

    worker.step()
    assert await right is True
    assert secrets.waiting == 1
    worker.step()
    assert await wrong is False
    await asyncio.sleep(0)  # one that was done already is counted out on the next turn
    assert secrets.waiting == 0


async def test_the_worker_of_a_server_is_a_thread_of_its_own() -> None:
    secrets = Secrets()
    right = secrets.holds("secret", HASH)
    assert not isinstance(right, bool)

    assert await right is True
    secrets.close()


def test_only_what_starts_like_a_hash_is_one() -> None:
    assert is_bcrypt(HASH)
    assert not is_bcrypt("$2z$11$x")
    assert not is_bcrypt("$2a$x")
    assert not is_bcrypt("secret")
