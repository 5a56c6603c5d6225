"""leafnode.auth.resolver: which resolver a configuration asks for, and the one in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.auth.directory import DirectoryResolver
from leafnode.auth.resolver import MemoryResolver, new_resolver
from leafnode.auth.url_resolver import UrlResolver
from leafnode.config.options import OperatorOptions, ResolverOptions
from leafnode.errors import AuthError
from tests.sim.clock import FakeClock
from tests.sim.realm import Realm

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
