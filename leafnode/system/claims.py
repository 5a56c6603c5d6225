"""Account JWTs over the system account: `$SYS.REQ.ACCOUNT.<id>.CLAIMS.*`, `$SYS.REQ.CLAIMS.*`.

Knows subjects, checks and answers; files are the directory's, accounts the operator mode's.
Requests are handled one after the other, away from the loop, and only so much waits. Truth:
nats-server 2.15.1 server/accounts.go DirAccResolver.Start, handleDeleteRequest; the texts.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from leafnode import go_json
from leafnode.auth import jwt, nkey
from leafnode.auth.account_check import problem_of
from leafnode.auth.account_claims import mapping_problem
from leafnode.auth.claims import AccountClaims, GenericClaims
from leafnode.auth.directory import DirectoryResolver
from leafnode.clock import NS_PER_S
from leafnode.errors import AuthError, quoted
from leafnode.limits import CLAIMS_REQUEST_BYTES, CLAIMS_REQUESTS_BYTES_MAX, LARGE_JWT_CHARS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from leafnode.auth.directory import JwtDirectory
    from leafnode.auth.operator import OperatorMode
    from leafnode.routing.subscription import Delivery, Subscription
    from leafnode.system.envelope import Envelope

    Work = Callable[[str, bytes, bytes], Awaitable[None]]  # of a subject, reply and body
    DirectoryWork = Callable[[JwtDirectory, str, bytes, bytes], Awaitable[None]]

log = logging.getLogger(__name__)

_ACCOUNT_AT: Final = 3  # in $SYS.REQ.ACCOUNT.<id>.CLAIMS.UPDATE
_ACCOUNT_AT_OLD: Final = 2  # in $SYS.ACCOUNT.<id>.CLAIMS.UPDATE
_OK: Final = 200
_FAILED: Final = 500
_RESPONDERS: Final = b"responder"
_PACKED_PER_TURN: Final = 256  # 5 us each on a PC


class ClaimsRequests:
    """Answers requests about account JWTs. `run` does work beside the rest of the server."""

    def __init__(
        self,
        envelope: Envelope,
        operator: OperatorMode,
        run: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._envelope = envelope
        self._operator = operator
        self._run = run
        self._queue: deque[tuple[Work, str, bytes, bytes]] = deque()
        self._queued_bytes = 0
        self.is_busy = False  # a request is being worked on, or will be at once
        self._subscriptions: list[Subscription] = []
        self.refused = 0  # because CLAIMS_REQUESTS_BYTES_MAX waited

    @property
    def _directory(self) -> JwtDirectory | None:
        """The files that accounts come from now. Without, only what is in use can be updated."""
        resolver = self._operator.known.resolver
        return resolver.directory if isinstance(resolver, DirectoryResolver) else None

    def start(self) -> None:
        """Listen in the system account from now on, or once more after a reload of the resolver;
        what waits is done in its turn, by the new one.
        """
        account = self._envelope.account
        for sub in self._subscriptions:
            account.unsubscribe(sub)
        self._subscriptions.clear()
        table: list[tuple[bytes, Work]] = [
            (b"$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE", self._update),
            (b"$SYS.ACCOUNT.*.CLAIMS.UPDATE", self._update),
        ]
        directory = self._directory
        if directory is not None:
            table.append((b"$SYS.REQ.CLAIMS.UPDATE", self._update))
            table.append((b"$SYS.REQ.CLAIMS.LIST", self._there(self._list)))
            table.append((b"$SYS.REQ.CLAIMS.DELETE", self._there(self._delete)))
            if directory.options.kind == "full":
                table.append((b"$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", self._there(self._lookup)))
                pack = self._queued(self._there(self._pack))
                self._subscriptions.append(
                    account.subscribe(
                        b"$SYS.REQ.CLAIMS.PACK", pack, queue=_RESPONDERS, is_service=True
                    )
                )
        for subject, work in table:
            self._subscriptions.append(
                account.subscribe(subject, self._queued(work), is_service=True)
            )

    def _there(self, work: DirectoryWork) -> Work:
        """Return what is done with the directory that there is when it is a request's turn."""

        async def do(subject: str, reply: bytes, body: bytes) -> None:
            directory = self._directory
            if directory is None:  # a reload took it away while the request waited
                problem = AuthError("the resolver has no directory")
                self._respond(reply, "", "request failed", problem)
            else:
                await work(directory, subject, reply, body)

        return do

    def _queued(self, work: Work) -> Callable[[Delivery], None]:
        def take(delivery: Delivery) -> None:
            subject = delivery.subject.decode("utf-8", "replace")
            for reply, header_size, body in delivery.messages:
                size = CLAIMS_REQUEST_BYTES + len(body) - header_size
                if self._queued_bytes + size > CLAIMS_REQUESTS_BYTES_MAX:
                    self.refused += 1
                    self._respond(reply, "", "too many requests", AuthError("try again later"))
                    continue
                self._queued_bytes += size
                self._queue.append((work, subject, reply, body[header_size:]))
                if not self.is_busy:
                    self.is_busy = True
                    self._run(self._in_turn())

        return take

    async def _in_turn(self) -> None:
        """Do what requests want, until none waits. Raises nothing: a task that fails would end the
        group.
        """
        try:
            while self._queue:
                work, subject, reply, body = self._queue.popleft()
                self._queued_bytes -= CLAIMS_REQUEST_BYTES + len(body)
                await self._do(work, subject, reply, body)
                await asyncio.sleep(0)  # most wait for nothing, and others are to have a turn
        finally:
            self.is_busy = False

    async def _do(self, work: Work, subject: str, reply: bytes, body: bytes) -> None:
        try:
            await work(subject, reply, body)
        except Exception:  # boundary: request
            log.exception("A request about account JWTs failed: subject=%s", quoted(subject))
            self._respond(reply, "", "request failed", AuthError("see the log of the server"))

    # --- requests

    async def _update(self, subject: str, reply: bytes, body: bytes) -> None:
        named = _account_in(subject)
        what = "jwt update cache" if self._is_cache else "jwt update"
        keeps_all = self._directory is not None and not self._is_cache
        if self._directory is None and not body:
            self._respond(reply, named, "jwt update error", AuthError("request body is empty"))
            return
        try:
            claims, problem = await _read(body)
        except AuthError as err:
            shown = named if named and not keeps_all else "n/a"
            self._respond(reply, shown, f"{what} resulted in error", err)
            return
        name = named or claims.sub
        if problem and keeps_all:
            self._respond(reply, claims.sub, "jwt validation failed", AuthError(problem))
            return
        try:
            self._check(name, claims)
            if not keeps_all and name not in self._operator.known.by_name:
                self._respond(reply, name, f"{what} skipped")
            elif problem and self._is_cache:
                self._respond(reply, claims.sub, f"{what} validation failed", AuthError(problem))
            else:
                await self._keep(name, body.decode())
                self._respond(reply, name, "jwt updated cache" if self._is_cache else "jwt updated")
        except AuthError as err:
            self._respond(reply, name, f"{what} resulted in error", err)

    def _check(self, name: str, claims: AccountClaims) -> None:
        """Raise AuthError for a JWT that is not the account's, or not the operator's."""
        trust = self._operator.trust
        if claims.sub != name:
            raise AuthError("subject does not match jwt content")
        if self._directory is None:
            return  # whoever keeps it asks the same
        if claims.iss == trust.operator and claims.iss in trust.strict:
            raise AuthError("operator requires issuer to be a signing key")
        if claims.iss not in trust.keys:
            raise AuthError("not trusted")

    async def _keep(self, name: str, token: str) -> None:
        """Let a JWT hold from now on. Raises AuthError where it cannot be."""
        known = self._operator.known
        if not await self._in_directory(lambda directory: directory.save(name, token)):
            try:
                await known.update(name, token)
            except AuthError as err:
                log.warning("Account not updated: account=%s reason=%s", name, err)
                raise AuthError("account validation failed") from err
            return
        try:
            await known.update(name, token)
        except AuthError as err:
            # As on nats-server it is kept, and what held before goes on to hold.
            log.warning("Account not updated: account=%s reason=%s", name, err)

    async def _in_directory(self, change: Callable[[JwtDirectory], object]) -> bool:
        """Change the directory, and the one that a reload has brought meanwhile: what is answered
        holds there. False where there is none. Raises AuthError.
        """
        while (directory := self._directory) is not None:
            await asyncio.to_thread(change, directory)
            if directory is self._directory:
                return True
        return False

    async def _lookup(
        self, directory: JwtDirectory, subject: str, reply: bytes, body: bytes
    ) -> None:
        del body
        name = _account_in(subject)
        if not nkey.is_public_key(name, "A"):
            return
        token = await asyncio.to_thread(directory.look_up, name)
        # Nothing tells other servers that it is not here.
        self._send(reply, (token or "").encode())

    async def _list(self, directory: JwtDirectory, subject: str, reply: bytes, body: bytes) -> None:
        del subject, body
        server = self._envelope.server()
        answer = {"data": directory.accounts(), "server": server}
        self._send(reply, go_json.encode(answer))

    async def _pack(self, directory: JwtDirectory, subject: str, reply: bytes, body: bytes) -> None:
        """Send what another server lacks, an account a message, and an empty one at the end."""
        del subject
        if body != directory.hash():
            tokens = await asyncio.to_thread(lambda: list(directory.pack()))
            for number, (name, token) in enumerate(tokens, 1):
                self._send(reply, f"{name}|{token}".encode())
                if number % _PACKED_PER_TURN == 0:
                    await asyncio.sleep(0)
        self._send(reply, b"")

    async def _delete(
        self, directory: JwtDirectory, subject: str, reply: bytes, body: bytes
    ) -> None:
        del subject
        by = ""
        try:
            request = jwt.decode(body.decode("utf-8", "replace"), GenericClaims)
            by = request.sub
            names = self._deletable(directory, request)
        except AuthError as err:
            self._respond(reply, "", f"delete accounts request by {by} failed", err)
            return
        problems = []
        for name in names:
            try:
                await self._remove(name)
            except AuthError as err:
                problems.append(str(err))
        done = len(names) - len(problems)
        if problems:
            message = f"deleted {done} accounts, failed for {len(problems)}"
            self._respond(reply, "", message, AuthError("\n".join(problems)))
        else:
            self._respond(reply, "", f"deleted {done} accounts")

    async def _remove(self, name: str) -> None:
        await self._in_directory(lambda directory: directory.delete(name))
        await self._operator.known.remove(name)

    def _deletable(self, directory: JwtDirectory, request: GenericClaims) -> list[str]:
        """Return whom an operator wants deleted. Raises AuthError for anybody else's wish."""
        trust = self._operator.trust
        if not (directory.options.allow_delete or self._is_cache):
            raise AuthError("delete must be enabled in server config")
        if request.sub != request.iss:
            raise AuthError("not self signed")
        if request.iss not in trust.keys:
            raise AuthError("not trusted")
        if not request.holds_at(self._envelope.clock.wall_ns() // NS_PER_S):
            raise AuthError("claim is expired or not yet valid")
        names = request.nats.get("accounts")
        if not isinstance(names, list) or not all(
            isinstance(name, str) and nkey.is_public_key(name, "A") for name in names
        ):
            raise AuthError("malformed request")
        if trust.system_account in names:
            raise AuthError("not allowed to delete system account")
        return names

    # --- answers

    @property
    def _is_cache(self) -> bool:
        return self._directory is not None and self._directory.options.kind == "cache"

    def _respond(
        self, reply: bytes, account: str, message: str, error: AuthError | None = None
    ) -> None:
        """Answer as nats-server does, and say it in the log."""
        who = f" - {account}" if account else ""
        answer: dict[str, object] = {"server": self._envelope.server()}
        shown = {"account": account} if account else {}
        if error is None:
            log.debug("%s%s", message, who)
            answer["data"] = shown | {"code": _OK, "message": message}
        else:
            log.warning("%s%s - %s", message, who, error)
            answer["error"] = shown | {"code": _FAILED, "description": f"{message} - {error}"}
        self._send(reply, go_json.encode(answer))

    def _send(self, reply: bytes, body: bytes) -> None:
        if reply:
            self._envelope.account.answer(reply, body, announced=True)


async def _read(body: bytes) -> tuple[AccountClaims, str]:
    """Return an account's claims, and what is wrong with them. Raises AuthError."""

    def read() -> tuple[AccountClaims, str]:
        claims = jwt.decode(body.decode("utf-8", "replace"), AccountClaims)
        return claims, problem_of(claims) or mapping_problem(claims)

    return await asyncio.to_thread(read) if len(body) > LARGE_JWT_CHARS else read()


def _account_in(subject: str) -> str:
    """Return the account that a subject names, empty for one that names none."""
    tokens = subject.split(".")
    if tokens[1] == "ACCOUNT":
        return tokens[_ACCOUNT_AT_OLD]
    return tokens[_ACCOUNT_AT] if tokens[2] == "ACCOUNT" else ""
