"""leafnode.system.claims: account JWTs updated, listed and deleted, with nats-server's texts."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nkeys
import pytest

from leafnode.auth.directory import DirectoryResolver, JwtDirectory
from leafnode.auth.operator import OperatorMode
from leafnode.auth.resolver import MemoryResolver
from leafnode.auth.trust import Trust
from leafnode.config.options import ResolverOptions
from leafnode.limits import CLAIMS_REQUEST_BYTES
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from leafnode.system import claims
from leafnode.system.claims import ClaimsRequests
from leafnode.system.envelope import About, Envelope
from tests.hub.jwt import Key
from tests.sim.clock import FakeClock
from tests.sim.realm import ACCOUNT, NOW_S, Realm, User

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from leafnode.routing.subscription import Delivery

REALM = Realm()
OTHER = Key(ACCOUNT)


class World:
    """A system account with its requests over a directory."""

    def __init__(
        self, path: Path, tasks: asyncio.TaskGroup, kind: str = "full", **more: Any
    ) -> None:
        clock = FakeClock()
        options = ResolverOptions(kind, directory=str(path), **more)
        self.directory = JwtDirectory.open(options, clock)
        self.directory.save(REALM.system.public, REALM.account_jwt(REALM.system))
        trust = Trust(
            frozenset({REALM.operator.public}),
            operator=REALM.operator.public,
            system_account=REALM.system.public,
        )
        preload = {REALM.system.public: REALM.account_jwt(REALM.system)}
        kept = self.directory if kind in {"full", "cache"} else None
        resolver = DirectoryResolver(kept) if kept is not None else MemoryResolver(preload)
        self.operator = OperatorMode(trust, resolver, clock, pinned=frozenset())
        self.account = Account(REALM.system.public, Outbox(lambda: None))
        envelope = Envelope(About("ID", "name", "host"), self.account, clock, random.Random(1))
        self.requests = ClaimsRequests(envelope, self.operator, tasks.create_task)
        self.requests.start()
        self.answers: list[bytes] = []
        self.account.subscribe(b"reply", self._take)

    def _take(self, delivery: Delivery) -> None:
        self.answers += [body for _, _, body in delivery.messages]

    async def ask(self, subject: str, body: str | bytes = b"") -> list[bytes]:
        """The answers to one request."""
        self.answers.clear()
        data = body.encode() if isinstance(body, str) else body
        self.account.publish(subject.encode(), data, reply=b"reply")
        await self.idle()
        return list(self.answers)

    async def idle(self) -> None:
        """Wait until no request waits."""
        while self.requests.is_busy:  # noqa: ASYNC110 -- a thread does it
            await asyncio.sleep(0.001)

    async def told(self, subject: str, body: str | bytes = b"") -> dict[str, Any]:
        (answer,) = await self.ask(subject, body)
        found: dict[str, Any] = json.loads(answer)
        return found


def update(key: Key) -> str:
    return f"$SYS.REQ.ACCOUNT.{key.public}.CLAIMS.UPDATE"


async def test_an_update_is_kept_and_looked_up(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        token = REALM.account_jwt(OTHER)

        answer = await world.told(update(OTHER), token)

        assert answer["data"] == {"account": OTHER.public, "code": 200, "message": "jwt updated"}
        assert answer["server"]["id"] == "ID"
        lookup = f"$SYS.REQ.ACCOUNT.{OTHER.public}.CLAIMS.LOOKUP"
        assert await world.ask(lookup) == [token.encode()]
        assert await world.ask(f"$SYS.REQ.ACCOUNT.{Key(ACCOUNT).public}.CLAIMS.LOOKUP") == [b""]
        assert (await world.told("$SYS.REQ.CLAIMS.UPDATE", token))["data"]["code"] == 200
        assert sorted((await world.told("$SYS.REQ.CLAIMS.LIST"))["data"]) == sorted(
            [OTHER.public, REALM.system.public]
        )


async def test_an_answer_lends_nobody_the_rights_of_the_system_account(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        origins: list[object] = []
        world.account.subscribe(b"reply", lambda delivery: origins.append(delivery.origin))

        await world.ask("$SYS.REQ.CLAIMS.LIST")

        assert origins == [world.account.answering]


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("nonsense", "expected 3 chunks"),
        (REALM.account_jwt(REALM.account), "subject does not match jwt content"),
        (REALM.account_jwt(OTHER, by=Realm().operator), "not trusted"),
        (REALM.account_jwt(OTHER, by=OTHER), "not trusted"),
    ],
)
async def test_an_update_that_does_not_hold_is_an_error(
    tmp_path: Path, token: str, problem: str
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)

        answer = await world.told(update(OTHER), token)

        assert answer["error"]["code"] == 500
        assert answer["error"]["description"] == f"jwt update resulted in error - {problem}"
        assert world.directory.accounts() == [REALM.system.public]


async def test_an_update_with_claims_that_make_no_sense_is_told_what_is_wrong(
    tmp_path: Path,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)

        answer = await world.told(update(OTHER), REALM.account_jwt(OTHER, mappings={"a..b": []}))

        assert answer["error"] == {
            "account": OTHER.public,
            "code": 500,
            "description": "jwt validation failed - validation errors: "
            '[subject "a..b" cannot contain consecutive `.`]',
        }


async def test_an_update_with_a_mapping_that_cannot_be_leaves_the_mappings_of_before(
    tmp_path: Path,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        await world.operator.start(tasks)
        known = world.operator.known.by_name
        good = {"w.*": [{"subject": "z.$1"}]}
        await world.told(update(REALM.system), REALM.account_jwt(REALM.system, mappings=good))
        before = known[REALM.system.public].token

        for destinations, problem in (
            (
                [{"subject": "z.$2"}],
                'mapping "w.*" -> "z.$2": invalid mapping destination: '
                "wildcard index out of range in $2: [2]",
            ),
            (
                [{"subject": "z", "weight": 1}, {"subject": "z", "cluster": "c", "weight": 1}],
                'mapping "w.*": duplicate entry for "z"',
            ),
        ):
            bad = REALM.account_jwt(REALM.system, mappings={"w.*": destinations})
            answer = await world.told(update(REALM.system), bad)
            assert answer["error"]["description"] == f"jwt validation failed - {problem}"
            assert known[REALM.system.public].token == before


async def test_an_expired_jwt_is_kept_and_what_held_before_goes_on_to_hold(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        await world.operator.start(tasks)
        before = world.operator.known.by_name[REALM.system.public].token
        expired = REALM.account_jwt(REALM.system, claims={"exp": NOW_S - 1})

        answer = await world.told(update(REALM.system), expired)

        assert answer["data"]["message"] == "jwt updated"
        assert (tmp_path / f"{REALM.system.public}.jwt").read_text() == expired
        assert world.directory.load(REALM.system.public) is None
        assert world.operator.known.by_name[REALM.system.public].token == before


async def test_a_request_that_fails_is_answered_and_the_next_one_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)

        def fails() -> list[str]:
            raise KeyError("a defect")

        with monkeypatch.context() as patched:
            patched.setattr(world.directory, "accounts", fails)
            answer = await world.told("$SYS.REQ.CLAIMS.LIST")

        assert answer["error"]["description"] == "request failed - see the log of the server"
        assert "KeyError" in caplog.text
        assert (await world.told("$SYS.REQ.CLAIMS.LIST"))["data"] == [REALM.system.public]


async def test_an_update_reaches_an_account_in_use(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        await world.operator.start(tasks)
        changed: list[str] = []
        world.operator.known.on_change = changed.append

        await world.told(update(REALM.system), REALM.account_jwt(REALM.system, tags=["new"]))

        assert changed == [REALM.system.public]


async def test_an_update_is_answered_when_all_clients_are_held_to_it(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        await world.operator.start(tasks)
        asked, done = asyncio.Event(), asyncio.Event()

        def begin(_: str) -> asyncio.Event:
            asked.set()
            return done

        world.operator.known.on_change = begin
        token = REALM.account_jwt(REALM.system, tags=["new"])
        answer = tasks.create_task(world.told(update(REALM.system), token))
        await asked.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not world.answers

        done.set()

        assert (await answer)["data"]["message"] == "jwt updated"


async def test_a_pack_sends_what_the_other_lacks_and_ends_empty(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        token = REALM.account_jwt(REALM.system)

        assert await world.ask("$SYS.REQ.CLAIMS.PACK", world.directory.hash()) == [b""]
        assert await world.ask("$SYS.REQ.CLAIMS.PACK", bytes(32)) == [
            f"{REALM.system.public}|{token}".encode(),
            b"",
        ]


async def test_a_pack_of_very_many_leaves_others_their_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, turns = asyncio.get_running_loop(), [0]

    def take(delivery: Delivery) -> None:
        if not turns[-1]:
            loop.call_soon(turns.append, 0)
        turns[-1] += len(delivery.messages)

    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        many = [(f"A{number}", "token") for number in range(600)]
        monkeypatch.setattr(JwtDirectory, "pack", lambda _: iter(many))
        world.account.subscribe(b"reply", take)

        await world.ask("$SYS.REQ.CLAIMS.PACK", bytes(32))

    assert turns == [256, 256, 89, 0]


def deletion(signer: Key, accounts: Any, **claims: Any) -> str:
    body = {"type": "generic", "version": 2, "accounts": accounts}
    return signer.sign(claims.pop("sub", signer.public), "del", body, issued_s=NOW_S, **claims)


@pytest.mark.parametrize("form", [{"type": "generic", "version": 2}, {"type": "generic"}, {}])
async def test_an_operator_deletes_accounts(tmp_path: Path, form: dict[str, Any]) -> None:
    body = form | {"accounts": [OTHER.public]}
    request = REALM.operator.sign(REALM.operator.public, "del", body, issued_s=NOW_S)
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks, allow_delete=True)
        await world.told(update(OTHER), REALM.account_jwt(OTHER))

        answer = await world.told("$SYS.REQ.CLAIMS.DELETE", request)

        assert answer["data"] == {"code": 200, "message": "deleted 1 accounts"}
        assert world.directory.accounts() == [REALM.system.public]


@pytest.mark.parametrize(
    ("request_jwt", "problem"),
    [
        (deletion(Realm().operator, [OTHER.public]), "not trusted"),
        (deletion(REALM.operator, [OTHER.public], sub=OTHER.public), "not self signed"),
        (deletion(REALM.operator, [REALM.system.public]), "not allowed to delete system account"),
        (deletion(REALM.operator, ["../../etc"]), "malformed request"),
        (deletion(REALM.operator, None), "malformed request"),
        (deletion(REALM.operator, [OTHER.public], exp=NOW_S - 1), "claim is expired"),
    ],
)
async def test_nobody_else_does_and_nothing_else(
    tmp_path: Path, request_jwt: str, problem: str
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks, allow_delete=True)
        await world.told(update(OTHER), REALM.account_jwt(OTHER))

        answer = await world.told("$SYS.REQ.CLAIMS.DELETE", request_jwt)

        assert problem in answer["error"]["description"]
        assert len(world.directory.accounts()) == 2


async def test_deleting_has_to_be_allowed(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)

        answer = await world.told("$SYS.REQ.CLAIMS.DELETE", deletion(REALM.operator, []))

        assert "delete must be enabled in server config" in answer["error"]["description"]


async def test_a_cache_takes_only_accounts_in_use(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks, "cache")

        answer = await world.told(update(OTHER), REALM.account_jwt(OTHER))

        assert answer["data"]["message"] == "jwt update cache skipped"
        assert world.directory.accounts() == [REALM.system.public]


@pytest.mark.parametrize(
    "subject",
    [
        "$SYS.REQ.CLAIMS.UPDATE",
        "$SYS.REQ.CLAIMS.LIST",
        "$SYS.REQ.CLAIMS.DELETE",
        "$SYS.REQ.CLAIMS.PACK",
        pytest.param(f"$SYS.REQ.ACCOUNT.{REALM.system.public}.CLAIMS.LOOKUP", id="a look-up"),
    ],
)
async def test_without_a_directory_nobody_answers_but_to_an_update_of_one_account(
    tmp_path: Path, subject: str
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks, "memory")
        await world.operator.start(tasks)

        assert await world.ask(subject, REALM.account_jwt(REALM.system)) == []
        assert await world.told(update(REALM.system), REALM.account_jwt(REALM.system))


STRANGER = Key(nkeys.PREFIX_BYTE_OPERATOR)


@pytest.mark.parametrize(
    ("body", "description"),
    [
        ("", "jwt update error - request body is empty"),
        ("x", "jwt update resulted in error - expected 3 chunks"),
        ("a+b.c.d", "jwt update resulted in error - illegal base64 data at input byte 1"),
        ("abcde.c.d", "jwt update resulted in error - illegal base64 data at input byte 4"),
        (
            REALM.user_jwt(User()),
            "jwt update resulted in error - not account claim",
        ),
        (
            REALM.account_jwt(REALM.system)[:-20] + "A" * 20,
            "jwt update resulted in error - claim failed V2 signature verification",
        ),
        (
            REALM.account_jwt(OTHER),
            "jwt update resulted in error - subject does not match jwt content",
        ),
        (
            REALM.account_jwt(REALM.system, by=STRANGER),
            "jwt update resulted in error - account validation failed",
        ),
        (
            REALM.account_jwt(REALM.system, claims={"exp": NOW_S - 1}),
            "jwt update resulted in error - account validation failed",
        ),
    ],
)
async def test_what_is_wrong_with_an_update_is_said_as_nats_server_says_it(
    tmp_path: Path, body: str, description: str
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks, "memory")
        await world.operator.start(tasks)

        answer = await world.told(update(REALM.system), body)

        shown = {"account": REALM.system.public, "code": 500, "description": description}
        assert answer["error"] == shown


async def test_nobody_is_told_whether_there_is_a_jwt_of_what_is_no_account(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)

        assert await world.ask("$SYS.REQ.ACCOUNT.XYZ.CLAIMS.LOOKUP") == []
        assert await world.ask(f"$SYS.REQ.ACCOUNT.{OTHER.public}.CLAIMS.LOOKUP") == [b""]


async def test_only_so_much_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = 100
    monkeypatch.setattr(claims, "CLAIMS_REQUESTS_BYTES_MAX", fits * (CLAIMS_REQUEST_BYTES + 2))
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        for _ in range(fits):
            world.account.publish(b"$SYS.REQ.CLAIMS.LIST", b"{}", reply=b"reply")
        assert world.answers == []

        world.account.publish(b"$SYS.REQ.CLAIMS.LIST", b"", reply=b"reply")

        assert world.requests.refused == 1
        assert b"too many requests" in world.answers[0]
        await world.idle()
    assert len(world.answers) == fits + 1
    assert all(b"data" in answer for answer in world.answers[1:])


async def test_a_push_of_many_accounts_is_taken_as_it_comes(tmp_path: Path) -> None:
    accounts = [Key(ACCOUNT) for _ in range(300)]
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        for key in accounts:
            token = REALM.account_jwt(key)
            world.account.publish(b"$SYS.REQ.CLAIMS.UPDATE", token.encode(), reply=b"reply")
        await world.idle()

    assert len(world.answers) == len(accounts)
    assert all(b'"jwt updated"' in answer for answer in world.answers)


class Reloading(JwtDirectory):
    """One whose server is given another one while it works."""

    reload: Callable[[], None]

    def save(self, account: str, token: str) -> bool:
        is_news = super().save(account, token)
        self.reload()
        return is_news

    def delete(self, account: str) -> None:
        super().delete(account)
        self.reload()


def elsewhere(world: World, path: Path) -> JwtDirectory:
    return JwtDirectory.open(replace(world.directory.options, directory=str(path)), FakeClock())


def reloading(world: World, path: Path, next_one: JwtDirectory) -> None:
    """Let the world's resolver become another one in the middle of the next request."""
    path.mkdir()
    directory = Reloading(replace(world.directory.options, directory=str(path)), FakeClock())
    for account in world.directory.accounts():
        token = world.directory.load(account)
        assert token is not None
        JwtDirectory.save(directory, account, token)
    known = world.operator.known
    directory.reload = lambda: setattr(known, "resolver", DirectoryResolver(next_one))
    known.resolver = DirectoryResolver(directory)


