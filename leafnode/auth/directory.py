"""Account JWTs in a directory, a file for each account: the resolvers `full` and `cache`.

File names are validated public keys and nothing else, so no name leads out of the directory. A file
is written whole or not at all. Knows no subjects of the system account (`system.claims`).
Truth: nats-server 2.15.1 server/dirstore.go (names of files, hash, pack), server/accounts.go.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import threading
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from leafnode.auth import jwt, nkey
from leafnode.auth.claims import AccountClaims
from leafnode.clock import NS_PER_S
from leafnode.durable import sync_directory
from leafnode.errors import AuthError, HungError
from leafnode.files import FileReader, read_regular
from leafnode.limits import (
    ACCOUNT_FETCH_TIMEOUT_NS,
    ACCOUNT_JWTS_MAX,
    CACHE_RECHECK_MAX_NS,
    CACHE_RECHECK_MIN_NS,
    CACHED_ACCOUNT_JWTS_MAX,
    JWT_CHARS_MAX,
    RELOAD_FILES_TIMEOUT_NS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from leafnode.clock import Clock
    from leafnode.config.options import ResolverOptions

T = TypeVar("T")

log = logging.getLogger(__name__)

_SUFFIX: Final = ".jwt"
_DELETED: Final = ".deleted"
_HASH_BYTES: Final = 32


class _Entry:
    """What is known of one file without reading it."""

    __slots__ = ("expires_s", "hash", "used_ns")

    def __init__(self, digest: bytes, expires_s: int, used_ns: int) -> None:
        self.hash = digest
        self.expires_s = expires_s
        self.used_ns = used_ns


class JwtDirectory:
    """The files. Every method may block for as long as one small file takes."""

    def __init__(self, options: ResolverOptions, clock: Clock) -> None:
        self.options = options
        self._clock = clock
        self._path = Path(options.directory)
        self._place: tuple[int, int] | None = None  # its device and inode when it was opened
        self._is_cache = options.kind == "cache"
        self._limit = _limit_of(options)
        self._lock = threading.RLock()  # logins read while a request writes
        self._entries: dict[str, _Entry] = {}  # a cache's oldest come first

    @classmethod
    def open(
        cls, options: ResolverOptions, clock: Clock, before: JwtDirectory | None = None
    ) -> JwtDirectory:
        """Return the directory, made if it is not there. Raises AuthError.

        Where the one of before is the same, by whatever name, that one, which goes by its own
        options until `take`: two of the same files would not know what the other one saves.
        """
        directory = cls(options, clock)
        try:
            directory._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            accounts = directory._on_disk()
            directory._place = directory._place_now()
        except OSError as err:
            reason = err.strerror or err
            raise AuthError(f"dir needs to point to an accessible directory: {reason}") from err
        # Without a look at the one of before: a file system that hangs can be moved away from.
        if before is not None and (
            directory._place == before._place or directory._path == before._path
        ):
            return before
        for account in accounts:
            directory._take_in(account)
        return directory

    def take(self, options: ResolverOptions) -> None:
        """Go by other options of the same directory, and by the files that are there. Whatever
        was saved, at any moment, stays, beyond a smaller limit, too.
        """
        with self._lock:
            self.options = options
            self._path = Path(options.directory)
            self._is_cache = options.kind == "cache"
            self._limit = _limit_of(options)
            for entry in self._entries.values():
                entry.used_ns = self._clock.monotonic_ns()
        try:
            self._place = self._place_now()
            for account in dict.fromkeys([*self._entries, *self._on_disk()]):
                with self._lock:  # for one at a time: logins read, too
                    self._take_in(account)
        except OSError as err:
            log.warning("Directory of account JWTs not read: reason=%s", err.strerror)

    def _place_now(self) -> tuple[int, int]:
        """Return which directory the path leads to now. Raises OSError."""
        found = self._path.stat()
        return found.st_dev, found.st_ino

    def _on_disk(self) -> list[str]:
        """Return the accounts of which there are files. Raises OSError."""
        names = sorted(path.name for path in self._path.iterdir())
        accounts = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
        return [account for account in accounts if nkey.is_public_key(account, "A")]

    def accounts(self) -> list[str]:
        return [account for account, _ in self._held()]

    def has(self, account: str) -> bool:
        """Say whether there is a JWT of an account, also one that expired."""
        return account in self._entries

    def _held(self) -> list[tuple[str, _Entry]]:
        """Return what is shown, as of one moment and without the lock.

        nats-server takes away the file of a JWT that expired. In a full directory it stays here,
        unseen: a clock that was wrong for a while destroys nothing.
        """
        entries = list(self._entries.items())
        return entries if self._is_cache else [one for one in entries if not self._is_over(one[1])]

    def load(self, account: str) -> str | None:
        """Return an account's JWT; None where there is none, or one that is too old."""
        with self._lock:
            entry = self._entries.get(account)
            if entry is None:
                return None
            if self._is_over(entry):
                if self._is_cache:
                    self._forget(account)
                return None
            if self._is_cache:
                entry.used_ns = self._clock.monotonic_ns()
                self._entries[account] = self._entries.pop(account)
            return self._read(account)

    def look_up(self, account: str) -> str | None:
        """Return an account's JWT for somebody who asks for it, also one that expired."""
        with self._lock:
            return self._read(account) if account in self._entries else None

    def save(self, account: str, token: str) -> bool:
        """Keep an account's JWT; False where it is there already. Raises AuthError."""
        with self._lock:
            claims = jwt.decode(token, AccountClaims)
            if claims.sub != account or not nkey.is_public_key(account, "A"):
                raise AuthError("subject does not match jwt content")
            digest = hashlib.sha256(token.encode()).digest()
            known = self._entries.get(account)
            if known is not None and known.hash == digest:
                return False
            if known is None:
                self._make_room()
            self._write(account, token)
            self._entries.pop(account, None)
            self._entries[account] = _Entry(digest, claims.exp, self._clock.monotonic_ns())
            return True

    def _make_room(self) -> None:
        """Let as many go as are too many with one more. AuthError: not enough may, and none goes.

        The limit may be smaller now. Of a cache one makes room, the others go in time.
        """
        surplus = len(self._entries) + 1 - self._limit
        if surplus <= 0:
            return
        if self._is_cache:
            surplus = 1
        may_go = (
            one for one, entry in self._entries.items() if self._is_cache or self._is_over(entry)
        )
        going = list(islice(may_go, surplus))
        if len(going) < surplus:
            raise AuthError("jwt store is full")
        for account in going:
            self._forget(account)

    def has_newer(self, account: str, token: str) -> bool:
        """Say whether what is there was issued later. Raises AuthError."""
        old = self.look_up(account)
        if old is None:
            return False
        issued_s = jwt.decode(token, AccountClaims).iat
        try:
            return jwt.decode(old, AccountClaims).iat > issued_s
        except AuthError:
            return False  # damaged: anything is better

    def save_if_newer(self, account: str, token: str) -> bool:
        """Keep it unless what is there was issued later. Raises AuthError."""
        with self._lock:
            return not self.has_newer(account, token) and self.save(account, token)

    def preload(self, tokens: Mapping[str, str]) -> None:
        """Keep what a configuration has, where that is newer; one that cannot be kept is told of
        and left out, as on nats-server.
        """
        for account, token in tokens.items():
            try:
                self.save_if_newer(account, token)
            except AuthError as err:
                log.warning("Account not preloaded: account=%s reason=%s", account, err)

    def delete(self, account: str) -> None:
        """Take an account away, for good or by a new name of its file. Raises AuthError."""
        with self._lock:
            if not (self.options.allow_delete or self._is_cache):
                raise AuthError("delete must be enabled in server config")
            if account not in self._entries:
                return
            path = self._file(account)
            try:
                if self.options.hard_delete or self._is_cache:
                    path.unlink(missing_ok=True)
                else:
                    path.rename(path.with_name(path.name + _DELETED))
                sync_directory(self._path)
            except OSError as err:
                raise AuthError(f"cannot delete {account}: {err.strerror}") from err
            del self._entries[account]

    def expire(self) -> None:
        """Forget what the cache has had long enough, by its ttl or, without one, by the JWT; and
        the oldest where a limit of now is smaller.
        """
        for account in list(self._entries):
            with self._lock:  # for one at a time: logins read, too
                if not self._is_cache:
                    return  # a reload made it a full one, which takes nothing away
                entry = self._entries.get(account)
                if entry and (len(self._entries) > self._limit or self._is_over(entry)):
                    self._forget(account)

    def _is_over(self, entry: _Entry) -> bool:
        ttl_ns = self.options.ttl_ns
        if ttl_ns:
            return self._clock.monotonic_ns() - entry.used_ns >= ttl_ns
        return 0 < entry.expires_s <= self._clock.wall_ns() // NS_PER_S

    def hash(self) -> bytes:
        """Return what is equal for two directories with the same JWTs."""
        total = 0
        # Without the lock: the loop asks, and would wait for a file to be written.
        for _, entry in self._held():
            total ^= int.from_bytes(entry.hash, "big")
        return total.to_bytes(_HASH_BYTES, "big")

    def pack(self) -> Iterator[tuple[str, str]]:
        """Yield every account with its JWT, without those that expired."""
        for account, _ in self._held():
            token = self._read(account)
            if token is not None:
                yield account, token

    def _take_in(self, account: str) -> None:
        """Note what its file has; one that holds no JWT of its name is left alone, and unknown."""
        known = self._entries.get(account)
        if known is None and len(self._entries) >= self._limit:
            return
        token = self._read(account) or ""
        digest = hashlib.sha256(token.encode()).digest()
        if known is not None and known.hash == digest:
            return
        try:
            claims = jwt.decode(token, AccountClaims)
        except AuthError:
            claims = None
        if claims is not None and claims.sub == account:
            self._entries[account] = _Entry(digest, claims.exp, self._clock.monotonic_ns())
        else:
            self._entries.pop(account, None)

    def _file(self, account: str) -> Path:
        if not nkey.is_public_key(account, "A"):
            raise AuthError("will only fetch valid account keys")
        return self._path / f"{account}{_SUFFIX}"

    def _read(self, account: str) -> str | None:
        try:
            content = read_regular(self._file(account), JWT_CHARS_MAX + 1)
        except OSError:
            return None
        return content.decode("ascii", "replace").strip()

    def _write(self, account: str, token: str) -> None:
        path = self._file(account)
        new = path.with_name(f".{path.name}.new")
        try:
            with new.open("w") as file:
                file.write(token)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
            sync_directory(self._path)
        except OSError as err:
            raise AuthError(f"cannot save {account}: {err.strerror}") from err

    def _forget(self, account: str) -> None:
        """Take an account out of the cache; a file that stays is found again at the next start."""
        self._entries.pop(account, None)
        try:
            self._file(account).unlink(missing_ok=True)
        except OSError as err:
            log.warning("Account JWT not deleted: account=%s reason=%s", account, err.strerror)


