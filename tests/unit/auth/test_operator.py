"""leafnode.auth.operator: logins by JWT, accounts on demand, what changes while connected."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from threading import get_ident
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.auth import jwt
from leafnode.auth.claims import UserClaims
from leafnode.auth.directory import DirectoryResolver, JwtDirectory
from leafnode.auth.identity import Identity, LoginRefused, PeerFacts
from leafnode.auth.operator import OperatorMode, check_operator, operator_mode
from leafnode.auth.resolver import MemoryResolver
from leafnode.auth.trust import Trust
from leafnode.auth.user_claims import identity_of
from leafnode.config.options import OperatorOptions, Options, ResolverOptions
from leafnode.errors import AuthError
from leafnode.limits import ACCOUNT_LOOKUPS_MAX, SHOWN_JWT_CHARS_MAX, TEMPLATE_SUBJECTS_AT_ONCE
from leafnode.protocol.errors import (
    AccountAuthenticationExpired,
    AuthorizationViolation,
    UserAuthenticationRevoked,
)
from leafnode.protocol.info import Connect
from tests.hub.jwt import Key
from tests.sim.clock import FakeClock
from tests.sim.realm import ACCOUNT, NOW_S, Realm, User, scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from leafnode.config.account_options import AccountOptions

NS_PER_S = 1_000_000_000
NONCE = b"nonce-of-fifteen"
FACTS = PeerFacts(nonce=NONCE, ip="127.0.0.1")
REALM = Realm()
ANN = User()
REQUESTS = b"$SYS.REQ.USER.AUTH"


class World:
    """Operator mode over a resolver in memory, and what it told the server."""

    def __init__(self, *tokens: tuple[Key, str], pinned: frozenset[str] = frozenset()) -> None:
        self.clock = FakeClock()
        known = {key.public: token for key, token in tokens}
        self.resolver = CountingResolver(known)
        trust = Trust(frozenset({REALM.operator.public}), system_account=REALM.system.public)
        self.operator = OperatorMode(trust, self.resolver, self.clock, pinned=pinned)
        self.accounts: list[AccountOptions] = []
        self.changed: list[str] = []
        self.operator.known.on_accounts = self.accounts.extend
        self.operator.known.on_change = self.changed.append

    @asynccontextmanager
    async def running(self) -> AsyncIterator[OperatorMode]:
        async with asyncio.TaskGroup() as tasks:
            await self.operator.start(tasks)
            yield self.operator

    async def change(self, options: OperatorOptions) -> None:
        await self.operator.change(options, MemoryResolver(dict(options.preload)))

    async def login(self, token: str, user: User = ANN) -> Identity:
        connect = Connect(jwt=token, sig=user.signer.sign(NONCE.decode()))
        answer = self.operator.check(connect, FACTS)
        return answer if isinstance(answer, Identity) else await answer


class CountingResolver(MemoryResolver):
    """Knows how often it was asked, and answers only when told to where `held`."""

    def __init__(self, tokens: dict[str, str]) -> None:
        super().__init__(tokens)
        self.asked: list[str] = []
        self.held: dict[str, asyncio.Event] | asyncio.Event | None = None

    async def fetch(self, account: str) -> str:
        self.asked.append(account)
        held = self.held.get(account) if isinstance(self.held, dict) else self.held
        if held is not None and account != REALM.system.public:
            await held.wait()
        return await super().fetch(account)


async def turns(happened: Callable[[], bool]) -> None:
    """Let others run until something has happened."""
    for _ in range(1000):
        if happened():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never happened")


def world(*tokens: tuple[Key, str], **more: Any) -> World:
    """A world with the system account, the realm's account and these."""
    known = [(REALM.system, REALM.account_jwt(REALM.system, name="SYS"))]
    if not any(key is REALM.account for key, _ in tokens):
        known.append((REALM.account, REALM.account_jwt()))
    return World(*known, *tokens, **more)


async def test_a_user_is_let_in_once_its_account_was_looked_up() -> None:
    w = world()
    async with w.running():
        first = w.operator.check(
            Connect(jwt=REALM.user_jwt(ANN), sig=ANN.signer.sign(NONCE.decode())), FACTS
        )
        assert isinstance(first, asyncio.Future)
        assert (await first).account == REALM.account.public

        assert (await w.login(REALM.user_jwt(ANN))).user == ANN.public

    assert w.resolver.asked == [REALM.system.public, REALM.account.public]
    assert [options.name for options in w.accounts] == w.resolver.asked


