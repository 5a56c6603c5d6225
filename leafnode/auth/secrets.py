"""Comparing a secret with what the configuration has, plain or as a bcrypt hash.

Takes the same time for right and wrong secrets. A bcrypt check takes 50 ms to seconds on a small
machine, so threads do them, on the cores that the loop leaves; addresses take turns. Who waits here
is not timed out: it came in time, and the queue, which has a bound, moves. Knows no users.
Truth: nats-server 2.15.1 server/auth.go comparePasswords.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from _operator import _compare_digest as compare_digest  # hmac's: that loads OpenSSL, 3.5 MiB
from typing import TYPE_CHECKING, Final

from leafnode.auth.identity import LoginsOverflowed
from leafnode.crowd import share_of
from leafnode.limits import (
    BCRYPT_PENDING_ADDRESS_MAX,
    BCRYPT_PENDING_MAX,
    BCRYPT_THREADS_MAX,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

log = logging.getLogger(__name__)

_BCRYPT: Final = re.compile(r"\$2[abxy]\$[0-9]{2}\$")
_BCRYPT_INPUT_MAX: Final = 72  # bcrypt ignores what is behind; the library refuses it instead


def _threads(count: int) -> Executor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(max_workers=count, thread_name_prefix="bcrypt")


def spare_cores() -> int:
    """Return how many threads may check at once: one for each core that the loop leaves."""
    return max(1, min((os.cpu_count() or 1) - 1, BCRYPT_THREADS_MAX))


class Secrets:
    """The one place where secrets are compared, with its workers."""

    def __init__(
        self, new_workers: Callable[[int], Executor] = _threads, *, at_once: int = 1
    ) -> None:
        self.overflowed = 0  # refused because too many others waited
        self._new_workers = new_workers
        self._workers: Executor | None = None  # until the first hash
        self._at_once = at_once
        # What waits, by address, oldest first; the address whose turn it is comes first.
        self._queues: dict[str, dict[asyncio.Future[bool], tuple[str, str]]] = {}
        self._queued = 0
        self._busy = 0

    @property
    def waiting(self) -> int:
        """Checks of a bcrypt hash that are not done."""
        return self._queued + self._busy

    def holds(self, given: str, wanted: str, *, address: str = "") -> bool | asyncio.Future[bool]:
        """Say whether the secret is the wanted one, at once or by a future of the loop, which
        whoever does not wait any more cancels.

        Raises LoginsOverflowed when too many wait already, or sets it on the future later.
        """
        if not is_bcrypt(wanted):
            same = compare_digest(wire(given), wire(wanted))
            # An empty secret in a configuration is a slip, not an open door.
            return same and bool(wanted)
        address = share_of(address)
        self._make_room(address)
        check: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(address, {})[check] = (given, wanted)
        self._queued += 1
        check.add_done_callback(lambda _: self._drop(address, check))
        self._next()
        return check

    def _make_room(self, address: str) -> None:
        """Take the newest of who has most in the queue out of it where it is full.

        Raises LoginsOverflowed where that is whoever asks, or would be then: who got a place among
        many addresses with one each keeps it until its turn.
        """
        mine = len(self._queues.get(address, ()))
        if self._queued < BCRYPT_PENDING_MAX and mine < BCRYPT_PENDING_ADDRESS_MAX:
            return
        self.overflowed += 1
        most = max(self._queues.values(), key=len)
        if mine >= BCRYPT_PENDING_ADDRESS_MAX or mine + 1 >= len(most):
            raise LoginsOverflowed("too many logins wait for their password to be checked")
        newest = next(reversed(most))
        newest.set_exception(LoginsOverflowed("others came who waited for less"))
        self._drop(next(name for name, one in self._queues.items() if one is most), newest)

    def _drop(self, address: str, check: asyncio.Future[bool]) -> None:
        """Take out a check that is done, or that nobody waits for; twice does nothing."""
        queue = self._queues.get(address)
        if queue is None or queue.pop(check, None) is None:
            return
        self._queued -= 1
        if not queue:
            del self._queues[address]

    def _next(self) -> None:
        """Begin the oldest check of the address whose turn it is, which is the last one then."""
        while self._queues and self._busy < self._at_once:
            address = next(iter(self._queues))
            queue = self._queues.pop(address)
            check = next(iter(queue))
            given, wanted = queue.pop(check)
            self._queued -= 1
            if queue:
                self._queues[address] = queue
            if check.done():
                continue
            if self._workers is None:
                self._workers = self._new_workers(self._at_once)
            self._busy += 1
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._workers, _bcrypt_holds, given, wanted)
            self._worked(work, check)

    def _worked(self, work: asyncio.Future[bool], check: asyncio.Future[bool]) -> None:
        work.add_done_callback(lambda _: self._checked(work, check))

    def _checked(self, work: asyncio.Future[bool], check: asyncio.Future[bool]) -> None:
        self._busy -= 1
        if work.cancelled():
            check.cancel()
        elif error := work.exception():
            log.error("Password not checked, the login is refused: %s", type(error).__name__)
            if not check.done():
                check.set_exception(LoginsOverflowed("the password could not be checked"))
        elif not check.done():
            check.set_result(work.result())
        self._next()

    def close(self) -> None:
        """Drop the checks that wait; one that runs ends unheard."""
        for queue in list(self._queues.values()):
            for check in queue:
                check.cancel()
        self._queues, self._queued = {}, 0
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)


def is_bcrypt(secret: str) -> bool:
    return _BCRYPT.match(secret) is not None


def wire(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogatepass")  # JSON can carry what UTF-8 cannot


def _bcrypt_holds(given: str, wanted: str) -> bool:
    import bcrypt

    secret = wire(given)
    if len(secret) > _BCRYPT_INPUT_MAX or b"\0" in secret:
        return False
    try:
        return bcrypt.checkpw(secret, wanted.encode())
    except ValueError:
        log.warning("A bcrypt hash of the configuration is malformed; nobody can log in with it")
        return False
