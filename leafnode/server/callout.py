"""Auth callout in a server: how the question reaches the service, and when it may be asked.

Knows how accounts, keys and `auth.callout` are put together; not what is asked nor how an answer is
judged. Truth: nats-server 2.15.1 server/auth_callout.go.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from leafnode.auth.identity import LoginRefused
from leafnode.clock import NS_PER_S
from leafnode.limits import CALLOUTS_PENDING_MAX
from leafnode.nuid import nuid
from leafnode.protocol import header
from leafnode.protocol.info import COMPATIBLE_VERSION

if TYPE_CHECKING:
    from leafnode.auth.callout import Callout
    from leafnode.auth.nkey import CurveKeyPair, KeyPair
    from leafnode.config.options import Options
    from leafnode.routing.subscription import Delivery
    from leafnode.server.server import Server

_KEY_BYTES: Final = 32


class ServerKeys:
    """What a server signs requests with, and what it opens sealed answers with."""

    __slots__ = ("curve", "own")

    def __init__(self, own: KeyPair, curve: CurveKeyPair) -> None:
        self.own = own
        self.curve = curve


def needs_keys(options: Options) -> bool:
    """Say whether logins may have to be decided by a service."""
    return options.operator is not None or options.authorization.auth_callout is not None


def keys_of(server: Server) -> ServerKeys | None:
    """Make the keys of this run where somebody may need them: the public one is the server's id."""
    if not needs_keys(server.options):
        return None
    from leafnode.auth.nkey import CurveKeyPair, KeyPair

    token_bytes = server.token_bytes
    return ServerKeys(KeyPair("N", token_bytes(_KEY_BYTES)), CurveKeyPair(token_bytes(_KEY_BYTES)))


def start_callout(server: Server, tasks: asyncio.TaskGroup) -> None:
    """Let logins be decided by a service from now on, as the options say now."""
    keys = server.keys
    if keys is None:
        return
    from leafnode.auth.callout import AskingServer, Callout

    options, operator = server.options, server.operator
    asking = AskingServer(
        name=server.name,
        host=options.host,
        version=COMPATIBLE_VERSION,
        tags=options.server_tags,
        keys=keys.own,
        curve=keys.curve,
        timeout_ns=options.login_timeout_ns,
    )
    question = server.callout = server.callout or Question(server)
    callout: Callout = Callout(
        asking,
        question.ask,
        server.clock,
        server.token_bytes,
        lookup=operator.claims_of if operator is not None else None,
        exists=server.accounts.__contains__,
    )
    server.authenticator.delegate(callout, tasks)
    if server.websocket_authenticator is not None:
        server.websocket_authenticator.delegate(callout, tasks)


class Question:
    """Carries questions to the service: one inbox each, CALLOUTS_PENDING_MAX at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.pending = 0
        self.refused = 0  # logins refused because that many others waited

    async def ask(self, account_name: str, xkey: bytes, body: bytes) -> bytes:
        """Return the service's answer.

        Raises TimeoutError where none comes in time, LoginRefused where nobody can be asked.
        """
        from leafnode.auth.callout import SUBJECT, XKEY_HEADER

        server = self._server
        account = server.accounts.get(account_name)
        if account is None:
            raise LoginRefused(f"no valid account {account_name!r} for auth callout request")
        if self.pending >= CALLOUTS_PENDING_MAX:
            self.refused += 1
            raise LoginRefused("too many logins wait for the auth callout service")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def take(delivery: Delivery) -> None:
            _, header_size, message = delivery.messages[0]
            if not answer.done():
                answer.set_result(message[header_size:])

        reply = f"$SYS._INBOX.{nuid(server.random)}".encode()
        block = header.build([(XKEY_HEADER, xkey)]) if xkey else b""
        sub = account.subscribe(reply, take)
        self.pending += 1
        try:
            size = len(block)
            if not account.publish(SUBJECT, block + body, header_size=size, reply=reply):
                raise TimeoutError  # nobody is there: why wait
            async with asyncio.timeout(server.options.login_timeout_ns / NS_PER_S):
                return await answer
        finally:
            self.pending -= 1
            account.unsubscribe(sub)