async def test_of_those_who_waited_for_one_account_each_has_a_turn_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world()
    judged: list[str] = []
    judge = w.operator._identity

    def counting(*args: Any) -> Identity:
        judged.append(args[0].sub)
        return judge(*args)

    monkeypatch.setattr(w.operator, "_identity", counting)
    users = [User() for _ in range(20)]
    async with w.running():
        w.resolver.held = asyncio.Event()
        logins = [asyncio.ensure_future(w.login(REALM.user_jwt(one), one)) for one in users]
        await asyncio.sleep(0)
        w.resolver.held.set()
        most = 0
        while not all(login.done() for login in logins):
            before = len(judged)
            await asyncio.sleep(0)
            most = max(most, len(judged) - before)

    assert most == 1
    assert judged == [user.public for user in users]
    assert [login.result().user for login in logins] == judged


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        REALM.user_jwt(ANN)[:-4] + "AAAA",
        REALM.user_jwt(ANN, by=Key(ACCOUNT)),
        REALM.user_jwt(ANN, by=Key(ACCOUNT), issuer_account=REALM.account.public),
        REALM.user_jwt(ANN, claims={"exp": NOW_S - 1}),
        REALM.user_jwt(ANN, claims={"nbf": NOW_S + 10}),
        REALM.user_jwt(User()),
        REALM.account_jwt(),
    ],
)
async def test_whatever_does_not_hold_is_refused(token: str) -> None:
    w = world()
    async with w.running():
        with pytest.raises(LoginRefused):
            await w.login(token)


async def test_an_account_that_another_operator_signed_is_refused() -> None:
    w = world((REALM.account, REALM.account_jwt(by=Realm().operator)))
    async with w.running():
        with pytest.raises(LoginRefused):
            await w.login(REALM.user_jwt(ANN))


async def test_a_resolver_that_hands_out_another_account_is_not_believed() -> None:
    w = world((REALM.account, REALM.account_jwt(Key(ACCOUNT))))
    async with w.running():
        with pytest.raises(LoginRefused):
            await w.login(REALM.user_jwt(ANN))


async def test_only_pinned_accounts_and_the_system_account_are_let_in() -> None:
    w = world(pinned=frozenset({Key(ACCOUNT).public}))
    async with w.running():
        with pytest.raises(LoginRefused) as caught:
            await w.login(REALM.user_jwt(ANN))
        assert "pinned" in caught.value.reason
        admin = User()
        assert (await w.login(REALM.user_jwt(admin, by=REALM.system), admin)).key == admin.public


async def test_one_lookup_serves_all_who_wait_and_too_many_lookups_are_refused() -> None:
    w = world()
    w.resolver.held = asyncio.Event()
    strangers = [Key(ACCOUNT) for _ in range(ACCOUNT_LOOKUPS_MAX)]
    async with w.running():
        sig = ANN.signer.sign(NONCE.decode())
        connects = [Connect(jwt=REALM.user_jwt(ANN), sig=sig) for _ in range(2)]
        connects += [Connect(jwt=REALM.user_jwt(ANN, by=key), sig=sig) for key in strangers]
        answers = [w.operator.check(connect, FACTS) for connect in connects]
        await asyncio.sleep(0.001)
        assert w.operator.known.lookups_waiting == ACCOUNT_LOOKUPS_MAX
        w.resolver.held.set()

        outcomes = await asyncio.gather(*answers, return_exceptions=True)  # type: ignore[arg-type]

    assert w.resolver.asked.count(REALM.account.public) == 1
    assert [isinstance(outcome, Identity) for outcome in outcomes] == [True] * 2 + [False] * 64
    refusals = [o.reason for o in outcomes if isinstance(o, LoginRefused)]
    assert sum("too many" in reason for reason in refusals) == 1


async def test_an_account_that_nobody_knows_stands_in_the_log() -> None:
    w = world()
    async with w.running():
        sig = ANN.signer.sign(NONCE.decode())
        connect = Connect(jwt=REALM.user_jwt(ANN, by=Key(ACCOUNT)), sig=sig)

        with pytest.raises(LoginRefused) as caught:
            await w.operator.check(connect, FACTS)  # type: ignore[misc]

    assert caught.value.warning == "Account fetch failed: account missing"


async def test_without_its_system_account_the_server_does_not_start() -> None:
    w = World()
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(AuthError, match="error resolving system account: account missing"):
            await w.operator.start(tasks)


