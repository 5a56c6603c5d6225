"""Auth callout: a service behind NATS decides on a login; it is asked and answers with signed JWTs.

Writes the request and judges the answer. Knows keys, claims and identities; not how the question
travels (`Ask`) nor what a refused client is told. Truth: nats-server 2.15.1 server/auth_callout.go,
nats-io/jwt v2 authorization_claims.go; ADR-26 of NATS.
"""

from __future__ import annotations

import ssl
from asyncio import to_thread
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, TypeVar

from leafnode.auth import jwt, nkey
from leafnode.auth.claims import AccountBody, AccountClaims, AuthorizationResponse, UserClaims
from leafnode.auth.identity import REFUSED, UNLIMITED, LoginRefused
from leafnode.auth.nkey import CurveKeyPair, KeyPair
from leafnode.auth.permissions import without_publishing
from leafnode.auth.trust import Trust
from leafnode.auth.user_claims import Moment, check_claims, identity_of, takes_long
from leafnode.clock import NS_PER_S
from leafnode.errors import AuthError
from leafnode.limits import LARGE_JWT_CHARS
from leafnode.protocol.info import raw_user
from leafnode.routing.permissions import LOGIN_REQUESTS
from leafnode.routing.subject_set import SubjectSet

if TYPE_CHECKING:
    from leafnode.auth.identity import ConnectionType, Identity, PeerFacts
    from leafnode.clock import Clock
    from leafnode.protocol.info import Connect

SUBJECT: Final = LOGIN_REQUESTS
XKEY_HEADER: Final = b"Nats-Server-Xkey"
_REQUESTS: Final = SubjectSet((SUBJECT,))
_AUDIENCE: Final = "nats-authorization-request"
_ANY_ACCOUNT: Final = "*"
_VIOLATION: Final = "auth callout violation: auth callout response"
_KEY_BYTES: Final = 32
_SEAL_NONCE_BYTES: Final = 24
_NO_TRUST: Final = Trust(frozenset())

# Sends (account, xkey of the server or b"", body) to the service and returns what it answers.
# Raises TimeoutError where nothing is, LoginRefused where nobody can be asked.
Ask = Callable[[str, bytes, bytes], Awaitable[bytes]]
Lookup = Callable[[str], Awaitable[AccountClaims]]


P = ParamSpec("P")
T = TypeVar("T")