def _limit_of(options: ResolverOptions) -> int:
    default = CACHED_ACCOUNT_JWTS_MAX if options.kind == "cache" else ACCOUNT_JWTS_MAX
    return options.limit or default


class DirectoryResolver:
    """Hands out what is in the directory."""

    def __init__(
        self,
        directory: JwtDirectory,
        preload: Mapping[str, str] | None = None,
        options: ResolverOptions | None = None,
    ) -> None:
        """The directory takes these options once it begins."""
        self.directory = directory
        self._preload = preload or {}
        self._options = options or directory.options
        self._files = FileReader()
        self._is_closed = False
        self._preloaded = 0

    async def start(self) -> None:
        await asyncio.to_thread(self._begin)

    async def begin(self) -> None:
        """For a reload, which nothing holds for ever: what hangs begins when it answers. Until then
        nothing is found. A long preload does not hang, and who logs in goes by what was before.
        """
        try:
            await self._files.run(
                self._begin,
                "resolver directory",
                RELOAD_FILES_TIMEOUT_NS,
                progress=lambda: self._preloaded,
            )
        except HungError as err:
            log.error("Account JWTs are not found until it answers: %s", err)  # noqa: TRY400 -- ours

    def _begin(self) -> None:
        if self.directory.options != self._options:
            self.directory.take(self._options)
        for account, token in self._preload.items():
            self.directory.preload({account: token})
            self._preloaded += 1

    async def fetch(self, account: str) -> str:
        token = await self._read(partial(self.directory.load, account))
        if token is None and self.directory.has(account):
            raise AuthError("account jwt has expired, or this machine's clock is wrong")
        if token is None:
            raise AuthError("account jwt not found")
        return token

    async def has_newer(self, account: str, token: str) -> bool:
        return await self._read(partial(self.directory.has_newer, account, token))

    async def _read(self, work: Callable[[], T]) -> T:
        try:
            return await self._files.run(work, "resolver directory", ACCOUNT_FETCH_TIMEOUT_NS)
        except HungError as err:
            raise AuthError(str(err)) from err

    async def expire(self) -> None:
        """Let a cache forget in time, until it is closed; look twice within its ttl."""
        ttl_ns = self.directory.options.ttl_ns or CACHE_RECHECK_MAX_NS
        every_ns = max(CACHE_RECHECK_MIN_NS, min(ttl_ns // 2, CACHE_RECHECK_MAX_NS))
        while True:
            await asyncio.sleep(every_ns / NS_PER_S)
            if self._is_closed:  # another one may go by these files now
                return
            await asyncio.to_thread(self.directory.expire)

    def close(self) -> None:
        self._is_closed = True
