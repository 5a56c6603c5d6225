"""Who is connected to which account: counted as it happens, so that nobody has to look through all
connections to know.

Pure. Truth: nats-server 2.15.1 server/accounts.go addClient, removeClient.
"""

from __future__ import annotations

from collections import Counter


class Tally:
    """Clients that logged in and leaf links, by account. Bounded by the connections there are."""

    def __init__(self) -> None:
        self._accounts: dict[int, str] = {}  # of the clients, by cid
        self._clients: Counter[str] = Counter()
        self._leafs: Counter[str] = Counter()
        self._slow: Counter[str] = Counter()

    def clients(self, account: str) -> int:
        return self._clients[account]

    def leafs(self, account: str) -> int:
        return self._leafs[account]

    def connections(self, account: str) -> int:
        return self._clients[account] + self._leafs[account]

    def slow_consumers(self, account: str) -> int:
        """Return how often those of an account were cut, or late, because they did not read."""
        return self._slow[account]

    def enter(self, cid: int, account: str) -> None:
        """Count a client in."""
        self._accounts[cid] = account
        self._clients[account] += 1

    def leave(self, cid: int) -> str:
        """Count a client out and return its account; "" for one that was never counted in."""
        account = self._accounts.pop(cid, "")
        if account:
            self._clients[account] -= 1
        return account

    def was_slow(self, account: str, times: int = 1) -> None:
        self._slow[account] += times

    def link(self, account: str, by: int) -> None:
        """Count a leaf link in (1) or out (-1)."""
        self._leafs[account] += by
