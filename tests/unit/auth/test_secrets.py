"""leafnode.auth.secrets: plain secrets at once, hashes on a worker, neither when empty."""

from __future__ import annotations

import asyncio
import os

import bcrypt
import pytest

from leafnode.auth.identity import LoginsOverflowed
from leafnode.auth.secrets import Secrets, is_bcrypt, spare_cores
from leafnode.limits import (
    BCRYPT_PENDING_ADDRESS_MAX,
    BCRYPT_PENDING_MAX,
    BCRYPT_THREADS_MAX,
)
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
    secrets = Secrets(lambda _: worker)
    right, wrong = secrets.holds("secret", HASH), secrets.holds("wrong", HASH)
    assert not isinstance(right, bool)
    assert not isinstance(wrong, bool)
    assert (secrets.waiting, len(worker.jobs)) == (2, 1)

    await done(worker, right)
    assert await right is True
    assert secrets.waiting == 1
    await done(worker, wrong)
    assert await wrong is False
    assert secrets.waiting == 0


async def done(worker: SteppedExecutor, *checks: object) -> None:
    """Work until these are checked."""
    for check in checks:
        assert isinstance(check, asyncio.Future)
        while not check.done():
            worker.step_all()
            await asyncio.sleep(0)


def check_of(secrets: Secrets, address: str, given: str = "secret") -> asyncio.Future[bool]:
    check = secrets.holds(given, HASH, address=address)
    assert isinstance(check, asyncio.Future)
    return check


async def test_addresses_take_turns_however_much_one_of_them_asks() -> None:
    worker = SteppedExecutor()
    secrets = Secrets(lambda _: worker)
    many = [check_of(secrets, "192.0.2.1", "wrong") for _ in range(BCRYPT_PENDING_ADDRESS_MAX)]
    ann, bob = check_of(secrets, "192.0.2.2"), check_of(secrets, "192.0.2.3")

    await done(worker, ann, bob)

    assert (await ann, await bob) == (True, True)
    assert sum(check.done() for check in many) <= 3


async def test_addresses_of_one_network_take_one_turn_together() -> None:
    worker = SteppedExecutor()
    secrets = Secrets(lambda _: worker)
    busy = check_of(secrets, "")
    many = [
        check_of(secrets, f"2001:db8::{number:x}", "wrong")
        for number in range(BCRYPT_PENDING_ADDRESS_MAX)
    ]
    with pytest.raises(LoginsOverflowed):
        check_of(secrets, "2001:db8::ffff")
    ann = check_of(secrets, "2001:db8:0:1::1")

    await done(worker, busy, ann)

    assert await ann is True
    assert sum(check.done() for check in many) <= 3
    secrets.close()
    await asyncio.sleep(0)


async def test_nobody_is_kept_out_by_addresses_that_fill_the_queue() -> None:
    worker = SteppedExecutor()
    secrets = Secrets(lambda _: worker)
    busy = check_of(secrets, "")
    most = [check_of(secrets, "192.0.2.1") for _ in range(BCRYPT_PENDING_ADDRESS_MAX)]
    with pytest.raises(LoginsOverflowed):
        check_of(secrets, "192.0.2.1")
    several = [check_of(secrets, "192.0.2.2") for _ in range(BCRYPT_PENDING_ADDRESS_MAX)]
    assert secrets.waiting == BCRYPT_PENDING_MAX + 1

    ann = check_of(secrets, "192.0.2.3")

    assert secrets.waiting == BCRYPT_PENDING_MAX + 1
    assert secrets.overflowed == 2
    with pytest.raises(LoginsOverflowed):
        await most[-1]
    await done(worker, busy, ann)
    assert await ann is True
    assert sum(check.done() for check in several) <= 2
    secrets.close()
    await asyncio.sleep(0)


async def test_who_got_a_place_among_many_addresses_keeps_it_until_its_turn() -> None:
    worker = SteppedExecutor()
    secrets = Secrets(lambda _: worker)
    busy = check_of(secrets, "")
    ann = check_of(secrets, "192.0.2.1")
    for number in range(1, BCRYPT_PENDING_MAX):
        check_of(secrets, f"2001:db8:{number:x}::1", "wrong")

    for number in range(100):
        with pytest.raises(LoginsOverflowed):
            check_of(secrets, f"2001:db9:{number:x}::1", "wrong")

    await done(worker, busy, ann)
    assert await ann is True
    secrets.close()
    await asyncio.sleep(0)


async def test_as_many_are_checked_at_once_as_there_are_cores_for_it() -> None:
    worker = SteppedExecutor()
    threads: list[int] = []
    secrets = Secrets(lambda count: threads.append(count) or worker, at_once=2)
    checks = [check_of(secrets, "192.0.2.1") for _ in range(3)]

    assert (threads, len(worker.jobs), secrets.waiting) == ([2], 2, 3)
    await done(worker, *checks[:2])
    assert (len(worker.jobs), secrets.waiting) == (1, 1)
    await done(worker, checks[2])
    assert (secrets.waiting, await checks[2]) == (0, True)


def test_the_loop_keeps_a_core_of_its_own_where_there_are_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spare = []
    for cores in (None, 1, 2, 4, 64):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        spare.append(spare_cores())

    assert spare == [1, 1, 1, 3, BCRYPT_THREADS_MAX]


async def test_nobody_computes_what_nobody_waits_for() -> None:
    worker = SteppedExecutor()
    secrets = Secrets(lambda _: worker)
    first, gone, last = (check_of(secrets, "192.0.2.1") for _ in range(3))

    gone.cancel()
    await asyncio.sleep(0)
    assert secrets.waiting == 2
    worker.step()
    await asyncio.gather(first)
    worker.step()

    assert await last is True


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


async def test_a_check_that_fails_refuses_one_login_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = SteppedExecutor()
    secrets = Secrets(lambda _: worker)
    first, second = check_of(secrets, "a"), check_of(secrets, "b")

    def fail(given: bytes, wanted: bytes) -> bool:
        raise MemoryError(given, wanted)

    with monkeypatch.context() as patched:
        patched.setattr(bcrypt, "checkpw", fail)
        worker.step()
    await done(worker, first, second)

    with pytest.raises(LoginsOverflowed):
        await first
    assert await second is True
    assert secrets.waiting == 0
    assert "Password not checked" in caplog.text