async def test_an_update_in_the_middle_of_a_reload_is_kept_where_accounts_come_from_then(
    tmp_path: Path,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path / "jwt", tasks)
        other = elsewhere(world, tmp_path / "b")
        token = REALM.account_jwt(OTHER)
        reloading(world, tmp_path / "a", other)

        assert (await world.told(update(OTHER), token))["data"]["code"] == 200

        assert other.load(OTHER.public) == token


async def test_a_delete_in_the_middle_of_a_reload_is_one_where_accounts_come_from_then(
    tmp_path: Path,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path / "jwt", tasks, allow_delete=True)
        world.directory.save(OTHER.public, REALM.account_jwt(OTHER))
        other = elsewhere(world, tmp_path / "b")
        other.save(OTHER.public, REALM.account_jwt(OTHER))
        reloading(world, tmp_path / "a", other)
        request = deletion(REALM.operator, [OTHER.public])

        assert (await world.told("$SYS.REQ.CLAIMS.DELETE", request))["data"]["code"] == 200

        assert other.load(OTHER.public) is None


async def test_what_waits_for_its_turn_is_done_by_what_a_reload_brought(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path / "jwt", tasks)
        other, third, token = (
            elsewhere(world, tmp_path / "b"),
            Key(ACCOUNT),
            REALM.account_jwt(OTHER),
        )
        reloading(world, tmp_path / "a", other)

        world.account.publish(update(OTHER).encode(), token.encode())
        world.account.publish(update(third).encode(), REALM.account_jwt(third).encode())
        await world.idle()

        assert sorted(other.accounts()) == sorted([OTHER.public, third.public])


async def test_a_question_about_a_directory_that_a_reload_took_away_is_refused(
    tmp_path: Path,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        world = World(tmp_path, tasks)
        world.account.publish(b"$SYS.REQ.CLAIMS.LIST", b"", reply=b"reply")
        world.operator.known.resolver = MemoryResolver({})
        world.requests.start()
        await world.idle()

        (answer,) = world.answers
        assert json.loads(answer)["error"]["description"] == (
            "request failed - the resolver has no directory"
        )
        assert await world.ask("$SYS.REQ.CLAIMS.LIST") == []
        assert await world.ask(update(OTHER), REALM.account_jwt(OTHER)) != []