async def test_a_directory_without_the_system_account_begins_with_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leafnode.auth.operator.SYSTEM_ACCOUNT_FETCH_NS", 0)
    w = World()
    options = ResolverOptions("full", directory=str(tmp_path))
    directory = JwtDirectory.open(options, w.clock)
    w.operator.known.resolver = DirectoryResolver(directory)
    w.operator.trust = replace(
        w.operator.trust, operator=REALM.operator.public, operators=(REALM.operator_jwt(),)
    )
    system_jwt, root = REALM.account_jwt(REALM.system), REALM.user_jwt(ANN, by=REALM.system)
    async with w.running() as operator:
        assert operator.is_bootstrapping
        assert (await w.login(root)).account == REALM.system.public
        with pytest.raises(LoginRefused):
            await w.login(REALM.user_jwt(ANN))

        fetch = asyncio.ensure_future(operator.fetch_system_account())
        await asyncio.to_thread(directory.save, REALM.system.public, system_jwt)
        await fetch

        assert not operator.is_bootstrapping
        assert operator.known.by_name[REALM.system.public].token == system_jwt
        assert (await w.login(root)).account == REALM.system.public


async def test_with_several_operators_a_directory_needs_the_system_account(tmp_path: Path) -> None:
    w = World()
    directory = JwtDirectory.open(ResolverOptions("full", directory=str(tmp_path)), w.clock)
    w.operator.known.resolver = DirectoryResolver(directory)
    w.operator.trust = replace(w.operator.trust, operators=(REALM.operator_jwt(),) * 2)
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(AuthError, match="error resolving system account"):
            await w.operator.start(tasks)


async def test_an_update_reaches_who_is_connected() -> None:
    w = world()
    async with w.running():
        identity = await w.login(REALM.user_jwt(ANN))
        assert w.operator.again(identity) == identity

        await w.operator.known.update(
            REALM.account.public, REALM.account_jwt(revocations={ANN.public: NOW_S})
        )

        assert w.changed == [REALM.account.public]
        with pytest.raises(UserAuthenticationRevoked):
            w.operator.again(identity)
        with pytest.raises(LoginRefused):
            await w.login(REALM.user_jwt(ANN))


async def test_an_update_that_does_not_hold_changes_nothing() -> None:
    w = world()
    async with w.running():
        identity = await w.login(REALM.user_jwt(ANN))

        for token in (REALM.account_jwt(by=Realm().operator), REALM.account_jwt(Key(ACCOUNT)), "x"):
            with pytest.raises(AuthError):
                await w.operator.known.update(REALM.account.public, token)

        assert w.operator.again(identity) == identity
        assert w.changed == []


async def test_an_account_that_expires_ends_its_users_and_a_newer_one_lets_them_in() -> None:
    w = world((REALM.account, REALM.account_jwt(claims={"exp": NOW_S + 100})))
    async with w.running():
        identity = await w.login(REALM.user_jwt(ANN))

        w.clock.advance(99 * NS_PER_S)
        assert w.changed == []
        w.clock.advance(2 * NS_PER_S)

        assert w.changed == [REALM.account.public]
        with pytest.raises(AccountAuthenticationExpired):
            w.operator.again(identity)
        with pytest.raises(LoginRefused):
            await w.login(REALM.user_jwt(ANN))
        await w.operator.known.update(REALM.account.public, REALM.account_jwt())
        assert (await w.login(REALM.user_jwt(ANN))).user == ANN.public
        w.operator.close()


async def test_an_account_that_expired_lets_in_again_once_its_resolver_has_another() -> None:
    w = world((REALM.account, REALM.account_jwt(claims={"exp": NOW_S + 10})))
    async with w.running():
        await w.login(REALM.user_jwt(ANN))
        w.clock.advance(12 * NS_PER_S)

        w.resolver.tokens[REALM.account.public] = REALM.account_jwt()

        assert (await w.login(REALM.user_jwt(ANN))).user == ANN.public


async def test_a_login_during_a_reload_goes_by_the_accounts_after_it() -> None:
    w = world()
    asked, held = asyncio.Event(), asyncio.Event()

    class Slow(MemoryResolver):
        """Answers with what it had when it was asked."""

        async def fetch(self, account: str) -> str:
            token = await super().fetch(account)
            if account == REALM.account.public:
                asked.set()
                await held.wait()
            return token

    w.operator.known.resolver = Slow(w.resolver.tokens)
    system = (REALM.system.public, REALM.account_jwt(REALM.system, name="SYS"))
    revoking = REALM.account_jwt(revocations={ANN.public: NOW_S + 1})
    async with w.running():
        sig = ANN.signer.sign(NONCE.decode())
        answer = w.operator.check(Connect(jwt=REALM.user_jwt(ANN), sig=sig), FACTS)
        await asked.wait()
        preload = (system, (REALM.account.public, revoking))
        await w.change(OperatorOptions(preload=preload))
        held.set()
        assert isinstance(answer, asyncio.Future)
        with pytest.raises(LoginRefused):
            await answer


