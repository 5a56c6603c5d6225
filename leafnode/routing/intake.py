"""What a part of the server takes in, changed as a whole: nothing is missed meanwhile, or comes
twice.

Where an account imports from thousands, the shadows of new subscriptions are made in turns. Until
they are all there the new ones sleep and the old ones hear; then one step wakes these and ends
those. Knows subjects, one handler and whose it is; not what is done with a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.limits import INTAKE_WAITING_MAX
from leafnode.routing.parked import in_turns
from leafnode.routing.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from leafnode.routing.account import Account
    from leafnode.routing.subscription import Delivery


class Intake:
    """Subscriptions of the server to some subjects, with one handler."""

    __slots__ = (
        "_account",
        "_asleep",
        "_awake",
        "_handler",
        "_stream",
        "_waiting",
        "_wanted",
        "is_changing",
    )

    def __init__(self, account: Account, stream: str, handler: Callable[[Delivery], None]) -> None:
        """`stream`: the name of the one that stores what is handled."""
        self._account = account
        self._stream = stream
        self._handler = handler
        self._wanted: frozenset[bytes] = frozenset()
        self._awake: dict[bytes, Subscription] = {}  # by subject
        self._asleep: dict[bytes, Subscription] = {}  # that are to take over
        self.is_changing = False  # it will take some more turns
        self._waiting: list[Callable[[], None]] = []  # for the last change

    def change(self, subjects: Iterable[bytes]) -> None:
        """Take in these, and no others: from now on, or from one of the next turns where there are
        very many imports. Of several changes in between the last one holds.
        """
        self._wanted = frozenset(subjects)
        if not self.is_changing:
            self.is_changing = True
            in_turns(self._account.system.outbox, self._changing())

    def close(self) -> None:
        """Take in nothing any more, also of what was on its way."""
        self._wanted = frozenset()
        gone = [*self._awake.values(), *self._asleep.values()]
        self._awake, self._asleep = {}, {}
        self._account.remove_all(gone)
        self._settle()

    def leaving(self) -> list[bytes]:
        """Return what is still taken in, and will not be: nobody else may have it yet."""
        return [subject for subject in self._awake if subject not in self._wanted]

    @property
    def is_full(self) -> bool:
        """Say whether as many wait for a change as may."""
        return len(self._waiting) >= INTAKE_WAITING_MAX

    def when_settled(self, then: Callable[[], None]) -> None:
        """Call `then` once the last change holds: now or later, also where that is given up."""
        if self.is_changing:
            self._waiting.append(then)
        else:
            then()

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then()

    def _changing(self) -> Iterator[None]:
        wanted: frozenset[bytes] | None = None
        while wanted is not self._wanted:
            wanted = self._wanted
            idle = [subject for subject in self._asleep if subject not in wanted]
            self._account.remove_all([self._asleep.pop(subject) for subject in idle])
            for subject in wanted:
                if subject in self._awake or subject in self._asleep:
                    continue
                sub = Subscription(self._account.system, subject, handler=self._handler)
                sub.asleep, sub.stream = True, self._stream
                self._asleep[subject] = sub
                yield from self._account.inserting(sub)
                if wanted is not self._wanted:
                    break
        self._take_over(wanted)
        self.is_changing = False
        self._settle()

    def _take_over(self, wanted: frozenset[bytes]) -> None:
        """Have the new ones hear from now on, and no others: what was decided before is void."""
        fresh = [*self._asleep.values()]
        there, self._asleep = self._awake | self._asleep, {}
        self._awake = {subject: there.pop(subject) for subject in wanted}
        self._account.replace([*there.values()], fresh)
