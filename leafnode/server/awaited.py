"""Accounts that blocks of the configuration live in and that cannot be had yet, in operator mode.

Knows who waits for which account, why it is not there, and what begins when it comes; not where
accounts come from. Truth: nats-server 2.15.1 server/auth.go registerLeafWithAccount, which looks
for the account of its leafs' login at each of them: a start never ends for want of it (measured).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.errors import AuthError
from leafnode.limits import LEAF_RECONNECT_MAX_NS, SYSTEM_ACCOUNT_FETCH_NS
from leafnode.monitor.views import AwaitedAccount
from leafnode.server import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.config.options import Options
    from leafnode.server.server import Server

log = logging.getLogger(__name__)


class AwaitedAccounts:
    """Those of one server; without an operator there are none."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._problems: dict[str, str] = {}  # of accounts that are missing, in words
        self._search: asyncio.Task[None] | None = None

    async def look_up(self, name: str) -> str:
        """Load an account; return why it cannot be had, "" where it is there."""
        assert self._server.operator is not None, "else all accounts are there"
        try:
            await self._server.operator.known.lookup(name)
        except AuthError as err:
            self._missed(name, str(err))
            return str(err)
        return ""

    def _missed(self, name: str, problem: str) -> None:
        """Note it, and say so once where somebody waits for the account."""
        before, self._problems[name] = self._problems.get(name), problem
        who = [one for one, account in _waiting(self._server.options) if account == name]
        if who and problem != before:
            what = (name, ", ".join(who), problem)
            log.warning("Account cannot be had yet: account=%s waits=%s reason=%s", *what)

    def problem(self, name: str) -> str:
        """Return why an account is not there, in words."""
        return self._problems.get(name, "it was not looked for yet")

    def rows(self) -> list[AwaitedAccount]:
        """Return what waits for an account and says so nowhere else."""
        there = self._server.accounts
        waiting = [one for one in _waiting(self._server.options) if one[1] not in there]
        return [AwaitedAccount(name, who, self.problem(name)) for who, name in waiting]

    def search(self) -> None:
        """Look again and again for what is missing, until all of it is there."""
        if self._missing() and (self._search is None or self._search.done()):
            self._search = self._server.begin(self._look(), name="accounts that are waited for")

    def came(self) -> None:
        """Let those begin whose account is there now."""
        server = self._server
        for name in [name for name in self._problems if name in server.accounts]:
            del self._problems[name]
            log.info("Account is there now: account=%s", name)
        if server.features.uplinks is not None:
            server.features.uplinks.accounts_came()
        options = server.options.serial
        if server.features.serial_waits and options and options.account in server.accounts:
            server.features.serial_waits = False
            _ = server.begin(self._begin_serial(options.account), name="serial")

    def _missing(self) -> list[str]:
        if self._server.operator is None:
            return []
        options, there = self._server.options, self._server.accounts
        names = [name for _, name in _waiting(options)]
        names += [uplink.account for uplink in options.uplinks]  # its remote may be disabled
        return [name for name in dict.fromkeys(names) if name not in there]

    async def _look(self) -> None:
        pause_ns = SYSTEM_ACCOUNT_FETCH_NS
        while missing := self._missing():
            for name in missing:
                await self.look_up(name)
            await asyncio.sleep(pause_ns / NS_PER_S)
            if _is_far(self._server.options):
                pause_ns = min(2 * pause_ns, LEAF_RECONNECT_MAX_NS)

    async def _begin_serial(self, name: str) -> None:
        """Open the ports once what they read can be stored, as at a start."""
        assert self._server.operator is not None, "else nothing is missing"
        await self._server.operator.ready(name)
        await features.change_serial(self._server)


def _is_far(options: Options) -> bool:
    """Say whether accounts come from behind a URL, where each question costs bytes of a link."""
    wanted = options.operator.resolver if options.operator is not None else None
    return wanted is None or wanted.kind == "url"


def _waiting(options: Options) -> Iterator[tuple[str, str]]:
    """Yield who lives in which account and shows nowhere else that it waits for it."""
    if options.serial is not None and options.serial.ports:
        yield "serial ports", options.serial.account
    leafs = options.leafnodes.listener if options.leafnodes is not None else None
    if leafs is not None and leafs.authorization.names and leafs.authorization.account:
        yield "port for leafs", leafs.authorization.account
