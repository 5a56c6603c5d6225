"""Whether all that the durable gave to a former run is here again, before anything new is sent.

The consumer says only how many messages are out. What left the stream meanwhile is not out any
more, but may be in the window; so what is in the window counts only if the stream still has it.
Knows JetStream as any client does. Truth: docs/uplink.md, "After every connect, and after every
start".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leafnode import limits
from leafnode.uplink.answers import Failure, Stored
from leafnode.uplink.local import LocalState, ask_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from leafnode.uplink.local import LocalStream
    from leafnode.uplink.mailbox import Mailbox
    from leafnode.uplink.newest import NewestFirst
    from leafnode.uplink.window import Window


class Back(NamedTuple):
    """What one look found."""

    local: LocalState
    missing: int  # messages that are out and not here
    gone: list[int]  # in the window, and not in the stream any more


class Recovery:
    """One look at a time. Once nothing is missing all that comes is known, until `begin`."""

    def __init__(self, local: LocalStream | NewestFirst, mailbox: Mailbox, stream: str) -> None:
        self._local = local
        self._mailbox = mailbox
        self._stream = stream
        self._round = 0
        self._is_over = False
        self._left: list[int] = []  # to be asked for
        self._asked = 0
        self._is_asking = False
        self._gone: list[int] = []

    def begin(self) -> None:
        """The stream is opened: whatever is out may be a former run's."""
        self._round += 1
        self._is_over = False

    def look(self, window: Window, then: Callable[[Back | Failure], None]) -> None:
        """Say how much is missing. Never less than there is: what leaves the stream between the
        answers counts as missing, and so does what comes between them.
        """
        self._round += 1
        number, before = self._round, [entry.seq for entry in window]

        def looked(local: LocalState | Failure) -> None:
            if number != self._round:
                return
            if isinstance(local, Failure):
                then(local)
            elif self._is_over or not local.consumer.num_ack_pending:
                end(local, window, [])
            else:
                self._look_up(before, local, lambda gone: found(local, gone))

        def found(local: LocalState, gone: list[int] | Failure) -> None:
            if isinstance(gone, Failure):
                then(gone)
                return
            here = [seq for seq in before if seq not in gone and window.get(seq) is not None]
            end(local, here, gone)

        def end(local: LocalState, here: Sized, gone: list[int]) -> None:
            missing = max(0, local.consumer.num_ack_pending - len(here))
            self._is_over |= not missing
            then(Back(local, missing, gone))

        self._local.look(looked)

    def _look_up(
        self, seqs: list[int], local: LocalState, then: Callable[[list[int] | Failure], None]
    ) -> None:
        """Say which of these the stream does not have any more."""
        state = local.stream.state
        left = [seq for seq in seqs if seq >= state.first_seq]
        self._gone = [seq for seq in seqs if seq < state.first_seq]
        has_holes = state.messages != state.last_seq + 1 - state.first_seq
        self._left = left if has_holes else []
        self._asked = 0
        self._go_on(then)

    def _go_on(self, then: Callable[[list[int] | Failure], None]) -> None:
        if self._is_asking:
            return  # an answer that came at once: the loop below goes on
        number, self._is_asking = self._round, True
        while self._left and self._asked < limits.UPLINK_PROBES_AT_ONCE:
            self._ask(self._left.pop(), number, then)
        self._is_asking = False
        if number == self._round and not self._asked:
            then(self._gone)

    def _ask(self, seq: int, number: int, then: Callable[[list[int] | Failure], None]) -> None:
        def found(stored: Stored | Failure | None) -> None:
            if number != self._round:
                return
            self._asked -= 1
            if isinstance(stored, Failure):
                self._round += 1
                self._left = []
                then(stored)
                return
            if stored is None or stored.seq != seq:
                self._gone.append(seq)
            self._go_on(then)

        self._asked += 1
        ask_message(self._mailbox, self._stream, seq, found)
