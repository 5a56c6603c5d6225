"""Local clients' logins: user and password (plain or bcrypt), token, NKEY with a signed nonce.

Knows what the configuration allows and what CONNECT brought; not connections, and not what to do on
a refusal. A bcrypt check takes 50 ms to seconds on a small machine, so one worker thread does them,
behind a bounded queue. Comparing secrets takes the same time for right and wrong ones.
Truth: nats-server 2.15.1 server/auth.go. `clients.authenticator` has the seam that this fits.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.auth import nkey
from leafnode.auth.permissions import permissions_of
from leafnode.config.options import User
from leafnode.errors import AuthError
from leafnode.limits import BCRYPT_PENDING_MAX, NONCE_BYTES
from leafnode.routing.account import GLOBAL_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.options import Authorization
    from leafnode.protocol.info import Connect
    from leafnode.routing.permissions import Permissions

log = logging.getLogger(__name__)

_BCRYPT_PREFIXES: Final = ("$2a$", "$2b$", "$2x$", "$2y$")
_BCRYPT_INPUT_MAX: Final = 72  # bcrypt ignores what is behind; the library refuses it instead


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logged in, and what that allows (permissions None: everything)."""

    account: str = GLOBAL_ACCOUNT
    user: str = ""
    permissions: Permissions | None = None


ANYBODY: Final = Identity()


class LoginRefused(AuthError):  # noqa: N818 -- what happened, not what is wrong
    """Credentials that do not hold. One text for every reason: it must teach nothing."""

    def __str__(self) -> str:
        return "Authorization Violation"


class Authenticator:
    """Judges logins against one `authorization` block. Replaced whole on a reload."""

    def __init__(self, authorization: Authorization) -> None:
        self.required = authorization.required
        self.refused = 0  # logins that did not hold
        self.overflowed = 0  # of these, refused because BCRYPT_PENDING_MAX others waited
        self._token = authorization.token
        self._passwords: dict[str, tuple[str, Identity]] = {}
        self._nkeys: dict[str, Identity] = {}
        for user in _users(authorization):
            permissions = permissions_of(user.permissions)
            if user.nkey:
                self._nkeys[user.nkey] = Identity(user=user.nkey, permissions=permissions)
            else:
                identity = Identity(user=user.user, permissions=permissions)
                self._passwords[user.user] = (user.password, identity)
        # Unknown users are compared with this, so that they take as long as known ones.
        hashes = (password for password, _ in self._passwords.values() if _is_bcrypt(password))
        self._decoy = next(hashes, "")
        self._pending = 0
        self._worker: ThreadPoolExecutor | None = None

    @property
    def nonce_required(self) -> bool:
        return bool(self._nkeys)

    def check(self, connect: Connect, nonce: bytes) -> Identity | asyncio.Future[Identity]:
        """Return who it is, at once or, where a bcrypt hash decides, by a future of the loop.

        Raises LoginRefused, or sets it on the future. Fields by which a client would choose its own
        account are not looked at.
        """
        if not self.required:
            return ANYBODY
        if connect.nkey:
            return self._check_nkey(connect, nonce)
        if self._token:
            return self._compare(connect.auth_token, self._token, ANYBODY)
        wanted, identity = self._passwords.get(connect.user, (self._decoy, None))
        return self._compare(connect.password, wanted, identity)

    def close(self) -> None:
        """Drop the logins that wait; one that is being checked ends unheard."""
        if self._worker is not None:
            self._worker.shutdown(wait=False, cancel_futures=True)

    def _check_nkey(self, connect: Connect, nonce: bytes) -> Identity:
        identity = self._nkeys.get(connect.nkey)
        # Without a nonce of ours any recorded signature would do.
        if identity is None or not nonce or not nkey.verify(connect.nkey, nonce, connect.sig):
            raise self._refusal()
        return identity

    def _compare(
        self, given: str, wanted: str, identity: Identity | None
    ) -> Identity | asyncio.Future[Identity]:
        """Return `identity` if the secret is the wanted one and there is an identity at all."""
        if _is_bcrypt(wanted):
            return self._compare_bcrypt(given, wanted, identity)
        same = hmac.compare_digest(_wire(given), _wire(wanted))
        # An empty secret in a configuration is a slip, not an open door.
        if identity is None or not same or not wanted:
            raise self._refusal()
        return identity

    def _compare_bcrypt(
        self, given: str, wanted: str, identity: Identity | None
    ) -> asyncio.Future[Identity]:
        if self._pending >= BCRYPT_PENDING_MAX:
            self.overflowed += 1
            raise self._refusal()
        if self._worker is None:
            self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Identity] = loop.create_future()
        self._pending += 1

        def checked(check: asyncio.Future[bool]) -> None:
            self._pending -= 1
            if answer.cancelled():
                return
            if identity is not None and not check.cancelled() and check.result():
                answer.set_result(identity)
            else:
                answer.set_exception(self._refusal())

        loop.run_in_executor(self._worker, _bcrypt_holds, given, wanted).add_done_callback(checked)
        return answer

    def _refusal(self) -> LoginRefused:
        self.refused += 1
        return LoginRefused()


def new_nonce(token_bytes: Callable[[int], bytes]) -> bytes:
    """Return a fresh nonce for one INFO: 15 characters, as nats-server sends them."""
    return base64.urlsafe_b64encode(token_bytes(NONCE_BYTES)).rstrip(b"=")


def _users(authorization: Authorization) -> tuple[User, ...]:
    if not authorization.user:
        return authorization.users
    one = User(user=authorization.user, password=authorization.password)
    return (one, *authorization.users)


def _wire(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogatepass")  # JSON can carry what UTF-8 cannot


def _is_bcrypt(secret: str) -> bool:
    return secret.startswith(_BCRYPT_PREFIXES)


def _bcrypt_holds(given: str, wanted: str) -> bool:
    import bcrypt

    secret = _wire(given)
    if len(secret) > _BCRYPT_INPUT_MAX or b"\0" in secret:
        return False
    try:
        return bcrypt.checkpw(secret, wanted.encode())
    except ValueError:
        log.warning("A bcrypt hash of the configuration is malformed; nobody can log in with it")
        return False