async def test_a_clock_that_jumps_ends_an_expired_account_within_a_minute() -> None:
    w = world((REALM.account, REALM.account_jwt(claims={"exp": NOW_S + 3600})))
    async with w.running():
        await w.login(REALM.user_jwt(ANN))

        w.clock.jump_wall(7200 * NS_PER_S)
        w.clock.advance(60 * NS_PER_S)

        assert w.changed == [REALM.account.public]


async def test_an_account_that_was_removed_is_gone() -> None:
    w = world()
    async with w.running():
        identity = await w.login(REALM.user_jwt(ANN))

        await w.operator.known.remove(REALM.account.public)

        with pytest.raises(AccountAuthenticationExpired):
            w.operator.again(identity)
        with pytest.raises(LoginRefused):
            await w.login(REALM.user_jwt(ANN))


async def test_who_is_imported_from_is_looked_up_too_also_in_a_circle() -> None:
    exporter = Key(ACCOUNT)
    takes = {"subject": "s", "type": "stream"}
    w = world(
        (REALM.account, REALM.account_jwt(imports=[takes | {"account": exporter.public}])),
        (
            exporter,
            REALM.account_jwt(
                exporter,
                exports=[{"subject": "s", "type": "stream"}],
                imports=[takes | {"account": REALM.account.public}],
            ),
        ),
    )
    async with w.running():
        await w.login(REALM.user_jwt(ANN))

    by_name = {options.name: options for options in w.accounts}
    assert by_name[REALM.account.public].stream_imports[0].account == exporter.public
    assert w.resolver.asked.count(exporter.public) == 1


async def test_a_login_waits_for_the_exporters_that_another_login_waits_for() -> None:
    exporter = Key(ACCOUNT)
    takes = {"subject": "s", "type": "stream", "account": exporter.public}
    w = world(
        (REALM.account, REALM.account_jwt(imports=[takes])),
        (exporter, REALM.account_jwt(exporter, exports=[{"subject": "s", "type": "stream"}])),
    )
    w.resolver.held = {exporter.public: asyncio.Event()}
    async with w.running():
        connect = Connect(jwt=REALM.user_jwt(ANN), sig=ANN.signer.sign(NONCE.decode()))
        first = w.operator.check(connect, FACTS)
        await turns(lambda: exporter.public in w.resolver.asked)
        second = w.operator.check(connect, FACTS)
        assert isinstance(first, asyncio.Future)
        assert isinstance(second, asyncio.Future)
        assert not w.operator.known.by_name.keys() & {REALM.account.public}

        w.resolver.held[exporter.public].set()

        assert (await first).account == (await second).account == REALM.account.public
    assert len(w.accounts[-1].stream_imports) + len(w.accounts[-2].stream_imports) == 1


async def test_a_login_waits_until_its_account_can_be_used() -> None:
    w = world()
    ready = asyncio.Event()

    w.operator.readiness = lambda _: None if ready.is_set() else ready
    async with w.running():
        connect = Connect(jwt=REALM.user_jwt(ANN), sig=ANN.signer.sign(NONCE.decode()))
        answers = [w.operator.check(connect, FACTS)]
        await turns(lambda: REALM.account.public in w.operator.known.by_name)
        answers.append(w.operator.check(connect, FACTS))
        assert all(isinstance(one, asyncio.Future) and not one.done() for one in answers)

        ready.set()

        for one in answers:
            assert isinstance(one, asyncio.Future)
            assert (await one).user == ANN.public


@pytest.mark.parametrize("is_proxied", [True, False])
async def test_a_scope_may_require_a_proxy(*, is_proxied: bool) -> None:
    signer = Key(ACCOUNT)
    token = REALM.account_jwt(signing_keys=[scope(signer, proxy_required=True)])
    w = world((REALM.account, token))
    async with w.running():
        for _ in range(2):  # before its account is known, and then
            connect = Connect(
                jwt=REALM.scoped_user_jwt(ANN, signer), sig=ANN.signer.sign(NONCE.decode())
            )
            with nullcontext() if is_proxied else pytest.raises(LoginRefused):
                answer = w.operator.check(connect, replace(FACTS, proxy="N" if is_proxied else ""))
                identity = answer if isinstance(answer, Identity) else await answer
                assert identity.user == ANN.public


