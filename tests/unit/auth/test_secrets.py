"""leafnode.auth.secrets: plain secrets at once, hashes on a worker, neither when empty."""

from __future__ import annotations

import asyncio

import bcrypt

from leafnode.auth.secrets import Secrets, is_bcrypt

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def test_a_plain_secret_is_compared_at_once() -> None:
    secrets = Secrets()

    assert secrets.holds("secret", "secret") is True
    assert secrets.holds("Secret", "secret") is False


def test_an_empty_secret_never_holds() -> None:
    assert Secrets().holds("", "") is False


async def test_a_hash_is_compared_on_the_worker() -> None:
    secrets = Secrets()
    right, wrong = secrets.holds("secret", HASH), secrets.holds("wrong", HASH)
    assert not isinstance(right, bool)
    assert not isinstance(wrong, bool)
    assert secrets.waiting == 2

    assert await right is True
    assert await wrong is False
    await asyncio.sleep(0)  # one that was done already is counted out on the next turn
    assert secrets.waiting == 0
    secrets.close()


def test_only_what_starts_like_a_hash_is_one() -> None:
    assert is_bcrypt(HASH)
    assert not is_bcrypt("$2z$11$x")
    assert not is_bcrypt("secret")
