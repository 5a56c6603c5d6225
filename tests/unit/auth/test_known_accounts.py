"""leafnode.auth.known_accounts: whatever an account says, it is one or it is refused."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leafnode.auth import account_claims, known_accounts
from leafnode.auth.account_claims import Exporter
from leafnode.auth.known_accounts import KnownAccounts
from leafnode.auth.resolver import MemoryResolver
from leafnode.auth.trust import Trust
from leafnode.clock import NS_PER_S
from leafnode.config.options import Options
from leafnode.errors import AuthError
from leafnode.limits import ACCOUNT_RENEWAL_NS, CLAIMS_PROBLEMS_SHOWN_MAX, IMPORTS_PER_TURN
from leafnode.routing.peer import Outbox
from leafnode.server.account_world import AccountSeams
from leafnode.server.accounts import Accounts
from tests.hub.jwt import Key
from tests.sim.clock import FakeClock
from tests.sim.realm import ACCOUNT, NO_LIMITS, NOW_S, Realm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

REALM = Realm()
KEYS = [Key(ACCOUNT) for _ in range(3)]


class World:
    """Accounts in memory, wired as the server wires them."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self.clock = FakeClock()
        chance = random.Random(1)
        seams = AccountSeams(
            clock=self.clock,
            random=chance,
            outbox=Outbox(lambda: None),
            server_name="sim",
            server_id="NSIM",
            client_info=lambda peer, detailed: None,
        )
        self.accounts = Accounts(seams, Options())
        self.resolver = MemoryResolver(tokens)
        trust = Trust(frozenset({REALM.operator.public}))
        self.known = KnownAccounts(trust, self.resolver, self.clock)
        self.known.on_accounts = lambda several: self.accounts.update(*several)
        self.known.on_change = lambda _: None

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        async def inside() -> None:
            async with asyncio.TaskGroup() as tasks:
                self.known.start(tasks)
                await work()
            self.known.close()

        asyncio.run(inside())

    async def lookup(self, key: Key) -> str:
        """Why an account cannot be used, or an empty string."""
        try:
            await self.known.lookup(key.public)
        except AuthError as err:
            return str(err)
        return ""

    def check(self) -> None:
        """What is known and what is wired are the same."""
        wired = {name for name in self.accounts.by_name if name not in {"$G", "$SYS"}}
        assert wired == set(self.known.by_name)
        assert set(self.accounts.options) == set(self.accounts.by_name)
        for name, account in self.known.by_name.items():
            assert account.options == self.accounts.options[name]
            services = self.accounts.by_name[name].services
            imported = {one.to for one in services.imports} if services is not None else set()
            assert len(imported) <= len(account.claims.nats.imports)


async def turns(happened: Callable[[], bool]) -> None:
    """Let others run until something has happened."""
    for _ in range(1000):
        if happened():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never happened")


def exports(subject: str, kind: str = "service") -> dict[str, Any]:
    return {"subject": subject, "type": kind}


def imports(key: Key, subject: str, kind: str = "service", **more: Any) -> dict[str, Any]:
    return {"subject": subject, "type": kind, "account": key.public, **more}


@pytest.mark.parametrize("local", ["a.>", "..", "", "a b", "$1.$9", "x.$1.$1", "$01"])
@pytest.mark.parametrize("kind", ["service", "stream"])
def test_an_account_with_an_import_that_makes_no_sense_is_alone_with_that(
    local: str, kind: str
) -> None:
    bad, good, exporter = KEYS
    world = World(
        {
            bad.public: REALM.account_jwt(
                bad, imports=[imports(exporter, "s.*", kind, local_subject=local)]
            ),
            good.public: REALM.account_jwt(good, imports=[imports(exporter, "s.*", kind)]),
            exporter.public: REALM.account_jwt(exporter, exports=[exports("s.*", kind)]),
        }
    )

    async def work() -> None:
        refusal = await world.lookup(bad)
        assert "validation" in refusal or not local
        assert await world.lookup(good) == ""
        world.check()

    world.run(work)

    assert {one[1] for one in world.accounts.imports()} >= {good.public}