@pytest.mark.real_loop
@pytest.mark.parametrize("is_delegated", [False, True])
async def test_what_a_long_template_stands_for_is_worked_out_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch, *, is_delegated: bool
) -> None:
    """4,096 subjects took 18 ms of everybody else."""
    short, long = Key(ACCOUNT), Key(ACCOUNT)
    entries = [f"a.{number}.{{{{name()}}}}" for number in range(TEMPLATE_SUBJECTS_AT_ONCE + 1)]
    keys = [
        scope(short, pub={"allow": entries[:1]}),
        scope(long, pub={"allow": entries}),
    ]
    outside = {"auth_users": [ANN.public]} if is_delegated else {}
    w = world((REALM.account, REALM.account_jwt(signing_keys=keys, authorization=outside)))
    at: list[int] = []

    def watched(*arguments: Any) -> Identity:
        at.append(get_ident())
        return identity_of(*arguments)

    monkeypatch.setattr("leafnode.auth.operator.identity_of", watched)
    async with w.running():
        for signer in (short, long, long):  # as its account is not known yet, and as it is
            identity = await w.login(REALM.scoped_user_jwt(ANN, signer))
            assert identity.permissions is not None
            assert identity.permissions.may_publish(b"a.0.ann")

    assert [one == get_ident() for one in at] == [True, False, False]


@pytest.mark.real_loop
async def test_a_long_jwt_of_a_user_is_read_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world()
    at: list[int] = []
    decode = jwt.decode

    def watched(token: str, form: Any) -> Any:
        if form is UserClaims:
            at.append(get_ident())
        return decode(token, form)

    async with w.running():
        long = REALM.user_jwt(ANN, pub={"allow": [f"a.{n}.*" for n in range(2000)]})
        monkeypatch.setattr("leafnode.auth.jwt.decode", watched)
        identity = await w.login(long)
        await w.login(REALM.user_jwt(ANN))

    assert identity.permissions is not None
    assert identity.permissions.may_publish(b"a.7.x")
    assert [one == get_ident() for one in at] == [False, True]


async def test_a_missing_exporter_leaves_the_import_out_and_the_user_in() -> None:
    takes = {"subject": "s", "type": "stream", "account": Key(ACCOUNT).public}
    w = world((REALM.account, REALM.account_jwt(imports=[takes])))
    async with w.running():
        assert (await w.login(REALM.user_jwt(ANN))).user == ANN.public

    assert w.accounts[-1].stream_imports == ()


async def test_an_exporter_that_closes_takes_the_import_away() -> None:
    exporter = Key(ACCOUNT)
    takes = {"subject": "s", "type": "stream", "account": exporter.public}
    export = {"subject": "s", "type": "stream"}
    w = world(
        (REALM.account, REALM.account_jwt(imports=[takes])),
        (exporter, REALM.account_jwt(exporter, exports=[export])),
    )
    async with w.running():
        await w.login(REALM.user_jwt(ANN))
        closed = REALM.account_jwt(exporter, exports=[export | {"token_req": True}])

        await w.operator.known.update(exporter.public, closed)

    last = {options.name: options for options in w.accounts}[REALM.account.public]
    assert last.stream_imports == ()


async def test_a_reload_changes_what_is_preloaded_and_pinned() -> None:
    other = Key(ACCOUNT)
    w = world((other, REALM.account_jwt(other)))
    preload = dict(w.resolver.tokens)
    async with w.running():
        identity = await w.login(REALM.user_jwt(ANN))
        await w.operator.known.lookup(other.public)

        preload[other.public] = "nonsense"
        preload.pop(REALM.system.public)
        options = OperatorOptions(preload=tuple(preload.items()), default_sentinel="eyJ")
        await w.change(options)

        assert w.operator.known.by_name[other.public].removed
        assert not w.operator.known.by_name[REALM.system.public].removed
        assert w.operator.trust.sentinel == "eyJ"
        assert w.operator.again(identity) == identity

        await w.change(replace(options, pinned_accounts=(other.public,)))
        with pytest.raises(AuthorizationViolation):
            w.operator.again(identity)
        preload.pop(REALM.account.public)
        await w.change(OperatorOptions(preload=tuple(preload.items())))
        with pytest.raises(AuthorizationViolation):
            w.operator.again(identity)