class Work(Protocol):
    """Does something, here or elsewhere, and returns what comes of it."""

    async def __call__(self, call: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> T: ...


@dataclass(frozen=True, slots=True)
class AskingServer:
    """What a request says of the server. `keys` are its own, `curve` opens sealed answers."""

    name: str
    host: str
    version: str
    tags: tuple[str, ...]
    keys: KeyPair
    curve: CurveKeyPair
    timeout_ns: int


@dataclass(frozen=True, slots=True)
class Delegation:
    """Who is asked, and whose answers count: the service's account and an account's public key.

    `xkey` not empty: requests are sealed for it. `allowed` are further accounts that answers may
    place a user in, in operator mode. `trust` is operator mode's: there a user belongs to who
    signed it; None: to the account that its JWT is for (`aud`).
    """

    account: str
    issuer: str
    xkey: str = ""
    allowed: tuple[str, ...] = ()
    trust: Trust | None = None

    def permits(self, issuer: str) -> bool:
        """Say whether the service may place users in this account."""
        if issuer == self.issuer:
            return True
        return self.trust is not None and (issuer in self.allowed or _ANY_ACCOUNT in self.allowed)


class Callout:
    """Asks about one login after the other; as many at a time as the server lets wait."""

    def __init__(
        self,
        server: AskingServer,
        ask: Ask,
        clock: Clock,
        token_bytes: Callable[[int], bytes],
        *,
        lookup: Lookup | None = None,
        exists: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`lookup` finds accounts of operator mode, `exists` says which others there are."""
        self._server = server
        self._ask = ask
        self._clock = clock
        self._token_bytes = token_bytes
        self._lookup = lookup
        self._exists = exists

    async def decide(
        self,
        to: Delegation,
        connect: Connect,
        facts: PeerFacts,
        *,
        still: Callable[[], Delegation | None] | None = None,
    ) -> Identity:
        """Return who the service says it is. Raises LoginRefused, also when nobody answers.

        `still` returns what the delegation is once all is judged: an answer takes its time.
        """
        server = self._server
        user = KeyPair("U", self._token_bytes(_KEY_BYTES)).public_key
        body = jwt.encode(self._request(to, user, connect, facts), server.keys).encode()
        xkey = b""
        try:
            if to.xkey:
                xkey = server.curve.public_key.encode()
                body = server.curve.seal(body, to.xkey, self._token_bytes(_SEAL_NONCE_BYTES))
            answer = await self._ask(to.account, xkey, body)
            identity = await self._judged(to, user, answer, connect, facts)
            if still is not None:
                _check_still(still(), identity)
        except TimeoutError as err:
            # nats-server, too, does not tell the account more than that it was in vain.
            raise _refusal(to, "auth callout response not received in time", told="") from err
        except LoginRefused as err:
            raise _refusal(to, err.reason, state=err.state) from err
        except AuthError as err:
            raise _refusal(to, str(err)) from err
        return identity

    def has_account(self, name: str) -> bool:
        """Say whether a user may be in this account, as far as accounts are configured."""
        return self._exists(name)

    # --- the question

    def _request(
        self, to: Delegation, user: str, connect: Connect, facts: PeerFacts
    ) -> dict[str, Any]:
        server = self._server
        now_s = self._clock.wall_ns() // NS_PER_S
        about = {
            "name": server.name,
            "host": server.host,
            "id": server.keys.public_key,
            "version": server.version,
            "tags": list(server.tags),
            "xkey": server.curve.public_key if to.xkey else "",
        }
        nats: dict[str, Any] = {
            "server_id": _given(about),
            "user_nkey": user,
            "client_info": _client_info(connect, facts),
            "connect_opts": _connect_opts(connect),
            "type": "authorization_request",
            "version": 2,
        }
        if facts.tls_version:
            nats["client_tls"] = _client_tls(facts)
        return {
            "aud": _AUDIENCE,
            "exp": now_s + max(1, server.timeout_ns // NS_PER_S),
            "iat": now_s,
            "sub": to.issuer,
            "nats": nats,
        }

    # --- the answer

    async def _judged(
        self,
        to: Delegation,
        user: str,
        answer: bytes,
        connect: Connect,
        facts: PeerFacts,
    ) -> Identity:
        token = await self._response(to, user, answer)
        work = _work_on(token)
        claims = await work(jwt.decode, token, UserClaims)
        if claims.sub != user:
            raise LoginRefused(
                f'expected authorized user of "{user}" but got "{claims.sub}" '
                f'on account "{to.account}"'
            )
        moment = Moment(self._clock.wall_ns(), to.trust or _NO_TRUST)
        if problem := claims.untimely_at(moment.now_s):
            raise LoginRefused(f"error validating user JWT: {problem}")
        await work(check_claims, claims, moment)
        if claims.nats.issuer_account and to.trust is None:
            raise LoginRefused(
                f'error non operator mode account "{to.account}": attempted to use issuer_account'
            )
        if not to.permits(claims.account):
            raise LoginRefused(_wrong_issuer(to, claims))
        account = await self._account(to, claims)
        if takes_long(claims, account):
            work = to_thread
        identity = await work(identity_of, claims, account, facts, moment)
        # nats-server goes by no limits of such a JWT, and services leave them out.
        identity = replace(
            identity,
            user=claims.name or raw_user(connect),
            name_tag="",  # its name is the user's already
            tags=(),
            is_bearer=False,
            max_subscriptions=UNLIMITED,
            max_payload_bytes=UNLIMITED,
        )
        if to.trust is None:
            if not self._exists(claims.aud):
                raise LoginRefused(
                    f'no valid account "{claims.aud}" for auth callout response '
                    f'on account "{to.account}": account missing'
                )
            issuer = claims.iss if claims.nats.issuer_account else ""
            identity = replace(identity, account=claims.aud, issuer=issuer, proof=proof_of(to))
        return guarded(identity, to.account)

    async def _response(self, to: Delegation, user: str, answer: bytes) -> str:
        """Return the user JWT of an answer that is meant for this login. Raises AuthError."""
        sealed = bool(to.xkey) and not answer.startswith(jwt.START.encode())
        if sealed:
            answer = self._server.curve.open(answer, to.xkey)
        if not answer:
            raise LoginRefused(
                f'auth callout violation: "no reason supplied" on account "{to.account}"'
            )
        text = answer.decode("ascii", "replace")
        response = await _work_on(text)(jwt.decode, text, AuthorizationResponse)
        if problem := self._problem(response):
            raise LoginRefused(f"authorization response had validation errors: {problem}")
        if response.sub != user:
            raise LoginRefused(f"{_VIOLATION} is not for expected user")
        if response.aud != self._server.keys.public_key:
            raise LoginRefused(f"{_VIOLATION} is not for server")
        if response.nats.error:
            raise LoginRefused(f"auth callout service returned an error: {response.nats.error}")
        # Who can seal for the server is the service; without, the account's keys say so.
        if not sealed and not await self._may_answer(to, response.iss):
            raise LoginRefused("auth callout signing key is unknown")
        return response.nats.jwt

    def _problem(self, response: AuthorizationResponse) -> str:
        """Return what is wrong with the claims of an answer, in nats-io/jwt's words."""
        if not nkey.is_public_key(response.sub, "U"):
            return "Subject must be a user public key"
        if not nkey.is_public_key(response.aud, "N"):
            return "Audience must be a server public key"
        if response.nats.error and response.nats.jwt:
            return "Only Error or Jwt can be set"
        if not response.nats.error and not response.nats.jwt:
            return "Error or Jwt is required"
        return response.untimely_at(self._clock.wall_ns() // NS_PER_S)

    async def _may_answer(self, to: Delegation, key: str) -> bool:
        """Say whether this key may sign an answer; without operators only the issuer's may."""
        if key == to.issuer:
            return True
        if to.trust is None or self._lookup is None:
            return False
        return to.trust.signs_for(await self._lookup(to.issuer), key)

    async def _account(self, to: Delegation, claims: UserClaims) -> AccountClaims:
        """Return the account whose rules hold for the user: without operators just its issuer."""
        if to.trust is None or self._lookup is None:
            return AccountClaims(iss=to.issuer, sub=to.issuer, nats=AccountBody())
        return await self._lookup(claims.account)


def _work_on(token: str) -> Work:
    """Return how to do what a JWT of this length takes: a large one not on the loop."""
    return to_thread if len(token) > LARGE_JWT_CHARS else _at_once


async def _at_once(call: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> T:
    return call(*args, **more)


def _refusal(
    to: Delegation, reason: str, *, state: str = REFUSED, told: str | None = None
) -> LoginRefused:
    """Return what the account of the service is told of, in its words: the reason, capitalized."""
    refusal = LoginRefused(reason, state=state)
    refusal.asked = to.account
    refusal.told = reason[:1].upper() + reason[1:] if told is None else told
    refusal.warning = refusal.told
    return refusal


def _check_still(to: Delegation | None, identity: Identity) -> None:
    """Raise LoginRefused where the service may not place a user there any more."""
    if to is None:
        raise LoginRefused("auth callout violation: account has no auth callout any more")
    if not to.permits(identity.account):
        raise LoginRefused(_not_permitted(to, identity.account))


def _wrong_issuer(to: Delegation, claims: UserClaims) -> str:
    if to.trust is None:
        expected = f'expected "{to.issuer}" got "{claims.iss}"'
        return f'wrong issuer for auth callout response on account "{to.account}", {expected}'
    return _not_permitted(to, claims.iss)


def _not_permitted(to: Delegation, account: str) -> str:
    option = "not permitted as valid account option for auth callout"
    return f'account "{account}" {option} for account "{to.account}"'


def proof_of(to: Delegation) -> bytes:
    """Return what a login by this service is proved by, as long as nobody changes the service."""
    return f"callout {to.account} {to.issuer} {to.xkey}".encode()


def guarded(identity: Identity, service_account: str) -> Identity:
    """Return the identity; where it shares the service's account it may not send requests to it.

    One that may not anyway stays as it is, however often that is said.
    """
    mine = identity.permissions
    if identity.account != service_account or (mine and mine.publish.denies(SUBJECT)):
        return identity
    return replace(identity, permissions=without_publishing(identity.permissions, _REQUESTS))


def _client_info(connect: Connect, facts: PeerFacts) -> dict[str, Any]:
    return _given(
        {
            "host": facts.ip,
            "id": facts.cid,
            "user": raw_user(connect),
            "name": connect.name,
            "kind": "Client",
            "type": _type_name(facts.kind),
            "nonce": facts.nonce.decode() if connect.sig else "",
        }
    )


def _type_name(kind: ConnectionType) -> str:
    return "websocket" if kind.value == "WEBSOCKET" else "nats"


def _connect_opts(connect: Connect) -> dict[str, Any]:
    shown = {
        "jwt": connect.jwt,
        "nkey": connect.nkey,
        "sig": connect.sig,
        "auth_token": connect.auth_token,
        "user": connect.user,
        "pass": connect.password,
        "name": connect.name,
        "lang": connect.lang,
        "version": connect.version,
    }
    return _given(shown) | {"protocol": connect.protocol}


def _client_tls(facts: PeerFacts) -> dict[str, Any]:
    shown: dict[str, Any] = {"version": facts.tls_version, "cipher": facts.tls_cipher}
    if facts.certificate is not None and facts.certificate.chain:
        chain = [ssl.DER_cert_to_PEM_cert(der) for der in facts.certificate.chain]
        shown["verified_chains"] = [chain]  # OpenSSL finds one, Go every one there is
    return _given(shown)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