def test_a_change_is_told_of_before_it_holds_and_worked_out_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    importer, exporter, _ = KEYS
    world = World(
        {
            importer.public: REALM.account_jwt(importer, imports=[imports(exporter, "s")]),
            exporter.public: REALM.account_jwt(exporter, exports=[exports("s")]),
        }
    )
    prepared: list[list[str]] = []
    worked_out: list[str] = []

    async def prepares(several: Any) -> None:
        prepared.append(sorted(one.name for one in several))
        assert all(world.accounts.options.get(one.name) != one for one in several)
        await world.accounts.prepare(*several)

    def counted(account: Any, *others: Any) -> Any:
        worked_out.append(account.claims.sub)
        return draft(account, *others)

    draft = known_accounts.draft_of
    monkeypatch.setattr(known_accounts, "draft_of", counted)
    world.known.on_preparing = prepares

    async def work() -> None:
        assert await world.lookup(importer) == ""
        token = REALM.account_jwt(exporter, exports=[exports("t")], issued_s=NOW_S + 1)
        await world.known.update(exporter.public, token)
        world.check()

    world.run(work)

    both = sorted([importer.public, exporter.public])
    assert prepared == [both, [exporter.public]]
    assert sorted(worked_out) == sorted(2 * both)
    assert not world.accounts.imports()


def test_accounts_that_come_at_once_are_each_worked_out_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exporter, *importers = KEYS
    several = [imports(exporter, f"s.{number}") for number in range(2 * IMPORTS_PER_TURN)]
    tokens = {one.public: REALM.account_jwt(one, imports=several) for one in importers}
    token = REALM.account_jwt(exporter, exports=[exports("s.*")])
    world = World({**tokens, exporter.public: token})
    worked_out: list[str] = []

    def counted(account: Any, *others: Any) -> Any:
        worked_out.append(account.claims.sub)
        return draft_of(account, *others)

    draft_of = known_accounts.draft_of
    monkeypatch.setattr(known_accounts, "draft_of", counted)
    world.known.on_preparing = lambda several: world.accounts.prepare(*several)

    async def work() -> None:
        assert await asyncio.gather(*map(world.lookup, importers)) == ["", ""]
        world.check()

    world.run(work)

    assert sorted(worked_out) == sorted(key.public for key in KEYS)
    assert len(world.accounts.imports()) == 2 * len(several)


def test_what_was_prepared_is_void_when_an_account_is_removed_meanwhile() -> None:
    importer, exporter, _ = KEYS
    world = World(
        {
            importer.public: REALM.account_jwt(importer, imports=[imports(exporter, "s")]),
            exporter.public: REALM.account_jwt(exporter, exports=[exports("s")]),
        }
    )

    async def work() -> None:
        assert await world.lookup(exporter) == ""

        async def removed_meanwhile(_: object) -> None:
            await world.known.remove(exporter.public)

        world.known.on_preparing = removed_meanwhile
        assert await world.lookup(importer) == ""

    world.run(work)

    assert world.known.by_name[importer.public].options == world.accounts.options[importer.public]
    assert world.accounts.imports() == set()


def test_activations_are_looked_at_again_when_one_ends_and_then_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    importer, exporter, _ = KEYS
    count = IMPORTS_PER_TURN // 2

    def activated(number: int) -> dict[str, Any]:
        body = {"type": "activation", "version": 2, "subject": f"s.{number}", "kind": "stream"}
        ends = NOW_S + (150 if number == 7 else 86_400)
        token = exporter.sign(importer.public, "act", body, issued_s=NOW_S, exp=ends)
        return imports(exporter, f"s.{number}", "stream", token=token)

    offered = [exports("s.*", "stream") | {"token_req": True}]
    world = World(
        {
            importer.public: REALM.account_jwt(
                importer, imports=list(map(activated, range(count)))
            ),
            exporter.public: REALM.account_jwt(exporter, exports=offered),
        }
    )
    decoded: list[str] = []
    decode = account_claims.jwt.decode

    def counted(token: str, kind: Any) -> Any:
        decoded.append(token)
        return decode(token, kind)

    async def work() -> None:
        assert await world.lookup(importer) == ""
        assert len(world.accounts.imports()) == count
        monkeypatch.setattr(account_claims.jwt, "decode", counted)
        for _ in range(2):
            world.clock.advance(60 * NS_PER_S)
            await asyncio.sleep(0)
        assert decoded == []

        world.clock.advance(60 * NS_PER_S)
        steps = []
        while len(world.accounts.imports()) == count:
            steps.append(len(decoded))
            await asyncio.sleep(0)
        assert len(world.accounts.imports()) == count - 1
        assert max(b - a for a, b in itertools.pairwise([*steps, len(decoded)])) <= 9

    world.run(work)


