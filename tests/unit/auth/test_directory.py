"""leafnode.auth.directory: files by validated keys only, whole or not at all, not too many."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.auth.directory import DirectoryResolver, JwtDirectory
from leafnode.config.options import ResolverOptions
from leafnode.errors import AuthError
from leafnode.files import FileReader
from tests.hub.jwt import Key
from tests.sim.clock import FakeClock
from tests.sim.realm import ACCOUNT, NOW_S, Realm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NS_PER_S = 1_000_000_000
REALM = Realm()
KEY, OTHER = REALM.account, REALM.system
TOKEN, NEWER = REALM.account_jwt(), REALM.account_jwt(tags=["new"])


def opened(
    path: Path, kind: str = "full", clock: FakeClock | None = None, **more: object
) -> JwtDirectory:
    options = ResolverOptions(kind, directory=str(path), **more)  # type: ignore[arg-type]
    return JwtDirectory.open(options, clock or FakeClock())


def test_what_was_saved_is_there_after_a_restart_in_nats_server_s_files(tmp_path: Path) -> None:
    directory = opened(tmp_path / "jwt")

    assert directory.save(KEY.public, TOKEN)
    assert not directory.save(KEY.public, TOKEN)

    assert (tmp_path / "jwt" / f"{KEY.public}.jwt").read_text() == TOKEN
    assert opened(tmp_path / "jwt").load(KEY.public) == TOKEN
    assert directory.load(OTHER.public) is None


def test_an_older_jwt_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    old = REALM.operator.sign(
        KEY.public, "APP", {"type": "account", "version": 2}, issued_s=NOW_S - 10
    )
    directory.save(KEY.public, TOKEN)

    assert not directory.save_if_newer(KEY.public, old)
    assert directory.save_if_newer(KEY.public, NEWER)
    assert directory.load(KEY.public) == NEWER


def test_a_jwt_of_another_account_or_none_is_not_saved(tmp_path: Path) -> None:
    directory = opened(tmp_path)

    for name, token in (
        (OTHER.public, TOKEN),
        (KEY.public, "x"),
        (KEY.public, TOKEN[:-5] + "AAAAA"),
    ):
        with pytest.raises(AuthError):
            directory.save(name, token)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "/etc/passwd", "a/b", "A\0", "A" * 300, "é"),
        pytest.param(KEY.public + "/", id="a key and more"),
    ],
)
def test_no_name_leads_out_of_the_directory(tmp_path: Path, name: str) -> None:
    directory = opened(tmp_path / "jwt")
    before = sorted(tmp_path.rglob("*"))

    assert directory.load(name) is None
    with pytest.raises(AuthError):
        directory.save(name, TOKEN)
    with pytest.raises(AuthError):
        directory._write(name, TOKEN)
    assert sorted(tmp_path.rglob("*")) == before


@given(st.text(max_size=60))
def test_no_text_is_a_file_name_but_a_key(name: str) -> None:
    directory = JwtDirectory(ResolverOptions("full", directory="/nonexistent"), FakeClock())

    with pytest.raises(AuthError):
        directory._file(name)


def test_a_full_directory_takes_no_more_and_a_cache_lets_the_oldest_go(tmp_path: Path) -> None:
    keys = [Key(ACCOUNT) for _ in range(3)]
    full, cache = opened(tmp_path / "f", limit=2), opened(tmp_path / "c", "cache", limit=2)
    for key in keys[:2]:
        full.save(key.public, REALM.account_jwt(key))
        cache.save(key.public, REALM.account_jwt(key))
    cache.load(keys[0].public)

    with pytest.raises(AuthError, match=r"^jwt store is full$"):
        full.save(keys[2].public, REALM.account_jwt(keys[2]))
    cache.save(keys[2].public, REALM.account_jwt(keys[2]))

    assert sorted(cache.accounts()) == sorted([keys[0].public, keys[2].public])
    assert len(list((tmp_path / "c").iterdir())) == 2


def test_a_cache_forgets_what_was_not_used_for_long(tmp_path: Path) -> None:
    clock = FakeClock()
    cache = opened(tmp_path, "cache", clock, ttl_ns=10 * NS_PER_S)
    cache.save(KEY.public, TOKEN)

    clock.advance(9 * NS_PER_S)
    assert cache.load(KEY.public) == TOKEN
    clock.advance(11 * NS_PER_S)

    assert cache.load(KEY.public) is None
    assert list(tmp_path.iterdir()) == []


def test_a_cache_lets_go_in_time_what_nobody_asks_for(tmp_path: Path) -> None:
    clock = FakeClock()
    cache = opened(tmp_path, "cache", clock, ttl_ns=10 * NS_PER_S)
    cache.save(KEY.public, TOKEN)
    clock.advance(6 * NS_PER_S)
    cache.save(OTHER.public, REALM.account_jwt(OTHER))

    clock.advance(3 * NS_PER_S)
    cache.expire()
    assert len(cache.accounts()) == 2
    clock.advance(1 * NS_PER_S)
    cache.expire()

    assert cache.accounts() == [OTHER.public]
    assert [file.name for file in tmp_path.iterdir()] == [f"{OTHER.public}.jwt"]


def test_what_expired_in_a_full_directory_is_unseen_and_comes_back_with_the_right_time(
    tmp_path: Path,
) -> None:
    clock, wrong = FakeClock(), FakeClock()
    directory = opened(tmp_path, clock=clock)
    directory.save(KEY.public, TOKEN)
    whole = directory.hash()
    directory.save(OTHER.public, REALM.account_jwt(OTHER, claims={"exp": NOW_S + 5}))
    wrong.advance(5 * NS_PER_S)

    clock.advance(5 * NS_PER_S)

    assert directory.accounts() == [KEY.public]
    assert directory.load(OTHER.public) is None
    assert directory.look_up(OTHER.public) is not None  # it is told to who asks, as there
    assert directory.hash() == whole
    assert opened(tmp_path, clock=wrong).accounts() == [KEY.public]
    assert len(opened(tmp_path).accounts()) == 2


def test_what_expired_makes_room_in_a_full_directory(tmp_path: Path) -> None:
    clock = FakeClock()
    directory = opened(tmp_path, clock=clock, limit=1)
    directory.save(OTHER.public, REALM.account_jwt(OTHER, claims={"exp": NOW_S + 5}))
    with pytest.raises(AuthError, match=r"^jwt store is full$"):
        directory.save(KEY.public, TOKEN)

    clock.advance(5 * NS_PER_S)
    directory.save(KEY.public, TOKEN)

    assert [file.name for file in tmp_path.iterdir()] == [f"{KEY.public}.jwt"]


def test_a_cache_without_a_ttl_goes_by_the_jwts(tmp_path: Path) -> None:
    clock = FakeClock()
    cache = opened(tmp_path, "cache", clock)
    cache.save(KEY.public, REALM.account_jwt(claims={"exp": NOW_S + 5}))
    cache.save(OTHER.public, REALM.account_jwt(OTHER))

    clock.advance(4 * NS_PER_S)
    cache.expire()
    assert len(cache.accounts()) == 2
    clock.advance(1 * NS_PER_S)
    cache.expire()

    assert cache.accounts() == [OTHER.public]


def test_a_cache_that_a_reload_made_a_full_directory_lets_nothing_go(tmp_path: Path) -> None:
    clock = FakeClock()
    directory = opened(tmp_path, "cache", clock)
    directory.save(KEY.public, REALM.account_jwt(claims={"exp": NOW_S + 5}))
    directory.save(OTHER.public, REALM.account_jwt(OTHER))
    clock.advance(5 * NS_PER_S)

    directory.take(replace(directory.options, kind="full", limit=1))
    directory.expire()  # of before, whose turn came then

    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_cannot_be_deleted_is_forgotten_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    cache = opened(tmp_path, "cache", clock, ttl_ns=10 * NS_PER_S)
    cache.save(KEY.public, TOKEN)
    clock.advance(11 * NS_PER_S)

    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.unlink", refuses)

    assert cache.load(KEY.public) is None
    assert "Account JWT not deleted" in caplog.text


def test_names_are_durable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def noted(fd: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(fd).st_mode))
        fsync(fd)

    monkeypatch.setattr("os.fsync", noted)
    directory = opened(tmp_path, allow_delete=True)

    directory.save(KEY.public, TOKEN)
    directory.delete(KEY.public)

    assert synced == [False, True, True]  # the file, its name, its other name


def test_deleting_has_to_be_allowed_and_renames_unless_it_is_hard(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    directory.save(KEY.public, TOKEN)
    with pytest.raises(AuthError, match="delete must be enabled"):
        directory.delete(KEY.public)

    soft = opened(tmp_path, allow_delete=True)
    soft.delete(KEY.public)
    assert [path.name for path in tmp_path.iterdir()] == [f"{KEY.public}.jwt.deleted"]
    assert soft.load(KEY.public) is None

    soft.save(KEY.public, TOKEN)
    opened(tmp_path, allow_delete=True, hard_delete=True).delete(KEY.public)
    assert [path.name for path in tmp_path.iterdir()] == [f"{KEY.public}.jwt.deleted"]


def test_the_hash_knows_no_order_and_a_pack_leaves_out_what_expired(tmp_path: Path) -> None:
    clock = FakeClock()
    directory = opened(tmp_path, clock=clock)
    assert directory.hash() == bytes(32)
    expiring = REALM.account_jwt(OTHER, claims={"exp": NOW_S + 5})
    directory.save(KEY.public, TOKEN)
    assert directory.hash() == hashlib.sha256(TOKEN.encode()).digest()
    directory.save(OTHER.public, expiring)

    assert dict(directory.pack()) == {KEY.public: TOKEN, OTHER.public: expiring}
    clock.advance(6 * NS_PER_S)
    assert dict(directory.pack()) == {KEY.public: TOKEN}


def test_files_that_are_no_account_s_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"{KEY.public}.jwt").write_text("damaged")
    (tmp_path / f"{OTHER.public}.jwt").write_text(TOKEN)
    (tmp_path / "notes.txt").write_text("mine")

    assert opened(tmp_path).accounts() == []
    assert len(list(tmp_path.iterdir())) == 3


def test_a_pipe_with_an_account_s_name_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{KEY.public}.jwt")
    (tmp_path / f"{OTHER.public}.jwt").write_text(REALM.account_jwt(OTHER))

    directory = opened(tmp_path)

    assert directory.accounts() == [OTHER.public]
    assert directory.load(KEY.public) is None


def test_a_place_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(AuthError, match="dir needs to point to an accessible directory"):
        opened(tmp_path / "file")


async def test_a_cache_that_was_closed_looks_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leafnode.auth.directory.CACHE_RECHECK_MIN_NS", 0)
    monkeypatch.setattr("leafnode.auth.directory.CACHE_RECHECK_MAX_NS", 0)
    options = ResolverOptions("cache", directory=str(tmp_path))
    resolver = DirectoryResolver(JwtDirectory.open(options, FakeClock()))
    looked: list[str] = []
    monkeypatch.setattr(resolver.directory, "expire", lambda: looked.append("after its end"))
    expiring = asyncio.ensure_future(resolver.expire())
    await asyncio.sleep(0)

    resolver.close()

    await expiring
    assert not looked


async def test_a_directory_that_hangs_refuses_who_asks_and_goes_on_when_it_answers(
    tmp_path: Path,
) -> None:
    jobs: list[asyncio.Future[Any]] = []

    def begin(work: Callable[[], Any]) -> asyncio.Future[Any]:
        jobs.append(asyncio.get_running_loop().create_future())
        if len(jobs) > 1:
            jobs[-1].set_result(work())
        return jobs[-1]

    directory = opened(tmp_path)
    directory.save(KEY.public, TOKEN)
    resolver = DirectoryResolver(directory)
    resolver._files = FileReader(begin)
    for _ in range(3):
        with pytest.raises(AuthError, match="resolver directory: the file system does not answer"):
            await resolver.fetch(KEY.public)
    assert len(jobs) == 1

    jobs[0].set_result(None)

    assert await resolver.fetch(KEY.public) == TOKEN


async def test_a_reload_does_not_wait_for_ever_for_a_directory_that_hangs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs: list[tuple[asyncio.Future[Any], Callable[[], Any]]] = []

    def begin(work: Callable[[], Any]) -> asyncio.Future[Any]:
        jobs.append((asyncio.get_running_loop().create_future(), work))
        return jobs[-1][0]

    resolver = DirectoryResolver(opened(tmp_path), {KEY.public: TOKEN})
    resolver._files = FileReader(begin)

    await resolver.begin()

    assert "not found until it answers: resolver directory: the file system" in caplog.text
    with pytest.raises(AuthError, match="does not answer"):
        await resolver.fetch(KEY.public)
    [(job, work)] = jobs
    job.set_result(work())
    resolver._files = FileReader()
    assert await resolver.fetch(KEY.public) == TOKEN


async def test_a_long_preload_of_a_reload_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loop, minutes = asyncio.get_running_loop(), 5
    tokens = {key.public: REALM.account_jwt(key) for key in (Key(ACCOUNT) for _ in range(minutes))}

    def begin(work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Keep one a slow half minute, then say that all is done."""
        job = loop.create_future()
        left = list(tokens.items())

        def keep_one() -> None:
            if not left:
                job.set_result(None)
                return
            resolver.directory.preload(dict([left.pop()]))
            resolver._preloaded += 1
            loop.call_later(25, keep_one)

        loop.call_later(25, keep_one)
        return job

    resolver = DirectoryResolver(opened(tmp_path), tokens)
    resolver._files = FileReader(begin)
    before_s = loop.time()

    await resolver.begin()

    assert loop.time() - before_s == 25 * (minutes + 1)
    assert "does not answer" not in caplog.text
    resolver._files = FileReader()
    assert {name: await resolver.fetch(name) for name in tokens} == tokens


