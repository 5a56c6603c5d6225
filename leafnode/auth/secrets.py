"""Comparing a secret with what the configuration has, plain or as a bcrypt hash.

Takes the same time for right and wrong secrets. A bcrypt check takes 50 ms to seconds on a small
machine, so one worker thread does them, behind a bounded queue. Knows no users.
Truth: nats-server 2.15.1 server/auth.go comparePasswords.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final

from leafnode.auth.identity import LoginRefused
from leafnode.limits import BCRYPT_PENDING_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

log = logging.getLogger(__name__)

_BCRYPT: Final = re.compile(r"\$2[abxy]\$[0-9]{2}\$")
_BCRYPT_INPUT_MAX: Final = 72  # bcrypt ignores what is behind; the library refuses it instead


def _one_thread() -> Executor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")


class Secrets:
    """The one place where secrets are compared, with its worker."""

    def __init__(self, new_worker: Callable[[], Executor] = _one_thread) -> None:
        self.overflowed = 0  # refused because BCRYPT_PENDING_MAX others waited
        self._pending = 0
        self._new_worker = new_worker
        self._worker: Executor | None = None  # until the first hash

    @property
    def waiting(self) -> int:
        """Checks of a bcrypt hash that are not done."""
        return self._pending

    def holds(self, given: str, wanted: str) -> bool | asyncio.Future[bool]:
        """Say whether the secret is the wanted one, at once or by a future of the loop.

        Raises LoginRefused when too many wait already.
        """
        if not is_bcrypt(wanted):
            import hmac  # not at the top: it loads OpenSSL

            same = hmac.compare_digest(wire(given), wire(wanted))
            # An empty secret in a configuration is a slip, not an open door.
            return same and bool(wanted)
        if self._pending >= BCRYPT_PENDING_MAX:
            self.overflowed += 1
            raise LoginRefused("too many logins wait for their password to be checked")
        if self._worker is None:
            self._worker = self._new_worker()
        self._pending += 1
        loop = asyncio.get_running_loop()
        check = loop.run_in_executor(self._worker, _bcrypt_holds, given, wanted)
        check.add_done_callback(self._checked)
        return check

    def _checked(self, _: asyncio.Future[bool]) -> None:
        self._pending -= 1

    def close(self) -> None:
        """Drop the checks that wait; one that runs ends unheard."""
        if self._worker is not None:
            self._worker.shutdown(wait=False, cancel_futures=True)


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