@pytest.mark.parametrize("first", [0, 1])
def test_of_imports_in_a_circle_the_one_is_left_out_that_nats_server_leaves_out(
    first: int,
) -> None:
    pair = KEYS[:2]
    tokens = {
        one.public: REALM.account_jwt(
            one,
            exports=[exports("s.*", "stream")],
            imports=[imports(other, "s.*", "stream", local_subject="s.$1")],
        )
        for one, other in (pair, pair[::-1])
    }
    world = World(tokens)

    async def work() -> None:
        assert await world.lookup(pair[first]) == ""

    world.run(work)

    # Whoever comes first needs the other one, which is judged before it.
    assert [one[1] for one in world.accounts.imports()] == [pair[1 - first].public]


def test_the_imports_of_one_account_are_looked_at_in_turns() -> None:
    importer, exporter, _ = KEYS
    count = 4 * IMPORTS_PER_TURN
    several = [imports(exporter, f"s.{number}") for number in range(count)]
    world = World(
        {
            importer.public: REALM.account_jwt(importer, imports=several),
            exporter.public: REALM.account_jwt(exporter, exports=[exports("s.*")]),
        }
    )
    looked: list[int] = []

    async def work() -> None:
        export_for = Exporter.export_for
        found = 0

        def counting(self: Exporter, *args: Any) -> Any:
            nonlocal found
            found += 1
            return export_for(self, *args)

        async def watch() -> None:
            while found < count:
                looked.append(found)
                await asyncio.sleep(0)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Exporter, "export_for", counting)
            watching = asyncio.ensure_future(watch())
            assert await world.lookup(importer) == ""
            await watching

    world.run(work)

    assert max(b - a for a, b in itertools.pairwise([*looked, count])) <= IMPORTS_PER_TURN
    assert len(world.accounts.imports()) == count


def test_a_failure_in_the_wiring_refuses_one_account_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, good, _ = KEYS
    world = World({key.public: REALM.account_jwt(key) for key in (bad, good)})
    wire = world.known.on_accounts

    def fails(several: Any) -> None:
        if any(one.name == bad.public for one in several):
            raise KeyError("a defect")
        wire(several)

    world.known.on_accounts = fails

    async def work() -> None:
        assert await world.lookup(bad) == "the account could not be loaded"
        assert await world.lookup(good) == ""
        token = REALM.account_jwt(good, name="second")
        await world.known.update(good.public, token)
        assert world.known.by_name[good.public].token == token
        world.check()

    world.run(work)

    assert "could not be loaded" in caplog.text


def test_an_update_that_fails_leaves_what_was() -> None:
    key, *_ = KEYS
    before = REALM.account_jwt(key)
    world = World({key.public: before})

    async def work() -> None:
        await world.lookup(key)
        for token in ("x", REALM.account_jwt(key, mappings={"..": []})):
            with pytest.raises(AuthError):
                await world.known.update(key.public, token)
        assert world.known.by_name[key.public].token == before
        world.check()

    world.run(work)


def test_a_chain_of_very_many_accounts_is_loaded_without_recursion() -> None:
    keys = [Key(ACCOUNT) for _ in range(1500)]
    tokens = {
        key.public: REALM.account_jwt(key, exports=[exports("q")], imports=[imports(exporter, "q")])
        for key, exporter in itertools.pairwise(keys)
    }
    last = keys[-1]
    tokens[last.public] = REALM.account_jwt(last, exports=[exports("q")])
    world = World(tokens)

    async def work() -> None:
        assert await world.lookup(keys[0]) == ""
        world.check()
        closing = REALM.account_jwt(last, exports=[exports("q")], imports=[imports(keys[0], "q")])
        await world.known.update(last.public, closing)
        world.check()

    world.run(work)

    assert len(world.accounts.imports()) == len(keys) - 1


def test_an_account_that_comes_while_it_is_updated_is_the_newer_one() -> None:
    key, *_ = KEYS
    newer = REALM.account_jwt(key, name="newer")
    world = World({key.public: REALM.account_jwt(key)})
    held = asyncio.Event()

    class Slow(MemoryResolver):
        async def fetch(self, account: str) -> str:
            token = await super().fetch(account)
            await held.wait()
            return token

    world.known.resolver = Slow({key.public: REALM.account_jwt(key)})

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            looked_up = tasks.create_task(world.lookup(key))
            await asyncio.sleep(0)
            updated = tasks.create_task(world.known.update(key.public, newer))
            await asyncio.sleep(0)
            held.set()
        assert looked_up.result() == ""
        assert updated.done()

    world.run(work)

    assert world.known.by_name[key.public].token == newer