def test_a_directory_that_is_opened_again_knows_what_the_first_saves(tmp_path: Path) -> None:
    path, alias = tmp_path / "jwt", tmp_path / "alias"
    first = opened(path, limit=2)
    alias.symlink_to(path)
    options = ResolverOptions("full", directory=str(alias), limit=1, allow_delete=True)

    again = JwtDirectory.open(options, FakeClock(), first)
    first.save(KEY.public, TOKEN)
    first.save(OTHER.public, REALM.account_jwt(OTHER))

    assert again is first
    with pytest.raises(AuthError, match="delete must be enabled"):
        first.delete(KEY.public)  # by the options of before, until it takes the other ones
    again.take(options)
    assert again.load(KEY.public) == TOKEN  # beyond the limit of now
    assert again.accounts() == [KEY.public, OTHER.public]
    third = Key(ACCOUNT)
    with pytest.raises(AuthError, match="jwt store is full"):
        again.save(third.public, REALM.account_jwt(third))
    again.delete(KEY.public)
    assert again.accounts() == [OTHER.public]


def test_another_directory_is_another_one(tmp_path: Path) -> None:
    first = opened(tmp_path / "jwt")
    options = ResolverOptions("full", directory=str(tmp_path / "other"))

    assert JwtDirectory.open(options, FakeClock(), first) is not first


