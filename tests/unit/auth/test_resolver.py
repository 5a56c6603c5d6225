"""leafnode.auth.resolver: which resolver a configuration asks for, and the one in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.auth.directory import DirectoryResolver, JwtDirectory
from leafnode.auth.resolver import MemoryResolver, foretold, new_resolver
from leafnode.auth.url_resolver import UrlResolver
from leafnode.config.options import OperatorOptions, ResolverOptions
from leafnode.errors import AuthError
from tests.sim.clock import FakeClock
from tests.sim.realm import NOW_S, Realm

if TYPE_CHECKING:
    from pathlib import Path

REALM = Realm()
PRELOAD = ((REALM.account.public, REALM.account_jwt()),)


async def test_memory_has_what_was_preloaded_and_nothing_else() -> None:
    options = OperatorOptions(resolver=ResolverOptions(), preload=PRELOAD)
    resolver = new_resolver(options, FakeClock())

    assert isinstance(resolver, MemoryResolver)
    assert await resolver.fetch(REALM.account.public) == PRELOAD[0][1]
    with pytest.raises(AuthError):
        await resolver.fetch(REALM.system.public)


async def test_a_directory_takes_the_preloaded_in(tmp_path: Path) -> None:
    wanted = ResolverOptions("full", directory=str(tmp_path))
    options = OperatorOptions(resolver=wanted, preload=PRELOAD)

    resolver = new_resolver(options, FakeClock())

    assert isinstance(resolver, DirectoryResolver)
    assert not resolver.directory.accounts()  # the configuration may be refused yet
    await resolver.start()
    assert await resolver.fetch(REALM.account.public) == PRELOAD[0][1]
    with pytest.raises(AuthError, match="not found"):
        await resolver.fetch(REALM.system.public)


async def test_what_a_directory_cannot_keep_is_told_of_and_the_old_one_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = ResolverOptions("full", directory=str(tmp_path))
    account, old = PRELOAD[0]
    await new_resolver(OperatorOptions(resolver=wanted, preload=PRELOAD), FakeClock()).start()
    (tmp_path / f".{account}.jwt.new").mkdir()  # what is written first cannot be
    newer = REALM.account_jwt(name="newer", claims={"jti": "2"})

    resolver = new_resolver(
        OperatorOptions(resolver=wanted, preload=((account, newer),)), FakeClock()
    )
    await resolver.start()

    assert await resolver.fetch(account) == old
    assert f"Account not preloaded: account={account}" in caplog.text


@pytest.mark.parametrize("is_newer_there", [True, False])
async def test_of_a_preload_and_what_a_directory_has_the_newer_is_foretold(
    tmp_path: Path, *, is_newer_there: bool
) -> None:
    account, preloaded = PRELOAD[0]
    kept = REALM.operator.sign(
        account,
        "APP",
        {"type": "account", "version": 2},
        issued_s=NOW_S + (10 if is_newer_there else -10),
    )
    wanted = ResolverOptions("full", directory=str(tmp_path))
    JwtDirectory.open(wanted, FakeClock()).save(account, kept)
    options = OperatorOptions(resolver=wanted, preload=PRELOAD)
    resolver = new_resolver(options, FakeClock())

    told = await foretold(account, options, resolver)

    assert told == (kept if is_newer_there else preloaded)
    await resolver.begin()
    assert await resolver.fetch(account) == told


async def test_what_a_directory_lacks_is_foretold_by_the_preload_alone(tmp_path: Path) -> None:
    wanted = ResolverOptions("full", directory=str(tmp_path))
    options = OperatorOptions(resolver=wanted, preload=PRELOAD)
    resolver = new_resolver(options, FakeClock())

    assert await foretold(*PRELOAD[0][:1], options, resolver) == PRELOAD[0][1]
    with pytest.raises(AuthError, match="account jwt not found"):
        await foretold(REALM.system.public, options, resolver)


async def test_that_what_a_directory_has_is_over_is_said(tmp_path: Path) -> None:
    account = REALM.account
    over = REALM.account_jwt(account, claims={"exp": 1})
    (tmp_path / f"{account.public}.jwt").write_text(over)
    wanted = ResolverOptions("full", directory=str(tmp_path))
    resolver = new_resolver(OperatorOptions(resolver=wanted), FakeClock())

    with pytest.raises(AuthError, match="account jwt has expired, or this"):
        await resolver.fetch(account.public)


def test_a_url_may_be_the_operator_s_and_cannot_be_preloaded() -> None:
    assert isinstance(
        new_resolver(OperatorOptions(), FakeClock(), operator_url="http://h/jwt/v1"), UrlResolver
    )
    with pytest.raises(AuthError, match="writeable"):
        new_resolver(
            OperatorOptions(resolver=ResolverOptions("url", url="http://h"), preload=PRELOAD),
            FakeClock(),
        )


def test_an_operator_without_a_resolver_is_refused() -> None:
    with pytest.raises(AuthError, match="operators require an account resolver to be configured"):
        new_resolver(OperatorOptions(), FakeClock())
    with pytest.raises(AuthError, match="resolver_preload"):
        new_resolver(
            OperatorOptions(resolver=ResolverOptions(), preload=(("x", "eyJ"),)), FakeClock()
        )