class Slow(MemoryResolver):
    """Answers with what it had when it was asked, once `held` is set."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        super().__init__(tokens)
        self.asked: list[str] = []
        self.held = asyncio.Event()

    async def fetch(self, account: str) -> str:
        self.asked.append(account)
        try:
            return await super().fetch(account)
        finally:
            await self.held.wait()


def slow_world(tokens: Mapping[str, str]) -> tuple[World, Slow]:
    world = World(tokens)
    world.known.resolver = resolver = Slow(tokens)
    return world, resolver


@pytest.mark.parametrize("is_exporter", [True, False])
@pytest.mark.parametrize("was_there", [True, False])
def test_a_reload_outdoes_what_is_being_fetched(*, is_exporter: bool, was_there: bool) -> None:
    importer, key, _ = KEYS
    newer = REALM.account_jwt(key, name="newer")
    taker = REALM.account_jwt(importer, imports=[imports(key, "q")])
    before = {key.public: REALM.account_jwt(key)} if was_there else {}
    world, resolver = slow_world({importer.public: taker, **before})
    wanted = importer if is_exporter else key

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            looked_up = tasks.create_task(world.lookup(wanted))
            if is_exporter:
                resolver.held.set()
                await turns(lambda: importer.public in resolver.asked)
                resolver.held.clear()
            await turns(lambda: key.public in resolver.asked)
            preload = {importer.public: taker, key.public: newer}
            await world.known.change(MemoryResolver(preload))
            resolver.held.set()
        assert looked_up.result() == ""
        world.check()

    world.run(work)

    assert world.known.by_name[key.public].token == newer
    assert resolver.asked.count(key.public) == 1


def test_while_the_next_resolver_takes_in_what_is_preloaded_the_one_of_before_is_asked() -> None:
    key, other, _ = KEYS
    tokens = {one.public: REALM.account_jwt(one) for one in (key, other)}
    newer = REALM.account_jwt(other, name="newer")
    world = World(tokens)
    begun, stored = asyncio.Event(), asyncio.Event()

    class Storing(MemoryResolver):
        async def begin(self) -> None:
            begun.set()
            await stored.wait()
            self.tokens = {**tokens, other.public: newer}

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            changing = tasks.create_task(world.known.change(Storing({})))
            await begun.wait()
            assert await world.lookup(key) == ""
            stored.set()
            await changing
        assert await world.lookup(other) == ""

    world.run(work)

    assert world.known.by_name[other.public].token == newer


def test_a_reload_outdoes_the_exporter_that_an_update_is_fetching() -> None:
    importer, key, _ = KEYS
    newer = REALM.account_jwt(key, name="newer")
    world, resolver = slow_world({importer.public: REALM.account_jwt(importer)})
    resolver.tokens[key.public] = REALM.account_jwt(key)

    async def work() -> None:
        resolver.held.set()
        assert await world.lookup(importer) == ""
        resolver.held.clear()
        taker = REALM.account_jwt(importer, imports=[imports(key, "q")])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(world.known.update(importer.public, taker))
            await turns(lambda: key.public in resolver.asked)
            preload = {importer.public: taker, key.public: newer}
            await world.known.change(MemoryResolver(preload))
            resolver.held.set()

    world.run(work)

    assert world.known.by_name[key.public].token == newer


def test_what_an_update_brings_outdoes_an_older_one_that_is_being_fetched() -> None:
    key, *_ = KEYS
    older, first = (REALM.account_jwt(key, name=name) for name in ("older", "first"))
    newer = REALM.account_jwt(key, name="newer")
    world, resolver = slow_world({key.public: first})

    async def work() -> None:
        resolver.held.set()
        assert await world.lookup(key) == ""
        resolver.tokens[key.public] = older
        resolver.held.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(world.known.refetch(key.public))
            await turns(lambda: len(resolver.asked) == 2)
            await world.known.update(key.public, newer)
            resolver.held.set()
        assert world.known.by_name[key.public].token == newer
        # Nothing came in between now: an operator may go back.
        await world.known.refetch(key.public)

    world.run(work)

    assert world.known.by_name[key.public].token == older


def test_an_account_that_expired_is_fetched_again_once_for_all_and_not_too_often() -> None:
    key, *_ = KEYS
    expiring = REALM.account_jwt(key, claims={"exp": NOW_S + 10})
    world, resolver = slow_world({key.public: expiring})
    resolver.held.set()
    renewed = REALM.account_jwt(key, name="renewed")

    async def work() -> None:
        assert await world.lookup(key) == ""
        world.clock.advance(12 * NS_PER_S)
        assert world.known.by_name[key.public].expired
        for _ in range(3):
            assert (await world.known.lookup(key.public)).expired
        assert len(resolver.asked) == 2

        resolver.tokens[key.public] = renewed
        assert (await world.known.lookup(key.public)).expired
        world.clock.advance(ACCOUNT_RENEWAL_NS)
        resolver.held.clear()
        async with asyncio.TaskGroup() as tasks:
            several = [tasks.create_task(world.known.lookup(key.public)) for _ in range(5)]
            await turns(lambda: world.known.lookups_waiting > 0)
            resolver.held.set()
        assert not any(one.result().expired for one in several)
        assert len(resolver.asked) == 3
        assert world.known.lookups_waiting == 0
        world.check()

    world.run(work)

    assert world.known.by_name[key.public].token == renewed


def test_an_account_ends_when_its_jwt_does() -> None:
    key, *_ = KEYS
    world = World({key.public: REALM.account_jwt(key, claims={"exp": NOW_S + 10})})

    async def work() -> None:
        assert await world.lookup(key) == ""
        world.clock.advance(10 * NS_PER_S - 1 - world.clock.wall_ns() % NS_PER_S)
        assert not world.known.by_name[key.public].expired
        world.clock.advance(1)
        assert world.known.by_name[key.public].expired
        assert (await world.known.lookup(key.public)).expired

    world.run(work)


def test_an_account_that_a_clock_ended_by_mistake_comes_back() -> None:
    key, *_ = KEYS
    world = World({key.public: REALM.account_jwt(key, claims={"exp": NOW_S + 10})})

    async def work() -> None:
        assert await world.lookup(key) == ""
        world.clock.advance(12 * NS_PER_S)
        world.clock.jump_wall(-12 * NS_PER_S)
        assert not (await world.known.lookup(key.public)).expired

    world.run(work)


def test_an_account_that_expired_and_cannot_be_loaded_stays_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    key, *_ = KEYS
    world = World({key.public: REALM.account_jwt(key, claims={"exp": NOW_S + 10})})

    async def work() -> None:
        assert await world.lookup(key) == ""
        world.clock.advance(12 * NS_PER_S)
        world.resolver.tokens.clear()
        assert (await world.known.lookup(key.public)).expired
        world.clock.advance(ACCOUNT_RENEWAL_NS)
        world.resolver.tokens[key.public] = REALM.account_jwt(key, exports=[exports("q")])
        world.known.on_accounts = lambda several: {}[several]
        assert (await world.known.lookup(key.public)).expired

    world.run(work)

    assert "could not be loaded" in caplog.text


def test_a_removed_account_imports_and_stores_nothing() -> None:
    importer, exporter, _ = KEYS
    token = REALM.account_jwt(
        importer, limits={"disk_storage": -1}, imports=[imports(exporter, "q")]
    )
    world = World(
        {
            importer.public: token,
            exporter.public: REALM.account_jwt(exporter, exports=[exports("q")]),
        }
    )

    async def work() -> None:
        await world.lookup(importer)
        await world.known.remove(importer.public)
        assert world.accounts.imports() == set()
        assert world.accounts.options[importer.public].jetstream is None
        await world.known.update(importer.public, token)
        assert len(world.accounts.imports()) == 1
        assert world.accounts.options[importer.public].jetstream is not None

    world.run(work)


SUBJECTS = st.one_of(
    st.sampled_from(
        ["a", "a.*", "a.>", "*", ">", "a.$1", "$1.a", "..", "a b", "", "a.*.>", "$01", "a.{{x}}"]
    ),
    st.text(st.sampled_from("a.*>$1{}() \r\n\0ü"), max_size=6),
)
NUMBERS = st.sampled_from([0, 1, -1, -2, 100, 101, 256, 2**63 - 1, -(2**63), 2**70])
NAMES = st.sampled_from([*(key.public for key in KEYS), "", "A", "../x", "$G", "$SYS"])
KINDS = st.sampled_from(["stream", "service", "", "x"])
IMPORTS = st.fixed_dictionaries(
    {"subject": SUBJECTS, "account": NAMES, "type": KINDS},
    optional={
        "local_subject": SUBJECTS,
        "to": SUBJECTS,
        "share": st.booleans(),
        "allow_trace": st.booleans(),
        "token": st.sampled_from(["", "x", REALM.account_jwt()]),
    },
)
EXPORTS = st.fixed_dictionaries(
    {"subject": SUBJECTS, "type": KINDS},
    optional={
        "token_req": st.booleans(),
        "response_type": st.sampled_from(["", "Singleton", "Stream", "Chunked", "x"]),
        "response_threshold": NUMBERS,
        "account_token_position": NUMBERS,
        "service_latency": st.fixed_dictionaries(
            {"results": SUBJECTS, "sampling": st.one_of(NUMBERS, st.just("headers"))}
        ),
        "revocations": st.dictionaries(NAMES, NUMBERS, max_size=2),
    },
)
ANYTHING = st.one_of(
    st.none(), st.booleans(), NUMBERS, SUBJECTS, st.lists(SUBJECTS, max_size=2), st.floats()
)
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "imports": st.lists(IMPORTS, max_size=4),
        "exports": st.lists(EXPORTS, max_size=4),
        "mappings": st.dictionaries(
            SUBJECTS,
            st.lists(
                st.fixed_dictionaries({"subject": SUBJECTS}, optional={"weight": NUMBERS}),
                max_size=3,
            ),
            max_size=3,
        ),
        "limits": st.dictionaries(st.sampled_from([*NO_LIMITS, "disk_storage"]), NUMBERS),
        "signing_keys": st.lists(NAMES, max_size=2),
        "default_permissions": st.fixed_dictionaries(
            {"pub": st.fixed_dictionaries({"allow": st.lists(SUBJECTS, max_size=2)})}
        ),
        "trace": st.fixed_dictionaries({"dest": SUBJECTS, "sampling": NUMBERS}),
        "authorization": st.fixed_dictionaries({"auth_users": st.lists(SUBJECTS, max_size=1)}),
        "tags": ANYTHING,
        "info_url": ANYTHING,
        "revocations": ANYTHING,
    },
)
# What holds, so that the interesting rest is reached, and what somebody made up.
SOUND = st.fixed_dictionaries(
    {
        "imports": st.lists(
            st.builds(
                lambda account, two: {"account": account, "subject": two[0], "type": two[1]},
                st.sampled_from([key.public for key in KEYS]),
                st.sampled_from([("a", "service"), ("b.*", "stream"), ("c.>", "service")]),
            ),
            max_size=3,
        ),
        "exports": st.just(
            [exports("a"), exports("b.>", "stream"), exports("c.*"), exports("d", "stream")]
        ),
    }
)


def encoded(key: Key, nats: dict[str, Any]) -> str:
    limits = nats.pop("limits", {})
    return REALM.account_jwt(key, limits=limits, **nats)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.one_of(SOUND, CLAIMS)), min_size=1, max_size=6))
def test_whatever_accounts_say_they_are_what_they_are_known_as_or_refused(
    steps: list[tuple[int, dict[str, Any]]],
) -> None:
    world = World({})

    async def work() -> None:
        for number, nats in steps:
            key = KEYS[number]
            try:
                token = encoded(key, dict(nats))
            except ValueError:
                continue  # JSON has no such number
            world.resolver = world.known.resolver = MemoryResolver(
                world.resolver.tokens | {key.public: token}
            )
            before = world.known.by_name.get(key.public)
            if before is None:
                assert "could not be" not in await world.lookup(key)
            else:
                try:
                    await world.known.update(key.public, token)
                except AuthError:
                    assert world.known.by_name[key.public] is before
            world.check()

    world.run(work)


def test_what_is_wrong_with_very_many_imports_is_said_of_a_few(
    caplog: pytest.LogCaptureFixture,
) -> None:
    importer, exporter, _ = KEYS
    wanted = [imports(exporter, f"q.{number}") for number in range(100)]
    missing = [imports(Key(ACCOUNT), f"m.{number}") for number in range(100)]
    world = World(
        {
            importer.public: REALM.account_jwt(importer, imports=wanted + missing),
            exporter.public: REALM.account_jwt(exporter),
        }
    )

    async def work() -> None:
        assert await world.lookup(importer) == ""

    world.run(work)

    said = [record.getMessage() for record in caplog.records]
    assert sum("to import from not found" in one for one in said) == CLAIMS_PROBLEMS_SHOWN_MAX
    assert sum("Import left out" in one for one in said) == CLAIMS_PROBLEMS_SHOWN_MAX
    assert sum("in all=100" in one for one in said) == 1