def test_a_reload_goes_by_files_that_came_and_went_by_hand(tmp_path: Path) -> None:
    directory, gone = opened(tmp_path), Key(ACCOUNT)
    for key in (OTHER, gone):
        directory.save(key.public, REALM.account_jwt(key))
    (tmp_path / f"{gone.public}.jwt").unlink()
    (tmp_path / f"{KEY.public}.jwt").write_text(TOKEN)
    (tmp_path / "other.jwt").write_text(TOKEN)

    directory.take(replace(directory.options, limit=7))

    assert directory.accounts() == [OTHER.public, KEY.public]
    assert directory.load(KEY.public) == TOKEN
    assert directory.save(gone.public, REALM.account_jwt(gone))  # once more


def test_a_reload_goes_by_files_that_were_replaced_by_hand(tmp_path: Path) -> None:
    clock = FakeClock()
    directory = opened(tmp_path, clock=clock)
    directory.save(KEY.public, REALM.account_jwt(claims={"exp": NOW_S + 5}))
    directory.save(OTHER.public, REALM.account_jwt(OTHER))
    clock.advance(5 * NS_PER_S)
    assert directory.load(KEY.public) is None
    (tmp_path / f"{KEY.public}.jwt").write_text(TOKEN)
    (tmp_path / f"{OTHER.public}.jwt").write_text("damaged")

    directory.take(replace(directory.options, limit=7))

    assert directory.load(KEY.public) == TOKEN
    assert directory.accounts() == opened(tmp_path).accounts() == [KEY.public]
    assert directory.hash() == opened(tmp_path).hash()


