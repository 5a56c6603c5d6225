"""What accounts are to be, worked out before any of it holds.

Knows accounts by their claims, and whom they import from; not when it begins to hold. Truth:
nats-server 2.15.1 server/accounts.go UpdateAccountClaims.
"""

from __future__ import annotations

import logging
from asyncio import sleep
from typing import TYPE_CHECKING, NamedTuple

from leafnode.auth.account_claims import approved_imports, exporters_first, with_imports
from leafnode.auth.claims import UNLIMITED, AccountBody, AccountLimitClaims
from leafnode.clock import NS_PER_S
from leafnode.errors import AuthError, quoted
from leafnode.limits import CLAIMS_PROBLEMS_SHOWN_MAX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    from leafnode.auth.account_claims import Exporter
    from leafnode.auth.known_accounts import LoadedAccount
    from leafnode.auth.trust import Trust
    from leafnode.config.account_options import AccountOptions

log = logging.getLogger(__name__)


class Draft(NamedTuple):
    """What an account is to be, and until when (seconds, 0: without end) its imports hold."""

    account: LoadedAccount
    options: AccountOptions
    until_s: int


class Prepared(NamedTuple):
    """What is needed to use these accounts, while the others are as they were."""

    version: int
    fresh: Mapping[str, LoadedAccount]
    drafts: dict[str, Draft]


def changed_by(drafts: Mapping[str, Draft]) -> list[AccountOptions]:
    """Return the options that are others than those that hold."""
    return [draft.options for draft in drafts.values() if draft.options != draft.account.options]


async def ordered(found: Mapping[str, LoadedAccount]) -> dict[str, LoadedAccount]:
    """Return these accounts with exporters first; with many imports that takes some turns."""
    order: list[str] = []
    for _ in exporters_first({name: one.claims for name, one in found.items()}, order):
        await sleep(0)
    return {name: found[name] for name in order}


async def with_exporters(
    found: dict[str, LoadedAccount],
    known: Mapping[str, LoadedAccount],
    fetch: Callable[[str], Awaitable[LoadedAccount]],
) -> dict[str, LoadedAccount]:
    """Return these and whom they import from, and whom those do; one that cannot be had leaves its
    imports out. Accounts that are known stay as they are.

    Exporters come first: of imports in a circle the last one is left out.
    """
    missing: set[str] = set()
    waiting = list(found.values())
    while waiting:
        claims = waiting.pop().claims
        for name in sorted({wanted.account for wanted in claims.nats.imports}):
            if name in found or name in known or name in missing:
                continue
            try:
                found[name] = await fetch(name)
            except AuthError as err:
                missing.add(name)
                if len(missing) <= CLAIMS_PROBLEMS_SHOWN_MAX:
                    who = f"account={quoted(name)} by={claims.sub}"
                    log.warning("Account to import from not found: %s reason=%s", who, err)
            else:
                waiting.append(found[name])
    return await ordered(found)


def draft_of(
    account: LoadedAccount, known: Mapping[str, LoadedAccount], trust: Trust, now_ns: int
) -> Generator[None, None, Draft]:
    """Find what an account is to be among those that are known, in steps."""

    def exporter(name: str) -> Exporter | None:
        other = known.get(name)
        return other.exporter if other is not None and not other.removed else None

    yield
    approved = yield from approved_imports(
        account.claims, exporter, signs_for=trust.signs_for, now_s=now_ns // NS_PER_S
    )
    if approved.uncompared:
        where = f"account={account.claims.sub} subject={quoted(approved.uncompared)}"
        log.warning("Imports left out, their patterns cross too many exports: %s", where)
    return Draft(account, with_imports(account.base, approved.imports), approved.until_s)


def bare(name: str) -> AccountBody:
    """Return what an account is whose own key signs its users, and nothing else is known."""
    limits = AccountLimitClaims(
        subs=UNLIMITED,
        data=UNLIMITED,
        payload=UNLIMITED,
        imports=UNLIMITED,
        exports=UNLIMITED,
        wildcards=True,
        conn=UNLIMITED,
        leaf=UNLIMITED,
    )
    return AccountBody(limits=limits, signing_keys=(name,))
