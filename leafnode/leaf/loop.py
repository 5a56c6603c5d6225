"""Loop detection: the subject that no message is ever sent on, announced so that it may come back.

Each account owns one random `$LDS.` subject, the same on all its links. Who is sent his own one
stands in a ring of leaf connections; protocol/leaf_session compares and ends the link. Knows no
connections. Truth: nats-server 2.15.1 server/leafnode.go; three servers in a ring see it within 3
s (measured).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.nuid import nuid
from leafnode.routing.leaf_interest import LOOP_PREFIX

if TYPE_CHECKING:
    from random import Random


class LoopSubjects:
    """One subject per account, for the life of the process."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._subjects: dict[str, bytes] = {}  # as many as there are accounts

    def subject_of(self, account: str) -> bytes:
        """Return the account's subject, the same one every time."""
        if account not in self._subjects:
            self._subjects[account] = LOOP_PREFIX + nuid(self._random).encode()
        return self._subjects[account]