def test_a_directory_that_took_the_place_of_another_is_known_by_its_own(tmp_path: Path) -> None:
    directory = opened(tmp_path / "jwt")
    (tmp_path / "jwt").rename(tmp_path / "before")
    (tmp_path / "jwt").mkdir()
    directory.take(replace(directory.options, limit=7))

    moved = ResolverOptions("full", directory=str(tmp_path / "before"))
    (tmp_path / "alias").symlink_to(tmp_path / "jwt")
    same = ResolverOptions("full", directory=str(tmp_path / "alias"))

    assert JwtDirectory.open(moved, FakeClock(), directory) is not directory
    assert JwtDirectory.open(same, FakeClock(), directory) is directory


def test_a_save_that_is_refused_after_the_limit_was_lowered_takes_nothing_away(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    directory = opened(tmp_path, clock=clock)
    for number in range(4):
        key, claims = Key(ACCOUNT), {"exp": NOW_S + 5} if number % 2 else {}
        directory.save(key.public, REALM.account_jwt(key, claims=claims))
    clock.advance(5 * NS_PER_S)
    files = sorted(tmp_path.iterdir())
    directory.take(replace(directory.options, limit=2))

    with pytest.raises(AuthError, match=r"^jwt store is full$"):
        directory.save(KEY.public, TOKEN)

    assert sorted(tmp_path.iterdir()) == files
    directory.take(replace(directory.options, limit=3))
    assert directory.save(KEY.public, TOKEN)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_full_directory_that_becomes_a_cache_has_its_ttl_from_then_on(tmp_path: Path) -> None:
    clock = FakeClock()
    directory = opened(tmp_path, clock=clock, limit=9)
    for key in (KEY, OTHER):
        directory.save(key.public, REALM.account_jwt(key))
    clock.advance(3600 * NS_PER_S)

    directory.take(ResolverOptions("cache", directory=str(tmp_path), ttl_ns=NS_PER_S, limit=1))
    assert directory.load(KEY.public) is not None
    third = Key(ACCOUNT)
    directory.save(third.public, REALM.account_jwt(third))

    assert directory.accounts() == [KEY.public, third.public]  # one made room,
    directory.expire()
    assert directory.accounts() == [third.public]  # and in time there are as many as may be
    clock.advance(NS_PER_S)
    directory.expire()
    assert directory.accounts() == []