async def test_the_sentinel_stands_in_for_who_brings_no_jwt() -> None:
    w = world()
    sentinel = REALM.user_jwt(ANN, bearer_token=True)
    w.operator.trust = Trust(
        w.operator.trust.keys, system_account=REALM.system.public, sentinel=sentinel
    )
    async with w.running():
        answer = w.operator.check(Connect(), FACTS)
        assert isinstance(answer, asyncio.Future)
        assert (await answer).key == ANN.public


def test_a_configuration_becomes_operator_mode() -> None:
    options = OperatorOptions((REALM.operator_jwt(),), resolver=ResolverOptions())

    operator = operator_mode(Options(operator=options), FakeClock())

    assert operator.trust.system_account == REALM.system.public


def test_a_directory_needs_a_system_account(tmp_path: Any) -> None:
    resolver = ResolverOptions("full", directory=str(tmp_path))
    options = OperatorOptions((REALM.operator_jwt(system_account=""),), resolver=resolver)

    with pytest.raises(AuthError, match="the system account needs to be specified"):
        operator_mode(Options(operator=options), FakeClock())


async def test_the_jwt_of_a_user_is_kept_for_monitoring_unless_it_is_a_credential() -> None:
    w = world()
    async with w.running():
        token, bearer = REALM.user_jwt(ANN), REALM.user_jwt(ANN, bearer_token=True)
        long = REALM.user_jwt(ANN, name="a" * SHOWN_JWT_CHARS_MAX)

        kept = [(await w.login(one)).jwt for one in (token, bearer, long)]

    assert kept == [token, "", ""]


async def test_where_a_service_decides_a_users_own_jwt_is_not_enough() -> None:
    service = User()
    delegated = REALM.account_jwt(authorization={"auth_users": [service.public]})
    w = world((REALM.account, delegated))

    async with w.running():
        with pytest.raises(LoginRefused):
            await w.login(REALM.user_jwt(ANN))
        identity = await w.login(REALM.user_jwt(service), service)

        # As it is told, and as it is once more when it comes in or its account's JWT is renewed.
        for one in (identity, w.operator.again(identity)):
            assert one.permissions is not None
            assert not one.permissions.may_publish(b"$SYS.REQ.USER.AUTH")
            assert one.permissions.may_publish(b"other")


@pytest.mark.parametrize("own", [{}, {"pub": {"allow": [">"]}}])
async def test_who_was_there_before_a_service_decides_may_not_send_it_requests(
    own: dict[str, Any],
) -> None:
    w = world()
    async with w.running():
        identity = await w.login(REALM.user_jwt(ANN, **own))
        assert identity.permissions is None or identity.permissions.may_publish(REQUESTS)

        await w.operator.known.update(
            REALM.account.public,
            REALM.account_jwt(authorization={"auth_users": [User().public]}, tags=["later"]),
        )
        now = w.operator.again(identity)

    assert now.permissions is not None
    assert not now.permissions.may_publish(REQUESTS)
    assert now.permissions.may_publish(b"other")
    if own:
        assert w.operator.again(now) is now  # as it is, however often


async def test_of_an_account_that_lets_others_decide_only_the_proven_service_comes_in() -> None:
    outside = {"auth_users": [ANN.public]}
    w = world((REALM.account, REALM.account_jwt(authorization=outside)))
    bob = User()
    async with w.running():
        assert (await w.login(REALM.user_jwt(ANN))).user == ANN.public
        with pytest.raises(LoginRefused):
            await w.login(REALM.user_jwt(bob), bob)
        bearer = Connect(jwt=REALM.user_jwt(bob, bearer_token=True), nkey=ANN.public)
        answer = w.operator.check(bearer, FACTS)
        assert isinstance(answer, asyncio.Future)
        with pytest.raises(LoginRefused) as caught:
            await answer
    assert caught.value.reason == "nobody can be asked yet"


@pytest.mark.parametrize("part", ["operator", "preload"])
def test_a_check_of_the_configuration_verifies_its_jwts(part: str) -> None:
    operator, account = REALM.operator_jwt(), REALM.account_jwt()
    check_operator(options_with(operator, account))
    damaged = {"operator": (operator[:-4] + "AAAA", account), "preload": (operator, "eyJ.a.b")}

    with pytest.raises(AuthError):
        check_operator(options_with(*damaged[part]))


def options_with(operator: str, account: str) -> Options:
    mode = OperatorOptions(operators=(operator,), preload=((REALM.account.public, account),))
    return Options(operator=mode)
